package jinja

import "strings"

//nolint:gochecknoglobals // immutable, and costly to make
var htmlEscaper = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

func escapeHTML(s string) string { return htmlEscaper.Replace(s) }

// likeString makes text a string of the same type as v, plain or marked.
func likeString(v Value, text string) Value {
	if _, ok := v.v.(markup); ok {
		return Value{markup(text)}
	}
	return String(text)
}

func isMarkup(v Value) bool {
	_, ok := v.v.(markup)
	return ok
}

// foreign is the text of v for use within the marked string self: escaped
// unless v is marked too. For a plain self it is just the text.
func foreign(self, v Value) (string, bool) {
	s, ok := v.AsString()
	if _, safe := self.v.(markup); safe {
		if _, marked := v.v.(markup); !marked {
			s = escapeHTML(s)
		}
	}
	return s, ok
}

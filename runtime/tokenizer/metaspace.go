package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// metaspace writes spaces as a visible character and may put one before the text.
type metaspace struct {
	mark    string // the visible character
	prepend string // always, first or never
	cut     bool   // also split before every mark
}

// parseMetaspace checks the settings that the pre-tokeniser and the decoder share.
func parseMetaspace(mark, scheme string, prefix *bool) (metaspace, error) {
	if utf8.RuneCountInString(mark) != 1 {
		return metaspace{}, fmt.Errorf("in Metaspace: replacement %q is not one character", mark)
	}
	if prefix != nil && !*prefix {
		if scheme != "" && scheme != "never" {
			return metaspace{}, fmt.Errorf("in Metaspace: add_prefix_space is false but prepend_scheme is %q", scheme)
		}
		scheme = "never"
	}
	switch scheme {
	case "":
		scheme = "always"
	case "always", "first", "never":
	default:
		return metaspace{}, fmt.Errorf("in Metaspace: unknown prepend_scheme %q", scheme)
	}
	return metaspace{mark: mark, prepend: scheme}, nil
}

func (n metaspace) split(p piece, emit func(piece)) {
	p.text = strings.ReplaceAll(p.text, " ", n.mark)
	wanted := n.prepend == "always" || n.prepend == "first" && p.head
	if wanted && !strings.HasPrefix(p.text, n.mark) {
		p.text = n.mark + p.text
	}
	if !n.cut {
		emit(p)
		return
	}
	start := 0
	literal(n.mark).each(p.text, func(at, _ int) {
		p.cut(start, at, emit)
		start = at
	})
	p.cut(start, len(p.text), emit)
}

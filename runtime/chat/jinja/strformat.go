package jinja

import (
	"strconv"
	"strings"
)

// formatter walks a format string of str.format.
type formatter struct {
	r    *run
	args args
	auto int // the next automatic field number; -1 once fields are numbered
}

// formatMethod is str.format; fields reach attributes only as templates do.
func formatMethod(r *run, self Value, a args) (Value, error) {
	s, _ := self.AsString()
	f := &formatter{r: r, args: a}
	text, err := f.run(self, s, 2)
	return likeString(self, text), err
}

func formatMapMethod(r *run, self Value, a args) (Value, error) {
	if err := a.positional("format_map()", 1, 1); err != nil {
		return Value{}, err
	}
	d, ok := a.pos[0].v.(*Dict)
	if !ok {
		return Value{}, failf("format_map() needs a mapping, not %s", typeName(a.pos[0]))
	}
	named := args{}
	for i, key := range d.keys {
		if name, ok := key.AsString(); ok {
			named.names, named.named = append(named.names, name), append(named.named, d.values[i])
		}
	}
	return formatMethod(r, self, named)
}

// run formats s; fields may nest in format specifications depth times.
func (f *formatter) run(self Value, s string, depth int) (string, error) {
	if depth == 0 {
		return "", failf("max string recursion exceeded")
	}
	out := buffer{b: &f.r.budget}
	for i := 0; i < len(s); {
		c := s[i]
		if c != '{' && c != '}' {
			end := strings.IndexAny(s[i:], "{}")
			if end < 0 {
				end = len(s) - i
			}
			if err := out.write(s[i : i+end]); err != nil {
				return "", err
			}
			i += end
			continue
		}
		if i+1 < len(s) && s[i+1] == c {
			if err := out.write(s[i : i+1]); err != nil {
				return "", err
			}
			i += 2
			continue
		}
		if c == '}' {
			return "", failf("single '}' encountered in format string")
		}
		end := closingBrace(s[i:])
		if end < 0 {
			return "", failf("expected '}' before end of string")
		}
		text, err := f.field(self, s[i+1:i+end], depth)
		if err != nil {
			return "", err
		}
		if err := out.write(text); err != nil {
			return "", err
		}
		i += end + 1
	}
	return out.String(), nil
}

// closingBrace finds the brace that ends the field at the start of s.
func closingBrace(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// field formats "name!conversion:spec".
func (f *formatter) field(self Value, s string, depth int) (string, error) {
	end := len(s)
	brackets := 0
	for i := range len(s) {
		if s[i] == '[' {
			brackets++
		} else if s[i] == ']' {
			brackets--
		} else if brackets <= 0 && (s[i] == ':' || s[i] == '!') {
			end = i
			break
		}
	}
	name, rest := s[:end], s[end:]
	v, err := f.lookup(name)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(rest, "!") {
		if len(rest) < 2 || len(rest) > 2 && rest[2] != ':' {
			return "", failf("expected ':' after conversion specifier")
		}
		var text string
		switch rest[1] {
		case 's':
			text, err = f.r.str(v)
		case 'r':
			text, err = f.r.repr(v)
		case 'a':
			text, err = f.r.repr(v)
			text = asciiOnly(text)
		default:
			err = failf("unknown conversion specifier '%c'", rest[1])
		}
		if err != nil {
			return "", err
		}
		v, rest = String(text), rest[2:]
	}
	specText, err := f.run(String(""), strings.TrimPrefix(rest, ":"), depth-1+boolInt(!strings.Contains(rest, "{")))
	if err != nil {
		return "", err
	}
	text, err := f.r.format(v, specText)
	if _, marked := v.v.(markup); err == nil && !marked && isMarkup(self) {
		text = escapeHTML(text)
	}
	return text, err
}

// format is Python's format(v, spec).
func (r *run) format(v Value, spec string) (string, error) {
	if spec == "" {
		return r.str(v)
	}
	parsed, err := parseSpec(spec)
	if err != nil {
		return "", err
	}
	return parsed.apply(r, v)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lookup resolves "0.attr[key]" against the arguments.
func (f *formatter) lookup(name string) (Value, error) {
	first := name
	if at := strings.IndexAny(name, ".["); at >= 0 {
		first = name[:at]
	}
	rest := name[len(first):]
	if first == "" && rest != "" { // jinja2's formatter numbers bare fields only
		return Value{}, failf("field of the format string has no name")
	}
	v, err := f.argument(first)
	for err == nil && rest != "" {
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			if end == 0 {
				return Value{}, failf("empty attribute in format string")
			}
			v, err = f.r.attr(v, rest[1:1+end])
			rest = rest[1+end:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		if rest[0] != '[' || end < 2 {
			return Value{}, failf("wrong field name in format string")
		}
		key := String(rest[1:end])
		if i, convErr := strconv.ParseInt(rest[1:end], 10, 64); convErr == nil && isDigit(rest[1]) {
			key = Int(i)
		}
		v, err = f.r.item(v, key)
		rest = rest[end+1:]
	}
	return v, err
}

func (f *formatter) argument(name string) (Value, error) {
	i, err := strconv.Atoi(name)
	switch {
	case name == "":
		if f.auto < 0 {
			return Value{}, failf("cannot switch from manual field specification to automatic field numbering")
		}
		i = f.auto
		f.auto++
	case err == nil && isDigit(name[0]):
		if f.auto > 0 {
			return Value{}, failf("cannot switch from automatic field numbering to manual field specification")
		}
		f.auto = -1
	default:
		v, ok := f.args.take(name)
		if !ok {
			return Value{}, failf("no argument '%.60s' for the format string", name)
		}
		return v, nil
	}
	if i >= len(f.args.pos) {
		return Value{}, failf("replacement index %d out of range for positional args tuple", i)
	}
	return f.args.pos[i], nil
}

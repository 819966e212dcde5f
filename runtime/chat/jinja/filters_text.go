package jinja

import (
	"math"
	"strings"
	"unicode"
)

func trimFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("trim", 0, "chars")
	if err != nil {
		return Value{}, err
	}
	x, s, err := r.soft(x)
	if err != nil {
		return Value{}, err
	}
	if s, err = r.strip(s, b.values[0], true, true); err != nil {
		return Value{}, err
	}
	return likeString(x, s), nil
}

// strip removes white space, or the characters of chars, from the ends.
func (r *run) strip(s string, chars Value, left, right bool) (string, error) {
	remove := isSpace
	if !chars.IsNull() {
		set, ok := chars.AsString()
		if !ok {
			return "", failf("strip arg must be None or str, not %s", typeName(chars))
		}
		if err := r.step(len(set)); err != nil {
			return "", err
		}
		in := map[rune]bool{}
		for _, c := range set {
			in[c] = true
		}
		remove = func(c rune) bool { return in[c] }
	}
	before := len(s)
	if left {
		s = strings.TrimLeftFunc(s, remove)
	}
	if right {
		s = strings.TrimRightFunc(s, remove)
	}
	return s, r.step((before - len(s)) / 8)
}

func replaceFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("replace", 2, "old", "new", "count")
	if err != nil {
		return Value{}, err
	}
	var text [3]string
	for i, v := range [...]Value{x, b.values[0], b.values[1]} {
		if text[i], err = r.str(v); err != nil {
			return Value{}, err
		}
	}
	count := int64(-1)
	if !b.values[2].IsNull() {
		if count, err = b.int(2, -1); err != nil {
			return Value{}, err
		}
	}
	s, err := r.replace(text[0], text[1], text[2], count)
	return String(s), err
}

// replace is strings.Replace within the budget.
func (r *run) replace(s, from, to string, count int64) (string, error) {
	if count < 0 || count > int64(len(s))+1 {
		count = int64(len(s)) + 1
	}
	if err := r.step(len(s) / 64); err != nil {
		return "", err
	}
	n := min(int64(strings.Count(s, from)), count)
	if n > 0 && int64(len(to)) > (math.MaxInt32*int64(8))/n {
		return "", r.text(-1)
	}
	if err := r.text(len(s) + int(n)*(len(to)-len(from))); err != nil {
		return "", err
	}
	return strings.Replace(s, from, to, int(n)), nil
}

func centerFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("center", 0, "width")
	if err != nil {
		return Value{}, err
	}
	x, s, err := r.soft(x)
	if err != nil {
		return Value{}, err
	}
	width, err := b.int(0, 80)
	if err != nil {
		return Value{}, err
	}
	s, err = r.pad(s, width, " ", padCenter)
	return likeString(x, s), err
}

type padSide int

const (
	padLeft padSide = iota // the text goes to the right
	padRight
	padCenter
)

// pad fills s up to width characters.
func (r *run) pad(s string, width int64, fill string, side padSide) (string, error) {
	missing := width - int64(runeCount(s))
	if missing <= 0 {
		return s, nil
	}
	if missing > int64(r.limits.Output) {
		return "", r.text(-1)
	}
	if err := r.text(len(s) + int(missing)*len(fill)); err != nil {
		return "", err
	}
	left := int64(0)
	switch side {
	case padLeft:
		left = missing
	case padCenter: // Python puts the odd one to the left if width is odd
		left = missing/2 + missing&width&1
	}
	return strings.Repeat(fill, int(left)) + s + strings.Repeat(fill, int(missing-left)), nil
}

// indentFilter indents every line but the first, and no blank ones.
func indentFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("indent", 0, "width", "first", "blank")
	if err != nil {
		return Value{}, err
	}
	s, ok := x.AsString()
	if !ok {
		if err := defined(x); err != nil {
			return Value{}, err
		}
		return Value{}, badOperands("+=", x, String(""))
	}
	indent, isText := b.values[0].AsString()
	if !isText {
		n, err := b.int(0, 4)
		if err != nil {
			return Value{}, err
		}
		if n > int64(r.limits.Output) {
			return Value{}, r.text(-1)
		}
		if indent, err = r.pad("", n, " ", padLeft); err != nil {
			return Value{}, err
		}
	} else if _, marked := x.v.(markup); marked {
		indent, _ = foreign(x, b.values[0])
	}
	lines, err := r.lines(s+"\n", false)
	if err != nil {
		return Value{}, err
	}
	out := buffer{b: &r.budget}
	for i, l := range lines {
		if i > 0 {
			if err := out.write("\n"); err != nil {
				return Value{}, err
			}
		}
		if i == 0 && truthy(b.values[1]) || i > 0 && (l != "" || truthy(b.values[2])) {
			if err := out.write(indent); err != nil {
				return Value{}, err
			}
		}
		if err := out.write(l); err != nil {
			return Value{}, err
		}
	}
	return likeString(x, out.String()), nil
}

// lines is str.splitlines.
func (r *run) lines(s string, keepEnds bool) ([]string, error) {
	if err := r.items(strings.Count(s, "\n") + 1); err != nil {
		return nil, err
	}
	var lines []string
	start := 0
	for i, c := range s {
		if i < start || !strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", c) {
			continue
		}
		end, next := i, i+len(string(c))
		if c == '\r' && strings.HasPrefix(s[next:], "\n") {
			next++
		}
		if keepEnds {
			end = next
		}
		lines = append(lines, s[start:end])
		start = next
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines, r.items(len(lines))
}

func truncateFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("truncate", 0, "length", "killwords", "end", "leeway")
	if err != nil {
		return Value{}, err
	}
	most, err := b.int(0, 255)
	if err != nil {
		return Value{}, err
	}
	end, ok := b.opt(2, String("...")).AsString()
	if !ok {
		return Value{}, failf("end must be str, not %s", typeName(b.values[2]))
	}
	leeway := int64(5)
	if !b.values[3].IsNull() {
		if leeway, err = b.int(3, 5); err != nil {
			return Value{}, err
		}
	}
	if most < int64(runeCount(end)) || leeway < 0 {
		return Value{}, failf("expected length >= %d, got %d", runeCount(end), most)
	}
	n, ok := length(x)
	if !ok {
		return Value{}, failf("object of type '%s' has no len()", typeName(x))
	}
	if int64(n)-leeway <= most {
		return x, nil
	}
	s, ok := x.AsString()
	if !ok {
		return Value{}, failf("truncate needs a string, not %s", typeName(x))
	}
	stop := most - int64(runeCount(end))
	cut, err := r.slice(String(s), [3]*int64{nil, &stop, nil})
	if err != nil {
		return Value{}, err
	}
	s, _ = cut.AsString()
	if at := strings.LastIndexByte(s, ' '); at >= 0 && !truthy(b.values[1]) {
		s = s[:at]
	}
	return likeString(x, s+end), nil
}

func wordcountFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("wordcount", 0, 0); err != nil {
		return Value{}, err
	}
	_, s, err := r.soft(x)
	if err != nil {
		return Value{}, err
	}
	if err := r.step(len(s) / 8); err != nil {
		return Value{}, err
	}
	words := strings.FieldsFunc(s, func(c rune) bool {
		return c != '_' && !unicode.IsLetter(c) && !unicode.IsNumber(c)
	})
	return intValue(len(words)), r.items(len(words))
}

func urlencodeFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("urlencode", 0, 0); err != nil {
		return Value{}, err
	}
	if _, isText := x.AsString(); isText || !iterable(x) {
		s, err := r.str(x)
		if err != nil {
			return Value{}, err
		}
		return String(quoteURL(s, false)), r.text(3 * len(s))
	}
	if d, ok := x.v.(*Dict); ok {
		x = Value{&view{"dict_items", d}}
	}
	pairs, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	out := buffer{b: &r.budget}
	for i, pair := range pairs {
		kv, err := r.iterate(pair)
		if err != nil {
			return Value{}, err
		}
		if len(kv) != 2 {
			return Value{}, failf("urlencode needs pairs, got %d values", len(kv))
		}
		key, err := r.str(kv[0])
		if err != nil {
			return Value{}, err
		}
		value, err := r.str(kv[1])
		if err != nil {
			return Value{}, err
		}
		part := quoteURL(key, true) + "=" + quoteURL(value, true)
		if i > 0 {
			part = "&" + part
		}
		if err := out.write(part); err != nil {
			return Value{}, err
		}
	}
	return String(out.String()), nil
}

// quoteURL is urllib.parse.quote; in a query also '/' is quoted, and a space
// becomes '+'.
func quoteURL(s string, query bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', isDigit(c), strings.IndexByte("_.-~", c) >= 0, c == '/' && !query:
			b.WriteByte(c)
		case c == ' ' && query:
			b.WriteByte('+')
		default:
			b.WriteString("%" + strings.ToUpper(hex(rune(c), 2)))
		}
	}
	return b.String()
}

// wordwrapFilter wraps each line at white space (Python's textwrap without
// breaking at hyphens, which is refused).
func wordwrapFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("wordwrap", 0, "width", "break_long_words", "wrapstring", "break_on_hyphens")
	if err != nil {
		return Value{}, err
	}
	s, ok := x.AsString()
	if !ok {
		return Value{}, failf("wordwrap needs a string, not %s", typeName(x))
	}
	if strings.Contains(s, "-") && truthy(b.opt(3, Bool(true))) {
		return Value{}, failf("wordwrap of text with hyphens is not supported; pass break_on_hyphens=false")
	}
	width, err := b.int(0, 79)
	if err != nil {
		return Value{}, err
	}
	if width <= 0 {
		return Value{}, failf("invalid width %d (must be > 0)", width)
	}
	sep, _ := b.opt(2, String("\n")).AsString()
	lines, err := r.lines(s, false)
	if err != nil {
		return Value{}, err
	}
	out := buffer{b: &r.budget}
	for i, l := range lines {
		wrapped := wrapLine(l, int(min(width, math.MaxInt32)), truthy(b.opt(1, Bool(true))))
		if err := r.items(len(wrapped)); err != nil {
			return Value{}, err
		}
		text := strings.Join(wrapped, sep)
		if i > 0 {
			text = sep + text
		}
		if err := out.write(text); err != nil {
			return Value{}, err
		}
	}
	return String(out.String()), nil
}

// wrapLine wraps one line; white space at the ends of the lines is dropped,
// except at the very beginning.
func wrapLine(s string, width int, breakLong bool) []string {
	var lines []string
	var line []rune
	flush := func() {
		if text := strings.TrimRight(string(line), " \t\v\f"); text != "" || len(lines) > 0 && len(line) > 0 && text != "" {
			lines = append(lines, text)
		}
		line = nil
	}
	for _, chunk := range chunks(s) {
		blank := chunk[0] == ' ' || chunk[0] == '\t' || chunk[0] == '\v' || chunk[0] == '\f'
		if blank && len(line) == 0 && len(lines) > 0 {
			continue
		}
		if len(line)+len(chunk) <= width {
			line = append(line, chunk...)
			continue
		}
		if len(chunk) > width && breakLong {
			for len(line)+len(chunk) > width {
				n := width - len(line)
				line = append(line, chunk[:n]...)
				chunk = chunk[n:]
				flush()
			}
			line = append(line, chunk...)
			continue
		}
		flush()
		if !blank || len(lines) == 0 {
			line = append(line, chunk...)
		}
	}
	flush()
	return lines
}

// chunks cuts s into runs of white space and of other characters.
func chunks(s string) [][]rune {
	var all [][]rune
	for _, c := range s {
		blank := strings.ContainsRune(" \t\v\f", c)
		if n := len(all); n > 0 && strings.ContainsRune(" \t\v\f", all[n-1][0]) == blank {
			all[n-1] = append(all[n-1], c)
		} else {
			all = append(all, []rune{c})
		}
	}
	return all
}

package jinja

import (
	"strings"
	"unicode"
)

// stringMethods are the methods of Python's str that templates use.
func stringMethods(name string) methodFunc {
	switch name {
	case "upper":
		return textMethod(upper)
	case "lower":
		return textMethod(lower)
	case "casefold":
		return textMethod(func(s string) string { return strings.ReplaceAll(lower(s), "ß", "ss") })
	case "capitalize":
		return textMethod(capitalize)
	case "title":
		return textMethod(titleMethod)
	case "swapcase":
		return textMethod(swapcase)
	case "strip":
		return stripMethod(true, true)
	case "lstrip":
		return stripMethod(true, false)
	case "rstrip":
		return stripMethod(false, true)
	case "split":
		return splitMethod(false)
	case "rsplit":
		return splitMethod(true)
	case "splitlines":
		return splitlinesMethod
	case "partition":
		return partitionMethod(false)
	case "rpartition":
		return partitionMethod(true)
	case "join":
		return joinMethod
	case "replace":
		return replaceMethod
	case "removeprefix":
		return removeMethod(strings.TrimPrefix)
	case "removesuffix":
		return removeMethod(strings.TrimSuffix)
	case "startswith":
		return affixMethod(strings.HasPrefix)
	case "endswith":
		return affixMethod(strings.HasSuffix)
	case "find":
		return findMethod(strings.Index, false)
	case "rfind":
		return findMethod(strings.LastIndex, false)
	case "index":
		return findMethod(strings.Index, true)
	case "rindex":
		return findMethod(strings.LastIndex, true)
	case "count":
		return countTextMethod
	case "center":
		return padMethod(padCenter)
	case "ljust":
		return padMethod(padRight)
	case "rjust":
		return padMethod(padLeft)
	case "zfill":
		return zfillMethod
	case "expandtabs":
		return expandtabsMethod
	case "format":
		return formatMethod
	case "format_map":
		return formatMapMethod
	}
	return stringPredicates(name)
}

// stringPredicates are the methods that tell of what kind all characters are.
func stringPredicates(name string) methodFunc {
	all := func(f func(rune) bool) methodFunc {
		return predicate(func(s string) bool { return s != "" && strings.IndexFunc(s, func(c rune) bool { return !f(c) }) < 0 })
	}
	switch name {
	case "isspace":
		return all(isSpace)
	case "isalpha":
		return all(unicode.IsLetter)
	case "isdigit":
		return all(isPyDigit)
	case "isdecimal":
		return all(unicode.IsDigit)
	case "isnumeric":
		return all(unicode.IsNumber)
	case "isalnum":
		return all(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) })
	case "isascii":
		return predicate(isASCII)
	case "isprintable":
		return predicate(func(s string) bool {
			return strings.IndexFunc(s, func(c rune) bool { return c != ' ' && !unicode.IsPrint(c) }) < 0
		})
	case "islower":
		return predicate(func(s string) bool { return isCase(s, unicode.IsLower, unicode.IsUpper) })
	case "isupper":
		return predicate(func(s string) bool { return isCase(s, unicode.IsUpper, unicode.IsLower) })
	case "istitle":
		return predicate(func(s string) bool { return strings.IndexFunc(s, unicode.IsUpper) >= 0 && titleMethod(s) == s })
	case "isidentifier":
		return predicate(isIdentifier)
	}
	return nil
}

// isPyDigit: decimal digits, and superscripts, which count as digits as well.
func isPyDigit(c rune) bool {
	return unicode.IsDigit(c) || c == '²' || c == '³' || c == '¹' || c == '⁰' || c >= '⁴' && c <= '⁹' || c >= '₀' && c <= '₉'
}

func isIdentifier(s string) bool {
	for i, c := range s {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c) && !unicode.Is(unicode.Mn, c)) {
			return false
		}
	}
	return s != ""
}

func predicate(f func(string) bool) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		if err := a.positional("method", 0, 0); err != nil {
			return Value{}, err
		}
		s, _ := self.AsString()
		return Bool(f(s)), r.step(len(s) / 8)
	}
}

func textMethod(f func(string) string) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		if err := a.positional("method", 0, 0); err != nil {
			return Value{}, err
		}
		s, _ := self.AsString()
		if err := r.text(2 * len(s)); err != nil {
			return Value{}, err
		}
		return likeString(self, f(s)), nil
	}
}

func stripMethod(left, right bool) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		if err := a.positional("strip()", 0, 1); err != nil {
			return Value{}, err
		}
		var chars Value
		if len(a.pos) == 1 {
			chars = a.pos[0]
		}
		s, _ := self.AsString()
		s, err := r.strip(s, chars, left, right)
		return likeString(self, s), err
	}
}

// textArgs reads arguments that must all be strings.
func textArgs(fn string, self Value, a args, n int) ([]string, error) {
	if err := a.positional(fn, n, n); err != nil {
		return nil, err
	}
	texts := make([]string, n)
	for i, v := range a.pos {
		s, ok := foreign(self, v)
		if !ok {
			return nil, failf("%s needs a string, not %s", fn, typeName(v))
		}
		texts[i] = s
	}
	return texts, nil
}

func replaceMethod(r *run, self Value, a args) (Value, error) {
	count := int64(-1)
	if len(a.pos) == 3 && len(a.names) == 0 {
		n, ok := a.pos[2].index()
		if !ok {
			return Value{}, failf("'%s' object cannot be interpreted as an integer", typeName(a.pos[2]))
		}
		count = n
		a.pos = a.pos[:2]
	}
	texts, err := textArgs("replace()", self, a, 2)
	if err != nil {
		return Value{}, err
	}
	s, _ := self.AsString()
	from, _ := a.pos[0].AsString() // only the replacement is escaped
	s, err = r.replace(s, from, texts[1], count)
	return likeString(self, s), err
}

func removeMethod(trim func(s, part string) string) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		texts, err := textArgs("removeprefix() or removesuffix()", String(""), a, 1)
		if err != nil {
			return Value{}, err
		}
		s, _ := self.AsString()
		return likeString(self, trim(s, texts[0])), nil
	}
}

func joinMethod(r *run, self Value, a args) (Value, error) {
	if err := a.positional("join()", 1, 1); err != nil {
		return Value{}, err
	}
	items, err := r.iterate(a.pos[0])
	if err != nil {
		return Value{}, err
	}
	sep, _ := self.AsString()
	out := buffer{b: &r.budget}
	for i, item := range items {
		text, ok := foreign(self, item)
		if !ok {
			return Value{}, failf("sequence item %d: expected str instance, %s found", i, typeName(item))
		}
		if i > 0 {
			if err := out.write(sep); err != nil {
				return Value{}, err
			}
		}
		if err := out.write(text); err != nil {
			return Value{}, err
		}
	}
	return likeString(self, out.String()), nil
}

func padMethod(side padSide) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		if err := a.positional("method", 1, 2); err != nil {
			return Value{}, err
		}
		width, ok := a.pos[0].index()
		fill := " "
		if ok && len(a.pos) == 2 {
			fill, ok = a.pos[1].AsString()
			ok = ok && runeCount(fill) == 1
		}
		if !ok {
			return Value{}, failf("needs a width and one fill character")
		}
		s, _ := self.AsString()
		s, err := r.pad(s, width, fill, side)
		return likeString(self, s), err
	}
}

func zfillMethod(r *run, self Value, a args) (Value, error) {
	if err := a.positional("zfill()", 1, 1); err != nil {
		return Value{}, err
	}
	width, ok := a.pos[0].index()
	if !ok {
		return Value{}, failf("'%s' object cannot be interpreted as an integer", typeName(a.pos[0]))
	}
	s, _ := self.AsString()
	sign := ""
	if strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") {
		sign, s = s[:1], s[1:]
	}
	s, err := r.pad(s, width-int64(len(sign)), "0", padLeft)
	return likeString(self, sign+s), err
}

func expandtabsMethod(r *run, self Value, a args) (Value, error) {
	b, err := a.bind("expandtabs()", 0, "tabsize")
	if err != nil {
		return Value{}, err
	}
	size, err := b.int(0, 8)
	if err != nil {
		return Value{}, err
	}
	s, _ := self.AsString()
	out := buffer{b: &r.budget}
	column := int64(0)
	for _, c := range s {
		text := string(c)
		column++
		switch {
		case c == '\n' || c == '\r':
			column = 0
		case c == '\t':
			column--
			n := int64(0)
			if size > 0 {
				n = size - column%size
			}
			if text, err = r.pad("", n, " ", padLeft); err != nil {
				return Value{}, err
			}
			column += n
		}
		if err := out.write(text); err != nil {
			return Value{}, err
		}
	}
	return likeString(self, out.String()), nil
}

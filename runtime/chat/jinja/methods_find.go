package jinja

import "strings"

// within cuts s to the optional start and end arguments, in characters, and
// returns the byte offset of the part; ok is false if start lies beyond s.
func (r *run) within(s string, a []Value) (part string, offset int, ok bool, err error) {
	if len(a) == 0 {
		return s, 0, true, r.step(len(s) / 64)
	}
	var bounds [2]*int64
	for i, v := range a {
		if v.IsNull() {
			continue
		}
		at, ok := v.index()
		if !ok {
			return "", 0, false, failf("slice indices must be integers or None")
		}
		bounds[i] = &at
	}
	n := int64(runeCount(s))
	if bounds[0] != nil && *bounds[0] > n {
		return "", 0, false, nil
	}
	start, stop := sliceRange(n, bounds[0], bounds[1], 1)
	if stop < start {
		return "", 0, false, nil
	}
	from, to := byteOffset(s, start), byteOffset(s, stop)
	return s[from:to], from, true, r.step(len(s) / 16)
}

// byteOffset is where the i-th character of s begins.
func byteOffset(s string, i int64) int {
	for at := range s {
		if i == 0 {
			return at
		}
		i--
	}
	return len(s)
}

// affixMethod makes startswith and endswith, which also take a tuple.
func affixMethod(has func(s, affix string) bool) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		if err := a.positional("startswith() or endswith()", 1, 3); err != nil {
			return Value{}, err
		}
		s, _ := self.AsString()
		part, _, ok, err := r.within(s, a.pos[1:])
		if err != nil {
			return Value{}, err
		}
		options := []Value{a.pos[0]}
		if t, isTuple := a.pos[0].v.(*tuple); isTuple {
			options = t.items
		}
		for _, option := range options {
			affix, isText := option.AsString()
			if !isText {
				return Value{}, failf("startswith and endswith need a string or a tuple of strings, not %s", typeName(option))
			}
			if err := r.step(1 + len(affix)/64); err != nil {
				return Value{}, err
			}
			if ok && has(part, affix) {
				return Bool(true), nil
			}
		}
		return Bool(false), nil
	}
}

// findMethod makes find, rfind, index and rindex.
func findMethod(find func(s, part string) int, must bool) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		if err := a.positional("find() or index()", 1, 3); err != nil {
			return Value{}, err
		}
		want, isText := a.pos[0].AsString()
		if !isText {
			return Value{}, failf("must be str, not %s", typeName(a.pos[0]))
		}
		s, _ := self.AsString()
		part, offset, ok, err := r.within(s, a.pos[1:])
		if err != nil {
			return Value{}, err
		}
		at := -1
		if ok {
			at = find(part, want)
		}
		if at >= 0 {
			return intValue(runeCount(s[:offset+at])), nil
		}
		if must {
			return Value{}, failf("substring not found")
		}
		return Int(-1), nil
	}
}

func countTextMethod(r *run, self Value, a args) (Value, error) {
	if err := a.positional("count()", 1, 3); err != nil {
		return Value{}, err
	}
	want, isText := a.pos[0].AsString()
	if !isText {
		return Value{}, failf("must be str, not %s", typeName(a.pos[0]))
	}
	s, _ := self.AsString()
	part, _, ok, err := r.within(s, a.pos[1:])
	if err != nil || !ok {
		return Int(0), err
	}
	return intValue(strings.Count(part, want)), nil
}

// splitMethod makes split and rsplit.
func splitMethod(fromRight bool) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		b, err := a.bind("split()", 0, "sep", "maxsplit")
		if err != nil {
			return Value{}, err
		}
		most, err := b.int(1, -1)
		if err != nil {
			return Value{}, err
		}
		s, _ := self.AsString()
		if most < 0 || most > int64(len(s)) {
			most = int64(len(s)) + 1
		}
		var parts []string
		if b.values[0].IsNull() {
			parts = splitSpace(s, int(most), fromRight)
		} else {
			sep, ok := b.values[0].AsString()
			if !ok {
				return Value{}, failf("must be str or None, not %s", typeName(b.values[0]))
			}
			if sep == "" {
				return Value{}, failf("empty separator")
			}
			parts = splitBy(s, sep, int(most), fromRight)
		}
		return r.texts(self, parts)
	}
}

// texts makes a list of strings of the same type as self.
func (r *run) texts(self Value, parts []string) (Value, error) {
	if err := r.items(len(parts)); err != nil {
		return Value{}, err
	}
	items := make([]Value, len(parts))
	for i, part := range parts {
		items[i] = likeString(self, part)
	}
	return List(items...), nil
}

func splitBy(s, sep string, most int, fromRight bool) []string {
	if !fromRight {
		return strings.SplitN(s, sep, most+1)
	}
	var back []string
	for len(back) < most {
		at := strings.LastIndex(s, sep)
		if at < 0 {
			break
		}
		back = append(back, s[at+len(sep):])
		s = s[:at]
	}
	return reversed(append(back, s))
}

func reversed(parts []string) []string {
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return parts
}

// splitSpace splits at runs of white space, of which those at the ends give no
// parts. What is left after most cuts stays as it is.
func splitSpace(s string, most int, fromRight bool) []string {
	var parts []string
	if fromRight {
		for s = strings.TrimRightFunc(s, isSpace); s != ""; s = strings.TrimRightFunc(s, isSpace) {
			at := strings.LastIndexFunc(s, isSpace)
			if at < 0 || len(parts) == most {
				return reversed(append(parts, s))
			}
			_, after := cutRune(s[at:])
			parts = append(parts, after)
			s = s[:at]
		}
		return reversed(parts)
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
		at := strings.IndexFunc(s, isSpace)
		if at < 0 || len(parts) == most {
			return append(parts, s)
		}
		parts = append(parts, s[:at])
		s = s[at:]
	}
	return parts
}

func splitlinesMethod(r *run, self Value, a args) (Value, error) {
	b, err := a.bind("splitlines()", 0, "keepends")
	if err != nil {
		return Value{}, err
	}
	s, _ := self.AsString()
	parts, err := r.lines(s, truthy(b.values[0]))
	if err != nil {
		return Value{}, err
	}
	return r.texts(self, parts)
}

func partitionMethod(fromRight bool) methodFunc {
	return func(r *run, self Value, a args) (Value, error) {
		texts, err := textArgs("partition()", String(""), a, 1)
		if err != nil {
			return Value{}, err
		}
		if texts[0] == "" {
			return Value{}, failf("empty separator")
		}
		s, _ := self.AsString()
		if err := r.step(len(s) / 64); err != nil {
			return Value{}, err
		}
		parts := [3]string{s, "", ""}
		if fromRight {
			parts = [3]string{"", "", s}
			if at := strings.LastIndex(s, texts[0]); at >= 0 {
				parts = [3]string{s[:at], texts[0], s[at+len(texts[0]):]}
			}
		} else if before, after, ok := strings.Cut(s, texts[0]); ok {
			parts = [3]string{before, texts[0], after}
		}
		return newTuple(likeString(self, parts[0]), likeString(self, parts[1]), likeString(self, parts[2])), nil
	}
}

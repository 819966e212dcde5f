package jinja

import (
	"sort"
	"strings"
)

// group is what groupby yields: a pair that also has names.
type group struct {
	key   Value
	items []Value
}

// sortKey gives what an item is compared by: the value itself, an attribute,
// or several attributes separated by commas; strings in lower case unless
// case matters.
type sortKey struct {
	path          Value // null: the item itself
	def           Value
	caseSensitive bool
	multi         bool
}

func (k sortKey) of(r *run, item Value) (Value, error) {
	if !k.multi {
		return k.single(r, item, k.path)
	}
	paths := []Value{k.path}
	if s, ok := k.path.AsString(); ok {
		paths = paths[:0]
		for _, part := range strings.Split(s, ",") {
			paths = append(paths, String(part))
		}
	}
	if err := r.items(len(paths)); err != nil {
		return Value{}, err
	}
	keys := make([]Value, len(paths))
	for i, path := range paths {
		var err error
		if keys[i], err = k.single(r, item, path); err != nil {
			return Value{}, err
		}
	}
	return List(keys...), nil
}

func (k sortKey) single(r *run, item, path Value) (Value, error) {
	if !path.IsNull() {
		var err error
		if item, err = r.attrPath(item, path, k.def, !k.def.IsNull()); err != nil {
			return Value{}, err
		}
	}
	if s, ok := item.AsString(); ok && !k.caseSensitive {
		if err := r.text(len(s)); err != nil {
			return Value{}, err
		}
		return String(lower(s)), nil
	}
	return item, nil
}

// sorted sorts items by key and keeps the order of equal ones.
func (r *run) sorted(items []Value, k sortKey, reverse bool) ([]Value, error) {
	if err := r.items(3 * len(items)); err != nil {
		return nil, err
	}
	type pair struct{ key, item Value }
	pairs := make([]pair, len(items))
	for i, item := range items {
		key, err := k.of(r, item)
		if err != nil {
			return nil, err
		}
		pairs[i] = pair{key, item}
	}
	var failed error
	sort.SliceStable(pairs, func(i, j int) bool {
		if failed != nil {
			return false
		}
		a, b := pairs[i].key, pairs[j].key
		if reverse {
			a, b = b, a
		}
		c, ordered, err := r.order("<", a, b, 0)
		failed = err
		return ordered && c < 0
	})
	if failed != nil {
		return nil, failed
	}
	result := make([]Value, len(items))
	for i, p := range pairs {
		result[i] = p.item
	}
	return result, nil
}

func sortFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("sort", 0, "reverse", "case_sensitive", "attribute")
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	key := sortKey{path: b.values[2], caseSensitive: truthy(b.values[1]), multi: true}
	items, err = r.sorted(items, key, truthy(b.values[0]))
	return List(items...), err
}

func dictsortFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("dictsort", 0, "case_sensitive", "by", "reverse")
	if err != nil {
		return Value{}, err
	}
	if err := defined(x); err != nil {
		return Value{}, err
	}
	d, ok := x.v.(*Dict)
	if !ok {
		return Value{}, failf("'%s' object has no attribute 'items'", typeName(x))
	}
	by, _ := b.opt(1, String("key")).AsString()
	at := map[string]int64{"key": 0, "value": 1}
	pos, ok := at[by]
	if !ok {
		return Value{}, failf(`you can only sort by either "key" or "value"`)
	}
	if err := r.items(2 * d.Len()); err != nil {
		return Value{}, err
	}
	pairs := (&view{"dict_items", d}).items()
	items, err := r.sorted(pairs, sortKey{path: Int(pos), caseSensitive: truthy(b.values[0])}, truthy(b.values[2]))
	return List(items...), err
}

func uniqueFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("unique", 0, "case_sensitive", "attribute")
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	if err := r.items(2 * len(items)); err != nil {
		return Value{}, err
	}
	key := sortKey{path: b.values[1], caseSensitive: truthy(b.values[0])}
	seen := map[any]bool{}
	var kept []Value
	for _, item := range items {
		v, err := key.of(r, item)
		if err != nil {
			return Value{}, err
		}
		hash, err := hashKey(&r.budget, v)
		if err != nil {
			return Value{}, err
		}
		if !seen[hash] {
			seen[hash] = true
			kept = append(kept, item)
		}
	}
	return generator(kept), nil
}

// extremeFilter makes min ("<") or max (">").
func extremeFilter(op string) filterFunc {
	return func(r *run, x Value, a args) (Value, error) {
		b, err := a.bind("min or max", 0, "case_sensitive", "attribute")
		if err != nil {
			return Value{}, err
		}
		items, err := r.iterate(x)
		if err != nil {
			return Value{}, err
		}
		if len(items) == 0 {
			return undefinedHint("No aggregated item, sequence was empty."), nil
		}
		key := sortKey{path: b.values[1], caseSensitive: truthy(b.values[0])}
		best := items[0]
		bestKey, err := key.of(r, best)
		if err != nil {
			return Value{}, err
		}
		for _, item := range items[1:] {
			k, err := key.of(r, item)
			if err != nil {
				return Value{}, err
			}
			better, err := r.compareOp(op, k, bestKey)
			if err != nil {
				return Value{}, err
			}
			if better {
				best, bestKey = item, k
			}
		}
		return best, nil
	}
}

// groupbyFilter sorts by an attribute and collects the items that share it.
func groupbyFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("groupby", 1, "attribute", "default", "case_sensitive")
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	key := sortKey{path: b.values[0], def: b.values[1], caseSensitive: truthy(b.values[2])}
	if items, err = r.sorted(items, key, false); err != nil {
		return Value{}, err
	}
	var groups []Value
	var last *group
	var lastKey Value
	for _, item := range items {
		k, err := key.of(r, item)
		if err != nil {
			return Value{}, err
		}
		same := false
		if last != nil {
			if same, err = r.equal(k, lastKey, 0); err != nil {
				return Value{}, err
			}
		}
		if !same {
			shown := key
			shown.caseSensitive = true // the group is named as its first item spells it
			name, err := shown.of(r, item)
			if err != nil {
				return Value{}, err
			}
			last, lastKey = &group{key: name}, k
			groups = append(groups, Value{last})
		}
		last.items = append(last.items, item)
	}
	return List(groups...), nil
}

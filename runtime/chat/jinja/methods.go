package jinja

// numberMethods are the few methods of numbers.
func numberMethods(name string) methodFunc {
	if name != "is_integer" {
		return nil
	}
	return func(_ *run, self Value, a args) (Value, error) {
		f, ok := self.v.(float64)
		if !ok {
			return Value{}, failf("'%s' object has no attribute 'is_integer'", typeName(self))
		}
		return Bool(f == float64(int64(f))), a.positional("is_integer()", 0, 0)
	}
}

// mutatesList tells the methods that the sandbox hides.
func mutatesList(name string) bool {
	switch name {
	case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove":
		return true
	}
	return false
}

func mutatesDict(name string) bool {
	switch name {
	case "clear", "pop", "popitem", "setdefault", "update":
		return true
	}
	return false
}

func listMethods(name string) methodFunc {
	if name == "copy" {
		return func(_ *run, self Value, a args) (Value, error) {
			return self, a.positional("copy()", 0, 0)
		}
	}
	return tupleMethods(name)
}

func tupleMethods(name string) methodFunc {
	switch name {
	case "index":
		return indexMethod
	case "count":
		return countMethod
	}
	return nil
}

func indexMethod(r *run, self Value, a args) (Value, error) {
	if err := a.positional("index()", 1, 3); err != nil {
		return Value{}, err
	}
	items, _ := self.sequence()
	bounds := [3]*int64{}
	for i, v := range a.pos[1:] {
		at, ok := v.index()
		if !ok {
			return Value{}, failf("slice indices must be integers")
		}
		bounds[i] = &at
	}
	start, stop := sliceRange(int64(len(items)), bounds[0], bounds[1], 1)
	for i := start; i < stop; i++ {
		eq, err := r.equal(items[i], a.pos[0], 0)
		if err != nil {
			return Value{}, err
		}
		if eq {
			return Int(i), nil
		}
	}
	return Value{}, failf("value is not in %s", typeName(self))
}

func countMethod(r *run, self Value, a args) (Value, error) {
	if err := a.positional("count()", 1, 1); err != nil {
		return Value{}, err
	}
	items, _ := self.sequence()
	n := 0
	for _, item := range items {
		eq, err := r.equal(item, a.pos[0], 0)
		if err != nil {
			return Value{}, err
		}
		if eq {
			n++
		}
	}
	return intValue(n), nil
}

func dictMethods(name string) methodFunc {
	switch name {
	case "get":
		return getMethod
	case "items", "keys", "values":
		return func(_ *run, self Value, a args) (Value, error) {
			return Value{&view{"dict_" + name, self.Map()}}, a.positional(name+"()", 0, 0)
		}
	case "copy":
		return func(r *run, self Value, a args) (Value, error) {
			if err := a.positional("copy()", 0, 0); err != nil {
				return Value{}, err
			}
			d := NewDict()
			err := r.update(d, self)
			return d.Value(), err
		}
	}
	return nil
}

func getMethod(r *run, self Value, a args) (Value, error) {
	if err := a.positional("get()", 1, 2); err != nil {
		return Value{}, err
	}
	v, ok, err := self.Map().lookup(&r.budget, a.pos[0])
	switch {
	case err != nil || ok:
		return v, err
	case len(a.pos) == 2:
		return a.pos[1], nil
	}
	return Null(), nil
}

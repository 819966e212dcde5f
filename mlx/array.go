package mlx

// handle is the address of a C++ cell that holds an array; 0 is null.
type handle uintptr

// Array refers to an array that a Graph owns. It is a small value to be copied
// freely, valid until its graph is closed. The zero Array is null: it stands
// for "absent" where a parameter is optional, and is what operations return
// after an error.
type Array struct {
	owner *Graph
	h     handle
}

// Valid reports whether a is not null and its graph is open.
func (a Array) Valid() bool { return a.h != 0 && !a.owner.closed }

// Shape returns the dimensions in a new slice, nil for a null array.
func (a Array) Shape() []int {
	if !a.Valid() {
		return nil
	}
	return cellShape(a.h)
}

// Dim returns the length of one axis; negative axes count from the end. A null
// array and an axis out of range give 0.
func (a Array) Dim(axis int) int {
	shape := a.Shape()
	if axis < 0 {
		axis += len(shape)
	}
	if axis < 0 || axis >= len(shape) {
		return 0
	}
	return shape[axis]
}

// Size returns the number of elements, 0 for a null array.
func (a Array) Size() int {
	if !a.Valid() {
		return 0
	}
	n := 1
	for _, d := range cellShape(a.h) {
		n *= d
	}
	return n
}

// Dtype returns the type of the elements. It is Bool for a null array.
func (a Array) Dtype() Dtype {
	if !a.Valid() {
		return Bool
	}
	return cellDtype(a.h)
}

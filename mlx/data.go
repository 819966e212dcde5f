package mlx

import (
	"fmt"
	"unsafe"
)

// FromBytes copies data, the elements in row-major order and in the byte order
// of this machine, into an array. Its length must be that of shape and dtype.
func (g *Graph) FromBytes(data []byte, d Dtype, shape ...int) Array {
	if !g.begin() {
		return Array{}
	}
	n, err := byteSize(d, shape)
	if err == nil && n != len(data) {
		err = fmt.Errorf("%v %v takes %d bytes, got %d", d, shape, n, len(data))
	}
	if err != nil {
		g.fail("from bytes", err)
		return Array{}
	}
	g.int(shape...)
	h, err := fromBytes(g.c, data, d, g.ints)
	if err != nil {
		g.fail("", err)
		return Array{}
	}
	return Array{owner: g, h: h}
}

// Empty returns an array of whatever the memory holds. Large ones cost nothing
// until they are written: the system maps the pages then.
func (g *Graph) Empty(d Dtype, shape ...int) Array {
	if !g.begin() {
		return Array{}
	}
	n, err := byteSize(d, shape)
	if err != nil {
		g.fail("empty", err)
		return Array{}
	}
	g.int(shape...)
	h, err := empty(g.c, n, d, g.ints)
	if err != nil {
		g.fail("", err)
		return Array{}
	}
	return Array{owner: g, h: h}
}

// byteSize multiplies without overflow.
func byteSize(d Dtype, shape []int) (int, error) {
	n := d.Size()
	if n == 0 {
		return 0, fmt.Errorf("unknown type %v", d)
	}
	const most = 1 << 46
	for _, dim := range shape {
		if dim < 0 || dim > 1<<31-1 || (dim > 0 && n > most/dim) {
			return 0, fmt.Errorf("shape %v is negative or too large", shape)
		}
		n *= dim
	}
	return n, nil
}

// FromFloat32s copies values into a Float32 array.
func (g *Graph) FromFloat32s(values []float32, shape ...int) Array {
	return g.FromBytes(asBytes(values), Float32, shape...)
}

// FromInt32s copies values into an Int32 array.
func (g *Graph) FromInt32s(values []int32, shape ...int) Array {
	return g.FromBytes(asBytes(values), Int32, shape...)
}

// FromUint32s copies values into a Uint32 array.
func (g *Graph) FromUint32s(values []uint32, shape ...int) Array {
	return g.FromBytes(asBytes(values), Uint32, shape...)
}

// FromBools copies values into a Bool array.
func (g *Graph) FromBools(values []bool, shape ...int) Array {
	return g.FromBytes(asBytes(values), Bool, shape...)
}

// Full returns an array of one value.
func (g *Graph) Full(v float64, d Dtype, shape ...int) Array {
	if !g.begin() {
		return Array{}
	}
	g.int(int(d))
	g.int(shape...)
	g.floats = append(g.floats, v)
	return g.one(opFull)
}

// Zeros returns an array of zeros.
func (g *Graph) Zeros(d Dtype, shape ...int) Array { return g.Full(0, d, shape...) }

// Scalar returns an array without axes.
func (g *Graph) Scalar(v float64, d Dtype) Array { return g.Full(v, d) }

// Arange returns start, start+1, … below stop.
func (g *Graph) Arange(start, stop int, d Dtype) Array {
	if !g.begin() {
		return Array{}
	}
	g.int(start, stop, int(d))
	return g.one(opArange)
}

// Float32s evaluates a and returns its elements in row-major order, converted
// if a has another type. The slice is the caller's.
func (g *Graph) Float32s(a Array) ([]float32, error) {
	values := make([]float32, a.Size())
	if err := g.ReadFloat32s(values, a); err != nil {
		return nil, err
	}
	return values, nil
}

// ReadFloat32s is Float32s into dst, which must be as long as a.
func (g *Graph) ReadFloat32s(dst []float32, a Array) error { return g.read(asBytes(dst), a, Float32) }

// Int32s evaluates a and returns its elements in row-major order, converted if
// a has another type. The slice is the caller's.
func (g *Graph) Int32s(a Array) ([]int32, error) {
	values := make([]int32, a.Size())
	if err := g.read(asBytes(values), a, Int32); err != nil {
		return nil, err
	}
	return values, nil
}

// Bytes evaluates a and returns the bytes of its elements in row-major order.
// The slice is the caller's.
func (g *Graph) Bytes(a Array) ([]byte, error) {
	data := make([]byte, a.Size()*a.Dtype().Size())
	if err := g.read(data, a, a.Dtype()); err != nil {
		return nil, err
	}
	return data, nil
}

func (g *Graph) read(dst []byte, a Array, d Dtype) error {
	if !g.begin(a) {
		return g.err
	}
	if err := readCell(g.c, a.h, d, dst); err != nil {
		g.fail("", err)
	}
	return g.err
}

func asBytes[T float32 | int32 | uint32 | bool](values []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero)))
}

// Memory returns the memory of an evaluated, row-contiguous array on the CPU itself, not a
// copy. It is valid until the last graph that holds the array is closed; who else uses it
// meanwhile is up to the caller.
func (g *Graph) Memory(a Array) ([]byte, error) {
	if !g.begin(a) {
		return nil, g.err
	}
	if !a.Valid() || !cellAvailable(a.h) {
		return nil, fmt.Errorf("mlx: memory of an array that is not evaluated")
	}
	return memoryAt(cellData(a.h), a.Size()*a.Dtype().Size()), nil
}

package mlx

import "fmt"

// Dtype is the type of an array's elements. The values are those of
// mlx::core::Dtype::Val.
type Dtype int32

// The element types of MLX that models use.
const (
	Bool     Dtype = 0
	Uint8    Dtype = 1
	Uint16   Dtype = 2
	Uint32   Dtype = 3
	Uint64   Dtype = 4
	Int8     Dtype = 5
	Int16    Dtype = 6
	Int32    Dtype = 7
	Int64    Dtype = 8
	Float16  Dtype = 9
	Float32  Dtype = 10
	BFloat16 Dtype = 12
)

// Size returns the bytes of one element, or 0 for an unknown type.
func (d Dtype) Size() int {
	switch d {
	case Bool, Uint8, Int8:
		return 1
	case Uint16, Int16, Float16, BFloat16:
		return 2
	case Uint32, Int32, Float32:
		return 4
	case Uint64, Int64:
		return 8
	}
	return 0
}

// String returns the name that MLX and NumPy use.
func (d Dtype) String() string {
	switch d {
	case Bool:
		return "bool"
	case Uint8:
		return "uint8"
	case Uint16:
		return "uint16"
	case Uint32:
		return "uint32"
	case Uint64:
		return "uint64"
	case Int8:
		return "int8"
	case Int16:
		return "int16"
	case Int32:
		return "int32"
	case Int64:
		return "int64"
	case Float16:
		return "float16"
	case Float32:
		return "float32"
	case BFloat16:
		return "bfloat16"
	}
	return fmt.Sprintf("Dtype(%d)", int32(d))
}

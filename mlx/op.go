package mlx

// op names an operation of the shim; the order is that of op.h.
type op int32

const (
	opNegative op = iota
	opSigmoid
	opSilu
	opGeluTanh
	opTanh
	opExp
	opLog
	opErf
	opSquare
	opSqrt
	opRsqrt
	opSin
	opCos
	opContiguous
	opAdd
	opSubtract
	opMultiply
	opDivide
	opMaximum
	opMinimum
	opMatmul
	opEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opLogicalAnd
	opLogicalOr
	opAddScalar
	opMultiplyScalar
	opWhere
	opClip
	opAstype
	opReshape
	opTranspose
	opSlice
	opExpandDims
	opSqueeze
	opBroadcastTo
	opConcatenate
	opStack
	opSplit
	opTake
	opTakeAlongAxis
	opSum
	opMean
	opMax
	opMin
	opArgmax
	opLogsumexp
	opSoftmax
	opCumsum
	opSort
	opArgsort
	opArgpartition
	opFull
	opArange
	opAddmm
	opQuantize
	opQuantizedMatmul
	opDequantize
	opRmsNorm
	opLayerNorm
	opRope
	opAttention
	opScatter
	opSliceUpdate
	opPutAlongAxis
	opAssign
	opCount
)

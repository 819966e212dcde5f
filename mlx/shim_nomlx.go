//go:build !cgo || nomlx

package mlx

// Without MLX there is no Thread, so no Graph and no Array: what is called below
// is only ever reached through zero values.

const built = false

type (
	graphPtr   = *struct{}
	machinePtr = *struct{}
)

func threadID() uint64 { return 0 }

func startUp(d Device) (Device, error) { return d, ErrNotBuilt }

func shutDown() error { return ErrNotBuilt }

func readMemory() Memory { return Memory{} }

func setCacheLimit(bytes int) error  { return ErrNotBuilt }
func setMemoryLimit(bytes int) error { return ErrNotBuilt }
func resetPeak()                     {}
func clearCache() error              { return ErrNotBuilt }

func newGraph() graphPtr         { return nil }
func freeGraph(g graphPtr) error { return ErrNotBuilt }

func apply(g graphPtr, o op, in []handle, ints []int64, floats []float64, out []handle) error {
	return ErrNotBuilt
}

func update(g graphPtr, o op, in []handle, ints []int64) error { return ErrNotBuilt }

func eval(g graphPtr, in []handle) error { return ErrNotBuilt }

func newSlot(g graphPtr, from handle) (handle, error) { return 0, ErrNotBuilt }

func fromBytes(g graphPtr, data []byte, d Dtype, shape []int64) (handle, error) {
	return 0, ErrNotBuilt
}

func empty(g graphPtr, size int, d Dtype, shape []int64) (handle, error) { return 0, ErrNotBuilt }

func readCell(g graphPtr, h handle, d Dtype, dst []byte) error { return ErrNotBuilt }

func cellShape(h handle) []int    { return nil }
func cellDtype(h handle) Dtype    { return Bool }
func cellAvailable(h handle) bool { return false }
func cellData(h handle) uintptr   { return 0 }

func newMachine(threads int, isa string) (machinePtr, error) { return nil, ErrNotBuilt }
func freeMachine(m machinePtr)                               {}
func machineISA(m machinePtr) string                         { return "" }
func machineBusy(m machinePtr) int64                         { return 0 }

func machineLimits(m machinePtr) (read, dots float64, err error) { return 0, 0, ErrNotBuilt }

func run(g graphPtr, m machinePtr, in []handle, words []int64, ints []int32, floats []float32, outputs []int64, out []handle) error {
	return ErrNotBuilt
}

func reserveWeights(g graphPtr, bytes int64, weights int) error { return ErrNotBuilt }

func packWeight(g graphPtr, p Packed, parts [3][]byte) (handle, error) { return 0, ErrNotBuilt }

func cacheBytes(c Cache) (keys, values int) { return 0, 0 }

func memoryAt(address uintptr, n int) []byte { return nil }

func opName(o op) string { return "" }

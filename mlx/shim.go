//go:build cgo && !nomlx

package mlx

// Two run paths: one relative to bin/troupe, so that a checkout can be moved, and
// one for the binaries that go test makes in temporary folders. With -tags dist
// there is one only, into what make dist packs. cgo does not accept @loader_path
// here, so on macOS the relative one is given with -ldflags, as in
// "-extldflags '-Wl,-rpath,@loader_path/../.mlx/current/mlx/lib'". The CUDA build
// of MLX may be linked where no CUDA is, hence the unresolved symbols.

/*
#cgo CXXFLAGS: -std=c++20 -O3 -isystem ${SRCDIR}/../.mlx/current/mlx/include
#cgo linux,!dist LDFLAGS: -Wl,-rpath,$ORIGIN/../.mlx/current/mlx/lib
#cgo linux,dist LDFLAGS: -Wl,-rpath,$ORIGIN/../lib/mlx/lib
#cgo linux LDFLAGS: -Wl,--unresolved-symbols=ignore-in-shared-libs
#cgo LDFLAGS: -L${SRCDIR}/../.mlx/current/mlx/lib -lmlx
#cgo !dist LDFLAGS: -Wl,-rpath,${SRCDIR}/../.mlx/current/mlx/lib
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

const built = true

type (
	graphPtr   = *C.mlx_graph
	machinePtr = *C.mlx_machine
)

// failure turns a status into an error. The message is that of the calling OS
// thread; the one status that can come from a thread that is not locked has none.
func failure(status C.int) error {
	switch status {
	case C.MLX_OK:
		return nil
	case C.MLX_THREAD:
		return ErrThread
	case C.MLX_NULL:
		return fmt.Errorf("%w given to %s", ErrNull, C.GoString(C.mlx_last_error()))
	}
	return errors.New("mlx: " + C.GoString(C.mlx_last_error()))
}

func first[C any, G any](s []G) *C { return (*C)(unsafe.Pointer(unsafe.SliceData(s))) }

func threadID() uint64 { return uint64(C.mlx_thread_id()) }

func startUp(d Device) (Device, error) {
	device := C.int32_t(d)
	err := failure(C.mlx_start(&device))
	return Device(device), err
}

func shutDown() error { return failure(C.mlx_stop()) }

func readMemory() Memory {
	var active, peak, cache C.uint64_t
	C.mlx_memory(&active, &peak, &cache)
	return Memory{Active: int(active), Peak: int(peak), Cache: int(cache)}
}

func setCacheLimit(bytes int) error  { return failure(C.mlx_set_cache_limit(C.size_t(bytes))) }
func setMemoryLimit(bytes int) error { return failure(C.mlx_set_memory_limit(C.size_t(bytes))) }
func resetPeak()                     { C.mlx_reset_peak() }
func clearCache() error              { return failure(C.mlx_clear_cache()) }

func newGraph() graphPtr         { return C.mlx_graph_new() }
func freeGraph(g graphPtr) error { return failure(C.mlx_graph_free(g)) }

func apply(g graphPtr, o op, in []handle, ints []int64, floats []float64, out []handle) error {
	return failure(C.mlx_apply(g, C.int32_t(o),
		first[C.uintptr_t](in), C.size_t(len(in)),
		first[C.int64_t](ints), C.size_t(len(ints)),
		first[C.double](floats), C.size_t(len(floats)),
		first[C.uintptr_t](out), C.size_t(len(out))))
}

func update(g graphPtr, o op, in []handle, ints []int64) error {
	return failure(C.mlx_update(g, C.int32_t(o),
		first[C.uintptr_t](in), C.size_t(len(in)),
		first[C.int64_t](ints), C.size_t(len(ints))))
}

func eval(g graphPtr, in []handle) error {
	return failure(C.mlx_eval(g, first[C.uintptr_t](in), C.size_t(len(in))))
}

func newSlot(g graphPtr, from handle) (handle, error) {
	var slot C.uintptr_t
	err := failure(C.mlx_slot_new(g, C.uintptr_t(from), &slot))
	return handle(slot), err
}

func fromBytes(g graphPtr, data []byte, d Dtype, shape []int64) (handle, error) {
	var out C.uintptr_t
	err := failure(C.mlx_from_bytes(g,
		unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), C.int32_t(d),
		first[C.int64_t](shape), C.size_t(len(shape)), &out))
	return handle(out), err
}

func empty(g graphPtr, size int, d Dtype, shape []int64) (handle, error) {
	var out C.uintptr_t
	err := failure(C.mlx_from_bytes(g, nil, C.size_t(size), C.int32_t(d),
		first[C.int64_t](shape), C.size_t(len(shape)), &out))
	return handle(out), err
}

func readCell(g graphPtr, h handle, d Dtype, dst []byte) error {
	return failure(C.mlx_read(g, C.uintptr_t(h), C.int32_t(d),
		unsafe.Pointer(unsafe.SliceData(dst)), C.size_t(len(dst))))
}

func newMachine(threads int, isa string) (machinePtr, error) {
	name := append([]byte(isa), 0)
	var m machinePtr
	err := failure(C.mlx_machine_new(C.int32_t(threads), first[C.char](name), &m))
	return m, err
}

func freeMachine(m machinePtr)       { C.mlx_machine_free(m) }
func machineISA(m machinePtr) string { return C.GoString(C.mlx_machine_isa(m)) }
func machineBusy(m machinePtr) int64 { return int64(C.mlx_machine_busy(m)) }

func machineLimits(m machinePtr) (read, dots float64, err error) {
	err = failure(C.mlx_machine_limits(m, (*C.double)(&read), (*C.double)(&dots)))
	return read, dots, err
}

func run(g graphPtr, m machinePtr, in []handle, words []int64, ints []int32, floats []float32, outputs []int64, out []handle) error {
	return failure(C.mlx_run(g, m,
		first[C.uintptr_t](in), C.size_t(len(in)),
		first[C.int64_t](words), C.size_t(len(words)),
		first[C.int32_t](ints), C.size_t(len(ints)),
		first[C.float](floats), C.size_t(len(floats)),
		first[C.int64_t](outputs), C.size_t(len(outputs)), first[C.uintptr_t](out)))
}

func reserveWeights(g graphPtr, bytes int64, weights int) error {
	return failure(C.mlx_reserve(g, C.size_t(bytes), C.size_t(weights)))
}

func packWeight(g graphPtr, p Packed, parts [3][]byte) (handle, error) {
	var out C.uintptr_t
	at := func(i int) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(parts[i])) }
	err := failure(C.mlx_pack(g, C.int32_t(p.form), C.int32_t(p.scale), C.int32_t(p.Out), C.int32_t(p.In), C.int32_t(p.group),
		at(0), at(1), at(2), &out))
	return handle(out), err
}

func cellShape(h handle) []int {
	dims := make([]int64, C.mlx_ndim(C.uintptr_t(h)))
	C.mlx_shape(C.uintptr_t(h), first[C.int64_t](dims))
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d)
	}
	return shape
}

func cellDtype(h handle) Dtype    { return Dtype(C.mlx_dtype(C.uintptr_t(h))) }
func cellAvailable(h handle) bool { return bool(C.mlx_available(C.uintptr_t(h))) }
func cellData(h handle) uintptr   { return uintptr(C.mlx_data(C.uintptr_t(h))) }

func cacheBytes(c Cache) (keys, values int) {
	var k, v C.size_t
	C.mlx_cache_bytes(C.int32_t(c.Bits), C.int32_t(c.HeadDim), C.int32_t(c.BlockTokens), &k, &v)
	return int(k), int(v)
}

// memoryAt makes a slice of C memory.
func memoryAt(address uintptr, n int) []byte {
	var p unsafe.Pointer
	*(*uintptr)(unsafe.Pointer(&p)) = address // memory of C: the garbage collector does not move it
	return unsafe.Slice((*byte)(p), n)
}

func opName(o op) string { return C.GoString(C.mlx_op_name(C.int32_t(o))) }

package mlx

import (
	"fmt"
	"runtime"
	"time"
)

// Kernels are our own kernels for the CPU, for one instruction set, with the
// threads that share their work. MLX's wheel for Linux computes on one thread and
// one number at a time; these run at the speed of the memory, or of the
// processor's integer units. A [Program] runs on them.
type Kernels struct {
	m       machinePtr
	isa     string
	threads int
}

// KernelOptions are the settings of Kernels. The zero value is usable.
type KernelOptions struct {
	Threads int    // 0: one for each core that this process may use
	ISA     string // "avx512", "avx2", "portable"; "" or "auto" is the best that the machine has
}

// NewKernels starts the threads. The caller closes the kernels. It fails if the
// machine lacks the instruction set.
func NewKernels(o KernelOptions) (*Kernels, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	const most = 1 << 10
	if o.Threads < 1 || o.Threads > most {
		return nil, fmt.Errorf("mlx: %d threads, want 1 to %d", o.Threads, most)
	}
	m, err := newMachine(o.Threads, o.ISA)
	if err != nil {
		return nil, err
	}
	return &Kernels{m: m, isa: machineISA(m), threads: o.Threads}, nil
}

// ISA returns the name of the instruction set.
func (k *Kernels) ISA() string { return k.isa }

// Threads returns how many threads compute.
func (k *Kernels) Threads() int { return k.threads }

// Busy returns how long programs have run, over all of them. It may be called at any time.
func (k *Kernels) Busy() time.Duration { return time.Duration(machineBusy(k.m)) }

// Limits measures what the machine can do at best with these threads and this instruction set: bytes
// read from memory per second, and operations on bytes per second, of which a
// multiplication with its addition is two. Nothing else may use the kernels meanwhile.
func (k *Kernels) Limits() (read, dots float64, err error) { return machineLimits(k.m) }

// Close ends the threads. Nothing must be running; a second Close does nothing.
func (k *Kernels) Close() {
	if k.m != nil {
		freeMachine(k.m)
		k.m = nil
	}
}

// Form is how a packed weight stores its numbers.
type Form int32

// The forms, in the order of kernels.h.
const (
	FormFloat32 Form = iota
	FormFloat16
	FormBFloat16
	FormQ4
	FormQ8
)

// Packed is a weight [Out, In] in the form of the kernels: panels of sixteen
// outputs. It takes the memory of the original, rounded up to whole panels.
type Packed struct {
	Out, In int
	form    Form
	scale   Form // of quantised ones
	group   int
	data    Array
}

// Valid reports whether there is a weight.
func (p Packed) Valid() bool { return p.data.Valid() }

// Quantised reports whether the weight is stored as integers with scales.
func (p Packed) Quantised() bool { return p.form == FormQ4 || p.form == FormQ8 }

// ReservePacked makes room for weights that will be packed next, so many bytes in all, side by side: in
// memory of its own, a weight of a few megabytes is slower to read.
func (g *Graph) ReservePacked(bytes int64, weights int) {
	if !g.begin() {
		return
	}
	if err := reserveWeights(g.c, bytes, weights); err != nil {
		g.fail("", err)
	}
}

// Pack packs a weight of the type d, [out, in] in row-major order.
func (g *Graph) Pack(weight []byte, d Dtype, out, in int) Packed {
	form, ok := formOf(d)
	if !ok {
		g.fail("pack", fmt.Errorf("weights of type %v have no packed form", d))
	}
	return g.pack(Packed{Out: out, In: in, form: form}, [3][]byte{weight}, [3]int{out * in * d.Size()})
}

// PackQuantised packs a weight in MLX's affine form: words of packed integers, and
// scales and biases of the type d, [out, in/GroupSize].
func (g *Graph) PackQuantised(weight, scales, biases []byte, d Dtype, out, in int, q Quantization) Packed {
	p := Packed{Out: out, In: in, form: FormQ4, group: q.GroupSize}
	if q.Bits == 8 {
		p.form = FormQ8
	}
	scale, ok := formOf(d)
	if p.scale = scale; !ok || (q.Bits != 4 && q.Bits != 8) || q.GroupSize%32 != 0 || q.GroupSize < 1 || in%q.GroupSize != 0 {
		g.fail("pack", fmt.Errorf("%d bits in groups of %d with scales of type %v have no packed form", q.Bits, q.GroupSize, d))
		return Packed{}
	}
	n := out * (in / q.GroupSize) * d.Size()
	return g.pack(p, [3][]byte{weight, scales, biases}, [3]int{out * in * q.Bits / 8, n, n})
}

func (g *Graph) pack(p Packed, parts [3][]byte, sizes [3]int) Packed {
	for i, part := range parts {
		if len(part) != sizes[i] {
			g.fail("pack", fmt.Errorf("[%d, %d]: part %d has %d bytes, want %d", p.Out, p.In, i, len(part), sizes[i]))
		}
	}
	if !g.begin() {
		return Packed{}
	}
	h, err := packWeight(g.c, p, parts)
	if err != nil {
		g.fail("", err)
		return Packed{}
	}
	p.data = Array{owner: g, h: h}
	return p
}

func formOf(d Dtype) (Form, bool) {
	switch d {
	case Float32:
		return FormFloat32, true
	case Float16:
		return FormFloat16, true
	case BFloat16:
		return FormBFloat16, true
	}
	return 0, false
}

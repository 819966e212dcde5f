package engine

import (
	"fmt"
	"math"
)

// Rope rotates pairs of coordinates of q and k by an angle that grows with the
// position. Every scaling of the field (linear, llama3, yarn, longrope) comes
// down to a table of inverse frequencies and a factor on the result; dynamic
// NTK alone changes its frequencies with the position.
type Rope struct {
	// Kind names the scaling in config.json; for display only.
	Kind string
	// InvFreq holds the angle per position of each pair; head_dim/2 values.
	InvFreq []float64
	// Multiplier scales the rotated q and k (yarn's and longrope's attention
	// factor); 1 otherwise.
	Multiplier float64
	// Interleaved pairs coordinates (0,1),(2,3),… instead of (0,d/2),(1,d/2+1),…
	Interleaved bool
	// Dynamic is nil except for dynamic NTK.
	Dynamic *DynamicNTK
}

// DynamicNTK raises the base once a sequence outgrows the trained length. The
// length that counts for a position p is p+1, so that a key's rotation depends
// on its own position only and not on how a prompt was cut into chunks. (mlx-lm
// takes the end of the chunk; fed token by token it gives the same numbers.)
type DynamicNTK struct {
	Base         float64
	Factor       float64
	MaxPositions int
}

func (r *Rope) validate(headDim int) error {
	if len(r.InvFreq) != headDim/2 {
		return fmt.Errorf("rope has %d frequencies, want %d", len(r.InvFreq), headDim/2)
	}
	for i, f := range r.InvFreq {
		if !(f >= 0) || math.IsInf(f, 0) {
			return fmt.Errorf("rope (%s) frequency %d is %g", r.Kind, i, f)
		}
	}
	if !(r.Multiplier > 0) || math.IsInf(r.Multiplier, 0) {
		return fmt.Errorf("rope (%s) attention factor is %g", r.Kind, r.Multiplier)
	}
	return nil
}

// Tables returns what rotates coordinate i at a position:
//
//	x'[i] = x[i]*cos[i] + x[partner[i]]*sin[i]
//
// cos and sin are row-major [len(positions), head_dim] with the signs and the
// multiplier folded in; partner is [head_dim]. The angle is rounded to float32
// as MLX does, because models were trained that way.
func (r *Rope) Tables(positions []int32) (cos, sin []float32, partner []int32) {
	dims := 2 * len(r.InvFreq)
	partner = make([]int32, dims)
	for pair := range r.InvFreq {
		a, b := r.pair(pair)
		partner[a], partner[b] = int32(b), int32(a)
	}
	cos = make([]float32, len(positions)*dims)
	sin = make([]float32, len(positions)*dims)
	for t, p := range positions {
		row := t * dims
		for pair, f := range r.frequencies(int(p)) {
			s, c := math.Sincos(float64(float32(p) * float32(f)))
			a, b := r.pair(pair)
			cos[row+a], cos[row+b] = float32(c*r.Multiplier), float32(c*r.Multiplier)
			sin[row+a], sin[row+b] = -float32(s*r.Multiplier), float32(s*r.Multiplier)
		}
	}
	return cos, sin, partner
}

// pair returns the two coordinates that are rotated together.
func (r *Rope) pair(i int) (first, second int) {
	if r.Interleaved {
		return 2 * i, 2*i + 1
	}
	return i, i + len(r.InvFreq)
}

func (r *Rope) frequencies(position int) []float64 {
	if r.Dynamic == nil || position < r.Dynamic.MaxPositions {
		return r.InvFreq
	}
	d, dims := r.Dynamic, float64(2*len(r.InvFreq))
	grown := d.Factor*float64(position+1)/float64(d.MaxPositions) - (d.Factor - 1)
	return inverseFrequencies(d.Base*math.Pow(grown, dims/(dims-2)), 2*len(r.InvFreq))
}

// inverseFrequencies is base^(-2i/dims) for each pair i.
func inverseFrequencies(base float64, dims int) []float64 {
	inv := make([]float64, dims/2)
	for i := range inv {
		inv[i] = math.Pow(base, -float64(2*i)/float64(dims))
	}
	return inv
}

// Package enginetest holds the conformance suite of [runtime.Engine] and a fake that passes it.
package enginetest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"

	"troupe/runtime"
)

// Options of a fake engine. Zero values mean 64 tokens, 1024 positions, 16 positions a block, 64 blocks.
type Options struct {
	Vocab, Context, BlockTokens, Blocks int
	// BeforeStep, if set, sees every batch before it is computed; an error fails the step. It may block or panic: that is its purpose.
	BeforeStep func(rows []runtime.Row) error
}

// Fake is an engine whose blocks hold token ids and whose logits are a hash of every token that a row reads through its block table. So a lease that
// is lost, mixed up, shared by mistake or wrongly reused changes the tokens that come out. It costs next to nothing.
//
// It is stricter than the contract in one thing: a step in which one row writes to a block that another one reads is an error. Nobody who shares blocks
// would want that.
type Fake struct {
	info   runtime.EngineInfo
	before func(rows []runtime.Row) error

	mu     sync.Mutex // protects the following fields
	kv     []int32    // token at block*BlockTokens+offset; -1 where nothing was written
	closed bool
}

// NewFake makes a fake engine.
func NewFake(o Options) *Fake {
	or := func(v, def int) int {
		if v == 0 {
			return def
		}
		return v
	}
	info := runtime.EngineInfo{
		Tag: "fake", Vocab: or(o.Vocab, 64), Context: or(o.Context, 1024),
		BlockTokens: or(o.BlockTokens, 16), Blocks: or(o.Blocks, 64),
	}
	info.BlockBytes = int64(info.BlockTokens) * 4
	info.Tensors = []runtime.BlockTensor{{Name: "tokens", DType: "I32", Shape: []int{info.BlockTokens}}}
	f := &Fake{info: info, before: o.BeforeStep, kv: make([]int32, info.Blocks*info.BlockTokens)}
	for i := range f.kv {
		f.kv[i] = -1
	}
	return f
}

// Info implements [runtime.Engine].
func (f *Fake) Info() runtime.EngineInfo { return f.info }

// Close implements [runtime.Engine].
func (f *Fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// ReadBlock implements [runtime.Engine].
func (f *Fake) ReadBlock(b runtime.BlockID, dst []byte) error {
	return f.block(b, dst, func(kv []int32) {
		for i, t := range kv {
			binary.LittleEndian.PutUint32(dst[4*i:], uint32(t))
		}
	})
}

// WriteBlock implements [runtime.Engine].
func (f *Fake) WriteBlock(b runtime.BlockID, src []byte) error {
	return f.block(b, src, func(kv []int32) {
		for i := range kv {
			kv[i] = int32(binary.LittleEndian.Uint32(src[4*i:]))
		}
	})
}

func (f *Fake) block(b runtime.BlockID, data []byte, use func(kv []int32)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return fmt.Errorf("fake engine: block %d after close", b)
	case b < 0 || int(b) >= f.info.Blocks || int64(len(data)) != f.info.BlockBytes:
		return fmt.Errorf("fake engine: block %d of %d with %d bytes, want %d", b, f.info.Blocks, len(data), f.info.BlockBytes)
	}
	use(f.kv[int(b)*f.info.BlockTokens : (int(b)+1)*f.info.BlockTokens])
	return nil
}

// Step implements [runtime.Engine].
func (f *Fake) Step(rows []runtime.Row) ([]runtime.Result, error) {
	if f.before != nil {
		if err := f.before(rows); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("fake engine: step after close")
	}
	if err := runtime.CheckRows(f.info, rows); err != nil {
		return nil, err
	}
	if err := f.apart(rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		for i, t := range r.Tokens {
			f.kv[f.at(r, r.Start+i)] = t
		}
	}
	out := make([]runtime.Result, len(rows))
	for i, r := range rows {
		if r.Want == 0 {
			continue
		}
		h, err := f.hash(r)
		if err != nil {
			return nil, err
		}
		out[i] = result(h, f.info.Vocab, r.Want)
	}
	return out, nil
}

// apart returns an error if a row reads a block that another one writes.
func (f *Fake) apart(rows []runtime.Row) error {
	if len(rows) < 2 {
		return nil
	}
	writer := map[runtime.BlockID]int{}
	for i, r := range rows {
		for _, b := range r.Blocks[r.Start/f.info.BlockTokens : f.info.BlocksFor(r.Start+len(r.Tokens))] {
			writer[b] = i
		}
	}
	for i, r := range rows {
		for _, b := range r.Blocks[:r.Start/f.info.BlockTokens] {
			if w, ok := writer[b]; ok {
				return fmt.Errorf("fake engine: row %d reads block %d while row %d writes to it", i, b, w)
			}
		}
	}
	return nil
}

func (f *Fake) at(r runtime.Row, pos int) int {
	return int(r.Blocks[pos/f.info.BlockTokens])*f.info.BlockTokens + pos%f.info.BlockTokens
}

func (f *Fake) hash(r runtime.Row) (uint64, error) {
	h := newHash()
	for pos := range r.Start + len(r.Tokens) {
		t := f.kv[f.at(r, pos)]
		if t < 0 {
			return 0, fmt.Errorf("fake engine: position %d of block %d is read and was never written", pos, r.Blocks[pos/f.info.BlockTokens])
		}
		h.add(t)
	}
	return h.sum, nil
}

// Greedy returns the n tokens that a fake of this vocabulary generates greedily after a prompt: the reference for whatever the server does.
func Greedy(vocab int, prompt []int32, n int) []int32 {
	h := newHash()
	for _, t := range prompt {
		h.add(t)
	}
	var out []int32
	for range n {
		next := runtime.TopOf(logits(h.sum, vocab), 1)[0].ID
		out = append(out, next)
		h.add(next)
	}
	return out
}

func result(h uint64, vocab, want int) runtime.Result {
	if want == 1 { // the cheap path for load tests: the best token without a row of logits
		id, top := bestOf(h, vocab)
		return runtime.Result{Top: []runtime.Candidate{{ID: id, Logit: top}}, LogSumExp: top}
	}
	row := logits(h, vocab)
	r := runtime.Result{LogSumExp: runtime.LogSumExp(row)}
	if want == runtime.WantAll {
		r.Logits = row
	} else {
		r.Top = runtime.TopOf(row, want)
	}
	return r
}

// logits makes a row whose best entry is the one bestOf names.
func logits(h uint64, vocab int) []float32 {
	rng := rand.New(rand.NewPCG(h, 1))
	row := make([]float32, vocab)
	for i := range row {
		row[i] = float32(rng.NormFloat64())
	}
	id, top := bestOf(h, vocab)
	row[id] = top
	return row
}

func bestOf(h uint64, vocab int) (int32, float32) { return int32(h >> 11 % uint64(vocab)), 12 }

// hash is FNV-1a over token ids.
type hash struct{ sum uint64 }

func newHash() *hash { return &hash{14695981039346656037} }

func (h *hash) add(t int32) {
	h.sum = (h.sum ^ uint64(uint32(t))) * 1099511628211
	h.sum ^= h.sum >> 29
}

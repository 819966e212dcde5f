package simulation

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"troupe/runtime"
)

// A token says whose it is: everybody's, or that of one of 15 tags.
const (
	tagWords   = 16
	tagVocab   = 16 * tagWords
	everybodys = 0
)

func tagged(tag, word int32) int32 { return tag*tagWords + word }

func tagOf(token int32) int32 { return token / tagWords }

// position is what a tagged engine keeps of a position. As in a model, all of the context up to there is in it.
type position struct {
	token int32
	tags  uint32 // of all tokens so far, one bit each
	sum   uint64 // of all tokens so far
}

const positionBytes = 16

// next is the position after p. The zero position is the one before the first.
func (p position) next(token int32) position {
	h := (p.sum ^ uint64(token+1)) * 0x9e3779b97f4a7c15
	return position{token: token, tags: p.tags | 1<<tagOf(token), sum: h ^ h>>29}
}

// says is the token that follows a context: one of the tag that the context has.
func (p position) says() int32 {
	tag := int32(bits.TrailingZeros32(p.tags &^ (1 << everybodys)))
	return tagged(tag%16, int32(p.sum>>7%tagWords))
}

// taggedEngine is a [runtime.Engine] that notes every context that holds what is not of one agent: tokens of two tags, or positions that were computed in
// another context.
type taggedEngine struct {
	info runtime.EngineInfo

	mu    sync.Mutex // protects the following fields
	kv    []position
	leaks []string
}

func newTaggedEngine(blocks, blockTokens, context int) *taggedEngine {
	info := runtime.EngineInfo{Tag: "tagged", Vocab: tagVocab, Context: context, BlockTokens: blockTokens, Blocks: blocks, BlockBytes: int64(blockTokens) * positionBytes}
	info.Tensors = []runtime.BlockTensor{{Name: "positions", DType: "U8", Shape: []int{blockTokens, positionBytes}}}
	return &taggedEngine{info: info, kv: make([]position, blocks*blockTokens)}
}

func (e *taggedEngine) Info() runtime.EngineInfo { return e.info }

func (e *taggedEngine) Close() error { return nil }

func (e *taggedEngine) Step(rows []runtime.Row) ([]runtime.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := runtime.CheckRows(e.info, rows); err != nil {
		return nil, err
	}
	out := make([]runtime.Result, len(rows))
	for i, r := range rows {
		at := func(pos int) *position {
			return &e.kv[int(r.Blocks[pos/e.info.BlockTokens])*e.info.BlockTokens+pos%e.info.BlockTokens]
		}
		var before position
		for pos := range r.Start {
			if want := before.next(at(pos).token); *at(pos) != want {
				e.leaks = append(e.leaks, fmt.Sprintf("position %d of a context of %d is %+v, computed elsewhere, and not %+v", pos, r.Start, *at(pos), want))
			}
			before = *at(pos)
		}
		for k, token := range r.Tokens {
			before = before.next(token)
			*at(r.Start + k) = before
		}
		if bits.OnesCount32(before.tags&^(1<<everybodys)) > 1 {
			e.leaks = append(e.leaks, fmt.Sprintf("a context of %d tokens has those of several: %016b", r.Start+len(r.Tokens), before.tags))
		}
		if r.Want != 0 {
			out[i] = runtime.Result{Top: []runtime.Candidate{{ID: before.says(), Logit: 1}}, LogSumExp: 1}
		}
	}
	return out, nil
}

func (e *taggedEngine) ReadBlock(b runtime.BlockID, dst []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, p := range e.block(b) {
		d := dst[i*positionBytes:]
		binary.LittleEndian.PutUint32(d, uint32(p.token))
		binary.LittleEndian.PutUint32(d[4:], p.tags)
		binary.LittleEndian.PutUint64(d[8:], p.sum)
	}
	return nil
}

func (e *taggedEngine) WriteBlock(b runtime.BlockID, src []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	kv := e.block(b)
	for i := range kv {
		s := src[i*positionBytes:]
		kv[i] = position{int32(binary.LittleEndian.Uint32(s)), binary.LittleEndian.Uint32(s[4:]), binary.LittleEndian.Uint64(s[8:])}
	}
	return nil
}

func (e *taggedEngine) block(b runtime.BlockID) []position {
	return e.kv[int(b)*e.info.BlockTokens : (int(b)+1)*e.info.BlockTokens]
}

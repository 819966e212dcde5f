package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

var testInfo = runtime.EngineInfo{Vocab: 10, Context: 64, BlockTokens: 4, Blocks: 20}

func TestBatchLayout(t *testing.T) {
	rows := []runtime.Row{
		{Blocks: []runtime.BlockID{7, 3, 5}, Start: 8, Tokens: []int32{1}, Want: 1},                   // 3 blocks
		{Blocks: []runtime.BlockID{0, 1}, Start: 2, Tokens: []int32{2, 3, 4}},                         // a chunk
		{Blocks: []runtime.BlockID{9}, Start: 0, Tokens: []int32{5}, Want: 2},                         // 1 block
		{Blocks: []runtime.BlockID{10, 11, 12, 13, 14}, Start: 15, Tokens: []int32{6}, Want: 3},       // 4 blocks: with the first
		{Blocks: []runtime.BlockID{15, 16}, Start: 3, Tokens: []int32{7, 8}, Want: runtime.WantAll},   // another chunk
		{Blocks: []runtime.BlockID{17, 18, 19}, Start: 8, Tokens: []int32{9}, Want: 1 /* 3 blocks */}, //
	}
	b := newBatch(rows, testInfo)
	require.Equal(t, []int32{1, 6, 9, 2, 3, 4, 5, 7, 8}, b.tokens)
	require.Equal(t, []int32{8, 15, 8, 2, 3, 4, 0, 3, 4}, b.positions)
	require.Equal(t, []int32{5, 13, 19, 0, 0, 1, 9, 15, 16}, b.block)
	require.Equal(t, []int32{0, 3, 0, 2, 3, 0, 0, 3, 0}, b.slot)
	require.Equal(t, []group{
		{first: 0, length: 1, blocks: 4, tables: []int32{7, 3, 5, 7, 10, 11, 12, 13, 17, 18, 19, 17}, ends: []int32{9, 16, 9}},
		{first: 3, length: 3, blocks: 2, tables: []int32{0, 1}, ends: []int32{5}},
		{first: 6, length: 1, blocks: 1, tables: []int32{9}, ends: []int32{1}},
		{first: 7, length: 2, blocks: 2, tables: []int32{15, 16}, ends: []int32{5}},
	}, b.groups)
	require.Equal(t, []want{{0, 0, 1}, {2, 6, 2}, {3, 1, 3}, {4, 8, runtime.WantAll}, {5, 2, 1}}, b.wants)
}

func TestMasks(t *testing.T) {
	on := func(bits string) (mask []bool) {
		for _, b := range bits {
			if b != ' ' {
				mask = append(mask, b == '1')
			}
		}
		return mask
	}
	chunk := group{length: 3, blocks: 2, ends: []int32{5}}
	require.Equal(t, 5, chunk.keys(4))
	require.Equal(t, on("11100 11110 11111"), chunk.mask(0, 4))
	require.Equal(t, on("01100 00110 00011"), chunk.mask(2, 4))
	require.Nil(t, chunk.written(4))

	single := group{length: 1, blocks: 2, ends: []int32{5}}
	require.Nil(t, single.mask(0, 4))
	require.Nil(t, single.mask(5, 4))
	require.Equal(t, on("01111"), single.mask(4, 4))

	pair := group{length: 1, blocks: 2, ends: []int32{5, 3}}
	require.Equal(t, on("11111000 11100000"), pair.mask(0, 4))
	require.Equal(t, on("00011000 01100000"), pair.mask(2, 4))
	require.Equal(t, on("11111000 11100000"), pair.written(4))
}

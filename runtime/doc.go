// Package runtime is the pure core of Troupe: every decision about memory, admission, batching and sampling, in plain values without a goroutine,
// a clock, a disk or cgo. The actors call it; it calls nobody.
//
// It owns two interfaces, each with a conformance suite and a fake that both the real implementation and the fake must pass:
//
//   - [Engine] (suite and fake in enginetest) computes one step of a batch. mlx/engine implements it.
//   - [Store] (suite and fake in storetest) keeps saved agents.
//
// The vocabulary is that of the field. A block is a fixed number of consecutive positions of KV for every layer. A [Lease] is the block table of one
// agent and the number of positions in it that are valid. The [Ledger] says who refers to each block and which full ones can be found by the tokens that
// they hold; its sum never changes. A step is one forward pass over decode rows and prefill chunks.
package runtime

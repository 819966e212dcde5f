package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"troupe/benchmarks/harness"
	"troupe/persistence"
	"troupe/runtime"
)

const blockTokens, blockBytes = 32, 1 << 20 // of the 1B shape at 16 bits

// save adds turns of several lengths to an agent of 4,096 tokens, in turns with writing and syncing the same bytes as one file.
func save(_ context.Context, w io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "troupe-memory-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // not before: ext4 without a journal makes a file slowly just after many were removed
	fmt.Fprintf(w, "\nthe new part of a turn of an agent of 4,096 tokens, blocks of 1 MiB, middle of %d; raw: one file of as many bytes, written and synced\n", o.rounds)
	fmt.Fprintf(w, "%10s %6s %10s %10s %8s\n", "new tokens", "MiB", "saved", "raw", "ratio")
	for _, n := range []int{1, 2, 4, 16, 64} {
		var saved, raw []time.Duration
		for i := range o.rounds {
			a, b, err := saveOnce(filepath.Join(dir, fmt.Sprint(n, "-", i)), n)
			if err != nil {
				return err
			}
			saved, raw = append(saved, a), append(raw, b)
		}
		fmt.Fprintf(w, "%10d %6d %10v %10v %8.2f\n", n*blockTokens, n, harness.Short(middle(saved)), harness.Short(middle(raw)), middle(saved).Seconds()/middle(raw).Seconds())
	}
	return nil
}

// saveOnce times the save of n new blocks and the raw write, in a folder that it makes.
func saveOnce(dir string, n int) (saved, raw time.Duration, err error) {
	disk, err := persistence.Open(filepath.Join(dir, "data"), persistence.Options{})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	contents := noise(blockBytes)
	block := func(int) ([]byte, error) { return contents, nil }
	const history = 4096 / blockTokens
	m := long("agent", 0, history+n)
	before := m
	before.Length, before.Tokens, before.Blocks = history*blockTokens, m.Tokens[:history*blockTokens], m.Blocks[:history]
	if err := disk.Save(before, block); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := disk.Save(m, block); err != nil {
		return 0, 0, err
	}
	saved = time.Since(began)
	began = time.Now()
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return 0, 0, err
	}
	for range n {
		if _, err := f.Write(contents); err != nil {
			return 0, 0, errors.Join(err, f.Close())
		}
	}
	err = errors.Join(f.Sync(), f.Close())
	return saved, time.Since(began), err
}

// long makes an agent of n blocks, the first shared of which every other one has too.
func long(id string, shared, n int) runtime.Manifest {
	m := runtime.Manifest{Agent: id, Tag: "tag", Length: blockTokens * n, SavedAt: time.Unix(0, 0)}
	own := int32(0)
	for _, c := range []byte(id) {
		own = own*31 + int32(c)
	}
	for i := range n * blockTokens {
		token := int32(i)
		if i >= shared*blockTokens {
			token += own << 12
		}
		m.Tokens = append(m.Tokens, token)
	}
	m.Blocks = runtime.Chain(m.Tag, "", blockTokens, m.Tokens, nil)
	return m
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range n / 8 {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(i)*0x9e3779b97f4a7c15)
	}
	return b
}

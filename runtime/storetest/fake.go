// Package storetest holds the conformance suite of [runtime.Store] and a fake that passes it.
package storetest

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"troupe/runtime"
)

// Fake is a store in memory.
type Fake struct {
	mu        sync.Mutex // protects the following fields
	manifests map[string]runtime.Manifest
	blocks    map[runtime.BlockKey][]byte
	written   int64
}

// NewFake makes an empty store.
func NewFake() *Fake {
	return &Fake{manifests: map[string]runtime.Manifest{}, blocks: map[runtime.BlockKey][]byte{}}
}

// Save implements [runtime.Store].
func (f *Fake) Save(m runtime.Manifest, block func(i int) ([]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := map[runtime.BlockKey][]byte{}
	for i, key := range m.Blocks {
		if f.blocks[key] != nil || fresh[key] != nil {
			continue
		}
		data, err := block(i)
		if err != nil {
			return err
		}
		fresh[key] = append([]byte{}, data...)
	}
	for key, data := range fresh {
		f.blocks[key] = data
		f.written += int64(len(data))
	}
	m.Tokens, m.Blocks = slices.Clone(m.Tokens), slices.Clone(m.Blocks)
	f.manifests[m.Agent] = m
	f.collect()
	return nil
}

// Manifest implements [runtime.Store].
func (f *Fake) Manifest(agent string) (runtime.Manifest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.manifests[agent]
	if !ok {
		return m, runtime.Errorf(runtime.Unknown, "no saved agent %q", agent)
	}
	m.Tokens, m.Blocks = slices.Clone(m.Tokens), slices.Clone(m.Blocks)
	return m, nil
}

// List implements [runtime.Store].
func (f *Fake) List() []runtime.Saved {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []runtime.Saved{}
	for _, m := range f.manifests {
		saved := runtime.Saved{Agent: m.Agent, Tag: m.Tag, Length: m.Length, Blocks: len(m.Blocks), SavedAt: m.SavedAt, Pinned: m.Pinned}
		for _, key := range m.Blocks {
			saved.Bytes += int64(len(f.blocks[key]))
		}
		list = append(list, saved)
	}
	slices.SortFunc(list, func(a, b runtime.Saved) int { return strings.Compare(a.Agent, b.Agent) })
	return list
}

// Usage implements [runtime.Store].
func (f *Fake) Usage() runtime.StoreUsage {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := runtime.StoreUsage{Agents: len(f.manifests), Blocks: len(f.blocks), Written: f.written}
	for _, data := range f.blocks {
		u.Bytes += int64(len(data))
	}
	return u
}

// Damage makes a block unreadable, as a failing disk would, and reports whether it was there.
func (f *Fake) Damage(key runtime.BlockKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, there := f.blocks[key]
	delete(f.blocks, key)
	return there
}

// Block implements [runtime.Store].
func (f *Fake) Block(key runtime.BlockKey, use func(contents []byte) error) error {
	f.mu.Lock()
	data, ok := f.blocks[key]
	f.mu.Unlock()
	if !ok {
		return runtime.Errorf(runtime.Unknown, "no saved block %x", key[:6])
	}
	return use(bytes.Clone(data))
}

// Has implements [runtime.Store].
func (f *Fake) Has(keys []runtime.BlockKey) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(keys) && f.blocks[keys[n]] != nil {
		n++
	}
	return n
}

// Contents returns a copy of the contents of a block in a store.
func Contents(s runtime.Store, key runtime.BlockKey) (contents []byte, err error) {
	err = s.Block(key, func(b []byte) error {
		contents = bytes.Clone(b)
		return nil
	})
	return contents, err
}

// Delete implements [runtime.Store].
func (f *Fake) Delete(agent string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.manifests, agent)
	f.collect()
	return nil
}

// Close implements [runtime.Store].
func (f *Fake) Close() error { return nil }

// collect drops the blocks that no manifest names.
func (f *Fake) collect() {
	named := map[runtime.BlockKey]bool{}
	for _, m := range f.manifests {
		for _, key := range m.Blocks {
			named[key] = true
		}
	}
	for key := range f.blocks {
		if !named[key] {
			delete(f.blocks, key)
		}
	}
}

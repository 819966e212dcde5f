package simulation

import (
	"errors"
	"math/rand/v2"

	"troupe/runtime"
	"troupe/runtime/storetest"
)

// disk is a store that fails now and then.
type disk struct {
	*storetest.Fake
	rng    *rand.Rand
	counts map[string]int
}

func (d *disk) bad(one int, what string) bool {
	if d.rng.IntN(one) > 0 {
		return false
	}
	d.counts["disk: "+what]++
	return true
}

// Save implements runtime.Store.
func (d *disk) Save(m runtime.Manifest, block func(i int) ([]byte, error)) error {
	if d.bad(12, "cannot save") {
		return errors.New("the disk is full")
	}
	if d.bad(60, "panics") {
		panic("a bug of the store")
	}
	late := d.bad(12, "cannot save a block")
	return d.Fake.Save(m, func(i int) ([]byte, error) {
		if late && i == len(m.Blocks)-1 {
			return nil, errors.New("the disk is full now")
		}
		return block(i)
	})
}

// Manifest implements runtime.Store.
func (d *disk) Manifest(agent string) (runtime.Manifest, error) {
	if d.bad(20, "cannot find") {
		return runtime.Manifest{}, errors.New("the disk does not answer")
	}
	m, err := d.Fake.Manifest(agent)
	if err == nil && len(m.Tokens) > 0 && d.bad(20, "lies") {
		m.Tokens[d.rng.IntN(len(m.Tokens))]++
	}
	return m, err
}

// Block implements runtime.Store.
func (d *disk) Block(key runtime.BlockKey, use func(contents []byte) error) error {
	if d.bad(20, "block lost") {
		d.Damage(key)
	}
	cut := d.bad(50, "block cut")
	return d.Fake.Block(key, func(data []byte) error {
		if cut {
			data = data[1:]
		}
		return use(data)
	})
}

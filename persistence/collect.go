package persistence

import (
	"errors"
	"fmt"
	"io/fs"

	"troupe/runtime"
)

// Delete implements [runtime.Store]. It waits for a save that runs.
func (d *Disk) Delete(agent string) error {
	d.change.Lock()
	defer d.change.Unlock()
	if d.closed.Load() {
		return errClosed
	}
	if err := d.tidy(); err != nil {
		return fmt.Errorf("delete saved agent %q: %w", agent, err)
	}
	keys, err := d.forget(agent)
	if err == nil && keys != nil {
		err = d.fs.SyncDir("agents") // first this, so that no manifest ever names what is gone
	}
	if err != nil { // the manifest may come back: what it names stays until the next Open
		return fmt.Errorf("delete saved agent %q: %w", agent, err)
	}
	d.letGo(keys)
	return nil
}

// makeRoom collects agents until n more bytes fit into the budget, and a tenth of it stays free so that this is rare. spare is not collected. change is
// held.
func (d *Disk) makeRoom(n int64, spare string) error {
	if d.budget <= 0 {
		return nil
	}
	if n > d.budget {
		return runtime.Errorf(runtime.TooLarge, "%d bytes are more than the budget of %d bytes on disk", n, d.budget)
	}
	d.mu.Lock()
	fits := d.index.bytes+n <= d.budget
	d.mu.Unlock()
	if fits {
		return nil
	}
	var unnamed []runtime.BlockKey
	var errs []error
	for {
		d.mu.Lock()
		victim := d.index.oldest(spare)
		enough := d.index.bytes+n <= d.budget-d.budget/10
		d.mu.Unlock()
		if enough || victim == nil {
			break
		}
		keys, err := d.forget(victim.saved.Agent)
		if err != nil {
			errs = append(errs, err)
			break
		}
		d.mu.Lock()
		unnamed = append(unnamed, d.index.drop(keys)...)
		d.collected++
		d.mu.Unlock()
		d.log.Info("the budget on disk cost an agent", "tokens", victim.saved.Length, "bytes", victim.saved.Bytes, "saved_at", victim.saved.SavedAt)
	}
	if err := d.fs.SyncDir("agents"); err != nil {
		errs = append(errs, err) // the manifests may come back: what they name stays until the next Open
	} else {
		for _, key := range unnamed {
			errs = append(errs, d.remove(blockName(key)))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.index.bytes+n > d.budget {
		errs = append(errs, runtime.Errorf(runtime.TooLarge, "%d bytes do not fit into the budget of %d bytes on disk beside the %d that must stay",
			n, d.budget, d.index.bytes))
	}
	return errors.Join(errs...)
}

// forget removes an agent's manifest and returns the keys that it named, nil if there is no such agent. They are still counted. change is held.
func (d *Disk) forget(agent string) ([]runtime.BlockKey, error) {
	name := manifestName(agent)
	p, _, err := d.reallyReadManifest(name)
	if errors.Is(err, fs.ErrNotExist) {
		d.mu.Lock()
		d.index.remove(agent)
		d.mu.Unlock()
		return nil, nil
	}
	if err != nil {
		p = new(manifest) // what it names stays until the next Open
	}
	if err := d.remove(name); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.index.remove(agent)
	d.mu.Unlock()
	return p.keys(), nil
}

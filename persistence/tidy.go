package persistence

import (
	"fmt"

	"troupe/runtime"
)

// tidy compares the blocks that there are with those that the manifests name. It removes blocks that none names, and those that are not there are computed
// and saved anew. Of blocks it reads only the names. It does this once after Open; if it fails, nothing is changed in the folder before it has been tried again
// and succeeds. change is held.
func (d *Disk) tidy() error {
	if d.tidied {
		return nil
	}
	var orphans []runtime.BlockKey
	err := d.fs.List("blocks", func(name string) {
		key, ok := blockKeyOf(name)
		if !ok {
			return // not ours
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.index.see(key) {
			orphans = append(orphans, key)
		}
	})
	if err == nil {
		// A kill may have left a manifest renamed but not synced. Nothing that the one before names may go until it is.
		err = d.fs.SyncDir("agents")
	}
	if err != nil {
		return fmt.Errorf("look which blocks there are: %w", err)
	}
	d.mu.Lock()
	d.index.loseUnseen()
	d.mu.Unlock()
	for _, key := range orphans {
		if err := d.remove(blockName(key)); err != nil {
			d.log.Warn("cannot remove a block that nobody names", "error", err)
		}
	}
	d.tidied = true
	return nil
}

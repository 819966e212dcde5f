package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"time"

	"troupe/benchmarks/harness"
	"troupe/persistence"
)

// scan opens a folder of 10,000 agents of 1,088 tokens, 34 blocks each of which 2 are everybody's, and says how long it takes until the agents are there, and
// until the files of blocks have been seen too, and what they take in memory. The blocks are small: nobody reads them. A folder to keep is filled only once.
func scan(_ context.Context, w io.Writer, o options) error {
	const agents, shared, blocks = 10_000, 2, 34
	dir := o.keep
	if dir == "" {
		temp, err := os.MkdirTemp("", "troupe-memory-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temp) }()
		dir = temp
	}
	disk, err := persistence.Open(dir, persistence.Options{FS: unsynced{persistence.Folder(dir)}})
	if err != nil {
		return err
	}
	for i := disk.Usage().Agents; i < agents; i++ {
		if err := disk.Save(long(fmt.Sprint("agent-", i), shared, blocks), func(int) ([]byte, error) { return []byte("small"), nil }); err != nil {
			return errors.Join(err, disk.Close())
		}
	}
	if err := disk.Close(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d agents of %d tokens on disk, in %d files of blocks; middle of %d\n", agents, blocks*blockTokens, agents*(blocks-shared)+shared, o.rounds)
	for _, cold := range []bool{false, true} {
		var opened, seen []time.Duration
		var each uint64
		for range o.rounds {
			if cold && !dropPages() {
				fmt.Fprintln(w, "this machine does not let its page cache be emptied")
				return nil
			}
			before := heap()
			began := time.Now()
			disk, err := persistence.Open(dir, persistence.Options{})
			if err != nil {
				return err
			}
			opened = append(opened, time.Since(began))
			u := disk.Usage()
			seen = append(seen, time.Since(began))
			each = (heap() - before) / agents
			if u.Agents != agents || u.Blocks != agents*(blocks-shared)+shared {
				return fmt.Errorf("found %d agents and %d blocks", u.Agents, u.Blocks)
			}
			if err := disk.Close(); err != nil {
				return err
			}
		}
		fmt.Fprintf(w, "page cache cold %-5v opened in %v, blocks seen after %v, memory %d bytes an agent\n", cold, harness.Short(middle(opened)),
			harness.Short(middle(seen)), each)
	}
	return nil
}

func heap() uint64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}

// unsynced is a file system that makes nothing durable, to fill a folder quickly.
type unsynced struct{ persistence.FS }

type unsyncedFile struct{ persistence.File }

func (unsyncedFile) Sync() error { return nil }

func (unsynced) SyncDir(string) error { return nil }

func (u unsynced) Create(name string) (persistence.File, error) {
	f, err := u.FS.Create(name)
	return unsyncedFile{f}, errors.Join(err)
}

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"troupe/benchmarks/harness"
	"troupe/persistence"
	"troupe/runtime"
)

// rawReaders is how many files are read at once by the faster of the two raw reads: as many as Troupe reads.
const rawReaders = 8

// restore brings contexts back that prepare saved, with the pages of their files in memory and without, each time after a restart: only that makes sure that
// nothing of them is left in the pool. Reading the same files, and nothing else, is measured in turns with that.
func restore(ctx context.Context, w io.Writer, o options) (err error) {
	if o.keep == "" {
		if o.keep, err = os.MkdirTemp("", "troupe-memory-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(o.keep) }()
	}
	if err := prepare(ctx, w, o); err != nil {
		return err
	}
	done, err := readComputed(o.keep)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nmiddle of %d; computed: the time to the first token; back: the same after a restart, of which reading; raw: the same files, read by 1 and by %d\n", o.rounds, rawReaders)
	fmt.Fprintf(w, "%6s %5s %10s | %s\n%23s | %10s %8s %10s %10s %10s %7s %7s\n", "tokens", "MiB", "computed", "page cache warm, then cold", "",
		"back", "× faster", "reading", "raw 1", fmt.Sprint("raw ", rawReaders), "÷ raw 1", fmt.Sprint("÷ raw ", rawReaders))
	for _, n := range o.tokens {
		files, bytes, err := savedFiles(o.keep, agentOf(n))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%6d %5d %10v", n, bytes>>20, harness.Short(done[n].Wall))
		for _, cold := range []bool{false, true} {
			if cold && !dropPages() {
				fmt.Fprint(w, " | this machine does not let its page cache be emptied")
				continue
			}
			f, err := o.comeBack(ctx, n, files, cold)
			if err != nil {
				return err
			}
			back, one, many := middle(f.back), middle(f.one), middle(f.many)
			fmt.Fprintf(w, " | %10v %8.1f %10v %10v %10v %7.2f %7.2f", harness.Short(back), done[n].Wall.Seconds()/back.Seconds(), harness.Short(middle(f.reading)),
				harness.Short(one), harness.Short(many), back.Seconds()/one.Seconds(), back.Seconds()/many.Seconds())
		}
		fmt.Fprintln(w)
	}
	return nil
}

// returns are the times of several rounds.
type returns struct{ back, reading, one, many []time.Duration }

func (o *options) comeBack(ctx context.Context, n int, files []string, cold bool) (f returns, err error) {
	pages := func() {
		if cold {
			dropPages()
			return
		}
		if _, again := rawRead(files, rawReaders); again != nil {
			err = again
		}
	}
	for range o.rounds {
		back, reading, err := o.ask(ctx, n, pages)
		if err != nil {
			return f, err
		}
		f.back, f.reading = append(f.back, back), append(f.reading, reading)
		for _, r := range []struct {
			readers int
			to      *[]time.Duration
		}{{1, &f.one}, {rawReaders, &f.many}} {
			pages()
			took, err := rawRead(files, r.readers)
			if err != nil {
				return f, err
			}
			*r.to = append(*r.to, took)
		}
	}
	return f, err
}

// ask returns the time to the first token of a context on a server that has just started, and how much of it the server read. It wants the context from disk.
func (o *options) ask(ctx context.Context, n int, before func()) (first, reading time.Duration, err error) {
	server, err := o.server(ctx, o.keep)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	client := harness.NewClient(server.URL, 1)
	if s := client.Do(ctx, harness.Job{Prompt: "0123456789", Tokens: 1}); s.Err != nil { // the first step allocates
		return 0, 0, s.Err
	}
	before()
	s := client.Do(ctx, harness.Job{Agent: agentOf(n), Prompt: text(n), Tokens: 1})
	if s.Err != nil {
		return 0, 0, s.Err
	}
	if s.Cached.Tokens < s.Prompt-1 {
		return 0, 0, fmt.Errorf("%d of %d tokens were cached", s.Cached.Tokens, s.Prompt)
	}
	metrics, err := harness.ReadMetrics(ctx, server.URL)
	seconds, n := metrics.Sum("troupe_restore_seconds_total", nil)
	if err == nil && n == 0 {
		err = errors.New("the server does not say how long it read")
	}
	return s.First(), time.Duration(seconds * float64(time.Second)), err
}

// savedFiles returns the files of the blocks of an agent, in order of position, and how many bytes they have.
func savedFiles(dir, agent string) (files []string, bytes int64, err error) {
	disk, err := persistence.Open(dir, persistence.Options{})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	i := slices.IndexFunc(disk.List(), func(s runtime.Saved) bool { return strings.HasPrefix(s.Agent, agent+"@") })
	if i < 0 {
		return nil, 0, fmt.Errorf("%s is not saved", agent)
	}
	saved := disk.List()[i]
	m, err := disk.Manifest(saved.Agent)
	for _, key := range m.Blocks {
		files = append(files, filepath.Join(dir, "blocks", hex.EncodeToString(key[:])+".safetensors"))
	}
	return files, saved.Bytes, err
}

// rawRead reads files, several at once, and returns how long that took.
func rawRead(files []string, readers int) (time.Duration, error) {
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, readers)
	buffers := make([][]byte, readers)
	for i := range buffers {
		buffers[i] = make([]byte, 2<<20)
		clear(buffers[i])
	}
	began := time.Now()
	for i := range readers {
		all.Go(func() {
			for {
				at := int(next.Add(1) - 1)
				if at >= len(files) || errs[i] != nil {
					return
				}
				errs[i] = readFile(files[at], buffers[i])
			}
		})
	}
	all.Wait()
	return time.Since(began), errors.Join(errs...)
}

func readFile(name string, buffer []byte) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for {
		if _, err := f.Read(buffer); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func middle(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// dropPages empties the kernel's cache of files, and reports whether it may.
func dropPages() bool { return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0) == nil }

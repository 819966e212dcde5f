// Command memory measures what it costs to bring an agent back: the time to its first token with its context on disk, beside that of computing the context
// and that of reading as many bytes.
//
//	make build && go run ./benchmarks/memory -model .models/llama-3.2-1b-4bit -tokens 1024,4096
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"troupe/benchmarks/harness"
)

func main() {
	var (
		binary = flag.String("binary", "bin/troupe", "Troupe's binary")
		model  = flag.String("model", ".models/llama-3.2-1b-4bit", "a folder of benchmarks/models, whose tokens are bytes")
		tokens = flag.String("tokens", "1024,4096,16384", "lengths of the context")
		args   = flag.String("args", "", "further arguments of `troupe serve`")
	)
	flag.Parse()
	if err := run(context.Background(), *binary, *model, *tokens, strings.Fields(*args)); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, binary, model, lengths string, args []string) error {
	all, err := harness.Numbers(lengths)
	if err != nil {
		return err
	}
	data, err := os.MkdirTemp("", "troupe-memory-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(data) }()
	fmt.Printf("%s\n%s %s\n\n", harness.Machine(), model, strings.Join(args, " "))
	fmt.Printf("%7s %10s %10s %8s %10s %8s %10s %10s %8s %8s\n", "tokens", "computed", "page cache", "× faster", "from disk", "× faster", "raw cached", "raw disk", "cached ÷", "disk ÷")
	m := &memory{data: data, start: func() (*harness.Process, error) {
		return harness.StartTroupe(ctx, binary, append([]string{"--model", model, "--data", data}, args...)...)
	}}
	for _, n := range all {
		if err := m.measure(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

type memory struct {
	data  string
	start func() (*harness.Process, error)
}

// measure computes a context of n tokens and brings it back after a restart, with the pages of its files in memory, and without. Only a restart makes sure
// that nothing of it is left in the pool.
func (m *memory) measure(ctx context.Context, n int) error {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('a' + rand.IntN(26))
	}
	job := harness.Job{Agent: fmt.Sprintf("agent-%d", n), Prompt: string(text), Tokens: 1}
	computed, err := m.ask(ctx, job, false, false)
	if err != nil {
		return err
	}
	warm, err := m.ask(ctx, job, true, false)
	if err != nil {
		return err
	}
	rawWarm, bytes, err := m.read()
	if err != nil {
		return err
	}
	cold, rawCold := time.Duration(0), time.Duration(0)
	if dropPages() {
		if cold, err = m.ask(ctx, job, true, true); err != nil {
			return err
		}
		dropPages()
		if rawCold, _, err = m.read(); err != nil {
			return err
		}
	}
	ratio := func(a, b time.Duration) string {
		if a == 0 || b == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", a.Seconds()/b.Seconds())
	}
	fmt.Printf("%7d %10v %10v %8s %10v %8s %10v %10v %8s %8s  (%d MiB)\n", n, harness.Short(computed), harness.Short(warm), ratio(computed, warm),
		harness.Short(cold), ratio(computed, cold), harness.Short(rawWarm), harness.Short(rawCold), ratio(warm, rawWarm), ratio(cold, rawCold), bytes>>20)
	return os.RemoveAll(filepath.Join(m.data, "agents")) // the next length counts its own blocks only: the next start removes those that nobody names
}

// ask returns the time to the first token on a server that has just started, and wants a context that was computed or that came from the disk.
func (m *memory) ask(ctx context.Context, job harness.Job, saved, drop bool) (time.Duration, error) {
	server, err := m.start()
	if err != nil {
		return 0, err
	}
	client := harness.NewClient(server.URL, 1)
	hello := client.Do(ctx, harness.Job{Agent: "warm-up", Prompt: "0123456789", Tokens: 1}) // the first step allocates
	if drop {
		dropPages()
	}
	s := client.Do(ctx, job)
	if err := errors.Join(hello.Err, s.Err, server.Stop()); err != nil {
		return 0, err
	}
	const block = 32
	if least := s.Prompt - block; saved && s.Cached.Tokens < least || !saved && s.Cached.Tokens > 0 {
		return 0, fmt.Errorf("%d of %d tokens were cached", s.Cached.Tokens, s.Prompt)
	}
	return s.First(), nil
}

// read reads the files of all saved blocks, one after the other, and returns how long that took and how many bytes they have.
func (m *memory) read() (took time.Duration, bytes int64, err error) {
	buffer := make([]byte, 4<<20)
	began := time.Now()
	err = filepath.WalkDir(filepath.Join(m.data, "blocks"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		for {
			n, err := f.Read(buffer)
			bytes += int64(n)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	return time.Since(began), bytes, err
}

// dropPages empties the kernel's cache of files, and reports whether it may.
func dropPages() bool { return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0) == nil }

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
	"net/http"
	"os"
	"path/filepath"
	"strconv"
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
	data, err := os.MkdirTemp("", "troupe-memory-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(data) }()
	server, err := harness.StartTroupe(ctx, binary, append([]string{"--model", model, "--data", data, "--idle-save", "1h"}, args...)...)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s %s\n\n", harness.Machine(), model, strings.Join(args, " "))
	fmt.Printf("%7s %10s %10s %8s %10s %8s %10s %8s %8s\n", "tokens", "computed", "page cache", "× faster", "from disk", "× faster", "raw read", "cached ÷", "disk ÷")
	m := &memory{client: harness.NewClient(server.URL, 1), data: data}
	for _, word := range strings.Split(lengths, ",") {
		n, err := strconv.Atoi(word)
		if err == nil {
			err = m.measure(ctx, n)
		}
		if err != nil {
			return errors.Join(err, server.Stop())
		}
	}
	return server.Stop()
}

type memory struct {
	client *harness.Client
	data   string
}

// measure computes a context of n tokens, hibernates it, and brings it back with the pages of its files in memory, and without.
func (m *memory) measure(ctx context.Context, n int) error {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('a' + rand.IntN(26))
	}
	job := harness.Job{Agent: fmt.Sprintf("agent-%d", n), Prompt: string(text), Tokens: 1}
	computed, err := m.ask(ctx, job, false)
	if err != nil {
		return err
	}
	if err := m.post(ctx, job.Agent, "hibernate"); err != nil {
		return err
	}
	warm, err := m.ask(ctx, job, true)
	if err != nil {
		return err
	}
	rawWarm, bytes, err := m.read()
	if err != nil {
		return err
	}
	cold, rawCold := time.Duration(0), time.Duration(0)
	if err := m.post(ctx, job.Agent, "hibernate"); err != nil {
		return err
	}
	if dropPages() {
		if cold, err = m.ask(ctx, job, true); err != nil {
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
	fmt.Printf("%7d %10v %10v %8s %10v %8s %10v %8s %8s  (%d MiB)\n", n, harness.Short(computed), harness.Short(warm), ratio(computed, warm),
		harness.Short(cold), ratio(computed, cold), harness.Short(rawWarm), ratio(warm, rawWarm), ratio(cold, rawCold), bytes>>20)
	return m.remove(ctx, job.Agent)
}

// ask returns the time to the first token, and wants a context that was computed or that came from the cache.
func (m *memory) ask(ctx context.Context, job harness.Job, cached bool) (time.Duration, error) {
	s := m.client.Do(ctx, job)
	if s.Err != nil {
		return 0, s.Err
	}
	const block = 32
	if least := s.Prompt - block; cached && s.Cached.Tokens < least || !cached && s.Cached.Tokens > block {
		return 0, fmt.Errorf("%d of %d tokens were cached", s.Cached.Tokens, s.Prompt)
	}
	return s.First(), nil
}

func (m *memory) post(ctx context.Context, agent, what string) error {
	return m.call(ctx, http.MethodPost, agent+"/"+what)
}

func (m *memory) remove(ctx context.Context, agent string) error {
	return m.call(ctx, http.MethodDelete, agent)
}

func (m *memory) call(ctx context.Context, method, path string) error {
	r, err := http.NewRequestWithContext(ctx, method, m.client.URL+"/v1/agents/"+path, nil)
	if err != nil {
		return err
	}
	answer, err := m.client.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, answer.StatusCode, body)
	}
	return err
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

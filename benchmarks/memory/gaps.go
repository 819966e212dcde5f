package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"troupe/actors"
	"troupe/benchmarks/harness"
	"troupe/http"
	"troupe/mlx/engine"
	"troupe/persistence"
	"troupe/runtime"
	"troupe/tests/troupetest"
)

// split is a store that finds what is in one folder and saves to another, so that the same context can be read, and written anew, as often as needed.
type split struct {
	*persistence.Disk // what is saved
	from              *persistence.Disk
}

func (s split) Manifest(agent string) (runtime.Manifest, error) { return s.from.Manifest(agent) }
func (s split) Has(keys []runtime.BlockKey) int                 { return s.from.Has(keys) }
func (s split) Block(key runtime.BlockKey, use func([]byte) error) error {
	return s.from.Block(key, use)
}

// moment is a span of time in which something was read or written.
type moment struct{ from, to time.Time }

// gaps has one agent speak while the longest of the contexts that prepare saved is read and written, and compares the time between its tokens meanwhile
// with that before and after. Server and client are one process.
func gaps(ctx context.Context, w io.Writer, o options) (failed error) {
	if o.keep == "" {
		return errors.New("from where? -keep, as for prepare")
	}
	folder, err := engine.ReadFolder(os.DirFS(o.model), filepath.Base(o.model))
	if err != nil {
		return err
	}
	eng, err := engine.New(folder, engine.Options{KVBytes: 2 << 30})
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "troupe-memory-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	store := split{}
	if store.from, err = persistence.Open(o.keep, persistence.Options{}); err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, store.from.Close()) }()
	if store.Disk, err = persistence.Open(temp, persistence.Options{}); err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, store.Close()) }()
	tag, tensors := eng.Info().Tag, eng.Info().Tensors
	if err := store.Use(tag, tensors); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	stack, err := troupetest.StartStack(actors.Config{Engine: eng, Model: folder.Model, Store: store, Logger: quiet}, http.Config{Logger: quiet})
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, stack.Close()) }()
	g := &gapRun{w: w, stack: stack, store: store, length: slices.Max(o.tokens), client: harness.NewClient(stack.URL, 2), rounds: o.rounds}
	return g.run(ctx)
}

type gapRun struct {
	w      io.Writer
	stack  *troupetest.Stack
	store  split
	length int
	client *harness.Client
	rounds int
}

func (g *gapRun) run(ctx context.Context) error {
	talk, end := context.WithCancel(ctx)
	defer end()
	spoke, ended := make(chan struct{}), make(chan harness.Sample, 1)
	go func() {
		ended <- g.client.DoTelling(talk, harness.Job{Agent: "speaker", Prompt: text(64), Tokens: 4000}, spoke)
	}()
	<-spoke
	alone := func() moment {
		m := moment{from: time.Now()}
		time.Sleep(3 * time.Second)
		m.to = time.Now()
		return m
	}
	calm := []moment{alone()}
	kinds := []struct {
		name string
		do   func(context.Context) (moment, error)
	}{
		{"reading, page cache warm", func(ctx context.Context) (moment, error) { return g.load(ctx) }},
		{"reading, page cache cold", func(ctx context.Context) (moment, error) { dropPages(); return g.load(ctx) }},
		{"writing", g.save},
	}
	busy := make([][]moment, len(kinds))
	for range g.rounds {
		for i, k := range kinds {
			m, err := k.do(ctx)
			if err != nil {
				return err
			}
			busy[i] = append(busy[i], m)
		}
		calm = append(calm, alone())
	}
	end()
	s := <-ended
	if s.Status != 200 || len(s.Texts) < 10 || s.Texts[len(s.Texts)-1].Before(calm[len(calm)-1].from) {
		return fmt.Errorf("the speaker ended early: status %d, %d texts, %w", s.Status, len(s.Texts), s.Err)
	}
	before := within(s.Texts, calm)
	fmt.Fprintf(g.w, "\none agent speaks while %d MiB of another are read or written, %d times each; all gaps that touch that time\n", g.bytes()>>20, g.rounds)
	fmt.Fprintf(g.w, "%-26s %10s %6s %10s %10s %10s %12s\n", "", "took", "gaps", "mean", "p50", "p99", "mean, growth")
	g.line("nothing else", calm, before, before)
	for i, k := range kinds {
		g.line(k.name, busy[i], within(s.Texts, busy[i]), before)
	}
	return nil
}

// bytes is how many the context has on disk.
func (g *gapRun) bytes() (n int64) {
	for _, s := range g.store.from.List() {
		if s.Agent == g.stack.System.SavedName(agentOf(g.length)) {
			n = s.Bytes
		}
	}
	return n
}

func (g *gapRun) line(name string, moments []moment, gaps, before []time.Duration) {
	var took []time.Duration
	for _, m := range moments {
		took = append(took, m.to.Sub(m.from))
	}
	fmt.Fprintf(g.w, "%-26s %10v %6d %10v %10v %10v %+11.1f%%\n", name, harness.Short(middle(took)), len(gaps), harness.Short(mean(gaps)),
		harness.Short(harness.Percentile(gaps, 0.5)), harness.Short(harness.Percentile(gaps, 0.99)), 100*(mean(gaps).Seconds()/mean(before).Seconds()-1))
}

// load brings the context into the pool, where it is not, and returns when it was read: that is over before its own first token is computed.
func (g *gapRun) load(ctx context.Context) (m moment, err error) {
	agent := agentOf(g.length)
	before, err := g.stack.System.Stats(ctx)
	if err != nil {
		return m, err
	}
	m.from = time.Now()
	s := g.client.Do(ctx, harness.Job{Agent: agent, Prompt: text(g.length), Tokens: 1})
	if s.Err != nil {
		return m, s.Err
	}
	after, err := g.stack.System.Stats(ctx)
	if err != nil {
		return m, err
	}
	if s.Cached.Tokens < s.Prompt-1 || after.RestoreTime == before.RestoreTime {
		return m, fmt.Errorf("%d of %d tokens were cached, and nothing was read", s.Cached.Tokens, s.Prompt)
	}
	m.to = m.from.Add(after.RestoreTime - before.RestoreTime)
	return m, g.stack.System.Delete(ctx, agent, true)
}

// save writes the context to an empty folder.
func (g *gapRun) save(ctx context.Context) (m moment, err error) {
	agent := agentOf(g.length)
	if s := g.client.Do(ctx, harness.Job{Agent: agent, Prompt: text(g.length), Tokens: 1}); s.Err != nil {
		return m, s.Err
	}
	if err := g.store.Delete(g.stack.System.SavedName(agent)); err != nil {
		return m, err
	}
	written := g.store.Usage().Written
	m.from = time.Now()
	if err := g.stack.System.Save(ctx, agent); err != nil {
		return m, err
	}
	m.to = time.Now()
	if g.store.Usage().Written-written < g.bytes() {
		return m, fmt.Errorf("only %d bytes were written", g.store.Usage().Written-written)
	}
	return m, g.stack.System.Delete(ctx, agent, true)
}

// within returns the gaps between texts that touch one of the moments, sorted.
func within(texts []time.Time, moments []moment) (gaps []time.Duration) {
	for i := 1; i < len(texts); i++ {
		if slices.ContainsFunc(moments, func(m moment) bool { return texts[i].After(m.from) && texts[i-1].Before(m.to) }) {
			gaps = append(gaps, texts[i].Sub(texts[i-1]))
		}
	}
	slices.Sort(gaps)
	return gaps
}

func mean(times []time.Duration) (sum time.Duration) {
	for _, t := range times {
		sum += t
	}
	return sum / time.Duration(max(len(times), 1))
}

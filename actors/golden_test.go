package actors

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
	"troupe/runtime/storetest"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/*.txt anew; commit it only if you understand what changed")

// TestScripts plays testdata/*.txt. A line that begins with > is a command; the lines below it are what it makes happen: every message in the order in which
// it is received, every step of the engine, every event of a stream.
//
//	> start blocks=8 block=4 context=64 batch=4 queue=2 chunk=8 disk=yes
//	> generate A agent=alice prompt=1..12 max=5 stop=xy class=batch
//	> step            compute the step that the engine was given; it takes a second
//	> finish          step until the engine has nothing to do
//	> cancel A
//	> fail token=9    every step that computes this token fails
//	> panic agent     at the next token; or: engine, at the next step; batcher, at the next recall or result
//	> wait 5s         time passes
//	> damage 2        the disk loses the block that it was given as the third of all
//	> full yes        the disk takes nothing more; no: it does again
//	> restart         close the system and start another with what is on disk
//	> drain | close | stats
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			old, err := os.ReadFile(file)
			require.NoError(t, err)
			got := newScript(t).play(string(old))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(old), got)
		})
	}
}

// script is one play.
type script struct {
	*testing.T
	out     strings.Builder
	system  *System
	queue   []func()
	engine  func() // the step that waits for its command
	last    *step  // whose step that is
	clock   time.Time
	names   []string
	clients map[string]*Stream
	ended   map[string]bool
	alarms  []alarm
	disk    *notedDisk
	options enginetest.Options
	config  Config
	panics  string // who panics next
	culprit int32  // steps with this token fail; 0: none
}

type alarm struct {
	at time.Time
	f  func()
}

// notedDisk is a store that knows in which order it got its blocks.
type notedDisk struct {
	*storetest.Fake
	order []runtime.BlockKey
	full  bool
}

func (d *notedDisk) Save(m runtime.Manifest, block func(i int) ([]byte, error)) error {
	if d.full {
		return errors.New("the disk is full")
	}
	return d.Fake.Save(m, func(i int) ([]byte, error) {
		d.order = append(d.order, m.Blocks[i])
		return block(i)
	})
}

func newScript(t *testing.T) *script {
	return &script{T: t, clients: map[string]*Stream{}, ended: map[string]bool{}}
}

func (s *script) play(text string) string {
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, ">"):
			s.printf("\n%s", line)
			s.do(strings.Fields(line[1:]))
			s.settle()
		case strings.HasPrefix(line, "#"):
			if s.system != nil {
				s.printf("\n")
			}
			s.printf("%s", line)
		}
	}
	require.NotNil(s, s.system)
	require.NoError(s, s.system.Close())
	return s.out.String()
}

func (s *script) printf(format string, args ...any) { fmt.Fprintf(&s.out, format, args...) }

func (s *script) do(words []string) {
	args := map[string]string{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		args[k] = v
	}
	number := func(key string, def int) int {
		if args[key] == "" {
			return def
		}
		n, err := strconv.Atoi(args[key])
		require.NoError(s, err)
		return n
	}
	switch words[0] {
	case "start":
		s.start(enginetest.Options{
			Vocab: 100, Context: number("context", 64), Blocks: number("blocks", 8), BlockTokens: number("block", 4), BeforeStep: s.beforeStep,
		}, Config{MaxBatch: number("batch", 4), MaxQueue: number("queue", 2), PrefillChunk: number("chunk", 8), MaxGap: -1}, args["disk"] != "")
	case "restart":
		require.NoError(s, s.system.Close())
		s.open()
	case "wait":
		d, err := time.ParseDuration(words[1])
		require.NoError(s, err)
		s.clock = s.clock.Add(d)
		due := s.alarms
		s.alarms = nil
		for _, a := range due {
			if a.at.After(s.clock) {
				s.alarms = append(s.alarms, a)
			} else {
				a.f()
			}
		}
	case "damage":
		n, err := strconv.Atoi(words[1])
		require.NoError(s, err)
		require.True(s, s.disk.Damage(s.disk.order[n]))
	case "full":
		s.disk.full = words[1] == "yes"
	case "generate":
		name := words[1]
		r := Request{Agent: args["agent"], Prompt: tokens(s.T, args["prompt"]), MaxTokens: number("max", 0)}
		if name := args["class"]; name != "" {
			var err error
			r.Class, err = runtime.ParseClass(name)
			require.NoError(s, err)
		}
		if stop := args["stop"]; stop != "" {
			r.Stops = []string{strings.ReplaceAll(stop, "_", " ")}
		}
		st, err := s.system.Generate(context.Background(), r)
		if err != nil {
			s.printf("  %s is refused: %s: %v%s\n", name, runtime.KindOf(err), err, retry(err))
			return
		}
		s.names = append(s.names, name)
		s.clients[name] = st
	case "step":
		s.step()
	case "finish":
		for s.settle(); s.engine != nil; s.settle() {
			s.step()
		}
	case "cancel":
		s.clients[words[1]].Cancel()
	case "fail":
		s.culprit = int32(number("token", 0))
	case "panic":
		s.panics = words[1]
	case "drain":
		// Drain itself would wait; what it sends is all that matters here.
		s.system.actors.Root.Send(s.system.pool, &drain{err: errDraining(), done: make(chan struct{})})
	case "close":
		require.NoError(s, s.system.Close())
	case "stats":
		st, err := s.system.Stats(context.Background())
		require.NoError(s, err)
		if s.disk != nil {
			u := s.disk.Usage()
			s.printf("  disk: %d agents, %d blocks; %d hibernations, %d restores\n", u.Agents, u.Blocks, st.Hibernations, st.Restores)
		}
		s.printf("  blocks: %d free, %d leased, %d cached, %d shared; %d running, %d waiting, %d idle agents; rows per step %v\n",
			st.Free, st.Leased, st.Cached, st.Shared, st.Running, st.Waiting, st.IdleAgents, st.RowsPerStep)
	default:
		s.Fatalf("unknown command %q", words[0])
	}
}

func retry(err error) string {
	var e *runtime.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return fmt.Sprintf(" (retry after %s)", e.RetryAfter)
	}
	return ""
}

// tokens reads a prompt such as 1..4,9.
func tokens(t *testing.T, text string) (out []int32) {
	for _, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "..")
		a, err := strconv.Atoi(from)
		require.NoError(t, err)
		b := a
		if isRange {
			b, err = strconv.Atoi(to)
			require.NoError(t, err)
		}
		for ; a <= b; a++ {
			out = append(out, int32(a))
		}
	}
	return out
}

func (s *script) start(o enginetest.Options, cfg Config, disk bool) {
	cfg.Model = &model.Model{StopIDs: []int32{0}}
	cfg.Decoder = func() Decoder { return &digits{s} }
	cfg.Dispatcher = (*fifo)(s)
	cfg.Now = func() time.Time { return s.clock }
	cfg.Check = true
	cfg.Fatal = func(reason string) { s.Fatal(reason) }
	cfg.trace = s.trace
	cfg.After = func(d time.Duration, f func()) func() bool {
		s.alarms = append(s.alarms, alarm{s.clock.Add(d), f})
		return func() bool { s.alarms = nil; return true }
	}
	if disk {
		s.disk = &notedDisk{Fake: storetest.NewFake()}
		cfg.Store = s.disk
	}
	s.options, s.config = o, cfg
	s.open()
}

func (s *script) open() {
	s.config.Engine = enginetest.NewFake(s.options)
	s.system = nil
	var err error
	s.system, err = Start(s.config)
	require.NoError(s, err)
}

// digits writes a token as its number between blanks, and panics when told.
type digits struct{ s *script }

func (d *digits) Push(id int32) string {
	d.s.panicAs("agent")
	return fmt.Sprintf("%02d ", id)
}

func (d *digits) Flush() string { return "" }

func (s *script) panicAs(who string) {
	if s.panics == who {
		s.panics = ""
		panic("told to")
	}
}

func (s *script) beforeStep(rows []runtime.Row) error {
	var parts []string
	for _, r := range rows {
		id := slices.IndexFunc(s.last.rows, func(x runtime.Row) bool { return &x.Blocks[0] == &r.Blocks[0] })
		parts = append(parts, fmt.Sprintf("request %d [%d:%d]", s.last.parts[id].row.id, r.Start, r.Start+len(r.Tokens)))
	}
	s.printf("  engine: %s\n", strings.Join(parts, ", "))
	s.clock = s.clock.Add(time.Second)
	s.panicAs("engine")
	for _, r := range rows {
		if s.culprit != 0 && slices.Contains(r.Tokens, s.culprit) {
			return errors.New("told to fail")
		}
	}
	return nil
}

func (s *script) step() {
	s.settle()
	run := s.engine
	require.NotNil(s, run, "the engine has nothing to do")
	s.engine = nil
	run()
}

// settle runs the actors until all is quiet, and shows what the streams brought.
func (s *script) settle() {
	for (*fifo)(s).RunOne() {
	}
	for _, name := range s.names {
		s.read(name)
	}
}

func (s *script) read(name string) {
	st := s.clients[name]
	for !s.ended[name] {
		select {
		case e, open := <-st.Events():
			switch {
			case !open:
				o := st.Outcome()
				s.ended[name] = true
				s.printf("  %s ends: %s%s, %d+%d tokens, %d cached", name, o.Reason, o.StopString, o.PromptTokens, o.OutputTokens, o.CachedTokens)
				if o.Err != nil {
					s.printf(", %v", o.Err)
				}
				s.printf("\n")
			case e.Started:
				s.printf("  %s starts, %d cached\n", name, e.Cached)
			default:
				s.printf("  %s says %q\n", name, e.Text)
			}
		default:
			return
		}
	}
}

// fifo is the script as a Pump: mailboxes in the order in which they were scheduled; the engine only when told.
type fifo script

func (f *fifo) Throughput() int { return 1 }

func (f *fifo) Schedule(fn func()) {
	if f.system != nil && f.system.loop != nil {
		// The engine loop notes its step just before it schedules it.
		if s := f.system.loop.inflight; s != nil && s != f.last {
			f.last, f.engine = s, fn
			return
		}
	}
	f.queue = append(f.queue, fn)
}

func (f *fifo) RunOne() bool {
	if len(f.queue) == 0 {
		return false
	}
	fn := f.queue[0]
	f.queue = f.queue[1:]
	fn()
	return true
}

func (s *script) trace(to string, message any) {
	if text := describe(message); text != "" {
		s.printf("  %s ← %s\n", to, text)
	}
	if s.panics == "batcher" {
		switch m := message.(type) {
		case *recall:
			s.panicAs("batcher")
		case *stepped: // makes no sense, so the batcher panics in the middle of it
			s.panics = ""
			m.results = nil
		}
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ", " + err.Error()
}

// describe writes a message as a line; those that come with every step are left out.
func describe(message any) string {
	blocks := func(l *runtime.Lease) string {
		if l == nil {
			return "no lease"
		}
		return fmt.Sprintf("%d blocks with %d tokens", len(l.Blocks), l.Length)
	}
	switch m := message.(type) {
	case *generate:
		return fmt.Sprintf("generate %d for %q: %d tokens", m.id, m.request.Agent, len(m.request.Prompt))
	case *cancel:
		return fmt.Sprintf("cancel %d: %v", m.id, m.err)
	case *prompt:
		return fmt.Sprintf("prompt %d: %s, at most %d to generate", m.id, blocks(m.lease), m.outputs)
	case *resume:
		return fmt.Sprintf("resume %d: %s", m.id, blocks(m.lease))
	case *preempt:
		return fmt.Sprintf("preempt %d", m.id)
	case *paused:
		return fmt.Sprintf("paused %d: %s, knows %d", m.id, blocks(m.lease), len(m.tokens))
	case *ended:
		return fmt.Sprintf("ended %d: %s, knows %d", m.id, blocks(m.lease), len(m.tokens))
	case *surplus:
		return fmt.Sprintf("surplus %d: %d blocks", m.id, len(m.blocks))
	case *lend:
		return fmt.Sprintf("lend %d: %s, %d to compute, at most %d to generate", m.id, blocks(m.lease), len(m.tokens), m.outputs)
	case *recall:
		return fmt.Sprintf("recall %d: %s", m.id, m.why)
	case *returned:
		return fmt.Sprintf("returned %d: %s, %s", m.id, blocks(m.lease), m.why)
	case *need:
		if m.stalled {
			return fmt.Sprintf("need %d, stalled", m.id)
		}
		return fmt.Sprintf("need %d", m.id)
	case *granted:
		return fmt.Sprintf("granted %d: %d blocks", m.id, len(m.blocks))
	case *drain:
		return "drain"
	case *flush:
		return "flush"
	case *tick:
		return "tick"
	case *save:
		return fmt.Sprintf("save %q: %d tokens in %d blocks", m.manifest.Agent, m.manifest.Length, len(m.blocks))
	case *saved:
		return fmt.Sprintf("saved: %d bytes%s", m.bytes, because(m.err))
	case *seek:
		if m.name == "" {
			return "seek the prompt"
		}
		return fmt.Sprintf("seek %q", m.name)
	case *found:
		prefix := ""
		if len(m.prefix) > 0 {
			prefix = fmt.Sprintf(", and %d blocks of the prompt", len(m.prefix))
		}
		if m.manifest == nil {
			return "found nothing" + because(m.err) + prefix
		}
		return fmt.Sprintf("found %d tokens in %d blocks", m.manifest.Length, len(m.manifest.Blocks)) + prefix
	case *load:
		return fmt.Sprintf("load %d blocks", len(m.blocks))
	case *loaded:
		return fmt.Sprintf("loaded %d blocks%s", m.n, because(m.err))
	case *amend:
		return "amend"
	case *amended:
		return "amended" + because(m.err)
	case *cancelAll:
		return fmt.Sprintf("cancelAll: %v", m.err)
	}
	return ""
}

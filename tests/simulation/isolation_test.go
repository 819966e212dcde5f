package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/model"
	"troupe/runtime/storetest"
)

// tribe are agents of several owners. Their prompts begin alike and have parts in common later too; the rest is marked as theirs. A fork has the mark of
// the agent that it was forked from.
type tribe struct {
	*world
	engine   *taggedEngine
	tags     map[string]int32
	said     map[string][]int32   // by agent: the context of its last turn
	contexts map[string][][]int32 // by owner: all that was ever computed for it
	begins   [][]int32            // of prompts
	asked    []*question
	cached   int // tokens
	found    int // of them what somebody else of the owner had computed
}

type question struct {
	agent, owner string
	prompt       []int32
	tokens       int
	stream       *actors.Stream
	text         strings.Builder
	done         bool
}

// TestNoRequestSeesTokensOfAnotherAgent has the agents of several owners speak in a pool that is too small for them, while they are saved, hibernated,
// forked, deleted and the server restarts. No context ever holds the tokens of two agents, or what was computed in another context; every answer is that of
// its own context; and nothing is reported as cached, which can be told from the time it takes, but what the owner itself had sent or been sent.
func TestNoRequestSeesTokensOfAnotherAgent(t *testing.T) {
	cached, found, evicted, restored, hibernated, forks := 0, 0, 0, 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		b := newTribe(t, rt)
		rt.Repeat(map[string]func(*rapid.T){
			"ask": func(rt *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(rt, "requests") {
					b.ask(rt)
				}
			},
			"work": func(rt *rapid.T) {
				for range rapid.IntRange(1, 60).Draw(rt, "messages") {
					b.pump.RunOne()
				}
			},
			"wait": func(*rapid.T) { b.now = b.now.Add(3 * time.Second) },
			"order": func(rt *rapid.T) {
				if b.command(rt) {
					forks++
				}
			},
			"restart": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "really") > 0 {
					rt.Skip("seldom")
				}
				b.finish(rt)
				b.timers = nil
				b.begin(rt)
			},
			"": func(rt *rapid.T) {
				b.ring()
				require.Empty(rt, b.engine.leaks)
				b.listen(rt)
			},
		})
		s := b.finish(rt)
		cached, found, evicted, restored, hibernated = cached+b.cached, found+b.found, evicted+int(s.Evicted), restored+int(s.Restores), hibernated+int(s.Hibernations)
	})
	t.Logf("%d tokens cached, %d of them of others, %d blocks evicted, %d restored, %d hibernated, %d forks", cached, found, evicted, restored, hibernated, forks)
	for _, n := range []int{found, evicted, restored, hibernated, forks} {
		require.Positive(t, n, "what never happens cannot leak")
	}
}

func newTribe(t *testing.T, rt *rapid.T) *tribe {
	b := &tribe{
		world: &world{
			T: t, now: time.Unix(0, 0), counts: map[string]int{},
			pump: &dispatcher{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order of messages"), 1))},
		},
		tags: map[string]int32{}, said: map[string][]int32{}, contexts: map[string][][]int32{},
	}
	b.limits = runtime.Limits{Context: 96, Blocks: rapid.IntRange(26, 50).Draw(rt, "blocks"), BlockTokens: 4}
	for range 2 {
		b.begins = append(b.begins, everybody(rapid.IntRange(3, 16).Draw(rt, "beginning"), int32(len(b.begins))))
	}
	b.store = &disk{Fake: storetest.NewFake(), rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "faults of the disk"), 2)), counts: b.counts}
	b.config = actors.Config{
		Model: &model.Model{}, Store: b.store, MaxBatch: 4, MaxQueue: 8, PrefillChunk: 8, StreamBuffer: 64,
		Decoder: func() actors.Decoder { return words{} }, Dispatcher: b.pump, Check: true,
		Now:   func() time.Time { b.now = b.now.Add(time.Millisecond); return b.now },
		After: b.after, Fatal: func(reason string) { b.Fatalf("%s", reason) },
	}
	b.begin(rt)
	return b
}

// begin starts a system with an empty pool, and what is on disk.
func (b *tribe) begin(rt *rapid.T) {
	b.engine = newTaggedEngine(b.limits.Blocks, b.limits.BlockTokens, b.limits.Context)
	b.config.Engine = b.engine
	var err error
	b.system, err = actors.Start(b.config)
	require.NoError(rt, err)
}

// words writes a token as its tag and word.
type words struct{}

func (words) Push(id int32) string { return fmt.Sprintf("%x%x ", tagOf(id), id%tagWords) }

func (words) Flush() string { return "" }

// everybody are n words that nobody owns.
func everybody(n int, from int32) (tokens []int32) {
	for i := range n {
		tokens = append(tokens, tagged(everybodys, (from+int32(i))%tagWords))
	}
	return tokens
}

func (b *tribe) name(rt *rapid.T) (owner, agent string) {
	owner = rapid.SampledFrom([]string{"", "one", "two"}).Draw(rt, "owner")
	agent = fmt.Sprint("agent-", rapid.IntRange(0, 4).Draw(rt, "agent"))
	if owner != "" {
		agent = owner + "/" + agent
	}
	if b.tags[agent] == 0 {
		b.tags[agent] = 1 + int32(len(b.tags))%15
	}
	return owner, agent
}

// ask has an agent go on, or begin anew. The agents of all owners say the same but for their marks, and now and then not even these are there.
func (b *tribe) ask(rt *rapid.T) {
	owner, agent := b.name(rt)
	q := &question{agent: agent, owner: owner, tokens: rapid.IntRange(1, 12).Draw(rt, "tokens")}
	if said := b.said[agent]; len(said) > 0 && len(said) < 60 && rapid.IntRange(0, 3).Draw(rt, "go on") > 0 {
		q.prompt = slices.Clone(said[:len(said)-rapid.IntRange(0, min(3, len(said)-1)).Draw(rt, "take back")])
	} else {
		q.prompt = slices.Clone(rapid.SampledFrom(b.begins).Draw(rt, "begin"))
		for range rapid.IntRange(0, 5).Draw(rt, "own") {
			q.prompt = append(q.prompt, tagged(b.tags[agent], int32(rapid.IntRange(0, 1).Draw(rt, "word"))))
		}
	}
	q.prompt = append(q.prompt, everybody(rapid.IntRange(1, 12).Draw(rt, "common"), 0)...)
	st, err := b.system.Generate(context.Background(), actors.Request{Agent: agent, Owner: owner, Prompt: q.prompt, MaxTokens: q.tokens, IgnoreEOS: true})
	if err != nil {
		require.Equal(rt, runtime.Busy, runtime.KindOf(err), "%v", err)
		return
	}
	q.stream = st
	b.asked = append(b.asked, q)
}

// command does something with an agent, whatever it is doing, and reports whether it was forked.
func (b *tribe) command(rt *rapid.T) (forked bool) {
	ctx := context.Background()
	owner, agent := b.name(rt)
	var err error
	switch rapid.IntRange(0, 3).Draw(rt, "what") {
	case 0:
		err = b.system.Save(ctx, agent)
	case 1:
		err = b.system.Hibernate(ctx, agent)
	case 2:
		err = b.system.Delete(ctx, agent, rapid.Bool().Draw(rt, "keep what is on disk"))
	default:
		other := fmt.Sprint("fork-", rapid.IntRange(0, 2).Draw(rt, "fork"))
		if owner != "" {
			other = owner + "/" + other
		}
		if err = b.system.Fork(ctx, agent, other); err == nil {
			b.tags[other], b.said[other] = b.tags[agent], b.said[agent]
			q := &question{agent: other, owner: owner, tokens: 3, prompt: append(slices.Clone(b.said[agent]), everybody(2, 3)...)}
			if q.stream, err = b.system.Generate(ctx, actors.Request{Agent: other, Owner: owner, Prompt: q.prompt, MaxTokens: q.tokens, IgnoreEOS: true}); err == nil {
				b.asked = append(b.asked, q)
			}
			forked = true
		}
	}
	if err != nil {
		require.Contains(rt, []runtime.Kind{runtime.Unknown, runtime.Conflict, runtime.Internal, runtime.Busy, runtime.Invalid}, runtime.KindOf(err), "%v", err)
	}
	return forked
}

// listen reads what there is of the answers, and judges those that are over.
func (b *tribe) listen(rt *rapid.T) {
	for _, q := range b.asked {
		for open := true; open && !q.done; {
			select {
			case e, more := <-q.stream.Events():
				if !more {
					q.done = true
					b.judge(rt, q)
					break
				}
				q.text.WriteString(e.Text)
			default:
				open = false
			}
		}
	}
	b.asked = slices.DeleteFunc(b.asked, func(q *question) bool { return q.done })
}

func (b *tribe) judge(rt *rapid.T, q *question) {
	o := q.stream.Outcome()
	require.NoError(rt, o.Err)
	var at position
	for _, token := range q.prompt {
		at = at.next(token)
	}
	said, want := slices.Clone(q.prompt), ""
	for range q.tokens {
		token := at.says()
		at, said, want = at.next(token), append(said, token), want+words{}.Push(token)
	}
	require.Equal(rt, want, q.text.String(), "%s after %v", q.agent, q.prompt)
	most := 0
	for _, c := range b.contexts[q.owner] {
		most = max(most, runtime.CommonPrefix(c, q.prompt))
	}
	for _, other := range b.asked { // its prompt may have been computed meanwhile
		if other != q && other.owner == q.owner {
			most = max(most, runtime.CommonPrefix(other.prompt, q.prompt))
		}
	}
	require.LessOrEqual(rt, o.CachedTokens, most, "%s was told that more of %v is cached than its owner had sent", q.agent, q.prompt)
	b.cached += o.CachedTokens
	b.found += max(0, o.CachedTokens-runtime.CommonPrefix(b.said[q.agent], q.prompt))
	b.contexts[q.owner] = append(b.contexts[q.owner], said)
	b.said[q.agent] = said
}

// finish lets all be answered and closes the system.
func (b *tribe) finish(rt *rapid.T) actors.Stats {
	for b.pump.RunOne() {
		b.listen(rt)
	}
	b.listen(rt)
	require.Empty(rt, b.asked, "never answered")
	require.Empty(rt, b.engine.leaks)
	s, err := b.system.Stats(context.Background())
	require.NoError(rt, err)
	require.Zero(rt, s.Leased)
	require.NoError(rt, b.system.Close())
	return s
}

// Package actors serves many agents at once from one engine. [Start] makes a [System]; [System.Generate] asks it for an answer.
//
// Every decision is made by pure code of package runtime; the actors only carry it out. All messages are in messages.go.
//
// # Who is there
//
//	pool         supervisor: ledger, prefix index, queue, memories of idle agents; parent of all others    1
//	agent        one conversation: tokens, detokeniser, stop strings, event stream    1 for each id, 1 for each anonymous request
//	batcher      lent leases and their samplers; composes steps, samples, ends at lengths    1
//	keeper       what waits for the disk; saves, finds and reads agents on goroutines of its own    1 if there is a store
//	engine loop  not an actor but a goroutine: computes the steps                        1
//
// # Who says what to whom
//
//	System  → pool         generate, cancel, order, statsRequest, agentsRequest, cacheRequest, drain, flush, cancelAll
//	pool    → agent        prompt, resume, preempt, cancel
//	agent   → pool         paused, ended, surplus
//	agent   → batcher      lend, recall
//	batcher → agent        sampled, returned
//	batcher → pool         need, surplus, report
//	pool    → batcher      granted
//	pool    → keeper       save, seek, load, amend
//	keeper  → pool         saved, found, loaded, amended
//	a timer → pool         tick
//	batcher → engine loop  step (a channel of capacity 1, filled only when the loop is idle)
//	loop    → batcher      stepped
//
// The life of a request: generate, then prompt, lend, sampled for each token, returned, ended. Every lend is answered by one returned, every prompt by
// one ended.
//
// # Who owns what
//
//   - A block is booked in the pool's ledger with every reference to it: free, leased to requests, or cached, for idle agents or for whoever's prompt
//     needs it. A full block that is computed is in the prefix index and only read from then on; any number of requests and agents may refer to it. All
//     others have one owner, who writes to them.
//   - A lease has one owner: the pool while its agent is idle, the agent while its request runs, the batcher between lend and returned. Blocks that
//     reach somebody after their request is over are sent home as surplus, so none is ever lost.
//   - What an agent knows between two requests, its memory, is the pool's: the tokens, and holds on their blocks. Whatever the keeper reads or writes has
//     holds of its own, so that those blocks stay what they are whatever becomes of the agent.
//   - A stream is written by the pool until the request is admitted, then by its agent.
//   - The engine belongs to the engine loop, but for the blocks that the keeper reads and writes while no step writes to them.
//
// # What cannot happen
//
// Nobody waits inside Receive: mailboxes are unbounded, replies go to channels with room for them, a step runs elsewhere, and a full event stream cancels
// its request. Backpressure is the pool's decision alone.
//
// There is no round trip in the token loop: the batcher tests stop tokens and lengths itself and asks for a lease's next block one block ahead.
//
// A request that is paused and computed anew gives the same tokens as one that was never paused: its sampler waits with it, and the engine's results
// do not depend on how the tokens before were cut into steps.
//
// What is being computed is not computed a second time beside it: a request that lacks the same block waits until it is published, and lets others
// pass. Nobody waits in a circle, because only running requests compute and those that wait hold nothing.
//
// A prompt is matched by token ids with what its agent knows, and then block by block with the index. If it spells what the agent knows in other tokens,
// as text often does that a client sends back, it goes on from those that the agent has.
//
// # What outlives what
//
// An agent's memory outlives its request. When blocks are short, cached blocks of nobody go first; then idle agents, which are written to disk before their
// blocks are taken, those that hold more than their share first; then the youngest running request is paused, which makes an idle agent of it. An agent
// whose request comes is looked for on disk and read before it is admitted, also while it waits for its turn. So is the beginning of its prompt, if others
// saved more of that than it knows; what it knows itself stays in the pool until then.
//
// What an agent knew at the end of a turn is on disk [Config.IdleSave] later, plus the time to write it, and when the system is closed. So a crash costs at
// most the turns of the last five seconds. An agent that is busy again by then is saved up to the last full block that its prompt repeats.
//
// A paused request that belongs to no agent is on disk until it is over; Start removes what a crash left of them.
//
// # Failures
//
// A panic in an agent ends that agent's request and its history; a panic in the batcher ends the requests that are lent. Both are replaced behind the same
// address (supervision.go). An error of a step makes its rows run one by one, so that only the culprit fails. A panic in the pool means that
// the books are wrong: the process ends. An error of the store costs time: what cannot be read is computed again, and so is what cannot be saved and had
// to make room. One of those that could not be saved tries again until the store works, and then all do.
package actors

package actors

import (
	"time"

	"troupe/runtime"
)

// speeds are what the pool knows of how long things take, as measured lately.
type speeds struct {
	prompt  runtime.Pace     // tokens of prompts a second, and what else is in their steps; for the statistics
	cost    runtime.StepCost // as the batcher knew it after the last step
	answers runtime.Answers
	returns runtime.Comebacks // of clients who were refused
}

// observe learns from a step.
func (s *speeds) observe(r *report) {
	if !r.failed {
		s.prompt.Observe(r.prefill, r.took)
		s.cost = r.cost
	}
}

// retryAfter says when the client of a request that is refused should come back, and counts him among those who will.
func (p *pool) retryAfter(t *ticket, queued int) time.Duration {
	now, running, waiting := p.Now(), len(p.running), p.queue.Len()
	answers := p.speeds.answers.Remaining(0, t.outputs) // of those that wait, and of this one
	p.queue.All(func(q *ticket) { answers += p.speeds.answers.Remaining(0, q.outputs) })
	steps, prompt := max(1, answers/(waiting+1)), (queued+t.lacks)/(waiting+1) // of one of them
	o := runtime.Outlook{
		Round:   time.Duration(steps)*p.speeds.cost.Decode(running) + time.Duration(running)*p.speeds.cost.Prefill(0, prompt),
		Places:  p.missing(t, queued) + max(p.MaxQueue, 0)/2, // while half of the queue is left there is work, and room for errors
		Earlier: p.speeds.returns.Schedule(now),
	}
	rest := time.Duration(0) // for the prompts of those that run, which share the steps
	for _, r := range p.running {
		rest += p.speeds.cost.Prefill(r.length, r.unread(p.info.BlockTokens))
	}
	for _, r := range p.running {
		left := r.end + 1 - len(r.tokens) // when it was admitted
		done, wait := min(int(p.stats.Steps-r.began), left), time.Duration(0)
		if r.unread(p.info.BlockTokens) > 0 {
			done, wait = 0, rest
		}
		// Beside what it has to say others will have their prompts computed.
		wait += time.Duration(p.speeds.answers.Remaining(done, left-done)) * o.Round / time.Duration(steps)
		o.Running = append(o.Running, wait)
	}
	wait := o.RetryAfter()
	p.speeds.returns.Add(now, wait)
	return wait
}

// missing returns how many of those that wait must go on before a request finds a place.
func (p *pool) missing(t *ticket, queued int) int {
	waiting := p.queue.Len()
	n := max(1, waiting+1-max(p.MaxQueue, 0))
	if over := queued + t.lacks - p.MaxQueueTokens; p.MaxQueueTokens >= 0 && over > 0 && queued > 0 {
		n = max(n, min(waiting, (over*waiting+queued-1)/queued))
	}
	return n
}

// unread returns how many tokens of its prompt a request that runs has yet to compute, but for a part of a block.
func (t *ticket) unread(blockTokens int) int {
	return max(0, len(t.tokens)/blockTokens*blockTokens-t.length)
}

package runtime

import "time"

// StepCost learns how long steps take, so that a step can be made to fit a time. The zero value knows nothing.
//
// Decode rows and prompt tokens are told apart: a step without a prompt says what its rows take; of one with a prompt the rest is the prompt's. What a token
// of a prompt takes depends on its position, since it reads all before it.
type StepCost struct {
	rows   line // seconds by number of decode rows
	prompt byPosition
	late   float64 // how many times as long as expected steps with both have taken at most; slowly forgotten
	fresh  bool    // the last step did not have both
}

// Observe adds a step that took so long. prefills are its rows that have prompt tokens, decodes is the number of the others.
func (c *StepCost) Observe(decodes int, prefills []Row, took time.Duration) {
	seconds := took.Seconds()
	tokens, positions := 0, 0.0
	for _, r := range prefills {
		n := len(r.Tokens)
		tokens += n
		positions += float64(n) * middle(r.Start, n)
	}
	c.fresh = tokens == 0 || decodes == 0
	if tokens == 0 {
		c.rows.observe(float64(decodes), seconds)
		return
	}
	rest := seconds
	if decodes > 0 {
		theirs := c.rows.at(float64(decodes))
		rest = max(seconds-theirs, seconds/16)
		if each := c.prompt.at(positions / float64(tokens)); each > 0 {
			const most, remember = 1.5, 0.99
			c.late = max(min(seconds/(theirs+float64(tokens)*each), most), 1+(c.late-1)*remember)
		}
	}
	c.prompt.observe(positions/float64(tokens), rest/float64(tokens))
}

// Within returns the time to plan for so that tokens come no later than d after the ones before, although some steps take longer than expected, and the first
// one with both kinds of work more often than others.
func (c *StepCost) Within(d time.Duration) time.Duration {
	const engine, first = 0.9, 1.75 // part of the time that is the engine's; the rest is for what happens between steps, and for bad luck
	late := max(c.late, 1)
	if c.fresh {
		late = max(late, first)
	}
	return time.Duration(engine * float64(d) / late)
}

// Decode returns what a step of so many decode rows takes, 0 if that is not known.
func (c *StepCost) Decode(rows int) time.Duration { return seconds(c.rows.at(float64(rows))) }

// Prefill returns what n prompt tokens from a position on add to a step, 0 if that is not known.
func (c *StepCost) Prefill(start, n int) time.Duration {
	return seconds(float64(n) * c.prompt.at(middle(start, n)))
}

// middle is the mean position of n tokens from start on.
func middle(start, n int) float64 { return float64(start) + float64(n)/2 }

// byPosition is what a token takes by its position, learned for each octave of positions. A position far from all that were observed is taken to cost too
// much rather than too little: a token takes no longer than a later one, and at most longer in proportion to its position.
type byPosition struct {
	octaves [40]struct{ position, cost float64 } // moving averages; cost 0: never observed
}

// firstOctave is where the first octave ends: below it what is read before a token hardly counts.
const firstOctave = 256

func octave(x float64) int {
	k := 0
	for x >= firstOctave && k < len(byPosition{}.octaves)-1 {
		x /= 2
		k++
	}
	return k
}

func (b *byPosition) observe(x, cost float64) {
	x = max(x, firstOctave/2)
	k := octave(x)
	o := &b.octaves[k]
	if o.cost == 0 {
		o.position, o.cost = x, cost
		if k > 0 { // one look at the new octave may be too good
			o.cost = max(cost, b.octaves[k-1].cost)
		}
		return
	}
	const weight = 0.2 // of what is new
	o.position += weight * (x - o.position)
	o.cost += weight * (cost - o.cost)
}

func (b *byPosition) at(x float64) float64 {
	k := octave(x)
	for i := k; i >= 0; i-- {
		if o := b.octaves[i]; o.cost > 0 {
			return o.cost * max(x/o.position, 1)
		}
	}
	for _, o := range b.octaves[k+1:] {
		if o.cost > 0 {
			return o.cost
		}
	}
	return 0
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// line is a straight line through what was observed lately.
type line struct{ n, x, y, xx, xy float64 } // weighted sums

// forget is what an observation still counts after the next one.
const forget = 0.9

func (l *line) observe(x, y float64) {
	for _, s := range []*float64{&l.n, &l.x, &l.y, &l.xx, &l.xy} {
		*s *= forget
	}
	l.n, l.x, l.y, l.xx, l.xy = l.n+1, l.x+x, l.y+y, l.xx+x*x, l.xy+x*y
}

// at returns the line's value; it does not fall with x, and is not far below the average.
func (l *line) at(x float64) float64 {
	if l.n == 0 {
		return 0
	}
	mx, my := l.x/l.n, l.y/l.n
	slope := 0.0
	if spread := l.xx/l.n - mx*mx; spread > 0.01 {
		slope = max(0, (l.xy/l.n-mx*my)/spread)
	}
	return max(my+slope*(x-mx), my/8)
}

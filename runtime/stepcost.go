package runtime

import "time"

// StepCost learns how long steps take, so that a step can be made to fit a time. The zero value knows nothing.
//
// Decode rows and prompt tokens are told apart: a step without a prompt says what its rows take; of one with a prompt the rest is the prompt's. What a token
// of a prompt takes depends on its position, since it reads all before it.
type StepCost struct {
	rows   line // seconds by number of decode rows
	prompt line // seconds for each token by position
}

// Observe adds a step that took so long. prefills are its rows that have prompt tokens, decodes is the number of the others.
func (c *StepCost) Observe(decodes int, prefills []Row, took time.Duration) {
	seconds := took.Seconds()
	tokens, positions := 0, 0.0
	for _, r := range prefills {
		n := len(r.Tokens)
		tokens += n
		positions += float64(n) * (float64(r.Start) + float64(n)/2)
	}
	if tokens == 0 {
		c.rows.observe(float64(decodes), seconds)
		return
	}
	rest := seconds
	if decodes > 0 {
		rest = max(seconds-c.rows.at(float64(decodes)), seconds/16)
	}
	c.prompt.observe(positions/float64(tokens), rest/float64(tokens))
}

// Decode returns what a step of so many decode rows takes, 0 if that is not known.
func (c *StepCost) Decode(rows int) time.Duration { return seconds(c.rows.at(float64(rows))) }

// Prefill returns what n prompt tokens from a position on add to a step, 0 if that is not known.
func (c *StepCost) Prefill(start, n int) time.Duration {
	return seconds(float64(n) * c.prompt.at(float64(start)+float64(n)/2))
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

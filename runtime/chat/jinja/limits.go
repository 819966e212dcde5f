package jinja

import (
	"context"
	"fmt"
	"time"
)

// Limits bound one Render. A zero field means the default.
type Limits struct {
	// Steps is the number of nodes evaluated and items visited.
	Steps int
	// Output is the greatest size in bytes of the result and of every string
	// on the way to it.
	Output int
	// Alloc is the sum in bytes of everything that the run builds, whether
	// still in use or not.
	Alloc int
	// Depth is how deep macros and recursive loops may call each other.
	Depth int
	// Time is the wall time of the run.
	Time time.Duration
}

// DefaultLimits are generous for a conversation of a million tokens and small
// for a server: a hostile template costs a few seconds and half a gigabyte of
// short-lived memory at the most.
func DefaultLimits() Limits {
	return Limits{
		Steps:  20_000_000,
		Output: 32 << 20,
		Alloc:  512 << 20,
		Depth:  200,
		Time:   5 * time.Second,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Steps <= 0 {
		l.Steps = d.Steps
	}
	if l.Output <= 0 {
		l.Output = d.Output
	}
	if l.Alloc <= 0 {
		l.Alloc = d.Alloc
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Time <= 0 {
		l.Time = d.Time
	}
	return l
}

const (
	// maxDataDepth bounds the nesting of values that are printed, compared or
	// hashed; Python gives up at about the same depth.
	maxDataDepth = 500
	// maxEvalDepth bounds nested evaluation, and so the Go stack.
	maxEvalDepth = 10_000
	// valueSize is what one list element or map entry is charged.
	valueSize = 32
	// clockEvery is the number of steps between looks at the context.
	clockEvery = 2048
)

// budget is what is left of the Limits in one run.
type budget struct {
	ctx       context.Context
	deadline  time.Time
	limits    Limits
	steps     int
	alloc     int
	nextClock int
}

// step charges n visited items.
func (b *budget) step(n int) error {
	b.steps += n
	if b.steps > b.limits.Steps || n < 0 {
		return limitf("more than %d steps", b.limits.Steps)
	}
	if b.steps >= b.nextClock {
		b.nextClock = b.steps + clockEvery
		return b.clock()
	}
	return nil
}

// clock looks at the context, and tells the caller's end from the limit.
func (b *budget) clock() error {
	if err := b.ctx.Err(); err != nil {
		return fmt.Errorf("template was stopped: %w", err)
	}
	if time.Now().After(b.deadline) {
		return limitf("took longer than %v", b.limits.Time)
	}
	return nil
}

// text charges a string of n bytes before it is built.
func (b *budget) text(n int) error {
	if n < 0 || n > b.limits.Output {
		return limitf("text of more than %d bytes", b.limits.Output)
	}
	return b.take(n)
}

// items charges n list elements or map entries before they are stored.
func (b *budget) items(n int) error {
	if n < 0 || n > b.limits.Alloc/valueSize {
		return limitf("more than %d bytes of lists", b.limits.Alloc)
	}
	if err := b.step(n / 8); err != nil {
		return err
	}
	return b.take(n * valueSize)
}

// take charges memory, and a step for every 64 bytes because building them
// takes time.
func (b *budget) take(n int) error {
	b.alloc += n
	if b.alloc > b.limits.Alloc {
		return limitf("more than %d bytes of intermediate text and lists", b.limits.Alloc)
	}
	return b.step(n / 64)
}

// buffer collects text within the budget.
type buffer struct {
	b    *budget
	text []byte
}

func (w *buffer) write(s string) error {
	if len(w.text)+len(s) > w.b.limits.Output {
		return limitf("text of more than %d bytes", w.b.limits.Output)
	}
	if err := w.b.take(len(s)); err != nil {
		return err
	}
	w.text = append(w.text, s...)
	return nil
}

func (w *buffer) String() string { return string(w.text) }

package jinja

import (
	"context"
	"time"
)

// run is the state of one Render. It belongs to one goroutine.
type run struct {
	budget
	out   *buffer
	now   time.Time
	depth int // nested eval and exec
	calls int // nested macros and recursive loops
}

// Options are what Render needs beside the variables.
type Options struct {
	Limits Limits    // zero fields: the defaults
	Now    time.Time // what strftime_now sees
}

// Render runs the template with the given variables, which it does not change.
// The error is an *Error of KindRaised, KindLimit or KindRuntime, or wraps
// ctx's error when ctx ended first.
func (t *Template) Render(ctx context.Context, vars map[string]Value, o Options) (string, error) {
	limits := o.Limits.withDefaults()
	r := &run{
		budget: budget{ctx: ctx, deadline: time.Now().Add(limits.Time), limits: limits},
		now:    o.Now,
	}
	r.out = &buffer{b: &r.budget}
	if err := r.clock(); err != nil {
		return "", err
	}
	given := &scope{vars: vars, parent: &scope{vars: globals()}}
	if _, err := r.exec(t.body, given.child(t.frame)); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// control says how a statement ended.
type control int

const (
	proceed control = iota
	breakLoop
	continueLoop
)

func (r *run) exec(body []stmt, s *scope) (control, error) {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > maxEvalDepth {
		return proceed, limitf("nested more than %d deep", maxEvalDepth)
	}
	for _, node := range body {
		if err := r.step(1); err != nil {
			return proceed, atLine(err, node.lineNo())
		}
		c, err := node.exec(r, s)
		if err != nil {
			return proceed, atLine(err, node.lineNo())
		}
		if c != proceed {
			return c, nil
		}
	}
	return proceed, nil
}

func (r *run) eval(x expr, s *scope) (Value, error) {
	if err := r.step(1); err != nil {
		return Value{}, err
	}
	r.depth++
	if r.depth > maxEvalDepth {
		return Value{}, limitf("nested more than %d deep", maxEvalDepth)
	}
	v, err := x.eval(r, s)
	r.depth--
	return v, err
}

func (r *run) evalAll(items []expr, s *scope) ([]Value, error) {
	values := make([]Value, len(items))
	for i, x := range items {
		v, err := r.eval(x, s)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// capture runs body with its output going into a string.
func (r *run) capture(body []stmt, s *scope) (string, control, error) {
	outer := r.out
	r.out = &buffer{b: &r.budget}
	c, err := r.exec(body, s)
	text := r.out.String()
	r.out = outer
	return text, c, err
}

// call runs f one macro or loop level deeper.
func (r *run) nest(f func() error) error {
	r.calls++
	defer func() { r.calls-- }()
	if r.calls > r.limits.Depth {
		return limitf("macros or loops call each other more than %d deep", r.limits.Depth)
	}
	return f()
}

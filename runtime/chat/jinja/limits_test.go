package jinja

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile templates would take for ever, or all memory, without the limits.
var hostile = []string{
	"{{ 'x' * 10**9 }}",
	"{{ 'xyz' * 9223372036854775807 }}",
	"{{ [0] * 10**9 }}",
	"{{ [0, 1] * 9223372036854775807 }}",
	"{{ (0,) * 10**12 }}",
	"{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
	"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
	"{% set ns = namespace(s='x') %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"{% set ns = namespace(s='x') %}{% for a in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
	"{% set ns = namespace(s='x') %}{% for a in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
	"{% set ns = namespace(s='x') %}{% for a in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
	"{% set ns = namespace(s=0, t=0) %}{% for a in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
	"{% set ns = namespace(s=0, t=0) %}{% for a in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s < ns.t }}",
	"{% set ns = namespace(s=(1,)) %}{% for a in range(40) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}",
	"{% set ns = namespace(s=[]) %}{% for a in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
	"{% set ns = namespace(s=[]) %}{% for a in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s|tojson }}",
	"{% set ns = namespace(s=(1,)) %}{% for a in range(100000) %}{% set ns.s = (ns.s,) %}{% endfor %}{{ {ns.s: 1} }}",
	"{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
	"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
	"{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
	"{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
	"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
	"{{ 'a'.center(10**9) }}", "{{ 'a'.ljust(10**12) }}", "{{ 'a'.zfill(9223372036854775807) }}", "{{ 'a'|center(10**10) }}",
	"{{ 'a'|indent(10**10, true) }}", "{{ ('a\\n' * 100000)|indent(100000) }}", "{{ [[1]]|tojson(indent=10**10) }}", "{{ ([1] * 100000)|tojson(indent=100000) }}",
	"{{ '%1000000000d' % 1 }}", "{{ '%.2000000000f' % 1 }}", "{{ '%*d' % (2000000000, 1) }}", "{{ '%.1000000000d' % 1 }}",
	"{{ '{:1000000000}'.format(1) }}", "{{ '{:^1000000000}'.format('a') }}", "{{ '{:.1000000000f}'.format(1.5) }}", "{{ '{:=1000000000}'.format(1) }}",
	"{{ [1]|batch(10**10, 0)|list }}", "{{ [1]|slice(10**10)|list }}", "{{ 'a\\t'.expandtabs(10**10) }}",
	"{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}", "{{ ('a' * 1000000)|replace('', 'b' * 1000) }}", "{{ ('x' * 100000).join('y' * 100000) }}",
	"{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
	"{% for i in range(100000) %}{% set x = 'x' * 1000000 %}{% endfor %}",
	"{% set s = 'ab ' * 1000000 %}{% for i in range(100000) %}{% set x = s.split(' ') %}{% endfor %}",
	"{% set s = 'ab ' * 1000000 %}{% for i in range(100000) %}{% set x = 'zz' in s %}{% endfor %}",
	"{% set s = 'a' * 30000000 %}{% for i in range(100000) %}{% set x = s[-1] %}{% endfor %}",
	"{% set s = 'a' * 30000000 %}{% for i in range(100000) %}{% set x = s.isalpha() %}{% endfor %}",
	"{% set s = 'é' * 10000000 %}{% for i in range(100000) %}{% set x = s|length %}{% endfor %}",
	"{% set s = 'é' * 10000000 %}{% for i in range(100000) %}{% set x = s[:1] %}{% endfor %}",
	"{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{% set x = s.find('b') %}{% endfor %}",
	"{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{% set x = s == s ~ 'b' %}{% endfor %}",
	"{% set s = ' ' * 10000000 %}{% for i in range(100000) %}{% set x = s.strip() %}{% endfor %}",
	"{% set s = ' ' * 10000000 %}{% for i in range(100000) %}{% set x = s|trim %}{% endfor %}",
	"{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{% set x = s|wordcount %}{% endfor %}",
	"{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{% set x = s.startswith(s) %}{% endfor %}",
	"{% set s = '9' * 4300 %}{% for i in range(100000) %}{% for j in range(100) %}{% set x = s|int %}{% endfor %}{% endfor %}",
	"{% set l = range(100000)|list %}{% for i in range(100000) %}{% set x = l|sort %}{% endfor %}",
	"{% set l = range(100000)|list %}{% for i in range(100000) %}{% set x = -1 in l %}{% endfor %}",
	"{% set l = range(100000)|list %}{% for i in range(100000) %}{% set x = l[:] %}{% endfor %}",
	"{% set l = range(100000)|list %}{% for i in range(100000) %}{% set x = l|map('string') %}{% endfor %}",
	"{% set l = range(100000)|list %}{% for i in range(100000) %}{% set x = dict(d) %}{{ l|join }}{% endfor %}",
	"{% set ns = namespace(d={}) %}{% for i in range(100000) %}{% set ns.d = dict(ns.d, **{i ~ '': i}) %}{% endfor %}",
}

func TestLimitsHold(t *testing.T) {
	// Time is out of reach: steps and bytes must do it, even on a busy machine.
	limits := Limits{Steps: 2_000_000, Time: time.Hour}
	for _, source := range hostile {
		t.Run(source, func(t *testing.T) {
			tmpl, err := Parse(source)
			require.NoError(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = tmpl.Render(context.Background(), map[string]Value{"d": NewDict().Value()}, Options{Limits: limits})
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, ErrLimit)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<30), "bytes allocated in all")
		})
	}
}

// Overflow that Python would answer with a huge integer is an error here.
func TestBigResultsAreErrors(t *testing.T) {
	for _, source := range []string{
		"{{ 9**9**9**9 }}", "{{ 2 ** 64 }}", "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}",
		"{{ 9223372036854775807 * 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
		"{{ range(10**18, 10**19) }}", "{{ 123456789012345678901234567890 + 1 }}", "{{ (-9223372036854775807 - 1)|abs }}",
	} {
		_, err := renderSource(source, nil)
		require.ErrorIs(t, err, ErrRuntime, source)
	}
}

func TestDepthOfTemplates(t *testing.T) {
	const n = 100_000
	for name, source := range map[string]string{
		"parentheses": "{{ " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + " }}",
		"lists":       "{{ " + strings.Repeat("[", n),
		"dicts":       "{{ " + strings.Repeat("{1:", n),
		"not":         "{{ " + strings.Repeat("not ", n) + "1 }}",
		"minus":       "{{ " + strings.Repeat("-", n) + "1 }}",
		"ifs":         strings.Repeat("{% if 1 %}", n),
		"elifs":       "{% if 1 %}" + strings.Repeat("{% elif 1 %}", n) + "{% endif %}",
		"inline ifs":  "{{ " + strings.Repeat("1 if 1 else ", n) + "1 }}",
		"sum":         "{{ 1" + strings.Repeat("+1", n) + " }}",
		"or":          "{{ 1" + strings.Repeat(" or 1", n) + " }}",
		"filters":     "{{ 1" + strings.Repeat("|abs", n) + " }}",
		"attributes":  "{{ a" + strings.Repeat(".b", n) + " }}",
		"calls":       "{{ a" + strings.Repeat("()", n) + " }}",
		"subscripts":  "{{ " + strings.Repeat("a[", n),
		"targets":     "{% set " + strings.Repeat("(", n),
		"tests":       "{{ 1 is eq " + strings.Repeat("1 is eq ", n),
		"set filters": "{% set x" + strings.Repeat("|upper", n) + " %}{% endset %}",
		"filter tag":  "{% filter upper" + strings.Repeat("|upper", n) + " %}{% endfilter %}",
		"power":       "{{ 1" + strings.Repeat("**1", n) + " }}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(source)
			require.ErrorIs(t, err, ErrSyntax)
		})
	}
	_, err := Parse(strings.Repeat("x", MaxSource+1))
	require.ErrorIs(t, err, ErrSyntax)
	_, err = Parse("\xff")
	require.ErrorIs(t, err, ErrSyntax)
}

func TestContextIsHonoured(t *testing.T) {
	tmpl, err := Parse("{% for a in range(100000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = tmpl.Render(ctx, nil, Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrLimit)
	_, err = tmpl.Render(context.Background(), nil, Options{Limits: Limits{Time: time.Nanosecond}})
	require.ErrorIs(t, err, ErrLimit)
	require.ErrorContains(t, err, "took longer")
	// A context that ends while the template runs.
	late := &endsLater{Context: context.Background(), looks: 3}
	_, err = tmpl.Render(late, nil, Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// endsLater is a context that is cancelled after some looks at it.
type endsLater struct {
	context.Context
	looks int
}

func (c *endsLater) Err() error {
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

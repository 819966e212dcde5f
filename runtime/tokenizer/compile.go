package tokenizer

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
)

// errGeneral says that an expression needs more than runs can do.
var errGeneral = errors.New("not an expression of runs")

// foldLimit is the size up to which a class is folded for (?i).
const foldLimit = 4096

// compileRuns compiles an expression in Oniguruma's syntax, or returns errGeneral.
//
// It knows characters, classes with ranges, nesting and &&, \p{…}, \s \d \w and their
// opposites, alternatives, groups with or without (?i:, which may be optional, the
// quantifiers ? * + {n,m}, possessive ones, $, and lookahead at one character.
func compileRuns(expr string) (*runs, error) {
	p := &compiler{in: expr, nodes: []node{{kind: accept}}}
	tree, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.in != "" {
		return nil, errGeneral
	}
	start := p.link(tree, 0)
	return &runs{nodes: p.nodes, start: start}, nil
}

// term is one element of a sequence: a node, or a group.
type term struct {
	node
	class ranges   // of the node
	group [][]term // alternatives; nil for a node
}

type compiler struct {
	in    string // what is left of the expression
	fold  bool   // inside (?i:
	depth int
	nodes []node
	sets  []compiledSet
}

type compiledSet struct {
	class ranges
	set   *runeSet
}

func (p *compiler) eat(prefix string) bool {
	rest, ok := strings.CutPrefix(p.in, prefix)
	p.in = rest
	return ok
}

// alternatives reads up to the end or a closing parenthesis.
func (p *compiler) alternatives() ([][]term, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errGeneral
	}
	defer func() { p.depth-- }()
	var out [][]term
	for {
		seq := []term{}
		for p.in != "" && p.in[0] != '|' && p.in[0] != ')' {
			t, err := p.term()
			if err != nil {
				return nil, err
			}
			seq = append(seq, t)
		}
		out = append(out, seq)
		if !p.eat("|") {
			return out, nil
		}
	}
}

// term reads one element with its quantifier.
func (p *compiler) term() (term, error) {
	switch {
	case p.eat("(?!"):
		return p.look(true)
	case p.eat("(?="):
		return p.look(false)
	case p.eat("(?:"):
		return p.group(p.fold)
	case p.eat("(?i:"):
		return p.group(true)
	case p.eat("$"):
		return term{node: node{kind: lineEnd}}, p.noQuantifier()
	}
	class, err := p.atom()
	if err != nil {
		return term{}, err
	}
	t := term{node: node{kind: run, min: 1, max: 1}, class: class}
	return t, p.quantifier(&t.node)
}

// look reads the rest of a lookahead at one character.
func (p *compiler) look(negated bool) (term, error) {
	class, err := p.atom()
	if err == nil && !p.eat(")") {
		err = errGeneral
	}
	if err == nil {
		err = p.noQuantifier()
	}
	return term{node: node{kind: lookahead, negated: negated}, class: class}, err
}

// group reads the rest of a group and a question mark that may follow.
func (p *compiler) group(fold bool) (term, error) {
	outer := p.fold
	p.fold = fold
	alts, err := p.alternatives()
	p.fold = outer
	if err != nil || !p.eat(")") {
		return term{}, errGeneral
	}
	if p.eat("?") {
		alts = append(alts, []term{})
	}
	return term{group: alts}, p.noQuantifier()
}

func (p *compiler) noQuantifier() error {
	if p.in != "" && strings.IndexByte("?*+{", p.in[0]) >= 0 {
		return errGeneral
	}
	return nil
}

// quantifier reads how often n repeats. A plus after ? * + makes it possessive; after
// braces Oniguruma takes it for a second quantifier.
func (p *compiler) quantifier(n *node) error {
	switch {
	case p.eat("?"):
		n.min, n.max = 0, 1
	case p.eat("*"):
		n.min, n.max = 0, math.MaxInt
	case p.eat("+"):
		n.max = math.MaxInt
	case p.eat("{"):
		return p.braces(n)
	default:
		return nil
	}
	n.possessive = p.eat("+")
	return p.noQuantifier()
}

// braces reads the rest of {n}, {n,} or {n,m}.
func (p *compiler) braces(n *node) error {
	bounds, rest, ok := strings.Cut(p.in, "}")
	if !ok {
		return errGeneral
	}
	p.in = rest
	low, high, isRange := strings.Cut(bounds, ",")
	var err1, err2 error
	n.min, err1 = strconv.Atoi(low)
	switch {
	case !isRange:
		n.max = n.min
	case high == "":
		n.max = math.MaxInt
	default:
		n.max, err2 = strconv.Atoi(high)
	}
	if err1 != nil || err2 != nil || n.min < 0 || n.max < n.min {
		return errGeneral
	}
	if n.min == 1 && p.eat("+") { // one or more times one or more
		n.max = math.MaxInt
	}
	return p.noQuantifier()
}

// link adds the nodes of alternatives that lead to next, and returns the first.
func (p *compiler) link(alts [][]term, next int) int {
	starts := make([]int, len(alts))
	for i, seq := range alts {
		at := next
		for _, t := range slices.Backward(seq) {
			if t.group != nil {
				at = p.link(t.group, at)
				continue
			}
			t.next = at
			if t.class != nil {
				t.set = p.set(t.class)
			}
			p.nodes = append(p.nodes, t.node)
			at = len(p.nodes) - 1
		}
		starts[i] = at
	}
	if len(starts) == 1 {
		return starts[0]
	}
	p.nodes = append(p.nodes, node{kind: choice, alts: starts})
	return len(p.nodes) - 1
}

// set compiles a class once.
func (p *compiler) set(class ranges) *runeSet {
	for _, s := range p.sets {
		if slices.Equal(s.class, class) {
			return s.set
		}
	}
	s := compiledSet{class, newRuneSet(class)}
	p.sets = append(p.sets, s)
	return s.set
}

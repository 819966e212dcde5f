package jinja

// The tree that the parser makes and the interpreter walks. A tree never
// changes after Parse, so runs may share it.

// expr is a node with a value.
type expr interface {
	eval(r *run, s *scope) (Value, error)
}

// stmt is a node that writes output or changes the scope.
type stmt interface {
	exec(r *run, s *scope) (control, error)
	lineNo() int
}

// line is embedded in every statement.
type line int

func (l line) lineNo() int { return int(l) }

type (
	constExpr  struct{ value Value }
	nameExpr   struct{ name string }
	tupleExpr  struct{ items []expr }
	listExpr   struct{ items []expr }
	dictExpr   struct{ keys, values []expr }
	concatExpr struct{ items []expr }
	notExpr    struct{ x expr }
	andExpr    struct{ left, right expr }
	orExpr     struct{ left, right expr }
	unaryExpr  struct { // + and -
		op byte
		x  expr
	}
	binaryExpr struct {
		op          string
		left, right expr
	}
	// compareExpr is a chain such as a < b <= c.
	compareExpr struct {
		first expr
		ops   []string // ==, !=, <, <=, >, >=, in, not in
		rest  []expr
	}
	condExpr struct {
		test, then expr
		other      expr // nil: undefined when test is false
		line       int
	}
	attrExpr struct {
		x    expr
		name string
	}
	itemExpr  struct{ x, key expr }
	sliceExpr struct{ x, start, stop, step expr } // each bound may be nil
	callExpr  struct {
		fn   expr
		args callArgs
	}
	filterExpr struct {
		x    expr // nil in a filter block: the block's text
		name string
		args callArgs
	}
	testExpr struct {
		x    expr
		name string
		args callArgs
	}
	// nsTarget assigns to an attribute of a namespace. It is no expression.
	nsTarget struct{ name, attr string }
)

// callArgs are the arguments written in a call.
type callArgs struct {
	pos       []expr
	names     []string // of keyword arguments
	values    []expr
	star      expr // *args; nil if none
	starStar  expr // **kwargs; nil if none
	callBlock bool // the call of a {% call %}: pass caller
}

type (
	outputStmt struct {
		line
		parts []expr
	}
	dataStmt struct {
		line
		text string
	}
	ifStmt struct {
		line
		test  expr
		body  []stmt
		other []stmt
	}
	forStmt struct {
		line
		target    target
		iter      expr
		test      expr // nil: none
		body      []stmt
		other     []stmt
		recursive bool
		extended  bool // the body mentions loop
		testFrame *frame
		bodyFrame *frame
		elseFrame *frame
	}
	setStmt struct {
		line
		target target
		value  expr
	}
	setBlockStmt struct {
		line
		target target
		filter expr // nil: none; innermost filter has a nil operand
		body   []stmt
		frame  *frame
	}
	macroStmt struct {
		line
		macro *macroDef
	}
	callStmt struct {
		line
		call   *callExpr
		caller *macroDef
	}
	filterStmt struct {
		line
		filter expr
		body   []stmt
		frame  *frame
	}
	withStmt struct {
		line
		targets []target
		values  []expr
		body    []stmt
		frame   *frame
	}
	generationStmt struct {
		line
		body  []stmt
		frame *frame
	}
	blockStmt struct {
		line
		body   []stmt
		scoped bool
		frame  *frame
	}
	breakStmt    struct{ line }
	continueStmt struct{ line }
)

// target is what for, set and with assign to: a name, a namespace attribute,
// or a tuple of targets.
type target struct {
	name  string
	ns    *nsTarget
	items []target // a tuple if not nil
	tuple bool
}

// macroDef is the definition of a macro or of the body of a call block.
type macroDef struct {
	name     string // "" for a call block
	params   []string
	defaults []expr // for the last len(defaults) params
	body     []stmt
	frame    *frame
	// Which of the special names the body uses.
	caller, kwargs, varargs bool
}

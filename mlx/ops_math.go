package mlx

// Elementwise operations broadcast their inputs like NumPy and promote their
// types like MLX.

// Neg returns -a.
func (g *Graph) Neg(a Array) Array { return g.apply1(opNegative, a) }

// Sigmoid returns 1 / (1 + exp(-a)).
func (g *Graph) Sigmoid(a Array) Array { return g.apply1(opSigmoid, a) }

// SiLU returns a * sigmoid(a).
func (g *Graph) SiLU(a Array) Array { return g.apply1(opSilu, a) }

// GELUTanh returns the tanh approximation of GELU,
// 0.5 a (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))).
func (g *Graph) GELUTanh(a Array) Array { return g.apply1(opGeluTanh, a) }

// Tanh returns the hyperbolic tangent.
func (g *Graph) Tanh(a Array) Array { return g.apply1(opTanh, a) }

// Exp returns e^a.
func (g *Graph) Exp(a Array) Array { return g.apply1(opExp, a) }

// Log returns the natural logarithm.
func (g *Graph) Log(a Array) Array { return g.apply1(opLog, a) }

// Erf returns the error function.
func (g *Graph) Erf(a Array) Array { return g.apply1(opErf, a) }

// Square returns a*a.
func (g *Graph) Square(a Array) Array { return g.apply1(opSquare, a) }

// Sqrt returns the square root.
func (g *Graph) Sqrt(a Array) Array { return g.apply1(opSqrt, a) }

// Rsqrt returns 1/sqrt(a).
func (g *Graph) Rsqrt(a Array) Array { return g.apply1(opRsqrt, a) }

// Sin returns the sine.
func (g *Graph) Sin(a Array) Array { return g.apply1(opSin, a) }

// Cos returns the cosine.
func (g *Graph) Cos(a Array) Array { return g.apply1(opCos, a) }

// Add returns a + b.
func (g *Graph) Add(a, b Array) Array { return g.apply2(opAdd, a, b) }

// Sub returns a - b.
func (g *Graph) Sub(a, b Array) Array { return g.apply2(opSubtract, a, b) }

// Mul returns the elementwise product.
func (g *Graph) Mul(a, b Array) Array { return g.apply2(opMultiply, a, b) }

// Div returns a / b, in floating point also for integers.
func (g *Graph) Div(a, b Array) Array { return g.apply2(opDivide, a, b) }

// Maximum returns the greater of each pair; NaN wins.
func (g *Graph) Maximum(a, b Array) Array { return g.apply2(opMaximum, a, b) }

// Minimum returns the lesser of each pair; NaN wins.
func (g *Graph) Minimum(a, b Array) Array { return g.apply2(opMinimum, a, b) }

// AddScalar returns a + v in the type of a.
func (g *Graph) AddScalar(a Array, v float64) Array { return g.scalar(opAddScalar, a, v) }

// MulScalar returns a * v in the type of a.
func (g *Graph) MulScalar(a Array, v float64) Array { return g.scalar(opMultiplyScalar, a, v) }

func (g *Graph) scalar(o op, a Array, v float64) Array {
	if !g.begin(a) {
		return Array{}
	}
	g.floats = append(g.floats, v)
	return g.one(o)
}

// Clip limits a to [lo, hi] in the type of a.
func (g *Graph) Clip(a Array, lo, hi float64) Array {
	if !g.begin(a) {
		return Array{}
	}
	g.floats = append(g.floats, lo, hi)
	return g.one(opClip)
}

// Equal returns a == b as Bool.
func (g *Graph) Equal(a, b Array) Array { return g.apply2(opEqual, a, b) }

// Less returns a < b as Bool.
func (g *Graph) Less(a, b Array) Array { return g.apply2(opLess, a, b) }

// LessEqual returns a <= b as Bool.
func (g *Graph) LessEqual(a, b Array) Array { return g.apply2(opLessEqual, a, b) }

// Greater returns a > b as Bool.
func (g *Graph) Greater(a, b Array) Array { return g.apply2(opGreater, a, b) }

// GreaterEqual returns a >= b as Bool.
func (g *Graph) GreaterEqual(a, b Array) Array { return g.apply2(opGreaterEqual, a, b) }

// And returns the logical and as Bool.
func (g *Graph) And(a, b Array) Array { return g.apply2(opLogicalAnd, a, b) }

// Or returns the logical or as Bool.
func (g *Graph) Or(a, b Array) Array { return g.apply2(opLogicalOr, a, b) }

// Where picks from a where cond holds and from b elsewhere.
func (g *Graph) Where(cond, a, b Array) Array {
	if !g.begin(cond, a, b) {
		return Array{}
	}
	return g.one(opWhere)
}

// AsType converts the elements.
func (g *Graph) AsType(a Array, d Dtype) Array { return g.apply1(opAstype, a, int(d)) }

package minimongo

import (
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// expr computes a value in a scope; missing when there is none.
type expr func(s *scope) (any, error)

// scope is what an expression sees: the document, and the variables of $map, $filter and $lookup.
type scope struct {
	root  bson.D
	outer *scope
	name  string // one variable, of this scope
	value any
}

func newScope(doc bson.D) *scope { return &scope{root: doc} }

func (s *scope) with(name string, v any) *scope {
	return &scope{root: s.root, outer: s, name: name, value: v}
}

// variable returns the value of $$name.
func (s *scope) variable(name string) (any, error) {
	switch name {
	case "ROOT", "CURRENT":
		return s.root, nil
	case "NOW":
		return bson.NewDateTimeFromTime(time.Now()), nil
	case "REMOVE":
		return missing{}, nil
	}
	for at := s; at != nil; at = at.outer {
		if at.name == name {
			return at.value, nil
		}
	}
	return nil, code{17276, "Location17276"}.errorf("Use of undefined variable: %s", name)
}

// compileExpr makes an aggregation expression: a field, a variable, an operator, or a value that is itself.
func compileExpr(v any) (expr, error) {
	switch t := v.(type) {
	case string:
		return compileReference(t)
	case bson.A:
		return compileList(t)
	case bson.D:
		if len(t) > 0 && strings.HasPrefix(t[0].Key, "$") {
			if len(t) != 1 {
				return nil, code{15983, "Location15983"}.errorf("An object representing an expression must have exactly one field: %s", show(t))
			}
			return compileCall(t[0].Key, t[0].Value)
		}
		return compileObject(t)
	}
	return func(*scope) (any, error) { return v, nil }, nil
}

func compileReference(text string) (expr, error) {
	if !strings.HasPrefix(text, "$") {
		return func(*scope) (any, error) { return text, nil }, nil
	}
	path, err := splitPath(strings.TrimPrefix(text, "$"))
	if err != nil {
		return nil, err
	}
	name, isVariable := strings.CutPrefix(path[0], "$")
	if !isVariable {
		return func(s *scope) (any, error) { return dig(s.root, path), nil }, nil
	}
	return func(s *scope) (any, error) {
		v, err := s.variable(name)
		if err != nil {
			return nil, err
		}
		return dig(v, path[1:]), nil
	}, nil
}

func compileList(list bson.A) (expr, error) {
	items, err := compileAllExprs(list)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		out, err := evaluate(s, items)
		for i, v := range out {
			out[i] = nullish(v)
		}
		return bson.A(out), err
	}, nil
}

func compileAllExprs(list bson.A) ([]expr, error) {
	items := make([]expr, len(list))
	for i, v := range list {
		x, err := compileExpr(v)
		if err != nil {
			return nil, err
		}
		items[i] = x
	}
	return items, nil
}

func evaluate(s *scope, items []expr) ([]any, error) {
	out := make([]any, len(items))
	for i, x := range items {
		v, err := x(s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func compileObject(d bson.D) (expr, error) {
	items := make([]expr, len(d))
	for i, e := range d {
		x, err := compileExpr(e.Value)
		if err != nil {
			return nil, err
		}
		items[i] = x
	}
	return func(s *scope) (any, error) {
		out := make(bson.D, 0, len(d))
		for i, x := range items {
			v, err := x(s)
			if err != nil {
				return nil, err
			}
			if v != (missing{}) {
				out = append(out, bson.E{Key: d[i].Key, Value: v})
			}
		}
		return out, nil
	}, nil
}

// arithmetic computes on numbers as the server does: ints stay ints while they fit, dates move by milliseconds.
func arithmetic(op string, a, b any) (any, error) {
	if t, ok := a.(bson.DateTime); ok {
		return dateArithmetic(op, t, b)
	}
	if t, ok := b.(bson.DateTime); ok && op == "$add" {
		return dateArithmetic(op, t, a)
	}
	if nullish(a) == nil || nullish(b) == nil {
		return nil, nil
	}
	if !isNumber(a) || !isNumber(b) {
		return nil, typeMismatch.errorf("%s only supports numeric types, not %s and %s", op, typeName(a), typeName(b))
	}
	x, xInt := wholeInt(a)
	y, yInt := wholeInt(b)
	if xInt && yInt && op != "$divide" {
		return integerArithmetic(op, a, b, x, y)
	}
	return floatArithmetic(op, asFloat(a), asFloat(b))
}

// wholeInt is v when its type, not only its value, is an integer.
func wholeInt(v any) (int64, bool) {
	if _, isFloat := v.(float64); isFloat {
		return 0, false
	}
	return asInt(v)
}

func integerArithmetic(op string, a, b any, x, y int64) (any, error) {
	var r int64
	switch op {
	case "$add":
		if r = x + y; (r > x) != (y > 0) && y != 0 {
			return float64(x) + float64(y), nil
		}
	case "$subtract":
		if r = x - y; (r < x) != (y > 0) && y != 0 {
			return float64(x) - float64(y), nil
		}
	case "$multiply":
		if r = x * y; x != 0 && (r/x != y || x == -1 && y == math.MinInt64) {
			return float64(x) * float64(y), nil
		}
	case "$mod":
		if y == 0 {
			return nil, badValue.errorf("can't $mod by zero")
		}
		r = x % y
	}
	_, aLong := a.(int64)
	_, bLong := b.(int64)
	if !aLong && !bLong && r == int64(int32(r)) {
		return int32(r), nil
	}
	return r, nil
}

func floatArithmetic(op string, x, y float64) (any, error) {
	switch op {
	case "$add":
		return x + y, nil
	case "$subtract":
		return x - y, nil
	case "$multiply":
		return x * y, nil
	}
	if y == 0 {
		return nil, badValue.errorf("can't %s by zero", op)
	}
	if op == "$mod" {
		return math.Mod(x, y), nil
	}
	return x / y, nil
}

func dateArithmetic(op string, t bson.DateTime, by any) (any, error) {
	if other, ok := by.(bson.DateTime); ok && op == "$subtract" {
		return int64(t) - int64(other), nil
	}
	if !isNumber(by) {
		return nil, typeMismatch.errorf("%s of a date needs a number of milliseconds, not %s", op, typeName(by))
	}
	if op == "$subtract" {
		return t - bson.DateTime(asFloat(by)), nil
	}
	return t + bson.DateTime(asFloat(by)), nil
}

package minimongo

import (
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// predicate says whether a document passes a filter.
type predicate func(doc bson.D) bool

// test says whether one value passes a condition.
type test func(v any) bool

// compileFilter makes a filter a predicate; an empty one passes everything.
func compileFilter(filter bson.D) (predicate, error) {
	var all []predicate
	for _, e := range filter {
		p, err := compileCondition(e)
		if err != nil {
			return nil, err
		}
		if p != nil {
			all = append(all, p)
		}
	}
	return every(all), nil
}

func every(ps []predicate) predicate {
	return func(doc bson.D) bool {
		for _, p := range ps {
			if !p(doc) {
				return false
			}
		}
		return true
	}
}

// compileCondition makes one field of a filter a predicate; nil when it says nothing about documents.
func compileCondition(e bson.E) (predicate, error) {
	switch e.Key {
	case "$comment":
		return nil, nil
	case "$and", "$or", "$nor":
		return compileLogical(e.Key, e.Value)
	case "$expr":
		x, err := compileExpr(e.Value)
		if err != nil {
			return nil, err
		}
		return func(doc bson.D) bool {
			v, err := x(newScope(doc))
			return err == nil && truthy(v)
		}, nil
	}
	if strings.HasPrefix(e.Key, "$") {
		return nil, badValue.errorf("unknown top level operator: %s. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.", e.Key)
	}
	path, err := splitPath(e.Key)
	if err != nil {
		return nil, err
	}
	t, err := compileValue(e.Value)
	if err != nil {
		return nil, err
	}
	return func(doc bson.D) bool { return t.at(doc, path) }, nil
}

func compileLogical(op string, v any) (predicate, error) {
	list, ok := v.(bson.A)
	if !ok || len(list) == 0 {
		return nil, badValue.errorf("%s must be a nonempty array", op)
	}
	var ps []predicate
	for _, item := range list {
		d, ok := item.(bson.D)
		if !ok {
			return nil, badValue.errorf("%s argument's entries must be objects", op)
		}
		p, err := compileFilter(d)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	if op == "$and" {
		return every(ps), nil
	}
	return func(doc bson.D) bool {
		for _, p := range ps {
			if p(doc) {
				return op == "$or"
			}
		}
		return op == "$nor"
	}, nil
}

// condition is what a filter asks of one path: all of its parts.
type condition []part

// part is one operator: any value on the path must pass, or none of them when negated. Deep ones look into arrays.
type part struct {
	test
	deep, negated bool
}

func (c condition) at(doc any, path []string) bool {
	for _, p := range c {
		found := visit(doc, path, func(v any) bool { return p.passes(v) })
		if found == p.negated {
			return false
		}
	}
	return true
}

func (p part) passes(v any) bool {
	if p.test(v) {
		return true
	}
	if a, ok := v.(bson.A); ok && p.deep {
		for _, e := range a {
			if p.test(e) {
				return true
			}
		}
	}
	return false
}

// isOperators says whether v is a document of operators rather than a value to equal.
func isOperators(v any) bool {
	d, ok := v.(bson.D)
	return ok && len(d) > 0 && strings.HasPrefix(d[0].Key, "$") && d[0].Key != "$ref" && d[0].Key != "$id"
}

// compileValue makes the right side of a field a condition: a value, a regular expression or operators.
func compileValue(v any) (condition, error) {
	if r, ok := v.(bson.Regex); ok {
		t, err := compileRegex(r.Pattern, r.Options)
		return condition{{test: t, deep: true}}, err
	}
	if !isOperators(v) {
		return condition{{test: func(x any) bool { return equal(x, v) }, deep: true}}, nil
	}
	ops := v.(bson.D)
	var c condition
	for _, e := range ops {
		if e.Key == "$options" {
			continue // read with $regex
		}
		p, err := compileOperator(e.Key, e.Value, ops)
		if err != nil {
			return nil, err
		}
		c = append(c, p)
	}
	return c, nil
}

// compileRegex takes PCRE's options that Go has too. Patterns that only PCRE knows are refused.
func compileRegex(pattern, options string) (test, error) {
	flags := ""
	for _, o := range options {
		switch o {
		case 'i', 'm', 's':
			flags += string(o)
		case 'u':
		default:
			return nil, badValue.errorf("invalid flag in regex options: %c", o)
		}
	}
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, code{51091, "Location51091"}.errorf("Regular expression is invalid: %v", err)
	}
	return func(v any) bool {
		switch s := v.(type) {
		case string:
			return re.MatchString(s)
		case bson.Regex:
			return s.Pattern == strings.TrimPrefix(pattern, "(?"+flags+")") && s.Options == options
		}
		return false
	}, nil
}

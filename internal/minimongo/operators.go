package minimongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// compileOperator makes one operator of a filter ({qty: {$gt: 5}}) a part of its condition. ops are all of them.
func compileOperator(op string, v any, ops bson.D) (part, error) {
	switch op {
	case "$eq":
		return part{test: func(x any) bool { return equal(x, v) }, deep: true}, nil
	case "$ne":
		return part{test: func(x any) bool { return equal(x, v) }, deep: true, negated: true}, nil
	case "$gt", "$gte", "$lt", "$lte":
		return part{test: compileOrder(op, v), deep: true}, nil
	case "$in", "$nin":
		t, err := compileIn(op, v)
		return part{test: t, deep: true, negated: op == "$nin"}, err
	case "$exists":
		return part{test: func(x any) bool { return x != (missing{}) }, negated: !truthy(v)}, nil
	case "$regex":
		return compileRegexOperator(v, ops)
	case "$not":
		return compileNot(v)
	case "$type":
		t, err := compileType(v)
		return part{test: t, deep: true}, err
	case "$size":
		n, ok := asInt(v)
		if !ok || n < 0 {
			return part{}, badValue.errorf("Failed to parse $size. Expected a non-negative integer, got %s", show(v))
		}
		return part{test: func(x any) bool { a, ok := x.(bson.A); return ok && int64(len(a)) == n }}, nil
	case "$all":
		return compileAll(v)
	case "$elemMatch":
		return compileElemMatch(v)
	case "$mod":
		return compileMod(v)
	}
	return part{}, badValue.errorf("unknown operator: %s", op)
}

func compileOrder(op string, v any) test {
	return func(x any) bool {
		if rank(nullish(x)) != rank(nullish(v)) {
			return false
		}
		c := compare(nullish(x), nullish(v))
		switch op {
		case "$gt":
			return c > 0
		case "$gte":
			return c >= 0
		case "$lt":
			return c < 0
		}
		return c <= 0
	}
}

func compileIn(op string, v any) (test, error) {
	list, ok := v.(bson.A)
	if !ok {
		return nil, badValue.errorf("%s needs an array", op)
	}
	keys := make(map[string]bool, len(list))
	var patterns []test
	for _, item := range list {
		if r, ok := item.(bson.Regex); ok {
			t, err := compileRegex(r.Pattern, r.Options)
			if err != nil {
				return nil, err
			}
			patterns = append(patterns, t)
			continue
		}
		keys[key(item)] = true
	}
	return func(x any) bool {
		return keys[key(x)] || slices.ContainsFunc(patterns, func(t test) bool { return t(x) })
	}, nil
}

func compileRegexOperator(v any, ops bson.D) (part, error) {
	pattern, options := text(v), ""
	if r, ok := v.(bson.Regex); ok {
		pattern, options = r.Pattern, r.Options
	} else if _, ok := v.(string); !ok {
		return part{}, badValue.errorf("$regex has to be a string")
	}
	if o, ok := lookup(ops, "$options"); ok {
		options = text(o)
	}
	t, err := compileRegex(pattern, options)
	return part{test: t, deep: true}, err
}

// compileNot negates a regular expression or operators as a whole.
func compileNot(v any) (part, error) {
	_, isRegex := v.(bson.Regex)
	if !isRegex && !isOperators(v) {
		return part{}, badValue.errorf("$not needs a regex or a document")
	}
	c, err := compileValue(v)
	return part{test: func(x any) bool { return c.at(x, nil) }, negated: true}, err
}

func compileType(v any) (test, error) {
	list, ok := v.(bson.A)
	if !ok {
		list = bson.A{v}
	}
	var names []string
	for _, item := range list {
		name := text(item)
		if n, ok := asInt(item); ok {
			name = typeNumber(n)
		}
		if name == "" {
			return nil, badValue.errorf("Invalid type for $type: %s", show(item))
		}
		names = append(names, name)
	}
	return func(x any) bool {
		return x != (missing{}) && (slices.Contains(names, typeName(x)) || isNumber(x) && slices.Contains(names, "number"))
	}, nil
}

func compileAll(v any) (part, error) {
	list, ok := v.(bson.A)
	if !ok {
		return part{}, badValue.errorf("$all needs an array")
	}
	var parts []part
	for _, item := range list {
		c, err := compileValue(item)
		if err != nil {
			return part{}, err
		}
		parts = append(parts, c...)
	}
	return part{test: func(x any) bool {
		for _, p := range parts {
			if !p.passes(x) {
				return false
			}
		}
		return len(parts) > 0
	}}, nil
}

func compileElemMatch(v any) (part, error) {
	d, ok := v.(bson.D)
	if !ok {
		return part{}, badValue.errorf("$elemMatch needs an Object")
	}
	matches, err := compileElement(d)
	return part{test: func(x any) bool {
		a, ok := x.(bson.A)
		return ok && slices.ContainsFunc(a, matches)
	}}, err
}

// compileElement makes the inside of $elemMatch or $pull a test of one element: operators on it, or a filter on its fields.
func compileElement(d bson.D) (test, error) {
	if isOperators(d) && d[0].Key != "$and" && d[0].Key != "$or" && d[0].Key != "$nor" {
		c, err := compileValue(d)
		return func(x any) bool { return c.at(x, nil) }, err
	}
	p, err := compileFilter(d)
	return func(x any) bool {
		doc, ok := x.(bson.D)
		return ok && p(doc)
	}, err
}

func compileMod(v any) (part, error) {
	list, ok := v.(bson.A)
	if !ok || len(list) != 2 {
		return part{}, badValue.errorf("malformed mod, needs to be an array of two numbers")
	}
	by, ok1 := asInt(list[0])
	rest, ok2 := asInt(list[1])
	if !ok1 || !ok2 || by == 0 {
		return part{}, badValue.errorf("malformed mod, divisor and remainder must be numbers, the divisor not 0")
	}
	return part{test: func(x any) bool {
		n, ok := asInt(x)
		if !ok && isNumber(x) {
			n, ok = int64(asFloat(x)), true
		}
		return ok && n%by == rest
	}, deep: true}, nil
}

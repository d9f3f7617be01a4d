package minimongo

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// compileBranch makes the operators that need not compute all of their arguments.
func compileBranch(op string, v any) (expr, error) {
	list, isList := v.(bson.A)
	switch {
	case op == "$switch":
		return compileSwitch(v)
	case op == "$cond" && !isList:
		d, _ := v.(bson.D)
		list = nil
		for _, name := range []string{"if", "then", "else"} {
			x, ok := lookup(d, name)
			if !ok {
				return nil, code{17080, "Location17080"}.errorf("Missing '%s' parameter to $cond", name)
			}
			list = append(list, x)
		}
	case !isList:
		list = bson.A{v}
	}
	items, err := compileAllExprs(list)
	if err != nil {
		return nil, err
	}
	switch {
	case op == "$cond" && len(items) != 3:
		return nil, code{16020, "Location16020"}.errorf("Expression $cond takes exactly 3 arguments. %d were passed in.", len(items))
	case op == "$cond":
		return choose(items[0], items[1], items[2]), nil
	case op == "$ifNull":
		return firstValue(items), nil
	}
	return logical(op == "$or", items), nil
}

func choose(condition, then, otherwise expr) expr {
	return func(s *scope) (any, error) {
		v, err := condition(s)
		if err != nil {
			return nil, err
		}
		if truthy(v) {
			return then(s)
		}
		return otherwise(s)
	}
}

// firstValue is $ifNull: the first that is not null, or the last.
func firstValue(items []expr) expr {
	return func(s *scope) (any, error) {
		var v any
		for _, x := range items {
			var err error
			if v, err = x(s); err != nil || nullish(v) != nil {
				return v, err
			}
		}
		return v, nil
	}
}

// logical stops at the first argument equal to stop.
func logical(stop bool, items []expr) expr {
	return func(s *scope) (any, error) {
		for _, x := range items {
			v, err := x(s)
			if err != nil || truthy(v) == stop {
				return stop, err
			}
		}
		return !stop, nil
	}
}

func compileSwitch(v any) (expr, error) {
	d, _ := v.(bson.D)
	branches, _ := lookup(d, "branches")
	list, ok := branches.(bson.A)
	if !ok {
		return nil, code{40060, "Location40060"}.errorf("$switch expected an array for 'branches', found: %s", typeName(branches))
	}
	otherwise := expr(func(*scope) (any, error) {
		return nil, code{40066, "Location40066"}.errorf("$switch could not find a matching branch for an input, and no default was specified.")
	})
	if def, ok := lookup(d, "default"); ok {
		var err error
		if otherwise, err = compileExpr(def); err != nil {
			return nil, err
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		b, _ := list[i].(bson.D)
		condition, _ := lookup(b, "case")
		then, _ := lookup(b, "then")
		items, err := compileAllExprs(bson.A{condition, then})
		if err != nil {
			return nil, err
		}
		otherwise = choose(items[0], items[1], otherwise)
	}
	return otherwise, nil
}

// iteration is the parts of $map, $filter and $reduce.
type iteration struct {
	input, body, initial expr
	as                   string
}

func compileIteration(op string, v any) (expr, error) {
	d, _ := v.(bson.D)
	bodyName := map[string]string{"$map": "in", "$filter": "cond", "$reduce": "in"}[op]
	input, hasInput := lookup(d, "input")
	body, hasBody := lookup(d, bodyName)
	initial, _ := lookup(d, "initialValue")
	if !hasInput || !hasBody {
		return nil, code{16879, "Location16879"}.errorf("Missing 'input' or '%s' parameter to %s", bodyName, op)
	}
	it := iteration{as: "this"}
	if as, ok := lookup(d, "as"); ok {
		it.as = text(as)
	}
	items, err := compileAllExprs(bson.A{input, body, initial})
	if err != nil {
		return nil, err
	}
	it.input, it.body, it.initial = items[0], items[1], items[2]
	return func(s *scope) (any, error) {
		v, err := it.input(s)
		list, ok := v.(bson.A)
		switch {
		case err != nil:
			return nil, err
		case nullish(v) == nil:
			return nil, nil
		case !ok:
			return nil, code{28651, "Location28651"}.errorf("input to %s must be an array not %s", op, typeName(v))
		case op == "$reduce":
			return it.reduce(s, list)
		}
		return it.each(s, list, op == "$filter")
	}, nil
}

func (it iteration) each(s *scope, list bson.A, filter bool) (any, error) {
	out := bson.A{}
	for _, e := range list {
		v, err := it.body(s.with(it.as, e))
		if err != nil {
			return nil, err
		}
		if !filter {
			out = append(out, nullish(v))
		} else if truthy(v) {
			out = append(out, e)
		}
	}
	return out, nil
}

func (it iteration) reduce(s *scope, list bson.A) (any, error) {
	acc, err := it.initial(s)
	for _, e := range list {
		if err != nil {
			return nil, err
		}
		acc, err = it.body(s.with("this", e).with("value", acc))
	}
	return acc, err
}

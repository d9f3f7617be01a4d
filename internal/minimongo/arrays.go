package minimongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// compileArrayChange makes the operators that change arrays.
func compileArrayChange(op, name string, v any) (change, error) {
	var on func(a bson.A) (bson.A, error)
	var err error
	switch op {
	case "$push":
		on, err = compilePush(v)
	case "$addToSet":
		on = compileAddToSet(v)
	case "$pull":
		on, err = compilePull(v)
	case "$pullAll":
		on, err = compilePullAll(v)
	case "$pop":
		on, err = compilePop(v)
	}
	if err != nil {
		return nil, err
	}
	adds := op == "$push" || op == "$addToSet"
	return func(old any) (any, error) {
		a, ok := old.(bson.A)
		if old == (missing{}) {
			if !adds {
				return old, nil
			}
			a, ok = bson.A{}, true
		}
		if !ok && adds {
			return nil, badValue.errorf("The field '%s' must be an array but is of type %s in document", name, typeName(old))
		}
		if !ok {
			return nil, badValue.errorf("Cannot apply %s to a non-array value", op)
		}
		return on(a)
	}, nil
}

// each is the values that $push or $addToSet add, and the modifiers beside $each.
func each(v any) (bson.A, bson.D) {
	if d, ok := v.(bson.D); ok {
		if list, ok := lookup(d, "$each"); ok {
			a, _ := list.(bson.A)
			return a, d
		}
	}
	return bson.A{v}, nil
}

func compilePush(v any) (func(bson.A) (bson.A, error), error) {
	values, mods := each(v)
	position, slice, order := any(nil), any(nil), any(nil)
	for _, m := range mods {
		switch m.Key {
		case "$each":
		case "$position":
			position = m.Value
		case "$slice":
			slice = m.Value
		case "$sort":
			order = m.Value
		default:
			return nil, badValue.errorf("Unrecognized clause in $push: %s", m.Key)
		}
	}
	less, err := compileElementOrder(order)
	if err != nil {
		return nil, err
	}
	return func(a bson.A) (bson.A, error) {
		at := len(a)
		if n, ok := asInt(position); ok && n >= 0 {
			at = min(int(n), len(a))
		} else if ok {
			at = max(len(a)+int(n), 0)
		}
		a = slices.Insert(a, at, clone(values).(bson.A)...)
		if less != nil {
			slices.SortStableFunc(a, less)
		}
		if n, ok := asInt(slice); ok {
			a = sliceArray(a, n)
		}
		return a, nil
	}, nil
}

// sliceArray keeps the first n elements, or the last -n.
func sliceArray(a bson.A, n int64) bson.A {
	if n >= 0 {
		return a[:min(n, int64(len(a)))]
	}
	return a[max(int64(len(a))+n, 0):]
}

// compileElementOrder reads $push's $sort: a direction, or a sort of the elements' fields.
func compileElementOrder(v any) (func(a, b any) int, error) {
	switch t := v.(type) {
	case nil:
		return nil, nil
	case bson.D:
		order, err := compileSort(t)
		if err != nil {
			return nil, err
		}
		return order.compare, nil
	}
	n, ok := asInt(v)
	if !ok || (n != 1 && n != -1) {
		return nil, badValue.errorf("The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields")
	}
	return func(a, b any) int { return compare(a, b) * int(n) }, nil
}

func compileAddToSet(v any) func(bson.A) (bson.A, error) {
	values, _ := each(v)
	return func(a bson.A) (bson.A, error) {
		for _, v := range values {
			if !slices.ContainsFunc(a, func(x any) bool { return equal(x, v) }) {
				a = append(a, clone(v))
			}
		}
		return a, nil
	}
}

func compilePull(v any) (func(bson.A) (bson.A, error), error) {
	matches := test(func(x any) bool { return equal(x, v) })
	var err error
	switch t := v.(type) {
	case bson.D:
		matches, err = compileElement(t)
	case bson.Regex:
		matches, err = compileRegex(t.Pattern, t.Options)
	}
	return func(a bson.A) (bson.A, error) { return slices.DeleteFunc(a, matches), nil }, err
}

func compilePullAll(v any) (func(bson.A) (bson.A, error), error) {
	list, ok := v.(bson.A)
	if !ok {
		return nil, badValue.errorf("$pullAll requires an array argument but was given a %s", typeName(v))
	}
	return func(a bson.A) (bson.A, error) {
		return slices.DeleteFunc(a, func(x any) bool {
			return slices.ContainsFunc(list, func(v any) bool { return equal(x, v) })
		}), nil
	}, nil
}

func compilePop(v any) (func(bson.A) (bson.A, error), error) {
	n, ok := asInt(v)
	if !ok || (n != 1 && n != -1) {
		return nil, failedToParse.errorf("$pop expects 1 or -1, found: %s", show(v))
	}
	return func(a bson.A) (bson.A, error) {
		switch {
		case len(a) == 0:
			return a, nil
		case n == 1:
			return a[:len(a)-1], nil
		}
		return a[1:], nil
	}, nil
}

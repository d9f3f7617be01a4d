package minimongo

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// updater makes the new form of a document. It may change doc, which is the caller's own copy.
type updater func(doc bson.D, inserting bool) (bson.D, error)

// compileUpdate reads the three forms of an update: operators, a pipeline, a replacement.
func compileUpdate(u any, multi bool) (updater, error) {
	switch t := u.(type) {
	case bson.A:
		return compilePipelineUpdate(t)
	case bson.D:
		if isOperators(t) {
			return compileOperators(t)
		}
		if multi {
			return nil, failedToParse.errorf("multi update is not supported for replacement-style update")
		}
		if err := checkReplacement(t); err != nil {
			return nil, err
		}
		return func(old bson.D, _ bool) (bson.D, error) { return replaceDocument(old, t), nil }, nil
	}
	return nil, failedToParse.errorf("Update argument must be either an object or an array")
}

func checkReplacement(d bson.D) error {
	for _, e := range d {
		if strings.HasPrefix(e.Key, "$") {
			return dollarPrefixed.errorf("The dollar ($) prefixed field '%s' in '%s' is not allowed in the context of an update's replacement document.", e.Key, e.Key)
		}
	}
	return nil
}

// replaceDocument keeps old's _id, first, unless the replacement names one.
func replaceDocument(old, replacement bson.D) bson.D {
	out := clone(replacement).(bson.D)
	if _, ok := lookup(out, "_id"); ok {
		return out
	}
	if id, ok := lookup(old, "_id"); ok {
		out = append(bson.D{{Key: "_id", Value: id}}, out...)
	}
	return out
}

func compilePipelineUpdate(stages bson.A) (updater, error) {
	for _, s := range stages {
		d, ok := s.(bson.D)
		if !ok || len(d) != 1 || !slices.Contains([]string{"$set", "$addFields", "$unset", "$project", "$replaceRoot", "$replaceWith"}, d[0].Key) {
			return nil, invalidOptions.errorf("an update's pipeline may hold $set, $addFields, $unset, $project, $replaceRoot and $replaceWith only")
		}
	}
	run, err := compilePipeline(stages, nil)
	if err != nil {
		return nil, err
	}
	return func(doc bson.D, _ bool) (bson.D, error) {
		out, err := run([]bson.D{doc})
		if err != nil {
			return nil, err
		}
		return replaceDocument(doc, out[0]), nil
	}, nil
}

// step is one field's change under one operator.
type step struct {
	path       []string
	insertOnly bool
	change     change
	rename     []string // $rename: where the value goes
}

func compileOperators(u bson.D) (updater, error) {
	var steps []step
	var paths []string
	for _, op := range u {
		fields, ok := op.Value.(bson.D)
		if !ok {
			return nil, failedToParse.errorf("Modifiers operate on fields but we found type %s instead. For example: {$mod: {<field>: ...}} not {%s: %s}", typeName(op.Value), op.Key, show(op.Value))
		}
		for _, f := range fields {
			s, err := compileStep(op.Key, f)
			if err != nil {
				return nil, err
			}
			steps, paths = append(steps, s), append(paths, f.Key)
		}
	}
	if err := checkConflicts(paths); err != nil {
		return nil, err
	}
	return func(doc bson.D, inserting bool) (bson.D, error) {
		for _, s := range steps {
			var err error
			if doc, err = s.apply(doc, inserting); err != nil {
				return nil, err
			}
		}
		return doc, nil
	}, nil
}

func (s step) apply(doc bson.D, inserting bool) (bson.D, error) {
	if s.insertOnly && !inserting {
		return doc, nil
	}
	if s.rename != nil {
		v, ok := any(missing{}), false
		visit(doc, s.path, func(x any) bool { v, ok = x, x != (missing{}); return true })
		if !ok {
			return doc, nil
		}
		moved, err := modify(doc, s.rename, func(any) (any, error) { return v, nil })
		if err != nil {
			return nil, err
		}
		doc = moved.(bson.D)
	}
	out, err := modify(doc, s.path, s.change)
	if err != nil {
		return nil, err
	}
	return out.(bson.D), nil
}

// checkConflicts refuses two changes of one field, or of a field and a part of it.
func checkConflicts(paths []string) error {
	slices.Sort(paths)
	for i := 1; i < len(paths); i++ {
		if paths[i] == paths[i-1] || strings.HasPrefix(paths[i], paths[i-1]+".") {
			return conflictingUpdate.errorf("Updating the path '%s' would create a conflict at '%s'", paths[i], paths[i-1])
		}
	}
	return nil
}

func compileStep(op string, f bson.E) (step, error) {
	path, err := splitPath(f.Key)
	if err != nil {
		return step{}, err
	}
	for _, p := range path {
		if p == "" {
			return step{}, code{56, "EmptyFieldName"}.errorf("The update path '%s' contains an empty field name, which is not allowed.", f.Key)
		}
		if strings.HasPrefix(p, "$") {
			return step{}, badValue.errorf("minimongo has no positional operators: '%s' in '%s'", p, f.Key)
		}
	}
	if op == "$rename" {
		to, err := splitPath(text(f.Value))
		remove := func(any) (any, error) { return missing{}, nil }
		return step{path: path, rename: to, change: remove}, err
	}
	c, err := compileChange(op, f.Key, f.Value)
	return step{path: path, change: c, insertOnly: op == "$setOnInsert"}, err
}

func compileChange(op, name string, v any) (change, error) {
	switch op {
	case "$set", "$setOnInsert":
		return func(any) (any, error) { return clone(v), nil }, nil
	case "$unset":
		return func(any) (any, error) { return missing{}, nil }, nil
	case "$inc", "$mul":
		return compileArithmetic(op, name, v)
	case "$min", "$max":
		return func(old any) (any, error) {
			if c := compare(v, old); old == (missing{}) || (op == "$min" && c < 0) || (op == "$max" && c > 0) {
				return v, nil
			}
			return old, nil
		}, nil
	case "$currentDate":
		return compileCurrentDate(v)
	case "$push", "$addToSet", "$pull", "$pullAll", "$pop":
		return compileArrayChange(op, name, v)
	}
	return nil, failedToParse.errorf("Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", op)
}

func compileArithmetic(op, name string, v any) (change, error) {
	if !isNumber(v) {
		return nil, typeMismatch.errorf("Cannot %s with non-numeric argument: {%s: %s}", map[string]string{"$inc": "increment", "$mul": "multiply"}[op], name, show(v))
	}
	return func(old any) (any, error) {
		if old == (missing{}) {
			old = int32(0)
		}
		if !isNumber(old) {
			return nil, typeMismatch.errorf("Cannot apply %s to a value of non-numeric type. The field '%s' has non-numeric type %s", op, name, typeName(old))
		}
		if op == "$inc" {
			return arithmetic("$add", old, v)
		}
		return arithmetic("$multiply", old, v)
	}, nil
}

func compileCurrentDate(v any) (change, error) {
	kind := "date"
	if d, ok := v.(bson.D); ok {
		t, _ := lookup(d, "$type")
		kind = text(t)
	} else if _, ok := v.(bool); !ok {
		kind = ""
	}
	switch kind {
	case "date":
		return func(any) (any, error) { return bson.NewDateTimeFromTime(time.Now()), nil }, nil
	case "timestamp":
		return func(any) (any, error) { return bson.Timestamp{T: uint32(time.Now().Unix()), I: 1}, nil }, nil
	}
	return nil, badValue.errorf("%s is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).", typeName(v))
}

// upsertBase is the document an upsert starts from: what the filter's equalities say.
func upsertBase(filter bson.D) (bson.D, error) {
	var base any = bson.D{}
	for _, e := range filter {
		var err error
		switch v := e.Value; {
		case e.Key == "$and":
			base, err = upsertAnd(base, v)
		case strings.HasPrefix(e.Key, "$"):
			continue
		default:
			base, err = upsertField(base, e)
		}
		if err != nil {
			return nil, err
		}
	}
	return base.(bson.D), nil
}

func upsertAnd(base, list any) (any, error) {
	items, _ := list.(bson.A)
	for _, item := range items {
		d, _ := item.(bson.D)
		for _, e := range d {
			if strings.HasPrefix(e.Key, "$") {
				continue
			}
			var err error
			if base, err = upsertField(base, e); err != nil {
				return nil, err
			}
		}
	}
	return base, nil
}

func upsertField(base any, e bson.E) (any, error) {
	v := e.Value
	if _, isRegex := v.(bson.Regex); isRegex {
		return base, nil
	}
	if isOperators(v) {
		eq, ok := lookup(v.(bson.D), "$eq")
		if !ok {
			return base, nil
		}
		v = eq
	}
	path, err := splitPath(e.Key)
	if err != nil {
		return nil, err
	}
	return modify(base, path, func(any) (any, error) { return clone(v), nil })
}

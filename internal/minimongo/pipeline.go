package minimongo

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// stage turns documents into documents. It must not change those it is given.
type stage func(docs []bson.D) ([]bson.D, error)

// source gives $lookup and $unionWith the documents of another collection of the database; nil where there is none.
type source func(collection string) []bson.D

// compilePipeline makes stages one.
func compilePipeline(stages bson.A, from source) (stage, error) {
	var all []stage
	for _, v := range stages {
		d, ok := v.(bson.D)
		if !ok || len(d) != 1 {
			return nil, code{40323, "Location40323"}.errorf("A pipeline stage specification object must contain exactly one field.")
		}
		s, err := compileStage(d[0].Key, d[0].Value, from)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return func(docs []bson.D) ([]bson.D, error) {
		for _, s := range all {
			var err error
			if docs, err = s(docs); err != nil {
				return nil, err
			}
		}
		return docs, nil
	}, nil
}

func compileStage(name string, v any, from source) (stage, error) {
	switch name {
	case "$match":
		return compileMatch(v)
	case "$project":
		return compileProject(v)
	case "$addFields", "$set":
		return compileAddFields(v)
	case "$unset":
		return compileUnset(v)
	case "$replaceRoot", "$replaceWith":
		return compileReplaceRoot(name, v)
	case "$sort":
		return compileSortStage(v)
	case "$limit", "$skip":
		return compileWindow(name, v)
	case "$count":
		return compileCount(v)
	case "$group":
		return compileGroup(v)
	case "$sortByCount":
		return compilePipeline(bson.A{
			bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: v}, {Key: "count", Value: bson.D{{Key: "$sum", Value: int32(1)}}}}}},
			bson.D{{Key: "$sort", Value: bson.D{{Key: "count", Value: int32(-1)}}}},
		}, from)
	case "$unwind":
		return compileUnwind(v)
	case "$lookup":
		return compileLookup(v, from)
	case "$unionWith":
		return compileUnionWith(v, from)
	case "$facet":
		return compileFacet(v, from)
	case "$changeStream":
		return nil, code{40573, "Location40573"}.errorf("The $changeStream stage is only supported on replica sets")
	case "$out", "$merge", "$graphLookup", "$geoNear", "$bucket", "$bucketAuto", "$sample", "$setWindowFields", "$densify", "$fill", "$search", "$vectorSearch":
		return nil, commandNotSupported.errorf("minimongo has no %s stage", name)
	}
	return nil, unknownStage.errorf("Unrecognized pipeline stage name: '%s'", name)
}

// eachDoc makes a stage of a function of one document.
func eachDoc(f func(doc bson.D) (bson.D, error)) stage {
	return func(docs []bson.D) ([]bson.D, error) {
		out := make([]bson.D, len(docs))
		for i, d := range docs {
			var err error
			if out[i], err = f(d); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

func compileMatch(v any) (stage, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, code{15959, "Location15959"}.errorf("the match filter must be an expression in an object")
	}
	p, err := compileFilter(d)
	return func(docs []bson.D) ([]bson.D, error) { return matching(docs, p), nil }, err
}

func matching(docs []bson.D, p predicate) []bson.D {
	out := make([]bson.D, 0, len(docs))
	for _, d := range docs {
		if p(d) {
			out = append(out, d)
		}
	}
	return out
}

func compileProject(v any) (stage, error) {
	d, ok := v.(bson.D)
	if !ok || len(d) == 0 {
		return nil, code{51272, "Location51272"}.errorf("Invalid $project :: caused by :: projection specification must have at least one field")
	}
	p, err := compileProjection(d)
	return eachDoc(p), err
}

func compileAddFields(v any) (stage, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, code{40272, "Location40272"}.errorf("$addFields specification stage must be an object, got %s", typeName(v))
	}
	var paths [][]string
	var items []expr
	for _, e := range d {
		path, err := splitPath(e.Key)
		if err != nil {
			return nil, err
		}
		x, err := compileExpr(e.Value)
		if err != nil {
			return nil, err
		}
		paths, items = append(paths, path), append(items, x)
	}
	return eachDoc(func(doc bson.D) (bson.D, error) {
		values, err := evaluate(newScope(doc), items)
		if err != nil {
			return nil, err
		}
		out := clone(doc)
		for i, path := range paths {
			if out, err = modify(out, path, func(any) (any, error) { return values[i], nil }); err != nil {
				return nil, err
			}
		}
		return out.(bson.D), nil
	}), nil
}

func compileUnset(v any) (stage, error) {
	list, ok := v.(bson.A)
	if !ok {
		list = bson.A{v}
	}
	spec := bson.D{}
	for _, name := range list {
		if text(name) == "" {
			return nil, code{31002, "Location31002"}.errorf("$unset specification must be a string or an array")
		}
		spec = append(spec, bson.E{Key: text(name), Value: false})
	}
	return compileProject(spec)
}

func compileReplaceRoot(name string, v any) (stage, error) {
	if name == "$replaceRoot" {
		d, _ := v.(bson.D)
		v, _ = lookup(d, "newRoot")
	}
	x, err := compileExpr(v)
	return eachDoc(func(doc bson.D) (bson.D, error) {
		v, err := x(newScope(doc))
		if err != nil {
			return nil, err
		}
		root, ok := v.(bson.D)
		if !ok {
			return nil, code{40228, "Location40228"}.errorf("'%s' expression must evaluate to an object, but resulting value was of type %s", strings.TrimPrefix(name, "$"), typeName(v))
		}
		return root, nil
	}), err
}

func compileSortStage(v any) (stage, error) {
	d, ok := v.(bson.D)
	if !ok || len(d) == 0 {
		return nil, code{15976, "Location15976"}.errorf("$sort stage must have at least one sort key")
	}
	order, err := compileSort(d)
	return func(docs []bson.D) ([]bson.D, error) {
		docs = slices.Clone(docs)
		order.sort(docs)
		return docs, nil
	}, err
}

func compileWindow(name string, v any) (stage, error) {
	n, ok := asInt(v)
	if !ok || n < 0 || n == 0 && name == "$limit" {
		return nil, code{15958, "Location15958"}.errorf("the %s must be a positive number, not %s", name, show(v))
	}
	return func(docs []bson.D) ([]bson.D, error) {
		at := min(n, int64(len(docs)))
		if name == "$limit" {
			return docs[:at], nil
		}
		return docs[at:], nil
	}, nil
}

func compileCount(v any) (stage, error) {
	name, ok := v.(string)
	if !ok || name == "" || strings.HasPrefix(name, "$") {
		return nil, code{40156, "Location40156"}.errorf("the count field must be a non-empty string that does not begin with '$'")
	}
	return func(docs []bson.D) ([]bson.D, error) {
		if len(docs) == 0 {
			return nil, nil
		}
		return []bson.D{{{Key: name, Value: int32(len(docs))}}}, nil
	}, nil
}

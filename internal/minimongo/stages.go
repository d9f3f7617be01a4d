package minimongo

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxStageDocs bounds what $unwind, $lookup and $unionWith may make.
const maxStageDocs = 1_000_000

func tooMany(stage string) error {
	return exceededMemory.errorf("%s makes more than %d documents", stage, maxStageDocs)
}

func compileUnwind(v any) (stage, error) {
	spec, ok := v.(bson.D)
	if !ok {
		spec = bson.D{{Key: "path", Value: v}}
	}
	name, _ := lookup(spec, "path")
	keepEmpty, _ := lookup(spec, "preserveNullAndEmptyArrays")
	indexField, _ := lookup(spec, "includeArrayIndex")
	field, ok := strings.CutPrefix(text(name), "$")
	if !ok || field == "" {
		return nil, code{28818, "Location28818"}.errorf("path option to $unwind stage should be prefixed with a '$': %s", show(name))
	}
	path, err := splitPath(field)
	u := unwind{path: path, keepEmpty: truthy(keepEmpty), index: text(indexField)}
	return func(docs []bson.D) ([]bson.D, error) {
		var out []bson.D
		for _, d := range docs {
			var err error
			if out, err = u.appendTo(out, d); err != nil {
				return nil, err
			}
			if len(out) > maxStageDocs {
				return nil, tooMany("$unwind")
			}
		}
		return out, nil
	}, err
}

type unwind struct {
	path      []string
	keepEmpty bool
	index     string
}

func (u unwind) appendTo(out []bson.D, d bson.D) ([]bson.D, error) {
	v := dig(d, u.path)
	list, isArray := v.(bson.A)
	if !isArray && nullish(v) != nil {
		return u.appendOne(out, d, v, nil)
	}
	if len(list) == 0 {
		if !u.keepEmpty {
			return out, nil
		}
		if isArray {
			v = missing{}
		}
		return u.appendOne(out, d, v, nil)
	}
	for i, e := range list {
		var err error
		if out, err = u.appendOne(out, d, e, int64(i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (u unwind) appendOne(out []bson.D, d bson.D, v, at any) ([]bson.D, error) {
	made, err := modify(clone(d), u.path, func(any) (any, error) { return v, nil })
	if err != nil {
		return nil, err
	}
	doc := made.(bson.D)
	if u.index != "" {
		doc = set(doc, u.index, at)
	}
	return append(out, doc), nil
}

// compileLookup joins another collection: by equal fields, by a pipeline with variables, or by both.
func compileLookup(v any, from source) (stage, error) {
	spec, ok := v.(bson.D)
	if !ok || from == nil {
		return nil, failedToParse.errorf("the $lookup stage specification must be an object, in an aggregation")
	}
	get := func(name string) string { v, _ := lookup(spec, name); return text(v) }
	if get("from") == "" || get("as") == "" {
		return nil, failedToParse.errorf("$lookup needs 'from' and 'as'")
	}
	j := join{from: from, collection: get("from"), local: get("localField"), foreign: get("foreignField")}
	if (j.local == "") != (j.foreign == "") {
		return nil, failedToParse.errorf("$lookup requires both or neither of 'localField' and 'foreignField' to be specified")
	}
	as, err := splitPath(get("as"))
	if err != nil {
		return nil, err
	}
	if p, ok := lookup(spec, "pipeline"); ok {
		j.pipeline, _ = p.(bson.A)
	}
	if _, ok := lookup(spec, "let"); ok {
		return nil, commandNotSupported.errorf("minimongo's $lookup has no 'let'; join with localField and foreignField")
	}
	return j.stage(as)
}

type join struct {
	from                       source
	collection, local, foreign string
	pipeline                   bson.A
}

func (j join) stage(as []string) (stage, error) {
	refine, err := compilePipeline(j.pipeline, j.from)
	if err != nil {
		return nil, err
	}
	local, foreign := strings.Split(j.local, "."), strings.Split(j.foreign, ".")
	return func(docs []bson.D) ([]bson.D, error) {
		others := j.from(j.collection)
		byKey := placesOf(others, foreign)
		return eachDoc(func(d bson.D) (bson.D, error) {
			found := others
			if j.local != "" {
				found = pick(others, byKey, d, local)
			}
			found, err := refine(found)
			if err != nil {
				return nil, err
			}
			if len(found) > maxStageDocs {
				return nil, tooMany("$lookup")
			}
			out, err := modify(clone(d), as, func(any) (any, error) { return array(found), nil })
			if err != nil {
				return nil, err
			}
			return out.(bson.D), nil
		})(docs)
	}, nil
}

// placesOf maps the values at path to the places in docs of those that have them.
func placesOf(docs []bson.D, path []string) map[string][]int {
	out := map[string][]int{}
	for i, d := range docs {
		for k := range keysAt(d, path) {
			out[k] = append(out[k], i)
		}
	}
	return out
}

// keysAt are the keys of all values at path, elements of arrays for themselves.
func keysAt(d bson.D, path []string) map[string]bool {
	out := map[string]bool{}
	visit(d, path, func(v any) bool {
		if a, ok := v.(bson.A); ok {
			for _, e := range a {
				out[key(e)] = true
			}
			return false
		}
		out[key(v)] = true
		return false
	})
	return out
}

// pick returns the documents of docs that share a value with d, in their order.
func pick(docs []bson.D, byKey map[string][]int, d bson.D, path []string) []bson.D {
	chosen := map[int]bool{}
	for k := range keysAt(d, path) {
		for _, i := range byKey[k] {
			chosen[i] = true
		}
	}
	var out []bson.D
	for i := range docs {
		if len(chosen) > 0 && chosen[i] {
			out = append(out, docs[i])
		}
	}
	return out
}

func array(docs []bson.D) bson.A {
	out := make(bson.A, len(docs))
	for i, d := range docs {
		out[i] = d
	}
	return out
}

func compileUnionWith(v any, from source) (stage, error) {
	name, pipeline := text(v), bson.A(nil)
	if d, ok := v.(bson.D); ok {
		c, _ := lookup(d, "coll")
		p, _ := lookup(d, "pipeline")
		name = text(c)
		pipeline, _ = p.(bson.A)
	}
	if name == "" || from == nil {
		return nil, failedToParse.errorf("$unionWith needs a collection, in an aggregation")
	}
	refine, err := compilePipeline(pipeline, from)
	if err != nil {
		return nil, err
	}
	return func(docs []bson.D) ([]bson.D, error) {
		more, err := refine(from(name))
		if len(docs)+len(more) > maxStageDocs {
			return nil, tooMany("$unionWith")
		}
		return append(append([]bson.D(nil), docs...), more...), err
	}, nil
}

func compileFacet(v any, from source) (stage, error) {
	d, _ := v.(bson.D)
	var all []stage
	for _, e := range d {
		p, ok := e.Value.(bson.A)
		if !ok {
			return nil, code{40170, "Location40170"}.errorf("arguments to $facet must be arrays, %s is type %s", e.Key, typeName(e.Value))
		}
		s, err := compilePipeline(p, from)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return func(docs []bson.D) ([]bson.D, error) {
		out := bson.D{}
		for i, s := range all {
			found, err := s(docs)
			if err != nil {
				return nil, err
			}
			out = append(out, bson.E{Key: d[i].Key, Value: array(found)})
		}
		return []bson.D{out}, nil
	}, nil
}

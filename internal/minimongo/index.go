package minimongo

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// index is an index's definition and, when it is unique, its entries.
type index struct {
	name    string
	keys    bson.D
	options bson.D
	paths   [][]string
	unique  bool
	sparse  bool
	partial predicate
	entries map[string]*record
}

func newIndex(name string, keys, options bson.D) *index {
	x := &index{name: name, keys: keys, options: options, entries: map[string]*record{}, partial: func(bson.D) bool { return true }}
	unique, _ := lookup(options, "unique")
	sparse, _ := lookup(options, "sparse")
	x.unique, x.sparse = truthy(unique), truthy(sparse)
	for _, k := range keys {
		x.paths = append(x.paths, strings.Split(k.Key, "."))
	}
	return x
}

// keysOf are the entries r has: the combinations of its values, an array's elements each for themselves in the first
// field that is one; none when r is not in the index.
func (x *index) keysOf(r *record) []bson.A {
	if !x.unique || !x.partial(r.doc) || x.parallel(r) {
		return nil
	}
	out := []bson.A{{}}
	present := false
	for _, path := range x.paths {
		values := x.valuesAt(r.doc, path)
		present = present || len(values) > 1 || values[0] != (missing{})
		var next []bson.A
		for _, head := range out {
			for _, v := range values {
				next = append(next, append(append(bson.A{}, head...), nullish(v)))
			}
		}
		out = next
	}
	if x.sparse && !present {
		return nil
	}
	return out
}

func (x *index) valuesAt(doc bson.D, path []string) []any {
	var out []any
	visit(doc, path, func(v any) bool {
		if a, ok := v.(bson.A); ok && len(a) > 0 {
			out = append(out, a...)
		} else {
			out = append(out, v)
		}
		return false
	})
	return out
}

// parallel says whether two of the index's fields are arrays in r, whose combinations nobody wants.
func (x *index) parallel(r *record) bool {
	arrays := 0
	for _, path := range x.paths {
		if len(x.valuesAt(r.doc, path)) > 1 {
			arrays++
		}
	}
	return x.unique && arrays > 1
}

// add enters r, or says which other record has its key.
func (x *index) add(ns string, r *record) error {
	if x.parallel(r) {
		return code{171, "CannotIndexParallelArrays"}.errorf("cannot index parallel arrays in index %s", x.name)
	}
	keys := x.keysOf(r)
	for _, k := range keys {
		if other := x.entries[key(k)]; other != nil && other != r {
			return x.duplicate(ns, k)
		}
	}
	for _, k := range keys {
		x.entries[key(k)] = r
	}
	return nil
}

func (x *index) remove(r *record) {
	for _, k := range x.keysOf(r) {
		if x.entries[key(k)] == r {
			delete(x.entries, key(k))
		}
	}
}

func (x *index) duplicate(ns string, values bson.A) error {
	value := bson.D{}
	for i, k := range x.keys {
		value = append(value, bson.E{Key: k.Key, Value: values[i]})
	}
	f := duplicateKey.errorf("E11000 duplicate key error collection: %s index: %s dup key: %s", ns, x.name, show(value))
	f.extra = bson.D{{Key: "keyPattern", Value: x.keys}, {Key: "keyValue", Value: value}}
	return f
}

// document is the index as listIndexes tells it.
func (x *index) document() bson.D {
	d := bson.D{{Key: "v", Value: int32(2)}, {Key: "key", Value: x.keys}, {Key: "name", Value: x.name}}
	if x.name == "_id_" {
		return d
	}
	return append(d, x.options...)
}

// compileIndex reads one entry of createIndexes.
func compileIndex(spec bson.D) (*index, error) {
	k, _ := lookup(spec, "key")
	keys, ok := k.(bson.D)
	if !ok || len(keys) == 0 {
		return nil, cannotCreateIndex.errorf("index keys must be a non-empty object")
	}
	for _, e := range keys {
		if _, err := splitPath(e.Key); err != nil {
			return nil, err
		}
	}
	n, _ := lookup(spec, "name")
	name := text(n)
	if name == "" {
		name = indexName(keys)
	}
	options := without(without(without(spec, "key"), "name"), "v")
	x := newIndex(name, keys, options)
	if f, ok := lookup(spec, "partialFilterExpression"); ok {
		d, _ := f.(bson.D)
		p, err := compileFilter(d)
		if err != nil {
			return nil, err
		}
		x.partial = p
	}
	return x, nil
}

func indexName(keys bson.D) string {
	var parts []string
	for _, e := range keys {
		v := text(e.Value)
		if n, ok := asInt(e.Value); ok {
			v = strconv.FormatInt(n, 10)
		}
		parts = append(parts, e.Key+"_"+v)
	}
	return strings.Join(parts, "_")
}

// addIndex makes x enforced and says whether it is new; an equal one is left as it is.
func (c *collection) addIndex(x *index) (bool, error) {
	for _, old := range c.indexes {
		same := compare(old.keys, x.keys) == 0
		if same && old.name == x.name || same && old.name == "_id_" {
			return false, nil
		}
		if old.name == x.name || same {
			return false, indexOptionsConflict.errorf("Index already exists with a different name or key: %s", old.name)
		}
	}
	for _, r := range c.records {
		if err := x.add(c.ns, r); err != nil {
			return false, err
		}
	}
	c.indexes = append(c.indexes, x)
	return true, nil
}

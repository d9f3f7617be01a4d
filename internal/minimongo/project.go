package minimongo

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// projection makes the answered form of a document. The result shares values with it.
type projection func(doc bson.D) (bson.D, error)

// tree is a projection's fields by name; a leaf keeps or drops the field, or computes it.
type tree struct {
	names  []string // in the order written, for computed fields
	fields map[string]*tree
	leaf   bool
	expr   expr            // computes the field from the document, when not nil
	array  func(v any) any // $slice, $elemMatch of find
}

// compileProjection reads the projection of find and of $project, which says what to keep or what to drop, not both.
func compileProjection(d bson.D) (projection, error) {
	if len(d) == 0 {
		return func(doc bson.D) (bson.D, error) { return doc, nil }, nil
	}
	root := &tree{fields: map[string]*tree{}}
	keepID, idGiven, include, exclude := true, false, false, false
	for _, e := range d {
		if e.Key == "_id" && isFlag(e.Value) {
			keepID, idGiven = truthy(e.Value), true
			continue
		}
		leaf, err := compileLeaf(e)
		if err != nil {
			return nil, err
		}
		include = include || leaf.includes(e.Value)
		exclude = exclude || isFlag(e.Value) && !truthy(e.Value)
		if include && exclude {
			return nil, code{31254, "Location31254"}.errorf("Cannot do exclusion on field %s in inclusion projection", e.Key)
		}
		if err := root.put(e.Key, leaf); err != nil {
			return nil, err
		}
	}
	if include || idGiven && keepID && len(root.fields) == 0 {
		return func(doc bson.D) (bson.D, error) { return root.keep(doc, keepID) }, nil
	}
	return func(doc bson.D) (bson.D, error) { return root.drop(doc, keepID), nil }, nil
}

func isFlag(v any) bool { return isNumber(v) || typeName(v) == "bool" }

// includes says whether the field makes its projection one that keeps: all do but a false flag and find's $slice.
func (t *tree) includes(v any) bool {
	if isFlag(v) {
		return truthy(v)
	}
	return t.array == nil || isElemMatch(v)
}

func isElemMatch(v any) bool {
	d, ok := v.(bson.D)
	return ok && len(d) == 1 && d[0].Key == "$elemMatch"
}

// compileLeaf reads one field's side of a projection.
func compileLeaf(e bson.E) (*tree, error) {
	if isFlag(e.Value) {
		return &tree{leaf: true}, nil
	}
	if d, ok := e.Value.(bson.D); ok && len(d) == 1 {
		switch d[0].Key {
		case "$elemMatch":
			return compileElemMatchLeaf(d[0].Value)
		case "$slice":
			if a, ok := d[0].Value.(bson.A); !ok || len(a) == 2 && isNumber(a[0]) {
				return compileSliceLeaf(d[0].Value)
			}
		}
	}
	if d, ok := e.Value.(bson.D); ok && len(d) > 0 && !strings.HasPrefix(d[0].Key, "$") {
		return compileNested(d)
	}
	x, err := compileExpr(e.Value)
	return &tree{leaf: true, expr: x}, err
}

// compileNested reads {a: {b: 1}}, which is {"a.b": 1}.
func compileNested(d bson.D) (*tree, error) {
	t := &tree{fields: map[string]*tree{}}
	for _, e := range d {
		leaf, err := compileLeaf(e)
		if err != nil {
			return nil, err
		}
		if err := t.put(e.Key, leaf); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func compileElemMatchLeaf(v any) (*tree, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, badValue.errorf("elemMatch: Invalid argument, object required, but got %s", typeName(v))
	}
	matches, err := compileElement(d)
	return &tree{leaf: true, array: func(v any) any {
		a, _ := v.(bson.A)
		for _, e := range a {
			if matches(e) {
				return bson.A{e}
			}
		}
		return missing{}
	}}, err
}

func compileSliceLeaf(v any) (*tree, error) {
	skip, n := int64(0), int64(0)
	ok := true
	if a, isArray := v.(bson.A); isArray {
		skip, _ = asInt(a[0])
		n, ok = asInt(a[1])
		ok = ok && n > 0
	} else {
		n, ok = asInt(v)
	}
	if !ok {
		return nil, badValue.errorf("Invalid $slice syntax: %s", show(v))
	}
	return &tree{leaf: true, array: func(v any) any {
		a, isArray := v.(bson.A)
		if !isArray {
			return v
		}
		from := min(skip, int64(len(a)))
		if skip < 0 {
			from = max(int64(len(a))+skip, 0)
		}
		return sliceArray(a[from:], n)
	}}, nil
}

func (t *tree) put(path string, leaf *tree) error {
	parts, err := splitPath(path)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p == "" || strings.HasPrefix(p, "$") {
			return badValue.errorf("minimongo has no positional projection, and no field is named so: '%s'", path)
		}
	}
	for _, p := range parts[:len(parts)-1] {
		next := t.fields[p]
		if next == nil {
			next = &tree{fields: map[string]*tree{}}
			t.add(p, next)
		}
		if next.leaf {
			return code{31249, "Location31249"}.errorf("Path collision at %s", path)
		}
		t = next
	}
	last := parts[len(parts)-1]
	if t.fields[last] != nil {
		return code{31250, "Location31250"}.errorf("Path collision at %s", path)
	}
	t.add(last, leaf)
	return nil
}

func (t *tree) add(name string, child *tree) {
	t.fields[name] = child
	t.names = append(t.names, name)
}

func (t *tree) drop(doc bson.D, keepID bool) bson.D {
	out := make(bson.D, 0, len(doc))
	for _, e := range doc {
		child := t.fields[e.Key]
		switch {
		case e.Key == "_id" && !keepID:
			continue
		case child == nil:
		case child.array != nil:
			if e.Value = child.array(e.Value); e.Value == (missing{}) {
				continue
			}
		case child.leaf:
			continue
		default:
			e.Value = child.dropIn(e.Value)
		}
		out = append(out, e)
	}
	return out
}

func (t *tree) dropIn(v any) any {
	switch x := v.(type) {
	case bson.D:
		return t.drop(x, true)
	case bson.A:
		out := make(bson.A, len(x))
		for i, e := range x {
			out[i] = t.dropIn(e)
		}
		return out
	}
	return v
}

func (t *tree) keep(doc bson.D, keepID bool) (bson.D, error) {
	out := bson.D{}
	if id, ok := lookup(doc, "_id"); ok && keepID && t.fields["_id"] == nil {
		out = append(out, bson.E{Key: "_id", Value: id})
	}
	return t.keepFields(out, doc, newScope(doc))
}

// keepFields adds to out what t keeps of doc, in doc's order, then what t computes.
func (t *tree) keepFields(out, doc bson.D, s *scope) (bson.D, error) {
	for _, e := range doc {
		child := t.fields[e.Key]
		if child == nil || child.expr != nil {
			continue
		}
		v, err := child.keepIn(e.Value, s)
		if err != nil {
			return nil, err
		}
		if v != (missing{}) {
			out = append(out, bson.E{Key: e.Key, Value: v})
		}
	}
	for _, name := range t.names {
		child := t.fields[name]
		if _, had := lookup(doc, name); child.expr == nil && (had || !child.computes()) {
			continue
		}
		v, err := child.compute(s)
		if err != nil {
			return nil, err
		}
		if v != (missing{}) {
			out = set(out, name, v)
		}
	}
	return out, nil
}

func (t *tree) keepIn(v any, s *scope) (any, error) {
	if t.array != nil {
		return t.array(v), nil
	}
	if t.leaf {
		return v, nil
	}
	switch x := v.(type) {
	case bson.D:
		return t.keepFields(bson.D{}, x, s)
	case bson.A:
		out := bson.A{}
		for _, e := range x {
			kept, err := t.keepIn(e, s)
			if err != nil {
				return nil, err
			}
			if kept != (missing{}) {
				out = append(out, kept)
			}
		}
		return out, nil
	}
	return missing{}, nil
}

// computes says whether something under t is computed, and so may appear where the document has nothing.
func (t *tree) computes() bool {
	if t.expr != nil {
		return true
	}
	for _, c := range t.fields {
		if c.computes() {
			return true
		}
	}
	return false
}

func (t *tree) compute(s *scope) (any, error) {
	if t.expr != nil {
		return t.expr(s)
	}
	return t.keepFields(bson.D{}, bson.D{}, s)
}

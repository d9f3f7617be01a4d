package minimongo

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxPath bounds the fields of one dotted path.
const maxPath = 200

func splitPath(path string) ([]string, error) {
	parts := strings.Split(path, ".")
	if len(parts) > maxPath {
		return nil, badValue.errorf("the path %.40s... has more than %d fields", path, maxPath)
	}
	return parts, nil
}

// arrayIndex reads a path's part as an array index.
func arrayIndex(part string) (int, bool) {
	n, err := strconv.Atoi(part)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == part
}

// visit shows yield every value that path leads to from v, entering the documents of arrays on the way, and missing
// where it leads nowhere. It stops when yield returns true, and returns that.
func visit(v any, path []string, yield func(any) bool) bool {
	if len(path) == 0 {
		return yield(v)
	}
	switch t := v.(type) {
	case bson.D:
		child, _ := lookup(t, path[0])
		return visit(child, path[1:], yield)
	case bson.A:
		return visitArray(t, path, yield)
	}
	return yield(missing{})
}

func visitArray(a bson.A, path []string, yield func(any) bool) bool {
	found := false
	if i, ok := arrayIndex(path[0]); ok && i < len(a) {
		found = true
		if visit(a[i], path[1:], yield) {
			return true
		}
	}
	for _, e := range a {
		if d, ok := e.(bson.D); ok {
			found = true
			if visit(d, path, yield) {
				return true
			}
		}
	}
	return !found && yield(missing{})
}

// sortValue is what v sorts by at path: of an array's elements the least, or the greatest when descending.
func sortValue(v any, path []string, descending bool) any {
	var best any = missing{}
	first := true
	take := func(e any) {
		if c := compare(e, best); first || (descending && c > 0) || (!descending && c < 0) {
			best, first = e, false
		}
	}
	visit(v, path, func(e any) bool {
		a, ok := e.(bson.A)
		if !ok || len(a) == 0 {
			take(e)
			return false
		}
		for _, e := range a {
			take(e)
		}
		return false
	})
	return best
}

// dig is the value an expression's "$a.b" has: over an array it is the array of what its documents have.
func dig(v any, path []string) any {
	if len(path) == 0 {
		return v
	}
	switch t := v.(type) {
	case bson.D:
		child, _ := lookup(t, path[0])
		return dig(child, path[1:])
	case bson.A:
		out := bson.A{}
		for _, e := range t {
			if x := dig(e, path); x != (missing{}) {
				out = append(out, x)
			}
		}
		return out
	}
	return missing{}
}

// change is a function of the value a field has, missing if none; it returns the new one, missing to remove it.
type change func(old any) (any, error)

// modify returns v with the value at path changed; documents on the way are made when f gives a value. v is changed in
// place: callers pass a copy of their own.
func modify(v any, path []string, f change) (any, error) {
	if len(path) == 0 {
		return f(v)
	}
	switch t := v.(type) {
	case missing:
		child, err := modify(missing{}, path[1:], f)
		if err != nil || child == (missing{}) {
			return missing{}, err
		}
		return bson.D{{Key: path[0], Value: child}}, nil
	case bson.D:
		return modifyField(t, path, f)
	case bson.A:
		return modifyElement(t, path, f)
	}
	if _, err := modify(missing{}, path, f); err != nil {
		return v, err
	} else if removes(f) {
		return v, nil
	}
	return v, pathNotViable.errorf("Cannot create field '%s' in element {%s}", path[0], show(v))
}

// removes says whether f would leave a missing field missing.
func removes(f change) bool {
	v, err := f(missing{})
	return err == nil && v == (missing{})
}

func modifyField(d bson.D, path []string, f change) (any, error) {
	old, had := lookup(d, path[0])
	v, err := modify(old, path[1:], f)
	switch {
	case err != nil:
		return d, err
	case v != (missing{}):
		return set(d, path[0], v), nil
	case had:
		return without(d, path[0]), nil
	}
	return d, nil
}

func without(d bson.D, key string) bson.D {
	out := make(bson.D, 0, len(d))
	for _, e := range d {
		if e.Key != key {
			out = append(out, e)
		}
	}
	return out
}

// maxPadding bounds the nulls that setting an element far behind an array's end adds, as the server does.
const maxPadding = 1_500_000

func modifyElement(a bson.A, path []string, f change) (any, error) {
	i, ok := arrayIndex(path[0])
	if !ok {
		if removes(f) {
			return a, nil
		}
		return a, pathNotViable.errorf("Cannot create field '%s' in element {%s}", path[0], show(a))
	}
	if i >= len(a) {
		v, err := modify(missing{}, path[1:], f)
		if err != nil || v == (missing{}) {
			return a, err
		}
		if i-len(a) > maxPadding {
			return a, badValue.errorf("can't backfill more than %d elements", maxPadding)
		}
		for len(a) < i {
			a = append(a, nil)
		}
		return append(a, v), nil
	}
	v, err := modify(a[i], path[1:], f)
	if v == (missing{}) {
		v = nil // removing an array's element leaves null
	}
	a[i] = v
	return a, err
}

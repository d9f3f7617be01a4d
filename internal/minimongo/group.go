package minimongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// accumulator gathers the values of one group under one of $group's operators.
type accumulator struct {
	op   string
	n    int64
	sum  any
	best any
	list bson.A
	seen map[string]bool
}

func newAccumulator(op string) *accumulator {
	return &accumulator{op: op, sum: int32(0), best: missing{}, list: bson.A{}, seen: map[string]bool{}}
}

func isAccumulator(op string) bool {
	return slices.Contains([]string{"$sum", "$avg", "$min", "$max", "$first", "$last", "$push", "$addToSet", "$count", "$mergeObjects"}, op)
}

func (a *accumulator) add(v any) error {
	a.n++
	switch a.op {
	case "$sum", "$avg":
		return a.addNumber(v)
	case "$min", "$max":
		c := compare(v, a.best)
		if nullish(v) != nil && (a.best == (missing{}) || a.op == "$min" && c < 0 || a.op == "$max" && c > 0) {
			a.best = v
		}
	case "$first":
		if a.n == 1 {
			a.best = v
		}
	case "$last":
		a.best = v
	case "$push":
		if v != (missing{}) {
			a.list = append(a.list, v)
		}
	case "$addToSet":
		if k := key(v); v != (missing{}) && !a.seen[k] {
			a.seen[k] = true
			a.list = append(a.list, v)
		}
	case "$mergeObjects":
		merged, err := mergeObjects([]any{a.best, v})
		a.best = merged
		return err
	}
	return nil
}

// addNumber leaves out what is no number, as the server does.
func (a *accumulator) addNumber(v any) error {
	if !isNumber(v) {
		a.n--
		return nil
	}
	var err error
	a.sum, err = arithmetic("$add", a.sum, v)
	return err
}

func (a *accumulator) value() any {
	switch a.op {
	case "$sum":
		return a.sum
	case "$avg":
		if a.n == 0 {
			return nil
		}
		return asFloat(a.sum) / float64(a.n)
	case "$count":
		return int32(a.n)
	case "$push", "$addToSet":
		return a.list
	}
	return nullish(a.best)
}

// column is one computed field of $group.
type column struct {
	name, op string
	expr     expr
}

func compileGroup(v any) (stage, error) {
	spec, ok := v.(bson.D)
	id, hasID := lookup(spec, "_id")
	if !ok || !hasID {
		return nil, code{15955, "Location15955"}.errorf("a group specification must include an _id")
	}
	idExpr, err := compileExpr(id)
	if err != nil {
		return nil, err
	}
	var columns []column
	for _, e := range spec {
		if e.Key == "_id" {
			continue
		}
		c, err := compileColumn(e)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return func(docs []bson.D) ([]bson.D, error) { return group(docs, idExpr, columns) }, nil
}

func compileColumn(e bson.E) (column, error) {
	d, ok := e.Value.(bson.D)
	if !ok || len(d) != 1 {
		return column{}, code{40234, "Location40234"}.errorf("The field '%s' must be an accumulator object", e.Key)
	}
	if !isAccumulator(d[0].Key) {
		return column{}, code{15952, "Location15952"}.errorf("unknown group operator '%s'", d[0].Key)
	}
	x, err := compileExpr(d[0].Value)
	return column{e.Key, d[0].Key, x}, err
}

// bucket is one group: its _id and an accumulator for each column.
type bucket struct {
	id   any
	accs []*accumulator
}

func group(docs []bson.D, id expr, columns []column) ([]bson.D, error) {
	byKey := map[string]*bucket{}
	var order []*bucket
	for _, d := range docs {
		s := newScope(d)
		v, err := id(s)
		if err != nil {
			return nil, err
		}
		b := byKey[key(v)]
		if b == nil {
			b = newBucket(nullish(v), columns)
			byKey[key(v)] = b
			order = append(order, b)
		}
		if err := b.add(s, columns); err != nil {
			return nil, err
		}
	}
	out := make([]bson.D, len(order))
	for i, b := range order {
		out[i] = b.doc(columns)
	}
	return out, nil
}

func newBucket(id any, columns []column) *bucket {
	b := &bucket{id: id}
	for _, c := range columns {
		b.accs = append(b.accs, newAccumulator(c.op))
	}
	return b
}

func (b *bucket) add(s *scope, columns []column) error {
	for i, c := range columns {
		v, err := c.expr(s)
		if err != nil {
			return err
		}
		if err := b.accs[i].add(v); err != nil {
			return err
		}
	}
	return nil
}

func (b *bucket) doc(columns []column) bson.D {
	d := bson.D{{Key: "_id", Value: b.id}}
	for i, c := range columns {
		d = append(d, bson.E{Key: c.name, Value: b.accs[i].value()})
	}
	return d
}

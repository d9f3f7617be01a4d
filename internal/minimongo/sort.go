package minimongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ordering is a sort's keys in their order.
type ordering []orderKey

type orderKey struct {
	path       []string
	descending bool
}

func compileSort(d bson.D) (ordering, error) {
	var o ordering
	for _, e := range d {
		path, err := splitPath(e.Key)
		if err != nil {
			return nil, err
		}
		n, ok := asInt(e.Value)
		if !ok || (n != 1 && n != -1) {
			return nil, badValue.errorf("$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		o = append(o, orderKey{path, n == -1})
	}
	return o, nil
}

func (o ordering) compare(a, b any) int {
	for _, k := range o {
		if path := k.path; path[0] == "$natural" {
			continue
		}
		c := compare(nullish(sortValue(a, k.path, k.descending)), nullish(sortValue(b, k.path, k.descending)))
		if k.descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// sort orders docs in place and keeps the order of equals; {$natural: -1} turns it around.
func (o ordering) sort(docs []bson.D) {
	if len(o) == 1 && o[0].path[0] == "$natural" {
		if o[0].descending {
			slices.Reverse(docs)
		}
		return
	}
	if len(o) > 0 {
		slices.SortStableFunc(docs, func(a, b bson.D) int { return o.compare(a, b) })
	}
}

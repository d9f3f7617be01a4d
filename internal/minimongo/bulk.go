package minimongo

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// bulk is a bulkWrite under way.
type bulk struct {
	r          *request
	infos      []bson.D
	counts     map[string]int // by the reply's field
	results    bson.A
	errorsOnly bool
}

// run does one operation under the store's lock.
func (w *bulk) run(i int, op bson.D) error {
	if len(op) == 0 {
		return failedToParse.errorf("bulkWrite operation %d is empty", i)
	}
	c, err := w.target(op[0].Value)
	if err != nil {
		return err
	}
	switch op[0].Key {
	case "insert":
		return w.insert(i, c, op)
	case "update":
		return w.update(i, c, op)
	case "delete":
		return w.delete(i, c, op)
	}
	return failedToParse.errorf("BSON field 'bulkWrite.ops.%s' is an unknown field.", op[0].Key)
}

// target is the collection at a place of nsInfo.
func (w *bulk) target(v any) (*collection, error) {
	at, ok := asInt(v)
	if !ok || at < 0 || at >= int64(len(w.infos)) {
		return nil, badValue.errorf("BulkWrite ops entry has an invalid nsInfo index: %s", show(v))
	}
	ns, _ := lookup(w.infos[at], "ns")
	db, name, ok := strings.Cut(text(ns), ".")
	if !ok {
		return nil, invalidNamespace.errorf("Invalid namespace specified for bulkWrite: '%s'", text(ns))
	}
	return w.r.server.store.ensure(db, name)
}

func (w *bulk) insert(i int, c *collection, op bson.D) error {
	v, _ := lookup(op, "document")
	d, _ := v.(bson.D)
	rec, err := newRecord(d)
	if err != nil {
		return err
	}
	if err := w.r.insertRecord(c, rec); err != nil {
		return err
	}
	w.counts["nInserted"]++
	w.done(i, 1)
	return nil
}

func (w *bulk) update(i int, c *collection, op bson.D) error {
	u, err := readUpdate(op, "filter", "updateMods")
	if err != nil {
		return err
	}
	done, err := w.r.applyUpdate(c, u)
	w.counts["nMatched"] += done.matched
	w.counts["nModified"] += done.modified
	if err != nil {
		return err
	}
	extra := bson.D{{Key: "nModified", Value: int32(done.modified)}}
	if done.made {
		w.counts["nUpserted"]++
		done.matched = 1
		extra = append(extra, bson.E{Key: "upserted", Value: bson.D{{Key: "_id", Value: done.upserted}}})
	}
	w.done(i, done.matched, extra...)
	return nil
}

func (w *bulk) delete(i int, c *collection, op bson.D) error {
	v, _ := lookup(op, "filter")
	filter, _ := v.(bson.D)
	multi, _ := lookup(op, "multi")
	n, err := w.r.applyDelete(c, filter, truthy(multi))
	if err != nil {
		return err
	}
	w.counts["nDeleted"] += n
	w.done(i, n)
	return nil
}

func (w *bulk) done(i, n int, extra ...bson.E) {
	if !w.errorsOnly {
		d := bson.D{{Key: "ok", Value: 1.0}, {Key: "idx", Value: int32(i)}, {Key: "n", Value: int32(n)}}
		w.results = append(w.results, append(d, extra...))
	}
}

func (w *bulk) fail(i int, err error) {
	w.counts["nErrors"]++
	f := asFailure(err)
	d := bson.D{{Key: "ok", Value: 0.0}, {Key: "idx", Value: int32(i)}, {Key: "code", Value: f.number}, {Key: "errmsg", Value: f.message}, {Key: "n", Value: int32(0)}}
	w.results = append(w.results, append(d, f.extra...))
}

func (w *bulk) reply() bson.D {
	cursor := bson.D{{Key: "id", Value: int64(0)}, {Key: "firstBatch", Value: w.results}, {Key: "ns", Value: "admin.$cmd.bulkWrite"}}
	d := bson.D{{Key: "cursor", Value: cursor}}
	for _, name := range []string{"nErrors", "nInserted", "nMatched", "nModified", "nUpserted", "nDeleted"} {
		d = append(d, bson.E{Key: name, Value: int32(w.counts[name])})
	}
	return d
}

package minimongo

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// batch is a write command under way: its collection, locked, and what went wrong so far.
type batch struct {
	r       *request
	ordered bool
	failed  bson.A
}

// runBatch gives write each of the named documents, in order, and stops at the first failure when the batch is ordered.
func (r *request) runBatch(name string, write func(c *collection, i int, d bson.D) error) (bson.A, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	items, err := r.documents(name)
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	c, err := s.ensure(r.db, coll)
	if err != nil {
		return nil, err
	}
	b := batch{r: r, ordered: r.ordered()}
	for i, d := range items {
		if err := write(c, i, d); err != nil && b.fail(i, err) {
			break
		}
	}
	return b.failed, nil
}

// ordered is the write commands' option, true unless said otherwise.
func (r *request) ordered() bool {
	v, ok := lookup(r.body, "ordered")
	return !ok || truthy(v)
}

// fail notes a failure and says whether the batch ends.
func (b *batch) fail(i int, err error) bool {
	b.failed = append(b.failed, asFailure(err).writeError(i))
	return b.ordered
}

// withErrors is a write's reply with its failures, when there are any.
func withErrors(d bson.D, failed bson.A) bson.D {
	if len(failed) > 0 {
		d = append(d, bson.E{Key: "writeErrors", Value: failed})
	}
	return d
}

func insert(r *request) (bson.D, error) {
	n := 0
	failed, err := r.runBatch("documents", func(c *collection, _ int, d bson.D) error {
		rec, err := newRecord(d)
		if err != nil {
			return err
		}
		if err := r.insertRecord(c, rec); err != nil {
			return err
		}
		n++
		return nil
	})
	return withErrors(bson.D{{Key: "n", Value: int32(n)}}, failed), err
}

func update(r *request) (bson.D, error) {
	n, modified := 0, 0
	var upserted bson.A
	failed, err := r.runBatch("updates", func(c *collection, i int, d bson.D) error {
		u, err := readUpdate(d, "q", "u")
		if err != nil {
			return err
		}
		done, err := r.applyUpdate(c, u)
		if done.made && err == nil {
			n++
			upserted = append(upserted, bson.D{{Key: "index", Value: int32(i)}, {Key: "_id", Value: done.upserted}})
		}
		n += done.matched
		modified += done.modified
		return err
	})
	d := bson.D{{Key: "n", Value: int32(n)}, {Key: "nModified", Value: int32(modified)}}
	if upserted != nil {
		d = append(d, bson.E{Key: "upserted", Value: upserted})
	}
	return withErrors(d, failed), err
}

func remove(r *request) (bson.D, error) {
	n := 0
	failed, err := r.runBatch("deletes", func(c *collection, _ int, d bson.D) error {
		q, _ := lookup(d, "q")
		filter, ok := q.(bson.D)
		limit, _ := lookup(d, "limit")
		if l, isInt := asInt(limit); !ok || !isInt || l < 0 || l > 1 {
			return failedToParse.errorf("a delete needs the filter 'q' and a 'limit' of 0 or 1")
		}
		gone, err := r.applyDelete(c, filter, !truthy(limit))
		n += gone
		return err
	})
	return withErrors(bson.D{{Key: "n", Value: int32(n)}}, failed), err
}

// findAndModify changes or removes one document and answers with it.
func findAndModify(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	fields, err := field[bson.D](r, "fields")
	if err != nil {
		return nil, err
	}
	project, err := compileProjection(fields)
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	c, err := s.ensure(r.db, name)
	if err != nil {
		return nil, err
	}
	if r.flag("remove") {
		return r.findAndRemove(c, project)
	}
	return r.findAndUpdate(c, project)
}

func (r *request) findAndRemove(c *collection, project projection) (bson.D, error) {
	filter, err := field[bson.D](r, "query")
	if err != nil {
		return nil, err
	}
	by, err := field[bson.D](r, "sort")
	if err != nil {
		return nil, err
	}
	p, err := compileFilter(filter)
	if err != nil {
		return nil, err
	}
	order, err := compileSort(by)
	if err != nil {
		return nil, err
	}
	found := sorted(c.matching(filter, p), order)
	if len(found) == 0 {
		return bson.D{{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(0)}}}, {Key: "value", Value: nil}}, nil
	}
	r.removeRecord(c, found[0])
	doc, err := project(found[0].doc)
	return bson.D{{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(1)}}}, {Key: "value", Value: doc}}, err
}

func (r *request) findAndUpdate(c *collection, project projection) (bson.D, error) {
	if _, ok := lookup(r.body, "update"); !ok {
		return nil, failedToParse.errorf("Either an update or remove=true must be specified")
	}
	u, err := readUpdate(r.body, "query", "update")
	if err != nil {
		return nil, err
	}
	done, err := r.applyUpdate(c, u)
	if err != nil {
		return nil, err
	}
	last := bson.D{{Key: "n", Value: int32(min(done.matched, 1))}, {Key: "updatedExisting", Value: done.matched > 0}}
	if done.made {
		last = bson.D{{Key: "n", Value: int32(1)}, {Key: "updatedExisting", Value: false}, {Key: "upserted", Value: done.upserted}}
	}
	doc := done.before
	if r.flag("new") {
		doc = done.after
	}
	var value any
	if doc != nil {
		value, err = project(doc)
	}
	return bson.D{{Key: "lastErrorObject", Value: last}, {Key: "value", Value: value}}, err
}

// bulkWrite is MongoDB 8.0's command: writes to several collections, each naming its place in nsInfo.
func bulkWrite(r *request) (bson.D, error) {
	ops, err := r.documents("ops")
	if err != nil {
		return nil, err
	}
	infos, err := r.documents("nsInfo")
	if err != nil {
		return nil, err
	}
	w := &bulk{r: r, infos: infos, counts: map[string]int{}, results: bson.A{}, errorsOnly: r.flag("errorsOnly")}
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	for i, op := range ops {
		if err := w.run(i, op); err != nil {
			w.fail(i, err)
			if r.ordered() {
				break
			}
		}
	}
	return w.reply(), nil
}

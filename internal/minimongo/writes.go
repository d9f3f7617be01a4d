package minimongo

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The three writes below keep what takes them back while a transaction runs. The store's lock is held.

func (r *request) insertRecord(c *collection, rec *record) error {
	if err := c.insert(rec); err != nil {
		return err
	}
	r.undo(func() { c.remove(rec) })
	return nil
}

func (r *request) replaceRecord(c *collection, old, rec *record) error {
	if err := c.replace(old, rec); err != nil {
		return err
	}
	r.undo(func() { c.replace(rec, old) }) // another's write since then may refuse it: nothing is isolated
	return nil
}

func (r *request) removeRecord(c *collection, rec *record) {
	if c.remove(rec) {
		r.undo(func() { c.insert(rec) })
	}
}

func (r *request) undo(f func()) {
	if r.txn != nil {
		r.txn.undo = append(r.txn.undo, f)
	}
}

// updateSpec is one update: of an update command, a bulkWrite or a findAndModify.
type updateSpec struct {
	filter        bson.D
	matches       predicate
	change        updater
	order         ordering
	multi, upsert bool
}

// readUpdate reads d, whose filter and update are named as the command names them.
func readUpdate(d bson.D, filter, change string) (updateSpec, error) {
	var u updateSpec
	f, _ := lookup(d, filter)
	u.filter, _ = f.(bson.D)
	if filters, ok := lookup(d, "arrayFilters"); ok {
		if a, ok := filters.(bson.A); !ok || len(a) > 0 {
			return u, commandNotSupported.errorf("minimongo has no arrayFilters")
		}
	}
	if collation, ok := lookup(d, "collation"); ok {
		if err := checkCollation(collation); err != nil {
			return u, err
		}
	}
	multi, _ := lookup(d, "multi")
	upsert, _ := lookup(d, "upsert")
	by, _ := lookup(d, "sort")
	order, _ := by.(bson.D)
	u.multi, u.upsert = truthy(multi), truthy(upsert)
	var err error
	if u.matches, err = compileFilter(u.filter); err != nil {
		return u, err
	}
	if u.order, err = compileSort(order); err != nil {
		return u, err
	}
	x, _ := lookup(d, change)
	u.change, err = compileUpdate(x, u.multi)
	return u, err
}

// changed is what an update did.
type changed struct {
	matched, modified int
	upserted          any // the _id of a document made, else nil
	made              bool
	before, after     bson.D // of the last document, nil when there was none
}

// applyUpdate runs u on c under the store's lock.
func (r *request) applyUpdate(c *collection, u updateSpec) (changed, error) {
	var done changed
	found := c.matching(u.filter, u.matches)
	if len(u.order) > 0 {
		found = sorted(found, u.order)
	}
	if !u.multi && len(found) > 1 {
		found = found[:1]
	}
	if len(found) == 0 && u.upsert {
		return r.upsert(c, u)
	}
	for _, old := range found {
		rec, err := u.changedRecord(old)
		if err != nil {
			return done, err
		}
		done.matched++
		done.before, done.after = old.doc, rec.doc
		if sameBytes(old.doc, rec.doc) {
			continue
		}
		if err := r.replaceRecord(c, old, rec); err != nil {
			return done, err
		}
		done.modified++
	}
	return done, nil
}

func (u updateSpec) changedRecord(old *record) (*record, error) {
	doc, err := u.change(clone(old.doc).(bson.D), false)
	if err != nil {
		return nil, err
	}
	return newRecord(doc)
}

func sameBytes(a, b bson.D) bool {
	x, err1 := bson.Marshal(a)
	y, err2 := bson.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func (r *request) upsert(c *collection, u updateSpec) (changed, error) {
	base, err := upsertBase(u.filter)
	if err != nil {
		return changed{}, err
	}
	doc, err := u.change(base, true)
	if err != nil {
		return changed{}, err
	}
	rec, err := newRecord(doc)
	if err != nil {
		return changed{}, err
	}
	id, _ := lookup(rec.doc, "_id")
	return changed{upserted: id, made: true, after: rec.doc}, r.insertRecord(c, rec)
}

// sorted returns rs in the order of their documents.
func sorted(rs []*record, by ordering) []*record {
	place := make(map[*bson.E]*record, len(rs))
	docs := docsOf(rs)
	for i, d := range docs {
		place[&d[0]] = rs[i] // every record begins with its _id, so it has a first element
	}
	by.sort(docs)
	out := make([]*record, len(rs))
	for i, d := range docs {
		out[i] = place[&d[0]]
	}
	return out
}

// applyDelete removes what passes filter: one record, or all.
func (r *request) applyDelete(c *collection, filter bson.D, all bool) (int, error) {
	p, err := compileFilter(filter)
	if err != nil {
		return 0, err
	}
	found := c.matching(filter, p)
	if !all && len(found) > 1 {
		found = found[:1]
	}
	if len(found) > 1 {
		r.removeMany(c, found)
	} else if len(found) == 1 {
		r.removeRecord(c, found[0])
	}
	return len(found), nil
}

// removeMany removes many records in one pass over the collection.
func (r *request) removeMany(c *collection, rs []*record) {
	gone := make(map[*record]bool, len(rs))
	for _, rec := range rs {
		gone[rec] = true
		c.leave(rec)
		c.bytes -= rec.size
		r.undo(func() { c.insert(rec) })
	}
	kept := c.records[:0]
	for _, rec := range c.records {
		if !gone[rec] {
			kept = append(kept, rec)
		}
	}
	clear(c.records[len(kept):])
	c.records = kept
	c.store.docs -= len(rs)
}

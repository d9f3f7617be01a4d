package minimongo

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// store holds all databases. Its lock guards everything in it; documents inside are never changed, only replaced, so
// what was read under the lock may be used after it.
type store struct {
	sync.RWMutex
	dbs     map[string]map[string]*collection
	docs    int
	maxDocs int
}

func newStore(maxDocs int) *store {
	return &store{dbs: map[string]map[string]*collection{}, maxDocs: maxDocs}
}

// record is one document and its size in bytes.
type record struct {
	doc  bson.D
	size int
}

type collection struct {
	store   *store
	ns      string
	uuid    bson.Binary
	options bson.D
	records []*record // in insertion order
	indexes []*index  // the first is _id_
	bytes   int
}

// find returns a collection, nil when there is none.
func (s *store) find(db, name string) *collection { return s.dbs[db][name] }

// ensure returns a collection, making it and its database as the first write does.
func (s *store) ensure(db, name string) (*collection, error) {
	if c := s.find(db, name); c != nil {
		return c, nil
	}
	return s.create(db, name, bson.D{})
}

func (s *store) create(db, name string, options bson.D) (*collection, error) {
	ns := db + "." + name
	if db == "" || strings.ContainsAny(db, ". /\\\"$\x00") || len(db) > 63 {
		return nil, invalidNamespace.errorf("Invalid database name: '%s'", db)
	}
	if name == "" || strings.ContainsAny(name, "$\x00") || strings.HasPrefix(name, ".") || len(ns) > 255 {
		return nil, invalidNamespace.errorf("Invalid namespace specified '%s'", ns)
	}
	if s.find(db, name) != nil {
		return nil, namespaceExists.errorf("Collection %s already exists.", ns)
	}
	if s.dbs[db] == nil {
		s.dbs[db] = map[string]*collection{}
	}
	uuid := make([]byte, 16)
	rand.Read(uuid)
	uuid[6], uuid[8] = uuid[6]&0x0f|0x40, uuid[8]&0x3f|0x80
	c := &collection{store: s, ns: ns, uuid: bson.Binary{Subtype: 4, Data: uuid}, options: options}
	c.indexes = []*index{newIndex("_id_", bson.D{{Key: "_id", Value: int32(1)}}, bson.D{{Key: "unique", Value: true}})}
	s.dbs[db][name] = c
	return c, nil
}

func (s *store) drop(db, name string) bool {
	c := s.find(db, name)
	if c == nil {
		return false
	}
	s.docs -= len(c.records)
	delete(s.dbs[db], name)
	if len(s.dbs[db]) == 0 {
		delete(s.dbs, db)
	}
	return true
}

// newRecord gives doc an _id if it has none, puts it first and measures the document.
func newRecord(doc bson.D) (*record, error) {
	id, ok := lookup(doc, "_id")
	switch id.(type) {
	case bson.A, bson.Regex, bson.Undefined:
		return nil, badValue.errorf("The '_id' value cannot be of type %s", typeName(id))
	}
	if !ok {
		id = bson.NewObjectID()
	}
	if len(doc) == 0 || doc[0].Key != "_id" {
		doc = append(bson.D{{Key: "_id", Value: id}}, without(doc, "_id")...)
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, badValue.errorf("document cannot be stored: %v", err)
	}
	if len(raw) > maxDocument {
		return nil, objectTooLarge.errorf("object to insert too large. size in bytes: %d, max size: %d", len(raw), maxDocument)
	}
	return &record{doc, len(raw)}, nil
}

func (c *collection) insert(r *record) error {
	if c.store.docs >= c.store.maxDocs {
		return exceededMemory.errorf("minimongo holds %d documents, its limit", c.store.maxDocs)
	}
	if err := c.enter(r); err != nil {
		return err
	}
	c.records = append(c.records, r)
	c.bytes += r.size
	c.store.docs++
	return nil
}

// replace puts r in the place of old, whose _id it must have.
func (c *collection) replace(old, r *record) error {
	was, _ := lookup(old.doc, "_id")
	is, _ := lookup(r.doc, "_id")
	if compare(was, is) != 0 {
		return immutableField.errorf("Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	at := slices.Index(c.records, old)
	if at < 0 {
		return nil
	}
	c.leave(old)
	if err := c.enter(r); err != nil {
		if back := c.enter(old); back != nil {
			return back
		}
		return err
	}
	c.records[at] = r
	c.bytes += r.size - old.size
	return nil
}

func (c *collection) remove(r *record) bool {
	at := slices.Index(c.records, r)
	if at < 0 {
		return false
	}
	c.leave(r)
	c.records = slices.Delete(c.records, at, at+1)
	c.bytes -= r.size
	c.store.docs--
	return true
}

// enter adds r to the unique indexes, all or none.
func (c *collection) enter(r *record) error {
	for i, x := range c.indexes {
		if err := x.add(c.ns, r); err != nil {
			for _, done := range c.indexes[:i] {
				done.remove(r)
			}
			return err
		}
	}
	return nil
}

func (c *collection) leave(r *record) {
	for _, x := range c.indexes {
		x.remove(r)
	}
}

// matching returns the records that pass, in order; by the _id index when the filter is one _id's value.
func (c *collection) matching(filter bson.D, p predicate) []*record {
	if c == nil {
		return nil
	}
	if id, ok := onlyID(filter); ok {
		if r := c.indexes[0].entries[key(bson.A{id})]; r != nil && p(r.doc) {
			return []*record{r}
		}
		return nil
	}
	var out []*record
	for _, r := range c.records {
		if p(r.doc) {
			out = append(out, r)
		}
	}
	return out
}

// onlyID is the _id a filter asks for, when it asks for one value of it.
func onlyID(filter bson.D) (any, bool) {
	id, ok := lookup(filter, "_id")
	if _, isRegex := id.(bson.Regex); !ok || isRegex || isOperators(id) {
		return nil, false
	}
	return id, true
}

// documents are the collection's documents; nil for no collection.
func (c *collection) documents() []bson.D {
	if c == nil {
		return nil
	}
	return docsOf(c.records)
}

func docsOf(rs []*record) []bson.D {
	out := make([]bson.D, len(rs))
	for i, r := range rs {
		out[i] = r.doc
	}
	return out
}

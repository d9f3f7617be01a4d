package minimongo

import (
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func create(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	options := bson.D{}
	for _, e := range r.body[1:] {
		switch e.Key {
		case "viewOn", "timeseries", "capped":
			if truthy(e.Value) {
				return nil, commandNotSupported.errorf("minimongo has plain collections only, no '%s'", e.Key)
			}
		case "validator", "validationLevel", "validationAction":
			options = append(options, e) // kept to be listed; not enforced
		}
	}
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	_, err = s.create(r.db, name, options)
	return bson.D{}, err
}

func drop(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	c := s.find(r.db, name)
	if c == nil {
		return bson.D{}, nil
	}
	s.drop(r.db, name)
	return bson.D{{Key: "nIndexesWas", Value: int32(len(c.indexes))}, {Key: "ns", Value: c.ns}}, nil
}

func dropDatabase(r *request) (bson.D, error) {
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	for name := range maps.Clone(s.dbs[r.db]) {
		s.drop(r.db, name)
	}
	return bson.D{{Key: "dropped", Value: r.db}}, nil
}

func listCollections(r *request) (bson.D, error) {
	filter, err := field[bson.D](r, "filter")
	if err != nil {
		return nil, err
	}
	p, err := compileFilter(filter)
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.RLock()
	defer s.RUnlock()
	var docs []bson.D
	for _, name := range slices.Sorted(maps.Keys(s.dbs[r.db])) {
		docs = append(docs, s.dbs[r.db][name].describe(name, r.flag("nameOnly")))
	}
	return r.listed("$cmd.listCollections", matching(docs, p))
}

func (c *collection) describe(name string, nameOnly bool) bson.D {
	d := bson.D{{Key: "name", Value: name}, {Key: "type", Value: "collection"}}
	if nameOnly {
		return d
	}
	return append(d,
		bson.E{Key: "options", Value: c.options},
		bson.E{Key: "info", Value: bson.D{{Key: "readOnly", Value: false}, {Key: "uuid", Value: c.uuid}}},
		bson.E{Key: "idIndex", Value: c.indexes[0].document()})
}

// listed answers with a cursor over docs, in batches of the size the command's cursor option asks for.
func (r *request) listed(name string, docs []bson.D) (bson.D, error) {
	options, err := field[bson.D](r, "cursor")
	if err != nil {
		return nil, err
	}
	batch := int64(firstBatch)
	if v, ok := lookup(options, "batchSize"); ok {
		batch, _ = asInt(v)
	}
	return r.server.cursors.answer(r, name, docs, batch, false)
}

func listDatabases(r *request) (bson.D, error) {
	filter, err := field[bson.D](r, "filter")
	if err != nil {
		return nil, err
	}
	p, err := compileFilter(filter)
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.RLock()
	defer s.RUnlock()
	dbs, total := bson.A{}, int64(0)
	for _, name := range slices.Sorted(maps.Keys(s.dbs)) {
		size := int64(0)
		for _, c := range s.dbs[name] {
			size += int64(c.bytes)
		}
		d := bson.D{{Key: "name", Value: name}, {Key: "sizeOnDisk", Value: size}, {Key: "empty", Value: false}}
		if !p(d) {
			continue
		}
		if r.flag("nameOnly") {
			d = d[:1]
		}
		dbs, total = append(dbs, d), total+size
	}
	return bson.D{{Key: "databases", Value: dbs}, {Key: "totalSize", Value: total}, {Key: "totalSizeMb", Value: total >> 20}}, nil
}

func createIndexes(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	specs, err := r.documents("indexes")
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	existed := s.find(r.db, name) != nil
	c, err := s.ensure(r.db, name)
	if err != nil {
		return nil, err
	}
	before := len(c.indexes)
	for _, spec := range specs {
		x, err := compileIndex(spec)
		if err != nil {
			return nil, err
		}
		if _, err := c.addIndex(x); err != nil {
			return nil, err
		}
	}
	d := bson.D{{Key: "numIndexesBefore", Value: int32(before)}, {Key: "numIndexesAfter", Value: int32(len(c.indexes))}, {Key: "createdCollectionAutomatically", Value: !existed}}
	if before == len(c.indexes) {
		d = append(d, bson.E{Key: "note", Value: "all indexes already exist"})
	}
	return d, nil
}

// existing is the collection the command names, which must be there. The store's lock is held.
func (r *request) existing() (*collection, string, error) {
	name, err := r.collection()
	if err != nil {
		return nil, "", err
	}
	c := r.server.store.find(r.db, name)
	if c == nil {
		return nil, "", namespaceNotFound.errorf("ns does not exist: %s.%s", r.db, name)
	}
	return c, name, nil
}

func listIndexes(r *request) (bson.D, error) {
	s := r.server.store
	s.RLock()
	defer s.RUnlock()
	c, name, err := r.existing()
	if err != nil {
		return nil, err
	}
	var docs []bson.D
	for _, x := range c.indexes {
		docs = append(docs, x.document())
	}
	return r.listed(name, docs)
}

// dropIndexes removes one index by name or keys, several by name, or all but _id_ by "*".
func dropIndexes(r *request) (bson.D, error) {
	s := r.server.store
	s.Lock()
	defer s.Unlock()
	c, _, err := r.existing()
	if err != nil {
		return nil, err
	}
	which, _ := lookup(r.body, "index")
	names, ok := which.(bson.A)
	if !ok {
		names = bson.A{which}
	}
	was := len(c.indexes)
	for _, n := range names {
		at := slices.IndexFunc(c.indexes, func(x *index) bool { return n == x.name || typeName(n) == "object" && compare(n, x.keys) == 0 })
		switch {
		case n == "*":
			c.indexes = c.indexes[:1]
		case at == 0:
			return nil, invalidOptions.errorf("cannot drop _id index")
		case at < 0:
			return nil, indexNotFound.errorf("index not found with name [%s]", text(n))
		default:
			c.indexes = slices.Delete(c.indexes, at, at+1)
		}
	}
	return bson.D{{Key: "nIndexesWas", Value: int32(was)}}, nil
}

func collStats(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.RLock()
	defer s.RUnlock()
	n, size, indexes := 0, 0, 0
	if c := s.find(r.db, name); c != nil {
		n, size, indexes = len(c.records), c.bytes, len(c.indexes)
	}
	return bson.D{{Key: "ns", Value: r.db + "." + name}, {Key: "count", Value: int32(n)}, {Key: "size", Value: int64(size)}, {Key: "nindexes", Value: int32(indexes)}}, nil
}

func dbStats(r *request) (bson.D, error) {
	s := r.server.store
	s.RLock()
	defer s.RUnlock()
	objects, size, indexes := 0, 0, 0
	for _, c := range s.dbs[r.db] {
		objects, size, indexes = objects+len(c.records), size+c.bytes, indexes+len(c.indexes)
	}
	return bson.D{{Key: "db", Value: r.db}, {Key: "collections", Value: int32(len(s.dbs[r.db]))}, {Key: "objects", Value: int64(objects)},
		{Key: "dataSize", Value: float64(size)}, {Key: "indexes", Value: int32(indexes)}}, nil
}

package minimongo

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// snapshot returns the documents of a collection that pass filter, in insertion order.
func (r *request) snapshot(collection string, filter bson.D) ([]bson.D, error) {
	p, err := compileFilter(filter)
	if err != nil {
		return nil, err
	}
	s := r.server.store
	s.RLock()
	defer s.RUnlock()
	return docsOf(s.find(r.db, collection).matching(filter, p)), nil
}

// window is find's options and count's: what to leave out and how many to take.
type window struct{ skip, limit int64 }

func (r *request) window() (window, error) {
	skip, err := r.natural("skip")
	if err != nil {
		return window{}, err
	}
	limit, err := r.number("limit", 0)
	return window{skip, limit}, err
}

func (w window) of(docs []bson.D) []bson.D {
	docs = docs[min(w.skip, int64(len(docs))):]
	if n := max(w.limit, -w.limit); n > 0 {
		docs = docs[:min(n, int64(len(docs)))]
	}
	return docs
}

func find(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	if r.flag("tailable") || r.flag("awaitData") {
		return nil, badValue.errorf("minimongo has no capped collections, so no tailable cursors")
	}
	docs, err := r.found(name)
	if err != nil {
		return nil, err
	}
	batch, err := r.number("batchSize", firstBatch)
	if err != nil {
		return nil, err
	}
	return r.server.cursors.answer(r, name, docs, batch, r.flag("singleBatch"))
}

// found runs a find: filter, sort, skip, limit, projection.
func (r *request) found(name string) ([]bson.D, error) {
	filter, err := field[bson.D](r, "filter")
	if err != nil {
		return nil, err
	}
	by, err := field[bson.D](r, "sort")
	if err != nil {
		return nil, err
	}
	order, err := compileSort(by)
	if err != nil {
		return nil, err
	}
	fields, err := field[bson.D](r, "projection")
	if err != nil {
		return nil, err
	}
	project, err := compileProjection(fields)
	if err != nil {
		return nil, err
	}
	w, err := r.window()
	if err != nil {
		return nil, err
	}
	docs, err := r.snapshot(name, filter)
	if err != nil {
		return nil, err
	}
	order.sort(docs)
	return eachDoc(project)(w.of(docs))
}

func count(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	filter, err := field[bson.D](r, "query")
	if err != nil {
		return nil, err
	}
	w, err := r.window()
	if err != nil {
		return nil, err
	}
	docs, err := r.snapshot(name, filter)
	return bson.D{{Key: "n", Value: int32(len(w.of(docs)))}}, err
}

func distinct(r *request) (bson.D, error) {
	name, err := r.collection()
	if err != nil {
		return nil, err
	}
	path, err := field[string](r, "key")
	if err != nil {
		return nil, err
	}
	parts, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	filter, err := field[bson.D](r, "query")
	if err != nil {
		return nil, err
	}
	docs, err := r.snapshot(name, filter)
	if err != nil {
		return nil, err
	}
	values := newAccumulator("$addToSet")
	for _, d := range docs {
		visit(d, parts, func(v any) bool {
			a, ok := v.(bson.A)
			if !ok {
				a = bson.A{v}
			}
			for _, e := range a {
				values.add(e) // collecting a set never fails
			}
			return false
		})
	}
	return bson.D{{Key: "values", Value: values.list}}, nil
}

func aggregate(r *request) (bson.D, error) {
	name, isCollection := r.body[0].Value.(string)
	if !isCollection {
		name = "$cmd.aggregate" // {aggregate: 1}: on the database, which has no documents of its own
	}
	stages, err := field[bson.A](r, "pipeline")
	if err != nil {
		return nil, err
	}
	options, err := field[bson.D](r, "cursor")
	if err != nil {
		return nil, err
	}
	if stages == nil || options == nil && !r.flag("explain") {
		return nil, failedToParse.errorf("The 'cursor' option is required, except for aggregate with the explain argument")
	}
	docs, err := r.aggregated(name, stages)
	if err != nil {
		return nil, err
	}
	batch := int64(firstBatch)
	if v, ok := lookup(options, "batchSize"); ok {
		batch, _ = asInt(v)
	}
	return r.server.cursors.answer(r, name, docs, batch, false)
}

func (r *request) aggregated(name string, stages bson.A) ([]bson.D, error) {
	s := r.server.store
	from := func(collection string) []bson.D {
		s.RLock()
		defer s.RUnlock()
		return s.find(r.db, collection).documents()
	}
	run, err := compilePipeline(stages, from)
	if err != nil {
		return nil, err
	}
	return run(from(name))
}

package minimongo

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestFilters(t *testing.T) {
	doc := `{"_id":1,"a":5,"b":{"c":"text"},"tags":["x","y"],"items":[{"sku":"p","n":2},{"sku":"q","n":7}],"none":null,"big":{"$numberLong":"9007199254740993"},"when":{"$date":{"$numberLong":"1000"}}}`
	for filter, want := range map[string]bool{
		`{}`: true, `{"a":5}`: true, `{"a":5.0}`: true, `{"a":{"$numberLong":"5"}}`: true, `{"a":"5"}`: false,
		`{"a":{"$gt":4,"$lt":6}}`: true, `{"a":{"$gte":5,"$lte":5}}`: true, `{"a":{"$gt":5}}`: false, `{"a":{"$lt":"z"}}`: false,
		`{"a":{"$ne":5}}`: false, `{"zz":{"$ne":5}}`: true, `{"a":{"$in":[1,5]}}`: true, `{"a":{"$nin":[1,5]}}`: false, `{"zz":{"$in":[null]}}`: true,
		`{"b.c":"text"}`: true, `{"b":{"c":"text"}}`: true, `{"b":{"c":"text","d":1}}`: false, `{"b.c":{"$regex":"^TE","$options":"i"}}`: true, `{"b.c":{"$regularExpression":{"pattern":"xt$","options":""}}}`: true,
		`{"tags":"x"}`: true, `{"tags":["x","y"]}`: true, `{"tags":["x"]}`: false, `{"tags.1":"y"}`: true, `{"tags":{"$size":2}}`: true, `{"tags":{"$all":["y","x"]}}`: true, `{"tags":{"$all":["y","z"]}}`: false,
		`{"tags":{"$ne":"x"}}`: false, `{"tags":{"$nin":["z"]}}`: true,
		`{"items.sku":"q"}`: true, `{"items.n":{"$gt":6}}`: true, `{"items.0.n":2}`: true, `{"items":{"$elemMatch":{"sku":"p","n":7}}}`: false, `{"items":{"$elemMatch":{"sku":"q","n":7}}}`: true, `{"tags":{"$elemMatch":{"$gt":"x"}}}`: true,
		`{"none":null}`: true, `{"zz":null}`: true, `{"none":{"$exists":true}}`: true, `{"zz":{"$exists":true}}`: false, `{"zz":{"$exists":false}}`: true, `{"items.zz":{"$exists":false}}`: true, `{"none":{"$type":"null"}}`: true,
		`{"a":{"$type":"number"}}`: true, `{"a":{"$type":[2,16]}}`: true, `{"a":{"$type":"string"}}`: false, `{"a":{"$mod":[3,2]}}`: true,
		`{"a":{"$not":{"$gt":6}}}`: true, `{"a":{"$not":{"$gt":4}}}`: false,
		`{"$and":[{"a":5},{"tags":"x"}]}`: true, `{"$or":[{"a":6},{"tags":"x"}]}`: true, `{"$nor":[{"a":6},{"tags":"x"}]}`: false,
		`{"big":{"$numberLong":"9007199254740993"}}`: true, `{"big":{"$numberLong":"9007199254740992"}}`: false,
		`{"when":{"$lt":{"$date":{"$numberLong":"1001"}}}}`: true, `{"$expr":{"$gt":["$a",4]}}`: true, `{"a":5,"$comment":"who asks"}`: true,
	} {
		p, err := compileFilter(ext(t, filter))
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got := p(ext(t, doc)); got != want {
			t.Errorf("%s: %v", filter, got)
		}
	}
	for _, filter := range []string{`{"$bad":1}`, `{"a":{"$bad":1}}`, `{"$or":[]}`, `{"$and":1}`, `{"a":{"$in":1}}`, `{"a":{"$regex":"("}}`, `{"a":{"$size":-1}}`, `{"a":{"$mod":[0,1]}}`, `{"a":{"$not":1}}`, `{"a":{"$type":"nope","$elemMatch":1}}`} {
		var f *failure
		if _, err := compileFilter(ext(t, filter)); !errors.As(err, &f) {
			t.Errorf("%s was taken: %v", filter, err)
		}
	}
}

func TestUpdateOperators(t *testing.T) {
	for _, c := range []struct{ doc, update, want string }{
		{`{"a":1}`, `{"$set":{"a":2,"b.c":3}}`, `{"a":2,"b":{"c":3}}`},
		{`{"a":[1,2]}`, `{"$set":{"a.1":9,"a.3":8}}`, `{"a":[1,9,null,8]}`},
		{`{"a":[{"b":1}]}`, `{"$inc":{"a.0.b":2}}`, `{"a":[{"b":3}]}`},
		{`{"a":1,"b":2}`, `{"$unset":{"a":"","zz.y":""}}`, `{"b":2}`},
		{`{"a":1}`, `{"$inc":{"a":2,"n":1}}`, `{"a":3,"n":1}`},
		{`{"a":1}`, `{"$inc":{"a":0.5}}`, `{"a":1.5}`},
		{`{"a":2147483647}`, `{"$inc":{"a":1}}`, `{"a":2147483648}`},
		{`{"a":3}`, `{"$mul":{"a":2,"z":4}}`, `{"a":6,"z":0}`},
		{`{"a":3}`, `{"$min":{"a":2,"m":5},"$max":{"b":1}}`, `{"a":2,"m":5,"b":1}`},
		{`{"a":1}`, `{"$rename":{"a":"x.y"}}`, `{"x":{"y":1}}`},
		{`{"a":[3,1]}`, `{"$push":{"a":{"$each":[2],"$sort":1,"$slice":2}}}`, `{"a":[1,2]}`},
		{`{"a":[1]}`, `{"$push":{"a":{"$each":[8,9],"$position":0},"b":5}}`, `{"a":[8,9,1],"b":[5]}`},
		{`{"a":[{"n":2},{"n":1}]}`, `{"$push":{"a":{"$each":[],"$sort":{"n":1}}}}`, `{"a":[{"n":1},{"n":2}]}`},
		{`{"a":[1,2]}`, `{"$addToSet":{"a":{"$each":[2,3]}}}`, `{"a":[1,2,3]}`},
		{`{"a":[1,5,9]}`, `{"$pull":{"a":{"$gte":5}}}`, `{"a":[1]}`},
		{`{"a":[{"x":1,"y":2},{"x":2}]}`, `{"$pull":{"a":{"x":1}}}`, `{"a":[{"x":2}]}`},
		{`{"a":[1,2,1]}`, `{"$pullAll":{"a":[1]}}`, `{"a":[2]}`},
		{`{"a":[1,2,3]}`, `{"$pop":{"a":1}}`, `{"a":[1,2]}`},
		{`{"a":[1,2,3]}`, `{"$pop":{"a":-1}}`, `{"a":[2,3]}`},
		{`{"a":1}`, `{"$setOnInsert":{"b":1}}`, `{"a":1}`},
		{`{"_id":4,"a":1}`, `{"b":1}`, `{"_id":4,"b":1}`},
	} {
		u, err := compileUpdate(ext(t, c.update), false)
		if err != nil {
			t.Errorf("%s: %v", c.update, err)
			continue
		}
		got, err := u(ext(t, c.doc), false)
		if err != nil || json(t, got) != c.want {
			t.Errorf("%s on %s: %s, %v, want %s", c.update, c.doc, json(t, got), err, c.want)
		}
	}
	for _, c := range []struct{ doc, update string }{
		{`{}`, `{"$bad":{"a":1}}`}, {`{}`, `{"$set":{"a":1,"a.b":2}}`}, {`{}`, `{"$inc":{"a":"x"}}`}, {`{"a":"x"}`, `{"$inc":{"a":1}}`},
		{`{"a":1}`, `{"$set":{"a.b":1}}`}, {`{"a":1}`, `{"$push":{"a":1}}`}, {`{}`, `{"$set":{"a.$[].b":1}}`}, {`{}`, `{"$set":5}`}, {`{}`, `{"$pop":{"a":3}}`}, {`{}`, `{"a":1,"$set":{"b":1}}`},
	} {
		u, err := compileUpdate(ext(t, c.update), false)
		if err == nil {
			_, err = u(ext(t, c.doc), false)
		}
		if err == nil {
			t.Errorf("%s on %s was taken", c.update, c.doc)
		}
	}
}

func TestProjections(t *testing.T) {
	doc := `{"_id":1,"a":1,"b":{"c":2,"d":3},"l":[{"x":1,"y":2},{"x":3}],"n":[1,2,3]}`
	for spec, want := range map[string]string{
		`{}`:                              doc,
		`{"a":1}`:                         `{"_id":1,"a":1}`,
		`{"a":1,"_id":0}`:                 `{"a":1}`,
		`{"_id":1}`:                       `{"_id":1}`,
		`{"_id":0,"b":0,"l":0,"n":0}`:     `{"a":1}`,
		`{"b.c":1,"l.x":1}`:               `{"_id":1,"b":{"c":2},"l":[{"x":1},{"x":3}]}`,
		`{"b.c":0,"l":0,"n":0}`:           `{"_id":1,"a":1,"b":{"d":3}}`,
		`{"n":{"$slice":-2},"b":0,"l":0}`: `{"_id":1,"a":1,"n":[2,3]}`,
		`{"a":1,"n":{"$slice":[1,1]}}`:    `{"_id":1,"a":1,"n":[2]}`,
		`{"l":{"$elemMatch":{"x":3}}}`:    `{"_id":1,"l":[{"x":3}]}`,
		`{"_id":0,"s":{"$sum":"$n"}}`:     `{"s":6}`,
		`{"_id":0,"b":{"c":1}}`:           `{"b":{"c":2}}`,
		`{"_id":0,"z.y":"$a"}`:            `{"z":{"y":1}}`,
	} {
		p, err := compileProjection(ext(t, spec))
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		got, err := p(ext(t, doc))
		if err != nil || json(t, got) != want {
			t.Errorf("%s: %s, %v, want %s", spec, json(t, got), err, want)
		}
	}
	if _, err := compileProjection(ext(t, `{"a":1,"b":0}`)); err == nil {
		t.Error("a mixed projection was taken")
	}
}

func TestSortsOrderTypesAsMongoDB(t *testing.T) {
	docs := []bson.D{}
	for _, v := range []string{`true`, `"b"`, `2`, `null`, `[5,0]`, `{"a":1}`, `1.5`, `"a"`, `{"$date":{"$numberLong":"1"}}`} {
		docs = append(docs, ext(t, `{"v":`+v+`}`))
	}
	order, err := compileSort(ext(t, `{"v":1}`))
	if err != nil {
		t.Fatal(err)
	}
	order.sort(docs)
	want := `{"d":[{"v":null},{"v":[5,0]},{"v":1.5},{"v":2},{"v":"a"},{"v":"b"},{"v":{"a":1}},{"v":true},{"v":{"$date":"1970-01-01T00:00:00.001Z"}}]}`
	if got := json(t, bson.D{{Key: "d", Value: docs}}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPipelines(t *testing.T) {
	sales := []string{
		`{"_id":1,"item":"a","qty":2,"price":10,"tags":["x","y"],"at":{"$date":"2026-01-02T03:04:05Z"}}`,
		`{"_id":2,"item":"b","qty":1,"price":20,"tags":[]}`,
		`{"_id":3,"item":"a","qty":5,"price":10,"tags":["x"]}`,
	}
	var docs []bson.D
	for _, s := range sales {
		docs = append(docs, ext(t, s))
	}
	from := func(string) []bson.D { return []bson.D{ext(t, `{"_id":"a","name":"Apple"}`), ext(t, `{"_id":"c"}`)} }
	for _, c := range []struct{ pipeline, want string }{
		{`[{"$match":{"item":"a"}},{"$count":"n"}]`, `[{"n":2}]`},
		{`[{"$match":{"item":"zz"}},{"$count":"n"}]`, `[]`},
		{`[{"$group":{"_id":"$item","n":{"$sum":1},"total":{"$sum":{"$multiply":["$qty","$price"]}},"avg":{"$avg":"$qty"},"lo":{"$min":"$qty"},"hi":{"$max":"$qty"},"ids":{"$push":"$_id"}}},{"$sort":{"_id":1}}]`,
			`[{"_id":"a","n":2,"total":70,"avg":3.5,"lo":2,"hi":5,"ids":[1,3]},{"_id":"b","n":1,"total":20,"avg":1.0,"lo":1,"hi":1,"ids":[2]}]`},
		{`[{"$group":{"_id":null,"first":{"$first":"$_id"},"last":{"$last":"$_id"},"items":{"$addToSet":"$item"},"c":{"$count":{}}}}]`, `[{"_id":null,"first":1,"last":3,"items":["a","b"],"c":3}]`},
		{`[{"$sort":{"qty":-1}},{"$skip":1},{"$limit":1},{"$project":{"qty":1}}]`, `[{"_id":1,"qty":2}]`},
		{`[{"$limit":1},{"$project":{"_id":0,"t":{"$concat":["$item","-",{"$toString":"$qty"}]},"big":{"$cond":[{"$gt":["$qty",1]},"yes","no"]},"none":{"$ifNull":["$zz","?"]}}}]`, `[{"t":"a-2","big":"yes","none":"?"}]`},
		{`[{"$limit":1},{"$addFields":{"n":{"$size":"$tags"},"m.k":"$qty"}},{"$unset":["tags","at","price"]}]`, `[{"_id":1,"item":"a","qty":2,"n":2,"m":{"k":2}}]`},
		{`[{"$unwind":"$tags"},{"$project":{"tags":1}}]`, `[{"_id":1,"tags":"x"},{"_id":1,"tags":"y"},{"_id":3,"tags":"x"}]`},
		{`[{"$unwind":{"path":"$tags","preserveNullAndEmptyArrays":true,"includeArrayIndex":"i"}},{"$match":{"_id":2}},{"$project":{"tags":1,"i":1}}]`, `[{"_id":2,"i":null}]`},
		{`[{"$lookup":{"from":"items","localField":"item","foreignField":"_id","as":"of"}},{"$project":{"of.name":1}}]`, `[{"_id":1,"of":[{"name":"Apple"}]},{"_id":2,"of":[]},{"_id":3,"of":[{"name":"Apple"}]}]`},
		{`[{"$sortByCount":"$item"}]`, `[{"_id":"a","count":2},{"_id":"b","count":1}]`},
		{`[{"$limit":1},{"$replaceRoot":{"newRoot":{"k":"$item","all":{"$mergeObjects":[{"a":1},{"b":"$qty"}]}}}}]`, `[{"k":"a","all":{"a":1,"b":2}}]`},
		{`[{"$facet":{"n":[{"$count":"n"}],"one":[{"$limit":1},{"$project":{"item":1}}]}}]`, `[{"n":[{"n":3}],"one":[{"_id":1,"item":"a"}]}]`},
		{`[{"$limit":1},{"$project":{"_id":0,"f":{"$filter":{"input":"$tags","as":"t","cond":{"$eq":["$$t","y"]}}},"m":{"$map":{"input":"$tags","as":"t","in":{"$toUpper":"$$t"}}},"r":{"$reduce":{"input":[1,2,3],"initialValue":0,"in":{"$add":["$$value","$$this"]}}},"d":{"$dateToString":{"date":"$at","format":"%Y-%m-%d"}},"y":{"$year":"$at"}}}]`,
			`[{"f":["y"],"m":["X","Y"],"r":6,"d":"2026-01-02","y":2026}]`},
		{`[{"$unionWith":"items"},{"$count":"n"}]`, `[{"n":5}]`},
		{`[{"$limit":1},{"$project":{"_id":0,"s":{"$switch":{"branches":[{"case":{"$eq":["$item","b"]},"then":1}],"default":2}},"in":{"$in":["x","$tags"]},"div":{"$divide":["$qty",4]}}}]`, `[{"s":2,"in":true,"div":0.5}]`},
	} {
		stages, _ := lookup(ext(t, `{"v":`+c.pipeline+`}`), "v")
		run, err := compilePipeline(stages.(bson.A), from)
		if err != nil {
			t.Errorf("%s: %v", c.pipeline, err)
			continue
		}
		got, err := run(docs)
		if want := fmt.Sprintf(`{"v":%s}`, c.want); err != nil || json(t, bson.D{{Key: "v", Value: array(got)}}) != want {
			t.Errorf("%s:\n got %s (%v)\nwant %s", c.pipeline, json(t, bson.D{{Key: "v", Value: array(got)}}), err, want)
		}
	}
	for i, s := range sales {
		if want := json(t, ext(t, s)); json(t, docs[i]) != want {
			t.Errorf("a pipeline changed its input %s", json(t, docs[i]))
		}
	}
	for _, p := range []string{`[{"$bad":1}]`, `[{"$match":1}]`, `[{"$group":{"n":1}}]`, `[{"$group":{"_id":1,"n":{"$bad":1}}}]`, `[{"$project":{"a":{"$bad":1}}}]`, `[{}]`, `[{"$limit":0}]`, `[{"$out":"x"}]`, `[{"$changeStream":{}}]`} {
		stages, _ := lookup(ext(t, `{"v":`+p+`}`), "v")
		if _, err := compilePipeline(stages.(bson.A), from); err == nil {
			t.Errorf("%s was taken", p)
		}
	}
}

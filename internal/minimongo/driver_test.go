package minimongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

func TestEveryCompressorCarriesLargeDocumentsBothWays(t *testing.T) {
	for _, name := range []string{"", "snappy", "zlib", "zstd"} {
		t.Run("compressor="+name, func(t *testing.T) {
			s := start(t, Options{})
			c := connect(t, s, func(o *options.ClientOptions) {
				if name != "" {
					o.SetCompressors([]string{name})
				}
			})
			coll := c.Database("shop").Collection("big")
			want := strings.Repeat("a compressible line of text. ", 40_000)
			if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "text", Value: want}}); err != nil {
				t.Fatal(err)
			}
			var got struct{ Text string }
			if err := coll.FindOne(t.Context(), bson.D{{Key: "_id", Value: 1}}).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.Text != want {
				t.Errorf("got %d bytes back, want %d", len(got.Text), len(want))
			}
		})
	}
}

func TestCursorsReturnEveryDocumentInBatches(t *testing.T) {
	s := start(t, Options{})
	coll := connect(t, s).Database("shop").Collection("orders")
	var docs []any
	for i := range 250 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "even", Value: i%2 == 0}})
	}
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	for _, batch := range []int32{1, 7, 100, 1000} {
		cur, err := coll.Find(t.Context(), bson.D{{Key: "even", Value: true}}, options.Find().SetBatchSize(batch).SetSort(bson.D{{Key: "_id", Value: -1}}))
		if err != nil {
			t.Fatal(err)
		}
		var got []struct {
			ID int `bson:"_id"`
		}
		if err := cur.All(t.Context(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != 125 || got[0].ID != 248 || got[124].ID != 0 {
			t.Errorf("batch %d: %d documents", batch, len(got))
		}
	}
	if n := s.Commands()["getMore"]; n < 125/7 {
		t.Errorf("%d getMore were sent", n)
	}
	if n := s.cursors.open(); n != 0 {
		t.Errorf("%d cursors left open", n)
	}
}

func TestAnAbandonedCursorIsKilledAndUnknownOnesAreRefused(t *testing.T) {
	s := start(t, Options{})
	db := connect(t, s).Database("shop")
	if _, err := db.Collection("x").InsertMany(t.Context(), []any{bson.D{}, bson.D{}, bson.D{}}); err != nil {
		t.Fatal(err)
	}
	cur, err := db.Collection("x").Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1))
	if err != nil {
		t.Fatal(err)
	}
	id := cur.ID()
	if err := cur.Close(t.Context()); err != nil || s.cursors.open() != 0 {
		t.Errorf("close: %v, %d open", err, s.cursors.open())
	}
	err = db.RunCommand(t.Context(), bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: "x"}}).Err()
	wantCode(t, err, 43, "CursorNotFound")
}

func wantCode(t *testing.T, err error, number int32, name string) {
	t.Helper()
	var ce mongo.CommandError
	if !errors.As(err, &ce) || ce.Code != number || ce.Name != name {
		t.Errorf("error %v, want %d %s", err, number, name)
	}
}

func TestDuplicateKeysStopOrderedInsertsOnly(t *testing.T) {
	s := start(t, Options{})
	coll := connect(t, s).Database("shop").Collection("dup")
	if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "sku", Value: 1}}, Options: options.Index().SetUnique(true)}); err != nil {
		t.Fatal(err)
	}
	docs := func(base int) []any {
		return []any{bson.D{{Key: "sku", Value: base}}, bson.D{{Key: "sku", Value: base}}, bson.D{{Key: "sku", Value: base + 1}}}
	}
	for ordered, want := range map[bool]int64{true: 1, false: 2} {
		base := 10
		if ordered {
			base = 20
		}
		_, err := coll.InsertMany(t.Context(), docs(base), options.InsertMany().SetOrdered(ordered))
		var bwe mongo.BulkWriteException
		if !errors.As(err, &bwe) || len(bwe.WriteErrors) != 1 || bwe.WriteErrors[0].Index != 1 || !mongo.IsDuplicateKeyError(err) {
			t.Fatalf("ordered %v: %v", ordered, err)
		}
		if want := fmt.Sprintf("E11000 duplicate key error collection: shop.dup index: sku_1 dup key: { sku: %d }", base); bwe.WriteErrors[0].Message != want {
			t.Errorf("message %q, want %q", bwe.WriteErrors[0].Message, want)
		}
		n, err := coll.CountDocuments(t.Context(), bson.D{{Key: "sku", Value: bson.D{{Key: "$in", Value: bson.A{base, base + 1}}}}})
		if err != nil || n != want {
			t.Errorf("ordered %v: %d documents (%v), want %d", ordered, n, err, want)
		}
	}
}

func TestTransactionsCommitAndAbort(t *testing.T) {
	s := start(t, Options{})
	c := connect(t, s)
	coll := c.Database("bank").Collection("accounts")
	if _, err := coll.InsertMany(t.Context(), []any{ext(t, `{"_id":"a","n":5}`), ext(t, `{"_id":"b","n":5}`)}); err != nil {
		t.Fatal(err)
	}
	transfer := func(ctx context.Context) (any, error) {
		if _, err := coll.UpdateByID(ctx, "a", ext(t, `{"$inc":{"n":-3}}`)); err != nil {
			return nil, err
		}
		if _, err := coll.DeleteOne(ctx, ext(t, `{"_id":"b"}`)); err != nil {
			return nil, err
		}
		return coll.InsertOne(ctx, ext(t, `{"_id":"c","n":8}`))
	}
	all := func() string {
		cur, err := coll.Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.D
		if err := cur.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		return json(t, bson.D{{Key: "v", Value: docs}})
	}
	before := all()
	sess, err := c.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.EndSession(t.Context())
	if err := sess.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer(mongo.NewSessionContext(t.Context(), sess)); err != nil {
		t.Fatal(err)
	}
	if err := sess.AbortTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := all(); got != before {
		t.Errorf("after abort %s, want %s", got, before)
	}
	if _, err := sess.WithTransaction(t.Context(), transfer); err != nil {
		t.Fatal(err)
	}
	if got, want := all(), `{"v":[{"_id":"a","n":2},{"_id":"c","n":8}]}`; got != want {
		t.Errorf("after commit %s, want %s", got, want)
	}
	if n := s.Commands(); n["commitTransaction"] != 1 || n["abortTransaction"] != 1 {
		t.Errorf("commands %v", n)
	}
}

func TestUpdatesThroughTheDriver(t *testing.T) {
	s := start(t, Options{})
	coll := connect(t, s).Database("shop").Collection("carts")
	r, err := coll.UpdateOne(t.Context(), ext(t, `{"_id":7}`), ext(t, `{"$set":{"user":"ann"},"$setOnInsert":{"made":true},"$push":{"items":{"$each":[1,2]}}}`), options.UpdateOne().SetUpsert(true))
	if err != nil || r.UpsertedID != int32(7) || r.UpsertedCount != 1 {
		t.Fatalf("upsert %+v, %v", r, err)
	}
	if r, err = coll.UpdateMany(t.Context(), ext(t, `{"user":"ann"}`), ext(t, `{"$addToSet":{"items":2},"$inc":{"n":1}}`)); err != nil || r.MatchedCount != 1 || r.ModifiedCount != 1 {
		t.Fatalf("update %+v, %v", r, err)
	}
	if r, err = coll.UpdateMany(t.Context(), ext(t, `{"user":"ann"}`), ext(t, `{"$set":{"n":1}}`)); err != nil || r.MatchedCount != 1 || r.ModifiedCount != 0 {
		t.Errorf("idle update %+v, %v", r, err)
	}
	var d bson.D
	err = coll.FindOneAndUpdate(t.Context(), ext(t, `{"_id":7}`), ext(t, `{"$unset":{"made":""},"$pull":{"items":1}}`), options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d)
	if got, want := json(t, d), `{"_id":7,"user":"ann","items":[2],"n":1}`; err != nil || got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	if err := coll.FindOneAndReplace(t.Context(), ext(t, `{"_id":7}`), ext(t, `{"user":"bob"}`)).Decode(&d); err != nil {
		t.Error(err)
	}
	if err := coll.FindOneAndDelete(t.Context(), ext(t, `{"user":"bob"}`)).Decode(&d); err != nil || json(t, d) != `{"_id":7,"user":"bob"}` {
		t.Errorf("deleted %s, %v", json(t, d), err)
	}
	if err := coll.FindOneAndDelete(t.Context(), ext(t, `{"user":"bob"}`)).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Errorf("deleting again: %v", err)
	}
	_, err = coll.UpdateOne(t.Context(), bson.D{}, ext(t, `{"$set":{"a.0.b":1}}`), options.UpdateOne().SetArrayFilters([]any{ext(t, `{"x":1}`)}))
	if err == nil || !strings.Contains(err.Error(), "arrayFilters") {
		t.Errorf("arrayFilters: %v", err)
	}
}

func TestBulkWritesOfBothKinds(t *testing.T) {
	s := start(t, Options{})
	c := connect(t, s)
	coll := c.Database("shop").Collection("bulk")
	r, err := coll.BulkWrite(t.Context(), []mongo.WriteModel{
		mongo.NewInsertOneModel().SetDocument(ext(t, `{"_id":1}`)),
		mongo.NewUpdateOneModel().SetFilter(ext(t, `{"_id":1}`)).SetUpdate(ext(t, `{"$set":{"x":1}}`)),
		mongo.NewReplaceOneModel().SetFilter(ext(t, `{"_id":2}`)).SetReplacement(ext(t, `{"y":1}`)).SetUpsert(true),
		mongo.NewDeleteOneModel().SetFilter(ext(t, `{"_id":1}`)),
	})
	if err != nil || r.InsertedCount != 1 || r.ModifiedCount != 1 || r.UpsertedCount != 1 || r.DeletedCount != 1 {
		t.Errorf("collection bulk %+v, %v", r, err)
	}
	cr, err := c.BulkWrite(t.Context(), []mongo.ClientBulkWrite{
		{Database: "shop", Collection: "bulk", Model: mongo.NewClientInsertOneModel().SetDocument(ext(t, `{"_id":5}`))},
		{Database: "other", Collection: "place", Model: mongo.NewClientInsertOneModel().SetDocument(ext(t, `{"_id":5}`))},
		{Database: "shop", Collection: "bulk", Model: mongo.NewClientUpdateOneModel().SetFilter(ext(t, `{"_id":9}`)).SetUpdate(ext(t, `{"$set":{"z":1}}`)).SetUpsert(true)},
		{Database: "shop", Collection: "bulk", Model: mongo.NewClientDeleteManyModel().SetFilter(bson.D{})},
	}, options.ClientBulkWrite().SetVerboseResults(true))
	if err != nil || cr.InsertedCount != 2 || cr.UpsertedCount != 1 || cr.DeletedCount != 3 || cr.UpdateResults[2].UpsertedID != int32(9) {
		t.Errorf("client bulk %+v, %v", cr, err)
	}
	if s.Commands()["bulkWrite"] != 1 {
		t.Errorf("commands %v", s.Commands())
	}
	names, err := c.ListDatabaseNames(t.Context(), bson.D{})
	if err != nil || !slices.Equal(names, []string{"other", "shop"}) {
		t.Errorf("databases %v, %v", names, err)
	}
}

func TestUnacknowledgedWritesGetNoReply(t *testing.T) {
	s := start(t, Options{})
	c := connect(t, s, func(o *options.ClientOptions) { o.SetMaxPoolSize(1).SetRetryWrites(false) })
	quiet := c.Database("shop").Collection("quiet", options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
	for i := range 20 {
		if _, err := quiet.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}}); err != nil {
			t.Fatal(err)
		}
	}
	// One connection: a reply to any insert would be read here in place of count's.
	n, err := c.Database("shop").Collection("quiet").EstimatedDocumentCount(t.Context())
	if err != nil || n != 20 {
		t.Errorf("count %d, %v", n, err)
	}
}

func TestCollectionsAndIndexesAreListedAndDropped(t *testing.T) {
	s := start(t, Options{})
	db := connect(t, s).Database("shop")
	if err := db.CreateCollection(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, db.CreateCollection(t.Context(), "a"), 48, "NamespaceExists")
	coll := db.Collection("b")
	if _, err := coll.InsertOne(t.Context(), ext(t, `{"_id":1,"x":1}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.Indexes().CreateMany(t.Context(), []mongo.IndexModel{{Keys: bson.D{{Key: "x", Value: 1}, {Key: "y", Value: -1}}}, {Keys: bson.D{{Key: "z", Value: 1}}}}); err != nil {
		t.Fatal(err)
	}
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("collections %v, %v", names, err)
	}
	if err := coll.Indexes().DropOne(t.Context(), "z_1"); err != nil {
		t.Error(err)
	}
	specs, err := coll.Indexes().ListSpecifications(t.Context())
	if err != nil || len(specs) != 2 || specs[1].Name != "x_1_y_-1" {
		t.Errorf("indexes %v, %v", specs, err)
	}
	if err := coll.Drop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Error(err)
	}
	if names, err = db.Client().ListDatabaseNames(t.Context(), bson.D{}); err != nil || len(names) != 0 {
		t.Errorf("databases %v, %v", names, err)
	}
}

func TestTheMonitorStreamsHello(t *testing.T) {
	s := start(t, Options{})
	beats := make(chan bool, 16)
	connect(t, s, func(o *options.ClientOptions) {
		o.SetHeartbeatInterval(500 * time.Millisecond).SetServerMonitor(&event.ServerMonitor{ServerHeartbeatSucceeded: func(e *event.ServerHeartbeatSucceededEvent) {
			select {
			case beats <- e.Awaited:
			default:
			}
		}})
	})
	deadline := time.After(10 * time.Second)
	for awaited := 0; awaited < 2; {
		select {
		case a := <-beats:
			if a {
				awaited++
			}
		case <-deadline:
			t.Fatal("no awaited heartbeats within 10s")
		}
	}
}

func TestABatchSizeOfZeroOpensACursorWithoutDocuments(t *testing.T) {
	s := start(t, Options{})
	db := connect(t, s).Database("shop")
	if _, err := db.Collection("x").InsertOne(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cursor struct {
			ID         int64
			FirstBatch []bson.D `bson:"firstBatch"`
		}
	}
	if err := db.RunCommand(t.Context(), bson.D{{Key: "find", Value: "x"}, {Key: "batchSize", Value: 0}}).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Cursor.ID == 0 || len(got.Cursor.FirstBatch) != 0 {
		t.Errorf("cursor %+v", got.Cursor)
	}
}

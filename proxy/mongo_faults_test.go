package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
)

// mongoRig is a proxy with faults before a server of MongoDB.
func mongoRig(t *testing.T, protocol, faults string, change ...func(*config.Config)) *rig {
	t.Helper()
	server, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return run(t, func(c *config.Config) {
		l := &c.Listeners[0]
		l.Protocol = protocol
		if l.Faults, err = c.ParseFaults(l, faults); err != nil {
			t.Fatal(err)
		}
		for _, f := range change {
			f(c)
		}
	}, server.Addr())
}

func (r *rig) mongo(change ...func(*options.ClientOptions)) *mongo.Client {
	r.t.Helper()
	o := options.Client().ApplyURI("mongodb://" + r.Addr("main").String() + "/?directConnection=true").SetTimeout(patience).
		SetRetryReads(false).SetRetryWrites(false)
	for _, f := range change {
		f(o)
	}
	client, err := mongo.Connect(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// command waits for the span of a command on a collection.
func (r *rig) command(operation, collection string) event.Exchange {
	r.t.Helper()
	for {
		if x := r.next(); x.Mongo != nil && x.Mongo.Operation == operation && x.Mongo.Collection == collection {
			return x
		}
	}
}

const theFault = "[{match: {commands: [find], collections: [shop.carts]}, abort: {mongodb: {code: 262, labels: [RetryableWriteError]}}}]"

func TestCommandsGetErrorsOfMongoDB(t *testing.T) {
	for _, protocol := range []string{config.MongoDB, config.Auto} {
		for _, compressor := range []string{"", "snappy", "zlib", "zstd"} {
			t.Run(protocol+compressor, func(t *testing.T) {
				r := mongoRig(t, protocol, theFault)
				client := r.mongo(func(o *options.ClientOptions) {
					if compressor != "" {
						o.SetCompressors([]string{compressor})
					}
				})
				db := client.Database("shop")
				if _, err := db.Collection("carts").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 7}}); err != nil {
					t.Fatal(err)
				}
				for range 3 { // the connection goes on
					err := db.Collection("carts").FindOne(t.Context(), bson.D{{Key: "_id", Value: 7}}).Err()
					var e mongo.CommandError
					if !errors.As(err, &e) || e.Code != 262 || e.Name != "ExceededTimeLimit" || e.Message != "fault_filter_abort" || !e.HasErrorLabel("RetryableWriteError") {
						t.Fatalf("find gives %#v", err)
					}
				}
				if err := db.Collection("orders").FindOne(t.Context(), bson.D{}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
					t.Errorf("another collection: %v", err)
				}
				if err := client.Database("other").Collection("carts").FindOne(t.Context(), bson.D{}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
					t.Errorf("another database: %v", err)
				}
				x := r.command("find", "carts")
				if x.Flags != event.FlagFI || x.Mongo.Code != 262 || x.Mongo.CodeName != "ExceededTimeLimit" || x.Status != event.Error || x.Cluster != "main" {
					t.Errorf("told as %+v %+v", x, x.Mongo)
				}
				if x := r.command("find", "orders"); x.Flags != 0 || x.Status == event.Error {
					t.Errorf("told as %+v", x)
				}
				if n := r.listeners[0].stats.Faults.Aborts.Load(); n != 3 || r.failures.Load() != 0 {
					t.Errorf("%d aborts, %d failures of the decoder", n, r.failures.Load())
				}
			})
		}
	}
}

// A driver that may try again does, where the labels say so.
func TestDriversRetryFaultsOfMongoDB(t *testing.T) {
	r := mongoRig(t, config.MongoDB, "[{match: {commands: [find]}, abort: {mongodb: {code: 262}, percent: 50%}}]")
	carts := r.mongo(func(o *options.ClientOptions) { o.SetRetryReads(true) }).Database("shop").Collection("carts")
	failed := 0
	for range 100 {
		if err := carts.FindOne(t.Context(), bson.D{}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
			failed++
		}
	}
	if n := r.listeners[0].stats.Faults.Aborts.Load(); failed > 48 || n < 30 { // a quarter fails twice
		t.Errorf("%d of 100 failed with %d faults", failed, n)
	}
}

func TestCommandsAreMatchedByCallSite(t *testing.T) {
	r := mongoRig(t, config.MongoDB, "[{match: {call_sites: [\"cart.go:17\"]}, abort: {mongodb: {code: 262, code_name: Late, message: too late}}}]")
	carts := r.mongo().Database("shop").Collection("carts")
	find := func(comment string) error {
		return carts.FindOne(t.Context(), bson.D{}, options.FindOne().SetComment(comment)).Err()
	}
	if err := find(`{"file": "store/cart.go", "line": 17}`); err == nil || !strings.Contains(err.Error(), "(Late) too late") {
		t.Errorf("that place: %v", err)
	}
	if err := find(`{"file": "store/cart.go", "line": 18}`); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Errorf("another place: %v", err)
	}
}

func TestCommandsAreDelayedSlowedAndCut(t *testing.T) {
	for name, tt := range map[string]struct {
		faults string
		slow   time.Duration
		flags  event.ResponseFlags
		fails  bool
	}{
		"delay":        {"[{match: {commands: [find]}, delay: {fixed: 200ms}}]", 200 * time.Millisecond, event.FlagDI, false},
		"slow request": {"[{match: {commands: [find]}, request_rate: {limit: 400}}]", 200 * time.Millisecond, event.FlagDI, false},
		"slow answer":  {"[{match: {commands: [find]}, response_rate: {limit: 300}}]", 200 * time.Millisecond, event.FlagDI, false},
		"reset":        {"[{match: {commands: [find]}, abort: {reset: true}}]", 0, event.FlagFI, true},
		"cut":          {"[{match: {commands: [find]}, cut: {after: 30}}]", 0, event.FlagFI, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := mongoRig(t, config.MongoDB, tt.faults)
			began := time.Now()
			err := r.mongo().Database("shop").Collection("carts").FindOne(t.Context(), bson.D{}).Err()
			if d := time.Since(began); errors.Is(err, mongo.ErrNoDocuments) == tt.fails || d < tt.slow {
				t.Errorf("%v after %v", err, d)
			}
			if x := r.command("find", "carts"); x.Flags&(event.FlagDI|event.FlagFI) != tt.flags || time.Duration(x.End-x.Start) < tt.slow || (x.Status == event.Error) != tt.fails {
				t.Errorf("told as %+v", x)
			}
			await(t, "no fault is active", func() bool { return r.listeners[0].stats.Faults.Active.Load() == 0 })
		})
	}
}

// A client that leaves, and a proxy that ends, end a long delay.
func TestDelaysOfCommandsEnd(t *testing.T) {
	r := mongoRig(t, config.MongoDB, "[{match: {commands: [find]}, delay: {fixed: 1h}}]")
	carts := r.mongo(func(o *options.ClientOptions) { o.SetTimeout(0) }).Database("shop").Collection("carts")
	delayed := func() bool { return r.listeners[0].stats.Faults.Active.Load() == 1 }
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- carts.FindOne(ctx, bson.D{}).Err() }()
	await(t, "it is delayed", delayed)
	leave()
	if err := <-left; err == nil || errors.Is(err, mongo.ErrNoDocuments) {
		t.Errorf("found: %v", err)
	}
	if x := r.command("find", "carts"); x.Flags&event.FlagDI == 0 || x.Decode&event.NoResponse == 0 {
		t.Errorf("told as %+v", x)
	}
	await(t, "the first is over", func() bool { return r.listeners[0].stats.Faults.Active.Load() == 0 })
	over := make(chan struct{})
	go func() { defer close(over); _ = carts.FindOne(t.Context(), bson.D{}).Err() }()
	await(t, "the second is delayed", delayed)
	r.stop()
	<-over
}

// Writes that want no answer get none, and what follows on their connection is
// as it should be.
func TestUnacknowledgedWritesGetNoAnswer(t *testing.T) {
	r := mongoRig(t, config.MongoDB, "[{match: {commands: [insert], collections: [lost]}, abort: {mongodb: {code: 262}}}]")
	db := r.mongo(func(o *options.ClientOptions) { o.SetMaxPoolSize(1) }).Database("shop")
	for i := range 5 {
		name := [...]string{"lost", "kept"}[i%2]
		w := db.Collection(name, options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
		if _, err := w.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int64{"lost": 0, "kept": 2} {
		if n, err := db.Collection(name).CountDocuments(t.Context(), bson.D{}); err != nil || n != want {
			t.Errorf("%s has %d documents, %v; want %d", name, n, err, want)
		}
	}
	if x := r.command("insert", "lost"); x.Flags != event.FlagFI || !x.Mongo.MoreToCome {
		t.Errorf("told as %+v", x)
	}
}

// Requests and answers that are larger than what is looked at pass whole, and
// are refused whole.
func TestLargeMessagesThroughAGate(t *testing.T) {
	r := mongoRig(t, config.MongoDB, "[{match: {commands: [insert], collections: [lost]}, abort: {mongodb: {code: 262}}}, {delay: {fixed: 1us}}]")
	db := r.mongo().Database("shop")
	var docs []any
	for i := range 40 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "text", Value: strings.Repeat(fmt.Sprint(i), 100_000)}})
	}
	if _, err := db.Collection("kept").InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("lost").InsertMany(t.Context(), docs); err == nil || !strings.Contains(err.Error(), "ExceededTimeLimit") {
		t.Errorf("lost: %v", err)
	}
	c, err := db.Collection("kept").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var back []bson.Raw
	if err := c.All(t.Context(), &back); err != nil || len(back) != len(docs) {
		t.Errorf("%d documents come back, %v", len(back), err)
	}
	if n := r.failures.Load(); n != 0 {
		t.Errorf("%d failures of the decoder", n)
	}
}

// Faults of open connections change where there were some before.
func TestFaultsOfCommandsCanBeChanged(t *testing.T) {
	r := mongoRig(t, config.MongoDB, theFault, withAdmin)
	carts := r.mongo(func(o *options.ClientOptions) { o.SetMaxPoolSize(1) }).Database("shop").Collection("carts")
	find := func() error { return carts.FindOne(t.Context(), bson.D{}).Err() }
	if err := find(); err == nil || !strings.Contains(err.Error(), "ExceededTimeLimit") {
		t.Errorf("before: %v", err)
	}
	for _, step := range []struct{ faults, want string }{
		{"[]", "no documents"}, {"[{abort: {mongodb: {code: 50}}}]", "MaxTimeMSExpired"},
	} {
		if status, said := r.change("/fault?listener=main&faults=" + url.QueryEscape(step.faults)); status != 200 {
			t.Fatal(said)
		}
		if err := find(); err == nil || !strings.Contains(err.Error(), step.want) {
			t.Errorf("with %s: %v", step.faults, err)
		}
	}
}

package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/internal/testkit"
)

// What the official Go driver does in a session comes out of a capture of it:
// transactions, a client's bulk write, questions that wait, the handshake.
func TestWhatTheGoDriverDoesIsTold(t *testing.T) {
	for _, compressor := range []string{"", "zstd"} {
		t.Run("compressor "+compressor, func(t *testing.T) {
			db, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			capture := filepath.Join(t.TempDir(), "capture.pcap")
			relay := testkit.NewRelay(t, db.Addr(), capture)
			session(t, relay.Addr(), compressor)
			relay.Close()
			out, stderr, code := pitot(t, "replay", capture, "--json")
			if code != exitDone {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			told, greeting := facts(t, out)
			want := []string{
				"insert accounts start", "update accounts in", "commitTransaction commit", "insert accounts start",
				"abortTransaction abort", "insert accounts retryable", "bulkWrite a retryable", "bulkWrite retryable namespaces",
				"insert accounts quiet", "aggregate accounts change_stream Location40573", "find accounts tailable_await BadValue", "ping chatter", "endSessions chatter",
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("the driver did (-), the spans tell (+):\n%s", diff)
			}
			if greeting == nil || greeting.MaxWire != 25 || greeting.Role != "mongos" || greeting.ConnectionID == 0 || greeting.Compressors != compressor ||
				!strings.HasPrefix(greeting.Platform, "go") || !strings.Contains(greeting.OS, "linux") {
				t.Errorf("the handshake tells %+v", greeting)
			}
		})
	}
}

func session(t *testing.T, addr, compressor string) {
	o := options.Client().ApplyURI("mongodb://" + addr + "/?directConnection=true").SetAppName("facts").SetMaxPoolSize(1)
	if compressor != "" {
		o.SetCompressors([]string{compressor})
	}
	c, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	ctx, accounts := t.Context(), c.Database("bank").Collection("accounts")
	sess, err := c.StartSession()
	check(err)
	in := mongo.NewSessionContext(ctx, sess)
	insert := func(ctx context.Context, id int) {
		_, err := accounts.InsertOne(ctx, bson.D{{Key: "_id", Value: id}})
		check(err)
	}
	check(sess.StartTransaction())
	insert(in, 1)
	_, err = accounts.UpdateByID(in, 1, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 7}}}})
	check(err)
	check(sess.CommitTransaction(in))
	check(sess.StartTransaction())
	insert(in, 2)
	check(sess.AbortTransaction(in))
	sess.EndSession(ctx)
	insert(ctx, 3)
	for _, other := range []string{"bank", "till"} {
		writes := []mongo.ClientBulkWrite{{Database: "bank", Collection: "a", Model: mongo.NewClientInsertOneModel().SetDocument(bson.D{{Key: "name", Value: "bob"}})}}
		if other != "bank" {
			writes = append(writes, mongo.ClientBulkWrite{Database: other, Collection: "a", Model: mongo.NewClientDeleteOneModel().SetFilter(bson.D{{Key: "x", Value: 1}})})
		}
		_, err = c.BulkWrite(ctx, writes)
		check(err)
	}
	quiet := c.Database("bank").Collection("accounts", options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
	_, err = quiet.InsertOne(ctx, bson.D{{Key: "_id", Value: 9}})
	check(err)
	if _, err := accounts.Watch(ctx, mongo.Pipeline{}); err == nil {
		t.Error("a server without change streams took one")
	}
	if _, err := accounts.Find(ctx, bson.D{}, options.Find().SetCursorType(options.TailableAwait)); err == nil {
		t.Error("a server without capped collections took a tailable cursor")
	}
	check(c.Database("bank").RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err())
	check(c.Disconnect(context.WithoutCancel(ctx)))
}

// facts are the spans in short, but for the driver's questions of its own, and
// what the first of these tell of the connection.
func facts(t *testing.T, lines string) (told []string, greeting *event.MongoHandshake) {
	t.Helper()
	for _, line := range testkit.Lines(lines) {
		x, _, err := event.ParseJSON([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if x == nil || x.Mongo == nil {
			continue
		}
		m := x.Mongo
		if m.Handshake != nil && greeting == nil {
			greeting = m.Handshake
		}
		if m.Operation == "hello" || m.Operation == "isMaster" {
			if !m.Chatter || x.Status == event.Error {
				t.Errorf("told %s", line)
			}
			continue
		}
		told = append(told, fact(x))
	}
	return told, greeting
}

func fact(x *event.Exchange) string {
	m := x.Mongo
	words := []string{x.Name, m.Transaction.String(), m.CursorKind.String(), m.CodeName}
	for _, w := range []struct {
		name string
		yes  bool
	}{{"retryable", m.Retryable}, {"namespaces", m.Namespaces > 1}, {"quiet", m.MoreToCome}, {"chatter", m.Chatter}} {
		if w.yes {
			words = append(words, w.name)
		}
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

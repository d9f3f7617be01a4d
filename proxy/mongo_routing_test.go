package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// spread is a proxy that routes commands to servers of MongoDB.
type spread struct {
	*rig
	servers map[string]*minimongo.Server // by address
	clients map[string]*mongo.Client
}

func newSpread(t *testing.T, servers int, hash []config.HashPolicy, change ...func(*config.Config)) *spread {
	t.Helper()
	s := &spread{servers: map[string]*minimongo.Server{}, clients: map[string]*mongo.Client{}}
	var addresses []string
	for range servers {
		server, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		s.servers[server.Addr()] = server
		addresses = append(addresses, server.Addr())
	}
	s.rig = run(t, func(c *config.Config) {
		c.Listeners[0].Protocol, c.Listeners[0].Hash = config.MongoDB, hash
		c.Clusters[0].Policy = "maglev"
		for _, f := range change {
			f(c)
		}
	}, addresses...)
	return s
}

// owner is the server that a hash belongs to.
func (s *spread) owner(text string) string {
	s.t.Helper()
	w := upstream.Want{Whole: true, Hash: hashOfText(text), Hashed: true}
	h, err := s.cluster("main").Pick(context.Background(), &w)
	if err != nil {
		s.t.Fatal(err)
	}
	w.Done(h)
	return h.Address()
}

func hashOfText(s string) uint64 { return xxhash.Sum64String(s) }

// direct speaks with one of the servers.
func (s *spread) direct(server string) *mongo.Client {
	s.t.Helper()
	if c := s.clients[server]; c != nil {
		return c
	}
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + server + "/?directConnection=true").SetServerMonitoringMode("poll"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	s.clients[server] = c
	return c
}

// count is how many documents a server has in a collection of the database shop.
func (s *spread) count(server, collection string) int64 {
	s.t.Helper()
	n, err := s.direct(server).Database("shop").Collection(collection).CountDocuments(context.Background(), bson.D{})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

var (
	hashCollection = []config.HashPolicy{{Collection: true}}
	hashSession    = []config.HashPolicy{{Session: true}}
)

func compressedBy(name string) func(*options.ClientOptions) {
	return func(o *options.ClientOptions) {
		if name != "" {
			o.SetCompressors([]string{name})
		}
	}
}

func TestCommandsGoByCollection(t *testing.T) {
	for _, compressor := range []string{"", "snappy", "zstd"} {
		t.Run(compressor, func(t *testing.T) {
			s := newSpread(t, 3, hashCollection)
			db := s.mongo(compressedBy(compressor)).Database("shop")
			used := map[string]bool{}
			for i := range 12 {
				name := fmt.Sprintf("c%d", i)
				owner := s.owner("shop." + name)
				used[owner] = true
				if _, err := db.Collection(name).InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}}); err != nil {
					t.Fatal(err)
				}
				if err := db.Collection(name).FindOne(t.Context(), bson.D{{Key: "_id", Value: i}}).Err(); err != nil {
					t.Fatal(err)
				}
				for _, op := range []string{"insert", "find"} {
					if x := s.command(op, name); x.Endpoint != owner || x.Picked != "maglev" || x.Flags != 0 {
						t.Errorf("%s %s is told at %s, picked by %q; want %s", op, name, x.Endpoint, x.Picked, owner)
					}
				}
				for server := range s.servers {
					if n := s.count(server, name); (n == 1) != (server == owner) {
						t.Errorf("%s has %d documents of %s, which belongs to %s", server, n, name, owner)
					}
				}
			}
			if len(used) < 2 {
				t.Errorf("all collections go to %v", used)
			}
			if n := s.failures.Load(); n != 0 {
				t.Errorf("%d failures of the decoder", n)
			}
		})
	}
}

// What is about the server, or about no collection, goes to one and the same.
func TestWhatIsAboutNoCollectionStaysHome(t *testing.T) {
	s := newSpread(t, 3, hashCollection)
	client := s.mongo(func(o *options.ClientOptions) { o.SetMaxPoolSize(1) })
	if err := client.Ping(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Database("shop").ListCollectionNames(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	if x := s.command("ping", ""); x.Picked != "home" || x.Endpoint == "" {
		t.Errorf("ping at %q, picked by %q", x.Endpoint, x.Picked)
	}
	if x := s.command("listCollections", ""); x.Picked != "home, no hash" {
		t.Errorf("listCollections picked by %q", x.Picked)
	}
}

func TestSessionsStick(t *testing.T) {
	s := newSpread(t, 4, hashSession)
	client := s.mongo()
	owners := map[string]bool{}
	for range 8 {
		session, err := client.StartSession()
		if err != nil {
			t.Fatal(err)
		}
		ctx := mongo.NewSessionContext(t.Context(), session)
		at := ""
		for i := range 3 {
			name := fmt.Sprintf("c%d", i)
			if err := client.Database("shop").Collection(name).FindOne(ctx, bson.D{}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
				t.Fatal(err)
			}
			x := s.command("find", name)
			if want := s.owner(x.Mongo.Session); x.Endpoint != want || at != "" && x.Endpoint != at {
				t.Errorf("find %s of session %s at %s, after %s; want %s", name, x.Mongo.Session, x.Endpoint, at, want)
			}
			at = x.Endpoint
		}
		owners[at] = true
		defer session.EndSession(context.Background()) // not before: the driver would use it again
	}
	if len(owners) < 2 {
		t.Errorf("all sessions go to %v", owners)
	}
}

// A cursor is asked for more where it is, on whatever connection and whatever the
// hash says.
func TestCursorsGoOnWhereTheyAre(t *testing.T) {
	for name, hash := range map[string][]config.HashPolicy{"collection": hashCollection, "session": hashSession} {
		t.Run(name, func(t *testing.T) {
			s := newSpread(t, 3, hash)
			db := s.mongo().Database("shop")
			var docs []any
			for i := range 30 {
				docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "text", Value: strings.Repeat("x", 10_000)}})
			}
			for server := range s.servers { // all have all, so that every session finds it
				for i := range 4 {
					if _, err := s.direct(server).Database("shop").Collection(fmt.Sprintf("c%d", i)).InsertMany(t.Context(), docs); err != nil {
						t.Fatal(err)
					}
				}
			}
			done := make(chan error, 8)
			for i := range 8 {
				go func() {
					c, err := db.Collection(fmt.Sprintf("c%d", i%4)).Find(t.Context(), bson.D{}, options.Find().SetBatchSize(12))
					if err != nil {
						done <- err
						return
					}
					var back []bson.Raw
					if err = c.All(t.Context(), &back); err == nil && len(back) != len(docs) {
						err = fmt.Errorf("%d documents", len(back))
					}
					done <- err
				}()
			}
			for range 8 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			at := map[int64]string{}
			for n := 0; n < 24; {
				x := s.next()
				if x.Mongo == nil || x.Mongo.Cursor == 0 {
					continue
				}
				n++
				switch where := at[x.Mongo.Cursor]; {
				case where == "":
					at[x.Mongo.Cursor] = x.Endpoint
				case x.Endpoint != where || x.Picked != "cursor" && x.Mongo.Operation == "getMore":
					t.Errorf("%s of a cursor at %s goes to %s, picked by %q", x.Mongo.Operation, where, x.Endpoint, x.Picked)
				}
			}
			if len(at) != 8 {
				t.Errorf("%d cursors", len(at))
			}
		})
	}
}

func TestTransactionsStayTogether(t *testing.T) {
	s := newSpread(t, 3, hashCollection)
	client := s.mongo()
	for range 4 {
		session, err := client.StartSession()
		if err != nil {
			t.Fatal(err)
		}
		defer session.EndSession(context.Background())
		_, err = session.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
			for i := range 4 {
				if _, err := client.Database("shop").Collection(fmt.Sprintf("c%d", i)).InsertOne(ctx, bson.D{}); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		at := ""
		for i := range 4 {
			x := s.command("insert", fmt.Sprintf("c%d", i))
			if x.Picked != "transaction" || at != "" && x.Endpoint != at || x.Endpoint != s.owner(x.Mongo.Session) {
				t.Errorf("insert %d at %s, after %s, picked by %q", i, x.Endpoint, at, x.Picked)
			}
			at = x.Endpoint
		}
		if x := s.command("commitTransaction", ""); x.Endpoint != at || x.Picked != "transaction" {
			t.Errorf("commit at %s, picked by %q; want %s", x.Endpoint, x.Picked, at)
		}
	}
}

// Commands of all sizes come to their server, as what is written stands in the
// command or beside it.
func TestLargeCommandsAreRouted(t *testing.T) {
	for _, compressor := range []string{"", "zstd"} {
		t.Run(compressor, func(t *testing.T) {
			s := newSpread(t, 3, hashCollection)
			db := s.mongo(compressedBy(compressor)).Database("shop")
			var docs []any
			for i := range 20 {
				docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "text", Value: strings.Repeat(fmt.Sprint(i, " "), 60_000)}})
			}
			for i := range 4 {
				name := fmt.Sprintf("c%d", i)
				if i%2 == 0 {
					if _, err := db.Collection(name).InsertMany(t.Context(), docs); err != nil {
						t.Fatal(err)
					}
				} else if err := db.RunCommand(t.Context(), bson.D{{Key: "insert", Value: name}, {Key: "documents", Value: docs}}).Err(); err != nil {
					t.Fatal(err)
				}
				if n := s.count(s.owner("shop."+name), name); n != int64(len(docs)) {
					t.Errorf("%s has %d documents where it belongs", name, n)
				}
			}
		})
	}
}

func TestUnacknowledgedWritesAreRouted(t *testing.T) {
	s := newSpread(t, 3, hashCollection)
	db := s.mongo().Database("shop")
	for i := range 6 {
		name := fmt.Sprintf("c%d", i)
		w := db.Collection(name, options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
		if _, err := w.InsertOne(t.Context(), bson.D{}); err != nil {
			t.Fatal(err)
		}
		await(t, "the write has come", func() bool { return s.count(s.owner("shop."+name), name) == 1 })
	}
}

// Faults and limits are about commands wherever they go.
func TestFaultsOfRoutedCommands(t *testing.T) {
	s := newSpread(t, 3, hashCollection, func(c *config.Config) {
		var err error
		if c.Listeners[0].Faults, err = c.ParseFaults(&c.Listeners[0], theFault); err != nil {
			panic(err)
		}
	})
	db := s.mongo().Database("shop")
	for _, name := range []string{"carts", "a", "b", "c", "carts"} {
		err := db.Collection(name).FindOne(t.Context(), bson.D{}).Err()
		x := s.command("find", name)
		if name != "carts" {
			if !errors.Is(err, mongo.ErrNoDocuments) || x.Endpoint != s.owner("shop."+name) || x.Flags != 0 {
				t.Errorf("%s: %v, at %s with %v", name, err, x.Endpoint, x.Flags)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "ExceededTimeLimit") || x.Flags != event.FlagFI {
			t.Errorf("%s: %v with %v", name, err, x.Flags)
		}
	}
}

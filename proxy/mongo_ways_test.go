package proxy

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// wire speaks MongoDB's protocol without a driver: OP_MSG with one document.
type wire struct {
	net.Conn
	id int32
}

// send writes a message and gives its id.
func (w *wire) send(to int32, d bson.D) (int32, error) {
	doc, err := bson.Marshal(d)
	if err != nil {
		return 0, err
	}
	w.id++
	b := binary.LittleEndian.AppendUint32(nil, uint32(21+len(doc)))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.id))
	b = binary.LittleEndian.AppendUint32(b, uint32(to))
	b = append(binary.LittleEndian.AppendUint32(b, 2013), 0, 0, 0, 0, 0)
	_, err = w.Write(append(b, doc...))
	return w.id, err
}

// receive reads a message.
func (w *wire) receive() (id, to int32, d bson.D, err error) {
	b := make([]byte, 21)
	if _, err = io.ReadFull(w, b); err != nil {
		return 0, 0, nil, err
	}
	doc := make([]byte, binary.LittleEndian.Uint32(b)-21)
	if _, err = io.ReadFull(w, doc); err == nil {
		err = bson.Unmarshal(doc, &d)
	}
	return int32(binary.LittleEndian.Uint32(b[4:])), int32(binary.LittleEndian.Uint32(b[8:])), d, err
}

// ask sends a command and waits for its answer.
func (w *wire) ask(d bson.D) (bson.D, error) {
	id, err := w.send(0, d)
	if err != nil {
		return nil, err
	}
	_, to, answer, err := w.receive()
	if err == nil && to != id {
		err = fmt.Errorf("an answer to %d came, not to %d", to, id)
	}
	return answer, err
}

func (r *rig) wire() *wire { return &wire{Conn: r.dial()} }

// must is ask for what has to be answered.
func (r *rig) must(w *wire, d bson.D) bson.D {
	r.t.Helper()
	answer, err := w.ask(d)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

func value(d bson.D, key string) any {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

var hi = bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}}

func finding(collection string) bson.D {
	return bson.D{{Key: "find", Value: collection}, {Key: "$db", Value: "shop"}}
}

// hostOf is a server that says hello, and gives every other command to f, whose
// answer it sends; it closes the connection for nil.
func hostOf(t *testing.T, f func(op string) bson.D) string {
	return hostSaying(t, func() int { return 21 }, f)
}

// hostSaying is hostOf for a server of that wire version.
func hostSaying(t *testing.T, version func() int, f func(op string) bson.D) string {
	return serve(t, func(c *net.TCPConn) {
		for w := (&wire{Conn: c}); ; {
			id, _, d, err := w.receive()
			if err != nil {
				return
			}
			answer := bson.D{{Key: "isWritablePrimary", Value: true}, {Key: "ok", Value: 1}}
			if d[0].Key == "hello" {
				answer = append(answer, bson.E{Key: "maxWireVersion", Value: version()})
			} else if answer = f(d[0].Key); answer == nil {
				return
			}
			if _, err := w.send(id, answer); err != nil {
				return
			}
		}
	})
}

// over routes by collection to hosts that need be no servers.
func over(t *testing.T, change func(*config.Config), hosts ...string) *spread {
	t.Helper()
	return &spread{rig: run(t, func(c *config.Config) {
		c.Listeners[0].Protocol, c.Listeners[0].Hash = config.MongoDB, hashCollection
		c.Clusters[0].Policy = "maglev"
		if change != nil {
			change(c)
		}
	}, hosts...)}
}

// home is where a new connection is joined to.
func (s *spread) home(w *wire) string {
	s.t.Helper()
	s.must(w, hi)
	return s.command("hello", "").Endpoint
}

// collectionOf is one that belongs to a host that ok takes.
func (s *spread) collectionOf(ok func(host string) bool) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("c", i); ok(s.owner("shop." + name)) {
			return name
		}
	}
}

// idle waits until no connection is active at any host.
func (s *spread) idle() {
	s.t.Helper()
	await(s.t, "no connection is active", func() bool {
		n := int64(0)
		for _, h := range s.cluster("main").Hosts() {
			n += h.Active()
		}
		return n == 0 && s.cluster("main").Open() == 0
	})
}

// A cursor is asked for more on another connection than the one that opened it,
// in the place that no hash tells.
func TestCursorsOfOtherConnections(t *testing.T) {
	s := newSpread(t, 4, hashSession)
	session := func(id byte) bson.E {
		return bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: slices.Repeat([]byte{id}, 16)}}}}
	}
	first := s.wire()
	home := s.home(first)
	var at byte
	for at = 1; s.owner(strings.Repeat(fmt.Sprintf("%02x", at), 16)) == home; at++ {
	}
	s.must(first, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{}, bson.D{}, bson.D{}}}, {Key: "$db", Value: "shop"}, session(at)})
	found := s.must(first, append(finding("c"), bson.E{Key: "batchSize", Value: 1}, session(at)))
	cursor, _ := value(value(found, "cursor").(bson.D), "id").(int64)
	if cursor == 0 {
		t.Fatalf("found %v", found)
	}
	second := s.wire()
	s.home(second)
	more := s.must(second, bson.D{{Key: "getMore", Value: cursor}, {Key: "collection", Value: "c"}, {Key: "batchSize", Value: 1}, {Key: "$db", Value: "shop"}})
	if value(more, "ok") != 1.0 {
		t.Errorf("more is %v", more)
	}
	if x := s.command("getMore", "c"); x.Endpoint == home || x.Picked != "cursor" {
		t.Errorf("getMore at %s, picked by %q", x.Endpoint, x.Picked)
	}
	killed := s.must(first, bson.D{{Key: "killCursors", Value: "c"}, {Key: "cursors", Value: bson.A{cursor}}, {Key: "$db", Value: "shop"}})
	if all, _ := value(killed, "cursorsKilled").(bson.A); len(all) != 1 {
		t.Errorf("killed %v", killed)
	}
}

// Who authenticates is at home with all that follows, and told so.
func TestWhoAuthenticatesStaysHome(t *testing.T) {
	s := newSpread(t, 3, hashCollection)
	w := s.wire()
	home := s.home(w)
	away := s.collectionOf(func(h string) bool { return h != home })
	s.must(w, finding(away))
	if x := s.command("find", away); x.Endpoint == home {
		t.Errorf("before: at %s", x.Endpoint)
	}
	s.must(w, bson.D{{Key: "saslStart", Value: 1}, {Key: "mechanism", Value: "SCRAM-SHA-256"}, {Key: "$db", Value: "admin"}}) // refused, as minimongo knows nobody
	s.must(w, finding(away))
	if x := s.command("find", away); x.Endpoint != home || x.Picked != "home, authenticated" {
		t.Errorf("after: at %s, picked by %q", x.Endpoint, x.Picked)
	}
}

// A host that closes a connection between commands takes nothing from anybody.
func TestFurtherConnectionsAreMadeAgain(t *testing.T) {
	var hosts []string
	var opened atomic.Int64
	for range 2 {
		hosts = append(hosts, serve(t, func(c *net.TCPConn) {
			opened.Add(1)
			for w := (&wire{Conn: c}); ; {
				id, _, d, err := w.receive()
				if err != nil {
					return
				}
				if _, err := w.send(id, bson.D{{Key: "ok", Value: 1}}); err != nil || d[0].Key == "find" {
					return
				}
			}
		}))
	}
	s := over(t, nil, hosts...)
	w := s.wire()
	home := s.home(w)
	away := s.collectionOf(func(h string) bool { return h != home })
	for i := range 3 {
		s.must(w, finding(away))
		await(t, "the host has closed", func() bool { return s.cluster("main").Open() == 1 })
		if n := opened.Load(); n != int64(2+i) {
			t.Errorf("%d connections", n)
		}
	}
	if answer := s.must(w, hi); value(answer, "ok") != int32(1) {
		t.Errorf("the home says %v", answer)
	}
	w.Close()
	s.idle()
}

// One that breaks with a command under way ends the client's connection.
func TestAFurtherHostThatBreaks(t *testing.T) {
	host := func() string { return hostOf(t, func(string) bson.D { return nil }) }
	s := over(t, nil, host(), host())
	w := s.wire()
	home := s.home(w)
	away := s.collectionOf(func(h string) bool { return h != home })
	if answer, err := w.ask(finding(away)); err == nil {
		t.Errorf("answered %v", answer)
	}
	if x := s.command("find", away); x.Flags != event.FlagUC || x.Endpoint == home || x.Decode&event.NoResponse == 0 {
		t.Errorf("told as %+v", x)
	}
	s.idle()
}

// The end of the home is the end of everything.
func TestTheHomeEnds(t *testing.T) {
	started := make(chan bool, 1)
	host := func() string {
		return hostOf(t, func(op string) bson.D {
			if op == "ping" {
				return nil
			}
			started <- true
			time.Sleep(200 * time.Millisecond) // a command that takes its time
			return bson.D{{Key: "ok", Value: 1}}
		})
	}
	s := over(t, nil, host(), host())
	w := s.wire()
	home := s.home(w)
	if _, err := w.send(0, finding(s.collectionOf(func(h string) bool { return h != home }))); err != nil {
		t.Fatal(err)
	}
	<-started
	if _, err := w.ask(bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}}); err == nil {
		t.Error("ping is answered")
	}
	w.Close()
	s.idle()
}

// Where a host cannot be reached the next one is asked, up to three.
func TestHostsThatCannotBeReached(t *testing.T) {
	s := newSpread(t, 5, hashCollection)
	w := s.wire()
	home := s.home(w)
	for address, server := range s.servers {
		if address != home {
			server.Close()
		}
	}
	turns := func(name string) (all []string) { // up to the home
		want := upstream.Want{Whole: true, Hashed: true, Hash: hashOfText("shop." + name)}
		for {
			h, err := s.cluster("main").Pick(t.Context(), &want)
			if err != nil {
				t.Fatal(err)
			}
			want.Done(h)
			if all = append(all, h.Address()); h.Address() == home || len(all) == 5 {
				return all
			}
			want.Avoid(h)
		}
	}
	far, near := "", ""
	for i := 0; far == "" || near == ""; i++ {
		switch name := fmt.Sprint("c", i); len(turns(name)) {
		case 4, 5:
			far = name
		case 2:
			near = name
		}
	}
	answer := s.must(w, finding(far))
	if value(answer, "code") != int32(6) || value(answer, "codeName") != "HostUnreachable" {
		t.Errorf("answered %v", answer)
	}
	if x := s.command("find", far); x.Flags != event.FlagUF|event.FlagURX || x.Endpoint != "" || x.Status != event.Error || x.Mongo.Code != 6 {
		t.Errorf("told as %+v", x)
	}
	if answer := s.must(w, finding(near)); value(answer, "ok") != 1.0 {
		t.Errorf("answered %v", answer)
	}
	if x := s.command("find", near); x.Endpoint != home || x.Flags != 0 {
		t.Errorf("told as %+v", x)
	}
	w.Close()
	s.idle()
}

// A host that cannot do what the home can is passed over, and not asked again for
// each command.
func TestUnlikeHostsArePassedOver(t *testing.T) {
	var greetings, finds atomic.Int64
	found := bson.D{{Key: "ok", Value: 1}}
	host := func() string { // who is greeted second is the older one
		return hostSaying(t, func() int { return 22 - int(greetings.Add(1)) }, func(string) bson.D {
			finds.Add(1)
			return found
		})
	}
	s := over(t, nil, host(), host())
	w := s.wire()
	home := s.home(w)
	name := s.collectionOf(func(h string) bool { return h != home })
	for range 3 {
		s.must(w, finding(name))
		if x := s.command("find", name); x.Endpoint != home || x.Flags != 0 {
			t.Errorf("told as %+v", x)
		}
	}
	if greetings.Load() != 2 || finds.Load() != 3 {
		t.Errorf("there were %d greetings and %d finds", greetings.Load(), finds.Load())
	}
}

// What is counted of a connection is what went over all of its connections.
func TestBytesOfAllHostsAreCounted(t *testing.T) {
	s := newSpread(t, 3, hashCollection)
	w := s.wire()
	sent, received := 0, 0
	for i := range 12 {
		d := finding(fmt.Sprint("c", i))
		if i == 0 {
			d = hi
		}
		raw, _ := bson.Marshal(d)
		answer, _ := bson.Marshal(s.must(w, d))
		sent, received = sent+21+len(raw), received+21+len(answer)
	}
	w.Close()
	s.idle()
	stats := s.listeners[0].stats
	await(t, "the listener knows", func() bool { return stats.RxBytes.Load() == uint64(sent) })
	if n := stats.TxBytes.Load(); n != uint64(received) {
		t.Errorf("%d bytes to the client, want %d", n, received)
	}
	raw, _ := bson.Marshal(hi)
	var up, greetings uint64
	for _, stat := range s.cluster("main").Stats() {
		switch stat.Name {
		case "upstream_cx_tx_bytes_total":
			up = stat.Value
		case "upstream_cx_total":
			greetings = stat.Value - 1
		}
	}
	if want := uint64(sent) + greetings*uint64(21+len(raw)); up != want || greetings == 0 {
		t.Errorf("%d bytes to hosts, want %d, with %d greetings", up, want, greetings)
	}
}

// A client has so many further connections and no more.
func TestFurtherConnectionsAreBounded(t *testing.T) {
	answer := func(string) bson.D { return bson.D{{Key: "ok", Value: 1}} }
	var hosts []string
	for range maxLanes + 6 {
		hosts = append(hosts, hostOf(t, answer))
	}
	s := over(t, nil, hosts...)
	w := s.wire()
	home := s.home(w)
	used := map[string]bool{home: true}
	for len(used) < len(hosts) {
		name := s.collectionOf(func(h string) bool { return !used[h] })
		used[s.owner("shop."+name)] = true
		s.must(w, finding(name))
		await(t, "no more than may be are open", func() bool { return s.cluster("main").Open() <= 1+maxLanes })
	}
	if n := s.cluster("main").Open(); n != 1+maxLanes {
		t.Errorf("%d are open", n)
	}
	w.Close()
	s.idle()
}

// A drain leaves a connection alone on which a further host has something to do.
func TestADrainWaitsForFurtherHosts(t *testing.T) {
	started, goOn := make(chan bool, 1), make(chan bool)
	host := func() string {
		return hostOf(t, func(op string) bson.D {
			if op == "find" {
				started <- true
				<-goOn
			}
			return bson.D{{Key: "ok", Value: 1}}
		})
	}
	s := over(t, nil, host(), host())
	w := s.wire()
	home := s.home(w)
	id, err := w.send(0, finding(s.collectionOf(func(h string) bool { return h != home })))
	if err != nil {
		t.Fatal(err)
	}
	<-started
	s.must(w, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}}) // the last bytes are a server's
	stopped := make(chan bool)
	go func() { s.stop(); close(stopped) }()
	time.Sleep(2 * quietAfter) // longer than a quiet connection is left open
	goOn <- true
	if _, to, _, err := w.receive(); err != nil || to != id {
		t.Errorf("an answer to %d, %v", to, err)
	}
	<-stopped
}

// A client that leaves, and one that has ended its side, end all of it.
func TestClientsOfFurtherHostsLeave(t *testing.T) {
	for _, end := range []func(*net.TCPConn){
		func(c *net.TCPConn) { c.Close() },
		func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() },
		func(c *net.TCPConn) { _ = c.CloseWrite(); _, _ = io.Copy(io.Discard, c) },
	} {
		s := newSpread(t, 3, hashCollection)
		w := s.wire()
		home := s.home(w)
		s.must(w, finding(s.collectionOf(func(h string) bool { return h != home })))
		end(w.Conn.(*net.TCPConn))
		s.idle()
	}
}

// The connections of a pool are each brought to the hosts that they need, and all
// at once.
func TestManyClientsOfManyHosts(t *testing.T) {
	s := newSpread(t, 4, hashCollection)
	db := s.mongo(func(o *options.ClientOptions) { o.SetMaxPoolSize(8) }).Database("shop")
	errs := make(chan error, 8)
	for i := range 8 {
		go func() {
			var err error
			for j := 0; j < 20 && err == nil; j++ {
				_, err = db.Collection(fmt.Sprint("c", (i+j)%6)).InsertOne(context.Background(), bson.D{{Key: "text", Value: strings.Repeat("x", j*5000)}})
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	total := int64(0)
	for i := range 6 {
		name := fmt.Sprint("c", i)
		total += s.count(s.owner("shop."+name), name)
	}
	if total != 160 || s.failures.Load() != 0 {
		t.Errorf("%d documents where they belong, want 160; %d failures of the decoder", total, s.failures.Load())
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/internal/testkit"
)

// The same exchange taken inline and from a capture gives the same span, but
// for ids, timing and what only a proxy knows.
var (
	onlyInline = []string{"pitot.listener", "pitot.upstream.cluster", "network.peer.address", "pitot.route.name"}
	onlyPacket = []string{"pitot.tcp.req_seq", "pitot.tcp.resp_seq"}
	idOrTime   = []string{"trace_id", "span_id", "parent_span_id", "tcp_stream", "start", "end", "duration_ns", "ttfb_ns", "attempt", "response_flags"}
)

func TestParityHTTP(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/fail":
			w.WriteHeader(http.StatusInternalServerError)
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/stream":
			for range 3 {
				fmt.Fprintln(w, "a line of a body without a length")
				w.(http.Flusher).Flush()
			}
		default:
			fmt.Fprintf(w, "%s %d", r.URL.Path, len(body))
		}
	}))
	defer origin.Close()
	parity(t, "http", origin.Listener.Addr().String(), func(addr string) {
		tr := &http.Transport{DisableCompression: true}
		defer tr.CloseIdleConnections()
		c := &http.Client{Transport: tr}
		for _, r := range []struct{ method, path, body string }{
			{"GET", "/cart/7?token=secret&page=2", ""}, {"HEAD", "/cart/8", ""}, {"POST", "/cart/9/pay", strings.Repeat("x", 70000)},
			{"PUT", "/chunked", "chunked"}, {"GET", "/fail", ""}, {"GET", "/empty", ""}, {"GET", "/stream", ""}, {"DELETE", "/cart/0af76519-16cd-43dd-8448-eb211c80319c", ""},
		} {
			var body io.Reader = strings.NewReader(r.body)
			if r.path == "/chunked" {
				body = io.MultiReader(body) // a reader of unknown length goes out in chunks
			} else if r.body == "" {
				body = nil
			}
			req, err := http.NewRequest(r.method, "http://"+addr+r.path, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Error(err)
			}
			res.Body.Close()
		}
	})
}

func TestParityMongo(t *testing.T) {
	for _, compressor := range []string{"", "snappy", "zlib", "zstd"} {
		t.Run("compressor "+compressor, func(t *testing.T) {
			db, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			parity(t, "mongodb", db.Addr(), func(addr string) { talkMongo(t, addr, compressor) })
		})
	}
}

func talkMongo(t *testing.T, addr, compressor string) {
	o := options.Client().ApplyURI("mongodb://" + addr + "/?directConnection=true").SetAppName("parity").SetMaxPoolSize(1)
	if compressor != "" {
		o.SetCompressors([]string{compressor})
	}
	c, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, orders := t.Context(), c.Database("shop").Collection("orders")
	var docs []any
	for i := range 120 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "user", Value: i % 3}})
	}
	if _, err := orders.InsertMany(ctx, docs, options.InsertMany().SetComment("fill.go:9")); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.InsertOne(ctx, docs[0]); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("a second insert gave %v", err)
	}
	cur, err := orders.Find(ctx, bson.D{{Key: "user", Value: 1}}, options.Find().SetBatchSize(7).SetComment(`{"callingFunction":"Cart.load"}`))
	if err != nil {
		t.Fatal(err)
	}
	var found []bson.M
	if err := cur.All(ctx, &found); err != nil || len(found) != 40 {
		t.Errorf("found %d, %v", len(found), err)
	}
	if err := c.Disconnect(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
}

// parity runs talk through a relay that captures, in front of pitot proxy in
// front of upstream, and compares what pitot saw inline with the capture's replay.
func parity(t *testing.T, protocol, upstream string, talk func(addr string)) {
	t.Helper()
	dir := t.TempDir()
	listen := testkit.FreePort(t)
	inline := filepath.Join(dir, "inline.jsonl")
	capture := filepath.Join(dir, "capture.pcap")
	stop := startPitot(t, listen, "proxy", "--listen", listen, "--to", upstream, "--protocol", protocol, "--service", "shop",
		"--admin", "127.0.0.1:0", "--store", "none", "--json-file", inline)
	relay := testkit.NewRelay(t, listen, capture)
	talk(relay.Addr())
	relay.Close()
	stop()

	seen, err := os.ReadFile(inline)
	if err != nil {
		t.Fatal(err)
	}
	replayed, stderr, code := pitot(t, "replay", capture, "--json", "--services", listen+"=shop")
	if code != exitDone {
		t.Fatalf("replay: %d %s", code, stderr)
	}
	got, want := normal(t, string(seen)), normal(t, replayed)
	if len(want) < 4 {
		t.Fatalf("the capture told only %d spans", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("capture (-) and inline (+) differ:\n%.6000s", diff)
	}
}

// normal are the spans without what may differ, in order of client and start.
func normal(t *testing.T, lines string) (out []string) {
	t.Helper()
	type keyed struct{ key, text string }
	var all []keyed
	for _, line := range testkit.Lines(lines) {
		var span map[string]any
		if err := json.Unmarshal([]byte(line), &span); err != nil {
			t.Fatal(err)
		}
		if span["kind"] != "span" || span["span_kind"] == "client" && span["protocol"] != "mongodb" {
			continue // notices, and attempts, which only a proxy makes
		}
		key := fmt.Sprint(span["client"], span["start"])
		for _, k := range idOrTime {
			delete(span, k)
		}
		attributes := span["attributes"].(map[string]any)
		for _, k := range slices.Concat(onlyInline, onlyPacket, []string{"pitot.ttfb_ns"}) {
			delete(attributes, k)
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", " ")
		if err := e.Encode(span); err != nil {
			t.Fatal(err)
		}
		all = append(all, keyed{key, b.String()})
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for _, k := range all {
		out = append(out, k.text)
	}
	return out
}

// startPitot runs a command that serves until it is stopped, and waits until
// it accepts connections on listen. stop ends it as SIGTERM does.
func startPitot(t testing.TB, listen string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, strings.NewReader(""), &out, &out) }()
	for {
		c, err := net.Dial("tcp", listen)
		if err == nil {
			c.Close()
			break
		}
		select {
		case got := <-code:
			t.Fatalf("pitot %v: exit %d: %s", args, got, out.String())
		default:
		}
	}
	return func() {
		cancel()
		if got := <-code; got != exitDone {
			t.Errorf("pitot %v: exit %d: %s", args, got, out.String())
		}
	}
}

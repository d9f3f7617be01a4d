package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// agreed is how much of what the oracles that are called full found has to be
// found alike, in percent. Where they are wrong is in docs/decode-differences.md.
var agreed = map[string]float64{"http1": 99.5, "http2": 99.5, "grpc": 99.5, "mongo": 99.5}

// TestAgreementWithOracles replays every capture that has an oracle and pairs
// spans with the oracle's exchanges on the same endpoints: by request id
// (MongoDB), stream (HTTP/2) or order (HTTP/1). An exchange agrees when all
// attributes do that the oracle knows. gRPC's calls count as HTTP/2 and by
// themselves.
func TestAgreementWithOracles(t *testing.T) {
	oracles := oracled(t)
	full := fullOracles(t, filepath.Join(filepath.Dir(oracles[0]), "MANIFEST.tsv"))
	var total, partial scores
	total, partial = scores{}, scores{}
	for _, file := range oracles {
		capture := strings.TrimSuffix(file, ".oracle.jsonl")
		into, log := partial, false
		if full[filepath.Base(capture)] {
			into, log = total, true
		}
		for _, difference := range compare(t, capture, readOracle(t, file), into) {
			if log {
				t.Logf("%s: %s", filepath.Base(capture), difference)
			}
		}
	}
	for family, least := range agreed {
		s := total[family]
		t.Logf("%-6s agrees in %d of %d = %.2f %%; where the oracle is partial in %d of %d", family, s.agree, s.of, s.percent(), partial[family].agree, partial[family].of)
		if s.of == 0 || s.percent() < least {
			t.Errorf("%s: less than %.1f %%", family, least)
		}
	}
}

type score struct{ of, agree int }

func (s score) percent() float64 { return 100 * float64(s.agree) / float64(max(1, s.of)) }

type scores map[string]score

func (s scores) count(family string, agrees bool) {
	n := s[family]
	if n.of++; agrees {
		n.agree++
	}
	s[family] = n
}

// fullOracles are the captures whose oracle the manifest calls full, or does
// not list.
func fullOracles(t *testing.T, manifest string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	full, column := map[string]bool{}, -1
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if column < 0 {
			column = slices.Index(cells, "oracle")
			continue
		}
		full[cells[0]] = column < len(cells) && cells[column] == "full"
	}
	return full
}

// object is one JSON object; its methods read what may be missing.
type object map[string]any

func (o object) in(name string) object { v, _ := o[name].(map[string]any); return v }

func (o object) text(name string) string { v, _ := o[name].(string); return v }

func (o object) is(name string) bool { v, _ := o[name].(bool); return v }

// ended reports whether a side ended, which it did unless the oracle denies it.
func (o object) ended() bool { _, told := o["end_stream"]; return !told || o.is("end_stream") }

func readOracle(t *testing.T, file string) (all []object) {
	t.Helper()
	eachLine(t, file, func(line []byte) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		switch proto := o.text("proto"); {
		case proto == "mongo", slices.Contains([]string{"http1", "http2"}, proto) && (o.text("method") != "" || o.text("command") != ""):
			all = append(all, o)
		}
	})
	return all
}

// compare counts in into how many of the exchanges agree, and says how the
// others differ.
func compare(t *testing.T, capture string, want []object, into scores) (differences []string) {
	t.Helper()
	got := byIdentity(t, capture)
	seen := map[string]int{}
	for _, o := range want {
		key := oracleKey(o)
		span, found := got[key+"#"+strconv.Itoa(seen[key])]
		seen[key]++
		wrong := []string{"missing"}
		if found {
			wrong = wrongOf(o, span.in("attributes"))
		}
		families := []string{o.text("proto")}
		if o.is("grpc") {
			families = append(families, "grpc")
		}
		for _, family := range families {
			into.count(family, len(wrong) == 0)
		}
		if len(wrong) > 0 {
			differences = append(differences, fmt.Sprintf("%s: %s", key, strings.Join(wrong, "; ")))
		}
	}
	return differences
}

// byIdentity are a capture's spans by endpoints, id and order of their start.
func byIdentity(t *testing.T, capture string) map[string]object {
	t.Helper()
	out, _, _ := pitot(t, "replay", capture, "--json") // of a corrupt one what comes before counts
	var spans []object
	for line := range strings.Lines(out) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", capture, err)
		}
		if o.text("kind") == "span" {
			spans = append(spans, o)
		}
	}
	slices.SortStableFunc(spans, func(a, b object) int { return strings.Compare(a.text("start"), b.text("start")) })
	byKey, seen := map[string]object{}, map[string]int{}
	for _, s := range spans {
		key := spanKey(s)
		byKey[key+"#"+strconv.Itoa(seen[key])] = s
		seen[key]++
	}
	return byKey
}

func oracleKey(o object) string {
	var id any
	switch o.text("proto") {
	case "http2":
		id = o["h2_stream"]
	case "mongo":
		id = o.in("req")["request_id"]
	}
	return fmt.Sprint(o.text("proto"), " ", o.text("client"), " ", o.text("server"), " ", plain(id))
}

func spanKey(s object) string {
	a, family, id := s.in("attributes"), s.text("protocol"), any(nil)
	switch {
	case strings.HasPrefix(family, "http/1"), family == "websocket" && a[event.AttrHTTP2Stream] == nil:
		family = "http1"
	case family == "h2", family == "grpc", family == "websocket":
		family, id = "http2", a[event.AttrHTTP2Stream]
	case family == "mongodb":
		family, id = "mongo", a[event.AttrMongoRequestID]
	}
	return fmt.Sprint(family, " ", s.text("client"), " ", s.text("server"), " ", plain(id))
}

// plain is a value as text, numbers without exponent.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// wrongOf says which attributes are not as the oracle has them.
func wrongOf(o, attributes object) (wrong []string) {
	for _, w := range wantOf(o) {
		if got := attributes[w.name]; !same(w.name, w.value, got) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", w.name, got, w.value))
		}
	}
	return wrong
}

func same(name string, want, got any) bool {
	switch {
	case got == nil:
		return strings.HasSuffix(name, "body.size") && plain(want) == "0"
	case name == event.AttrDBOperation:
		return strings.EqualFold(plain(want), plain(got))
	}
	return plain(want) == plain(got)
}

type wanted struct {
	name  string
	value any
}

// wantOf are the attributes that an oracle knows of an exchange.
func wantOf(o object) (all []wanted) {
	put := func(name string, value any) {
		if value != nil && value != "" {
			all = append(all, wanted{name, value})
		}
	}
	req := o.in("req")
	if o.text("proto") == "mongo" {
		wantMongo(o, put)
		return all
	}
	resp := o.in("resp")
	put(event.AttrHTTPMethod, o["method"])
	put(event.AttrServerAddress, hostOnly(o.text("host")))
	if o.text("method") != "CONNECT" {
		put(event.AttrURLPath, pathOnly(o.text("target")))
	}
	put(event.AttrHTTPStatus, o["status"])
	if req.ended() {
		put(event.AttrHTTPRequestBody, req["body_len"])
	}
	if o["status"] != nil && resp.ended() {
		put(event.AttrHTTPResponseBody, resp["body_len"])
	}
	if o.is("grpc") {
		put(event.AttrRPCMethod, strings.TrimPrefix(pathOnly(o.text("target")), "/"))
		if code, ok := o["grpc_status"].(float64); ok && code >= 0 && code <= 16 {
			put(event.AttrRPCStatus, event.GRPCStatus(int32(code)))
		}
		put(event.AttrGRPCRequestMessages, req["grpc_msgs"])
		put(event.AttrGRPCResponseMessages, resp["grpc_msgs"])
	}
	return all
}

func wantMongo(o object, put func(string, any)) {
	put(event.AttrDBOperation, o["command"])
	put(event.AttrDBNamespace, o["db"])
	put(event.AttrDBCollection, o["collection"])
	if replies, _ := o["replies"].([]any); len(replies) > 0 && slices.Contains([]string{"find", "aggregate", "getMore"}, o.text("command")) {
		first, _ := replies[0].(map[string]any)
		put(event.AttrDBRows, first["number_returned"])
	}
	req := o.in("req")
	op := req["original_opcode"] // of what is compressed
	if op == nil || op == "" {
		op = req["opcode"]
	}
	put(event.AttrMongoOpcode, op)
}

func hostOnly(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, _, _ = strings.Cut(inner, "]")
		return inner
	}
	if strings.Count(host, ":") == 1 {
		host, _, _ = strings.Cut(host, ":")
	}
	return host
}

func pathOnly(target string) string {
	if scheme, rest, ok := strings.Cut(target, "://"); ok && !strings.Contains(scheme, "?") {
		_, path, _ := strings.Cut(rest, "/")
		target = "/" + path
	}
	target, _, _ = strings.Cut(target, "?")
	target, _, _ = strings.Cut(target, "#")
	return target
}

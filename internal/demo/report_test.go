package demo

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pitot-io/pitot/internal/config"
)

var updateGolden = flag.Bool("update", false, "rewrite testdata")

func sampleFacts() facts {
	f := facts{
		red: table{[]string{"service", "protocol", "route", "calls", "err %", "p50", "p95", "p99"}, [][]string{
			{"shop", "http/1.1", "GET /cart/{id}", "322", "4.3", "9.2", "31.5", "44.1"},
			{"shop", "http/1.1", "POST /a/very/long/route/that/goes/on/and/on/{id}/until/it/is/cut", "1", "0", "9.2", "31.5", "1244.1"},
			{"orders", "mongodb", "find products", "1610", "0", "0.9", "1.6", "2.4"},
		}},
		sites:    table{[]string{"call site", "op", "calls"}, [][]string{{"Orders.nameItems\x1b[2J", "find", "1610"}}},
		answers:  questions(),
		counters: counters{seen: 4022}, rows: 4022, shopRows: 800,
		load:  LoadResult{Requests: 800, ByStatus: map[int]int{500: 10, 200: 750, 404: 40}},
		mongo: "the in-memory MongoDB",
	}
	f.answers[0].table = table{names: []string{"call site", "traces"}, rows: [][]string{{"Orders.nameItems", "203"}}}
	f.answers[1].table = table{names: []string{"endpoint", "calls", "p50 ms"}, rows: [][]string{{"127.0.0.1:18087", "411", "33.1"}, {"127.0.0.1:18086", "412", "8.4"}}}
	f.answers[2].table = table{names: []string{"route", "times"}}
	return f
}

func TestTheReportFitsEightyColumns(t *testing.T) {
	var got bytes.Buffer
	sampleFacts().write(&got)
	for line := range strings.Lines(got.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	const golden = "testdata/report.txt"
	if *updateGolden {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the report has changed (-update rewrites it):\n%s", got.String())
	}
}

func TestEveryDisagreementIsAFailure(t *testing.T) {
	if err := sampleFacts().disagreement(); err != nil {
		t.Errorf("agreeing numbers: %v", err)
	}
	for name, spoil := range map[string]func(*facts){
		"a row less":      func(f *facts) { f.rows-- },
		"a loss":          func(f *facts) { f.counters.dropped++ },
		"a lost decoder":  func(f *facts) { f.counters.failed++ },
		"requests unseen": func(f *facts) { f.load.Requests++ },
		"no answer":       func(f *facts) { f.load.Failed++ },
		"no call sites":   func(f *facts) { f.sites.rows = nil },
	} {
		f := sampleFacts()
		spoil(&f)
		if f.disagreement() == nil {
			t.Errorf("%s went unnoticed", name)
		}
	}
}

func TestTheConfigurationIsValid(t *testing.T) {
	free, err := takePorts(placesNeeded)
	if err != nil {
		t.Fatal(err)
	}
	defer free.release()
	p := newPlaces(free.free)
	text, err := p.yaml("http://" + p.store + "/")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("pitot.yaml", text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if len(c.Listeners) != 3 || len(c.Clusters) != 3 || c.Clusters[1].Endpoints[1].Address != p.orders2 || c.Listeners[2].Protocol != config.MongoDB {
		t.Errorf("read as %+v", c)
	}
}

func TestARealServerIsReachedThroughPitot(t *testing.T) {
	for text, want := range map[string][2]string{
		"10.0.0.7":                            {"10.0.0.7:27017", "mongodb://in:1/?directConnection=true"},
		"localhost:1234":                      {"localhost:1234", "mongodb://in:1/?directConnection=true"},
		"mongodb://u:p@db:1/x?authSource=adm": {"db:1", "mongodb://u:p@in:1/x?authSource=adm&directConnection=true"},
	} {
		address, uri, err := readMongo(text, "in:1")
		if err != nil || address != want[0] || uri != want[1] {
			t.Errorf("%s: %s %s %v", text, address, uri, err)
		}
	}
	for _, bad := range []string{"mongodb+srv://u:secret@db", "mongodb://a,b/", "http://x", "mongodb://u:secret@db/?tls=true", "mongodb://u:secret@%zz"} {
		if _, _, err := readMongo(bad, "in:1"); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

package event

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// lend is text in memory that the test overwrites afterwards.
func lend(s string) (string, []byte) {
	b := []byte(s)
	return unsafe.String(&b[0], len(b)), b
}

func TestBatchOwnsWhatItWasLent(t *testing.T) {
	name, nameBytes := lend("GET /cart/{id}")
	path, pathBytes := lend("/cart/7")
	key, keyBytes := lend("framework")
	var b Batch
	b.Exchange(&Exchange{Name: name, HTTP: &HTTP{Path: path}, Mongo: &Mongo{Site: CallSite{Extra: []KeyValue{{key, "rails"}}}}})
	b.Notice(&Notice{Body: path})
	for _, lent := range [][]byte{nameBytes, pathBytes, keyBytes} {
		clear(lent)
	}
	x := b.Exchanges[0]
	if x.Name != "GET /cart/{id}" || x.HTTP.Path != "/cart/7" || x.Mongo.Site.Extra[0].Key != "framework" || b.Notices[0].Body != "/cart/7" {
		t.Errorf("the batch still points into lent memory: %+v %+v %+v", x, x.HTTP, x.Mongo)
	}
}

// Every field comes through; fields are found by reflection.
func TestBatchCopiesEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Batch
		all := make([]Exchange, 3)
		for i := range all {
			fill(t, reflect.ValueOf(&all[i]).Elem())
			b.Exchange(&all[i])
		}
		if diff := cmp.Diff(all, b.Exchanges, sameAddr); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestBatchKeepsPartsApart(t *testing.T) {
	var b Batch
	part := HTTP{}
	for i := range 3 * BatchCap {
		part.StatusCode = i
		b.Exchange(&Exchange{HTTP: &part})
	}
	for i := range b.Exchanges {
		if got := b.Exchanges[i].HTTP.StatusCode; got != i {
			t.Fatalf("exchange %d has the part of %d", i, got)
		}
	}
}

func TestBatchAllocatesRarely(t *testing.T) {
	x := Exchange{Name: "GET /cart/{id}", Service: "shop", HTTP: &HTTP{Method: "GET", Path: "/cart/7", Host: "shop.example"}}
	perBatch := testing.AllocsPerRun(20, func() {
		var b Batch
		for range BatchCap {
			b.Exchange(&x)
		}
	})
	if perBatch > 12 {
		t.Errorf("%v allocations for %d exchanges; want a handful", perBatch, BatchCap)
	}
}

// BenchmarkBatch measures the copy of one HTTP exchange into a batch.
func BenchmarkBatch(b *testing.B) {
	x := Exchange{Name: "GET /cart/{id}", Service: "shop", HTTP: &HTTP{Method: "GET", Path: "/cart/7", Host: "shop.example", UserAgent: "curl/8", RequestID: "3f2504e0-4f89-41d3-9a0c-0305e82c3301"}}
	b.ReportAllocs()
	batch := new(Batch)
	for b.Loop() {
		if batch.Full() {
			batch = new(Batch)
		}
		batch.Exchange(&x)
	}
}

// A proxy tells an attempt, then its exchange: what they have in common is
// copied once, and so is what each repeats from the one of its kind before.
func TestBatchSharesTextOfAttemptsAndTheirExchanges(t *testing.T) {
	var b Batch
	id := func(i int) *HTTP {
		return &HTTP{Path: "/cart/7", RequestID: "3f2504e0-4f89-41d3-9a0c-00000000000" + string(rune('0'+i))}
	}
	for i := range 3 {
		b.Exchange(&Exchange{Kind: Client, Service: "pitot", Peer: "shop", HTTP: id(i)})
		b.Exchange(&Exchange{Kind: Server, Service: "shop", Peer: "", HTTP: id(i)})
	}
	for i := 0; i < len(b.Exchanges); i += 2 {
		attempt, x := &b.Exchanges[i], &b.Exchanges[i+1]
		if unsafe.StringData(attempt.HTTP.RequestID) != unsafe.StringData(x.HTTP.RequestID) {
			t.Errorf("request %d: its id is there twice", i/2)
		}
		if first := &b.Exchanges[i%2]; unsafe.StringData(attempt.Service) != unsafe.StringData(first.Service) {
			t.Errorf("attempt %d: the name of its service was copied again", i/2)
		}
		if want := *id(i / 2); *x.HTTP != want || *attempt.HTTP != want || x.Service != "shop" || attempt.Service != "pitot" || attempt.Peer != "shop" {
			t.Errorf("request %d: %+v %+v", i/2, attempt, x)
		}
	}
	if want := len("/cart/7") + 3*len(id(0).RequestID) + len("pitot") + 2*len("shop"); len(b.arena) != want {
		t.Errorf("%d bytes of text were copied, want %d", len(b.arena), want)
	}
}

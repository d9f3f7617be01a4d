package event

import (
	"testing"
	"unsafe"
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

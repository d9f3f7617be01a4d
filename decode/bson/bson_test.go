package bson

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// everything has an element of each type.
func everything(t testing.TB) []byte {
	t.Helper()
	id, _ := bson.ObjectIDFromHex("64f1c0ffee12345678901234")
	dec, _ := bson.ParseDecimal128("1.5")
	doc, err := bson.Marshal(bson.D{
		{Key: "double", Value: 1.5}, {Key: "string", Value: "s\"é\n"}, {Key: "doc", Value: bson.D{{Key: "a", Value: bson.D{}}}},
		{Key: "array", Value: bson.A{1, "x", nil}}, {Key: "bin", Value: bson.Binary{Subtype: 4, Data: []byte{1, 2, 3}}},
		{Key: "undefined", Value: bson.Undefined{}}, {Key: "id", Value: id}, {Key: "yes", Value: true}, {Key: "no", Value: false},
		{Key: "date", Value: bson.DateTime(1500)}, {Key: "null", Value: nil}, {Key: "regex", Value: bson.Regex{Pattern: "a", Options: "i"}},
		{Key: "pointer", Value: bson.DBPointer{DB: "x", Pointer: id}}, {Key: "code", Value: bson.JavaScript("f()")},
		{Key: "symbol", Value: bson.Symbol("s")}, {Key: "scope", Value: bson.CodeWithScope{Code: "f()", Scope: bson.D{}}},
		{Key: "int32", Value: int32(-7)}, {Key: "ts", Value: bson.Timestamp{T: 1, I: 2}}, {Key: "int64", Value: int64(-1 << 40)},
		{Key: "decimal", Value: dec}, {Key: "min", Value: bson.MinKey{}}, {Key: "max", Value: bson.MaxKey{}}, {Key: "", Value: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// The walk and the official library find the same elements.
func TestAgreesWithTheOfficialLibrary(t *testing.T) {
	compare(t, everything(t), true)
}

// compare walks doc with both. The official library refuses more: it may only
// accept what the walk does not call cut.
func compare(t *testing.T, doc []byte, valid bool) {
	t.Helper()
	if bson.Raw(doc).Validate() != nil {
		if valid {
			t.Fatal("the document is not valid")
		}
		return
	}
	want, err := bson.Raw(doc).Elements()
	if err != nil || overlaps(doc, want) {
		return
	}
	it := Elements(doc)
	for _, w := range want {
		got, ok := it.Next()
		if !ok {
			t.Fatalf("ends before %s", w)
		}
		if string(got.Key) != w.Key() || byte(got.Type) != byte(w.Value().Type) || !bytes.Equal(got.Value, w.Value().Value) {
			t.Fatalf("%q type %x % x; want %s", got.Key, got.Type, got.Value, w)
		}
		if n, ok := got.Int(); ok && got.Type == Int32 && n != int64(w.Value().Int32()) {
			t.Fatalf("%d is not %s", n, w)
		}
		if s, ok := got.Text(); ok && got.Type == String && string(s) != w.Value().StringValue() {
			t.Fatalf("%q is not %s", s, w)
		}
		if got.IsDocument() {
			compare(t, got.Value, valid)
		}
	}
	for range 2 {
		if e, ok := it.Next(); ok || it.Cut() {
			t.Fatalf("goes on with %v, cut %v", e, it.Cut())
		}
	}
	if len(First(append(doc[:len(doc):len(doc)], 1))) != Length(doc) {
		t.Fatal("First does not find the document")
	}
}

// overlaps reports whether the last element takes the document's final zero for
// its own, which the official library lets pass.
func overlaps(doc []byte, elements []bson.RawElement) bool {
	n := MinDocument
	for _, e := range elements {
		n += len(e)
	}
	return n != Length(doc)
}

func TestEveryTruncation(t *testing.T) {
	doc := everything(t)
	whole, _ := Count(doc)
	last := int64(0)
	for cut := range doc {
		n, ok := Count(doc[:cut])
		if ok || n < last || n > whole {
			t.Fatalf("cut at %d: %d elements, whole %v", cut, n, ok)
		}
		last = n
		if First(doc[:cut]) != nil {
			t.Fatalf("cut at %d: First finds a document", cut)
		}
	}
}

func TestWrongLengths(t *testing.T) {
	for name, doc := range map[string]string{
		"negative document": "\xff\xff\xff\xff\x00",
		"too small":         "\x04\x00\x00\x00\x00",
		"negative string":   "\x0f\x00\x00\x00\x02a\x00\xff\xff\xff\xffx\x00\x00",
		"empty string":      "\x0d\x00\x00\x00\x02a\x00\x00\x00\x00\x00\x00",
		"long string":       "\x0f\x00\x00\x00\x02a\x00\xff\xff\xff\x7fx\x00\x00",
		"unknown type":      "\x0c\x00\x00\x00\x77a\x00\x00\x00\x00\x00\x00",
		"no end":            "\x0c\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x10",
		"end too early":     "\x0e\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x00\x00\x00",
		"key without end":   "\x07\x00\x00\x00\x10ab",
	} {
		if _, whole := Count([]byte(doc)); whole {
			t.Errorf("%s: called whole", name)
		}
	}
}

func TestInt(t *testing.T) {
	for _, c := range []struct {
		v    any
		want int64
		ok   bool
	}{{int32(-1), -1, true}, {int64(1) << 50, 1 << 50, true}, {1.9, 1, true}, {true, 1, true}, {"1", 0, false}, {1e300, 0, false}} {
		doc, _ := bson.Marshal(bson.D{{Key: "v", Value: c.v}})
		e, _ := Lookup(doc, "v")
		if got, ok := e.Int(); got != c.want || ok != c.ok {
			t.Errorf("%v: %d, %v", c.v, got, ok)
		}
	}
}

func TestJSON(t *testing.T) {
	e := Element{Type: Document, Value: everything(t)}
	want := `{"double":1.5,"string":"s\"é\u000a","doc":{"a":{}},"array":[1,"x",null],"bin":{"$binary":{"base64":"AQID","subType":"04"}},` +
		`"undefined":{"$undefined":true},"id":{"$oid":"64f1c0ffee12345678901234"},"yes":true,"no":false,"date":{"$date":"1970-01-01T00:00:01.5Z"},` +
		`"null":null,"regex":{"$type":11},"pointer":{"$type":12},"code":{"$code":"f()"},"symbol":{"$symbol":"s"},"scope":{"$type":15},"int32":-7,` +
		`"ts":{"$type":17},"int64":-1099511627776,"decimal":{"$type":19},"min":{"$minKey":1},"max":{"$maxKey":1},"":1}`
	if got := string(AppendJSON(nil, e, 4096)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := AppendJSON(nil, e, 20); len(got) > 40 || !strings.HasPrefix(want, string(got[:20])) {
		t.Errorf("limited to 20: %s", got)
	}
}

func FuzzElements(f *testing.F) {
	f.Add(everything(f))
	f.Add([]byte("\x0c\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		compare(t, doc, false)
		seen := 0
		it := Elements(doc)
		for {
			e, ok := it.Next()
			if !ok {
				break
			}
			seen += 2 + len(e.Key) + len(e.Value)
			_, _ = e.Int()
			_, _ = e.Text()
			_, _ = e.Bytes()
		}
		if seen > len(doc) {
			t.Fatalf("%d bytes of elements in %d bytes", seen, len(doc))
		}
		if got := AppendJSON(nil, Element{Type: Document, Value: doc}, 64); len(got) > 64+200 {
			t.Fatalf("%d bytes of JSON", len(got))
		}
	})
}

func TestNoAllocation(t *testing.T) {
	doc := everything(t)
	if n := testing.AllocsPerRun(100, func() { Count(doc) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkWalk measures a walk over one document of 23 elements.
func BenchmarkWalk(b *testing.B) {
	doc := everything(b)
	b.ReportAllocs()
	b.SetBytes(int64(binary.LittleEndian.Uint32(doc)))
	for b.Loop() {
		Count(doc)
	}
}

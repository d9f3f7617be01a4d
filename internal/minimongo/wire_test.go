package minimongo

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// packet is an OP_MSG of flags and sections.
func packet(flags uint32, sections ...[]byte) []byte {
	b := appendHeader(nil, 7, 0, opMsg)
	b = binary.LittleEndian.AppendUint32(b, flags)
	for _, s := range sections {
		b = append(b, s...)
	}
	if flags&flagChecksum != 0 {
		binary.LittleEndian.PutUint32(b, uint32(len(b)+4))
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

func body(t testing.TB, text string) []byte {
	t.Helper()
	b, err := bson.Marshal(ext(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{0}, b...)
}

func sequence(t testing.TB, name string, docs ...string) []byte {
	t.Helper()
	b := append([]byte{0, 0, 0, 0}, name...)
	b = append(b, 0)
	for _, d := range docs {
		b = append(b, body(t, d)[1:]...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return append([]byte{1}, b...)
}

func testCodecs(t testing.TB) *codecs {
	t.Helper()
	c, err := newCodecs([]string{"snappy", "zlib", "zstd"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func TestMessagesAreReadInEveryForm(t *testing.T) {
	codecs := testCodecs(t)
	plain := packet(0, sequence(t, "documents", `{"_id":1}`, `{"_id":2}`), body(t, `{"insert":"x","$db":"d"}`))
	summed := packet(flagChecksum, body(t, `{"insert":"x","$db":"d"}`), sequence(t, "documents", `{"_id":1}`, `{"_id":2}`))
	forms := [][]byte{plain, summed}
	for _, id := range []compressorID{noop, snappyID, zlibID, zstdID} {
		b, err := codecs.deflate(id, plain)
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, b)
	}
	want := `{"insert":"x","$db":"d","documents":[{"_id":1},{"_id":2}]}`
	for i, raw := range forms {
		m, err := readMessage(iotest.OneByteReader(bytes.NewReader(raw)), codecs)
		if err != nil {
			t.Fatalf("form %d: %v", i, err)
		}
		q, err := m.parse()
		if err != nil || json(t, q.body) != want || m.id != 7 {
			t.Errorf("form %d: id %d, %s, %v", i, m.id, json(t, q.body), err)
		}
		for cut := range raw {
			if _, err := readMessage(bytes.NewReader(raw[:cut]), codecs); err == nil {
				t.Errorf("form %d cut at %d was taken", i, cut)
			}
		}
	}
	summed[len(summed)-1] ^= 1
	if m, err := readMessage(bytes.NewReader(summed), codecs); err == nil {
		if _, err = m.parse(); err == nil {
			t.Error("a wrong checksum was taken")
		}
	}
}

func TestBadMessagesAreRefused(t *testing.T) {
	codecs := testCodecs(t)
	ok := body(t, `{"ping":1,"$db":"d"}`)
	deep := ext(t, `{}`)
	for range maxDepth + 2 {
		deep = bson.D{{Key: "d", Value: deep}}
	}
	nested, err := bson.Marshal(deep)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"no body":           packet(0),
		"two bodies":        packet(0, ok, ok),
		"unknown flag":      packet(1<<5, ok),
		"unknown section":   packet(0, ok, []byte{9}),
		"cut sequence":      packet(0, ok, []byte{1, 99, 0, 0, 0}),
		"nested too deep":   packet(0, append([]byte{0}, nested...)),
		"unknown opcode":    append(appendHeader(nil, 1, 0, 2001), 0, 0, 0, 0),
		"wrong compressor":  append(appendHeader(nil, 1, 0, opCompressed), 0xdd, 7, 0, 0, 4, 0, 0, 0, 9, 1, 2, 3, 4),
		"inflates too much": append(appendHeader(nil, 1, 0, opCompressed), 0xdd, 7, 0, 0, 0xff, 0xff, 0xff, 0x7f, 2, 1, 2, 3, 4),
	} {
		binary.LittleEndian.PutUint32(raw, uint32(len(raw)))
		m, err := readMessage(bytes.NewReader(raw), codecs)
		if err == nil {
			_, err = m.parse()
		}
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	huge := appendHeader(nil, 1, 0, opMsg)
	binary.LittleEndian.PutUint32(huge, maxMessage+1)
	if _, err := readMessage(io.MultiReader(bytes.NewReader(huge), zeros{}), codecs); err == nil {
		t.Error("a message over the limit was taken")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestCloseEndsConnectionsAndTheirWaits(t *testing.T) {
	s, err := Listen("127.0.0.1:0", Options{MaxConns: 1, Latency: func(string, string) time.Duration { return time.Hour }})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write(packet(0, body(t, `{"ping":1,"$db":"admin"}`))); err != nil {
		t.Fatal(err)
	}
	for s.Commands()["ping"] == 0 { // the server is now waiting its hour
		time.Sleep(time.Millisecond)
	}
	second, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("a connection over the limit was served")
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close did not return")
	}
}

func TestARepeatedRetryableWriteIsDoneOnce(t *testing.T) {
	s := start(t, Options{})
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw := packet(0, body(t, `{"update":"x","updates":[{"q":{"_id":1},"u":{"$inc":{"n":1}},"upsert":true}],"lsid":{"id":{"$uuid":"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"}},"txnNumber":{"$numberLong":"1"},"$db":"d"}`))
	var replies []string
	for range 2 {
		if _, err := nc.Write(raw); err != nil {
			t.Fatal(err)
		}
		m, err := readMessage(nc, s.codecs)
		if err != nil {
			t.Fatal(err)
		}
		q, err := m.parse()
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, json(t, q.body))
	}
	if replies[0] != replies[1] {
		t.Errorf("replies %v", replies)
	}
	if d := s.store.find("d", "x").documents(); len(d) != 1 || json(t, d[0]) != `{"_id":1,"n":1}` {
		t.Errorf("documents %v", d)
	}
}

// FuzzMessage holds that no bytes panic, and that what parses can be marshalled again.
func FuzzMessage(f *testing.F) {
	codecs := testCodecs(f)
	plain := packet(0, body(f, `{"find":"x","filter":{"a":{"$gt":1}},"$db":"d"}`), sequence(f, "documents", `{"_id":1}`))
	f.Add(plain)
	for _, id := range []compressorID{snappyID, zlibID, zstdID} {
		if b, err := codecs.deflate(id, plain); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readMessage(bytes.NewReader(raw), codecs)
		if err != nil {
			return
		}
		q, err := m.parse()
		if err != nil {
			return
		}
		if _, err := bson.Marshal(q.body); err != nil {
			t.Errorf("%v: %v", q.body, err)
		}
	})
}

package wire

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// RFC 7541, Appendix C: the examples, in the order of their connections.
func TestExamplesOfTheRFC(t *testing.T) {
	for _, c := range []struct {
		name  string
		table int
		talk  [][2]string // block, fields
		size  int         // of the table in the end
	}{
		{"C.2.1 literal with indexing", 4096, [][2]string{{"400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header"}}, 55},
		{"C.2.2 literal without indexing", 4096, [][2]string{{"040c2f73616d706c652f70617468", ":path: /sample/path"}}, 0},
		{"C.2.3 never indexed", 4096, [][2]string{{"100870617373776f726406736563726574", "password: secret!"}}, 0},
		{"C.2.4 indexed", 4096, [][2]string{{"82", ":method: GET"}}, 0},
		{"C.3 requests", 4096, [][2]string{
			{"828684410f7777772e6578616d706c652e636f6d", ":method: GET|:scheme: http|:path: /|:authority: www.example.com"},
			{"828684be58086e6f2d6361636865", ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache"},
			{"828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value"},
		}, 164},
		{"C.4 requests, Huffman", 4096, [][2]string{
			{"828684418cf1e3c2e5f23a6ba0ab90f4ff", ":method: GET|:scheme: http|:path: /|:authority: www.example.com"},
			{"828684be5886a8eb10649cbf", ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache"},
			{"828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value"},
		}, 164},
		{"C.5 answers", 256, [][2]string{
			{"4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
				":status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com"},
			{"4803333037c1c0bf", ":status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com"},
			{"88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
				":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|location: https://www.example.com|content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"},
		}, 215},
		{"C.6 answers, Huffman", 256, [][2]string{
			{"488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
				":status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com"},
			{"4883640effc1c0bf", ":status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com"},
			{"88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
				":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|location: https://www.example.com|content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"},
		}, 215},
	} {
		d := NewDecoder(Strict, roomy)
		d.table.max = c.table // as SETTINGS of the first flight would have it
		var s Section
		for i, x := range c.talk {
			if err := d.Decode(unhex(t, x[0]), &s); err != nil || list(&s) != x[1] {
				t.Errorf("%s, block %d: %v\ngot  %s\nwant %s", c.name, i, err, list(&s), x[1])
			}
		}
		if d.table.size != c.size {
			t.Errorf("%s: a table of %d bytes, want %d", c.name, d.table.size, c.size)
		}
	}
}

// roomy are limits that no honest section meets.
var roomy = Limits{Table: DefaultTableSize, List: 1 << 24, Fields: mostFields}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// list is a section on one line; "!" marks fields that are sensitive.
func list(s *Section) string {
	var all []string
	for _, x := range s.Fields {
		text := x.Name + ": " + x.Value
		if x.Sensitive {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, "|")
}

// What a party of the connection must refuse, and what one that only watches
// makes of it.
func TestBlocksInDisorder(t *testing.T) {
	for _, c := range []struct {
		name, block string
		want        error
		late        error // of a decoder that only watches
	}{
		{"index 0", "80", errIndex, ErrCompression},
		{"index beyond the tables", "be", errIndex, ErrCompression},
		{"name beyond the tables", "7f 00 01 61", errIndex, ErrCompression},
		{"size update after a field", "82 20", errUpdatePlace, nil},
		{"size update over what is allowed", "3f e2 1f", errUpdateSize, nil},
		{"the size allowed", "3f e1 1f 82", nil, nil},
		{"two updates", "20 3f e1 1f 82", nil, nil},
		{"padding of 8 bits", "40 01 61 82 1f ff", errHuffman, ErrCompression},
		{"padding of zeros", "40 01 61 81 18", errHuffman, ErrCompression},
		{"EOS", "40 01 61 84 ff ff ff ff", errHuffman, ErrCompression},
		{"an index without end", "ff ff ff ff ff ff ff ff ff ff ff ff ff", errInteger, ErrCompression},
		{"an index of many zeros", "ff 80 80 80 80 80 80 80 80 80 80 80", errInteger, ErrCompression},
		{"a cut index", "ff 80", ErrShort, ErrShort},
		{"a cut name", "40 03 61", ErrShort, ErrShort},
		{"no value", "40 01 61", ErrShort, ErrShort},
		{"a cut value", "40 01 61 05 62", ErrShort, ErrShort},
	} {
		var s Section
		block := unhex(t, c.block)
		err := NewDecoder(Strict, roomy).Decode(block, &s)
		if err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && !errors.Is(err, ErrCompression) && !errors.Is(err, ErrShort) {
			t.Errorf("%s: %v is neither ErrCompression nor ErrShort", c.name, err)
		}
		if err := NewDecoder(Late, roomy).Decode(block, &s); !errors.Is(err, c.late) || (err == nil) != (c.late == nil) {
			t.Errorf("%s, watching: %v, want %v", c.name, err, c.late)
		}
	}
}

// A side that made its table smaller by SETTINGS waits for the update that the
// other one owes.
func TestSmallerTable(t *testing.T) {
	d := NewDecoder(Strict, roomy)
	var s Section
	d.SetTableSize(100)
	if err := d.Decode(unhex(t, "3f4582"), &s); err != nil {
		t.Errorf("updated to 100: %v", err)
	}
	d.SetTableSize(50)
	if err := d.Decode(unhex(t, "82"), &s); err != errNoUpdate {
		t.Errorf("no update: %v", err)
	}
}

// Over a limit a section is cut, and the table is as if it were not.
func TestTooLarge(t *testing.T) {
	for name, l := range map[string]Limits{"bytes": {List: 80, Fields: 100}, "fields": {List: 1 << 20, Fields: 1}} {
		d := NewDecoder(Strict, l)
		var s Section
		if err := d.Decode(unhex(t, "40 01 61 01 62 40 01 63 01 64 40 01 65 01 66"), &s); err != ErrTooLarge || !s.Cut || s.Size != 102 {
			t.Errorf("%s: %v %+v", name, err, s)
		}
		if err := d.Decode(unhex(t, "be"), &s); err != nil || list(&s) != "e: f" {
			t.Errorf("%s: then %v %s", name, err, list(&s))
		}
	}
}

// Names and values that no message may have are marked, also when they come
// out of the table.
func TestMalformed(t *testing.T) {
	for text, want := range map[string]bool{
		"a: b": false, "a-b_c.1: x y": false, "A: b": true, "a b: c": true, "a\x00: c": true, ": c": true, ":: c": true, ":new: c": false, "a:b: c": true,
		"a: b\r": true, "a: b\n c": true, "a: \x00": true, "a:  b": true, "a: b ": true, "a: b\t": true, "a: \xff": false, "a: ": false,
		"content-type: a\nb": true, "\x7f: a": true, "a: 0123456\r": true, "a: 012345678901234\n5": true, "a: 0123\t567\x80\xff": false, "a: 0123\t567890\x00": true,
	} {
		name, value, _ := strings.Cut(text, ": ")
		if strings.HasPrefix(text, ": ") {
			name, value = "", "c"
		} else if name == "" {
			name, value = ":", "c"
		}
		block := append(append(append([]byte{0x40, byte(len(name))}, name...), byte(len(value))), value...)
		d := NewDecoder(Strict, roomy)
		var s Section
		if err := d.Decode(append(block, 0xbe), &s); err != nil || s.Fields[0].Malformed != want || s.Fields[1].Malformed != want {
			t.Errorf("%q: %v %+v, want %v", text, err, s.Fields, want)
		}
	}
}

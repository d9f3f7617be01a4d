package wire

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// ends is an Encoder whose blocks are read by both decoders.
type ends struct {
	enc    *Encoder
	ours   *Decoder
	theirs *hpack.Decoder
	s      Section
}

func newEnds(limit int) *ends {
	return &ends{enc: NewEncoder(limit), ours: NewDecoder(Strict, roomy), theirs: hpack.NewDecoder(DefaultTableSize, nil)}
}

func (p *ends) resize(n uint32) {
	p.enc.SetTableSize(n)
	p.ours.SetTableSize(int(n))
	p.theirs.SetAllowedMaxDynamicTableSize(n)
}

// send is what is wrong with a block of fields, and how long it is.
func (p *ends) send(fields []Field) (n int, wrong error) {
	var block []byte
	for i := range fields {
		block = p.enc.Append(block, &fields[i])
	}
	theirs, err := p.theirs.DecodeFull(block)
	if err != nil {
		return 0, fmt.Errorf("golang.org/x/net: %w", err)
	}
	if err := p.ours.Decode(block, &p.s); err != nil {
		return 0, err
	}
	if len(theirs) != len(fields) || len(p.s.Fields) != len(fields) {
		return 0, fmt.Errorf("%d and %d fields of %d", len(theirs), len(p.s.Fields), len(fields))
	}
	for i, f := range fields {
		x, y := theirs[i], p.s.Fields[i]
		secret := f.Sensitive || RoleOf(f.Name).Secret() && f.Value != ""
		if x.Name != f.Name || x.Value != f.Value || y.Name != f.Name || y.Value != f.Value || x.Sensitive != secret || y.Sensitive != secret || y.Role != RoleOf(f.Name) {
			return 0, fmt.Errorf("field %d is %+v and %+v, want %+v", i, x, y, f)
		}
	}
	if p.enc.table.size != p.ours.table.size || int(p.enc.table.n) != p.ours.table.n || p.enc.table.size > p.enc.max {
		return 0, fmt.Errorf("tables of %d and %d bytes, %d and %d entries", p.enc.table.size, p.ours.table.size, p.enc.table.n, p.ours.table.n)
	}
	return len(block), nil
}

// fieldsOf reads "name: value" lines.
func fieldsOf(lines ...string) (all []Field) {
	for _, l := range lines {
		at := strings.Index(l[1:], ": ") + 1
		all = append(all, Field{Name: l[:at], Value: l[at+2:]})
	}
	return all
}

func request(n int) []Field {
	return fieldsOf(":method: POST", ":scheme: https", ":authority: shop.example", fmt.Sprintf(":path: /pay.v1.Cards/Charge%d", n%3), "content-type: application/grpc",
		"te: trailers", "user-agent: grpc-go/1.80.0", "cookie: id=7", "authorization: Bearer 1", fmt.Sprintf("traceparent: 00-4bf92f3577b34da6a3ce%012x-00f067aa0ba902b7-01", n),
		fmt.Sprintf("x-request-id: %032x", n), "grpc-timeout: 1S", "x-tenant: blue")
}

// What comes again is referred to; secrets are not, nor do they come into the
// table; what is another in each message does not push out the rest.
func TestWhatIsIndexed(t *testing.T) {
	p := newEnds(4096)
	var first, last int
	for i := range 200 {
		n, err := p.send(request(i))
		if err != nil {
			t.Fatal(err)
		}
		if last = n; i == 0 {
			first = n
		}
	}
	if first < 150 || last > 100 {
		t.Errorf("the first request takes %d bytes, the last %d", first, last)
	}
	held := map[string]bool{}
	for i := range p.ours.table.n {
		x := p.ours.table.get(i)
		held[x.Name+": "+x.Value] = true
		if x.Role.Secret() {
			t.Errorf("%+v is in the table", x)
		}
	}
	for _, want := range []string{":path: /pay.v1.Cards/Charge0", "user-agent: grpc-go/1.80.0", "x-tenant: blue", ":authority: shop.example"} {
		if !held[want] {
			t.Errorf("%q is not in the table", want)
		}
	}
	if len(held) > 13 {
		t.Errorf("the table holds %d entries: %v", len(held), held)
	}
}

// Any fields, blocks and sizes of tables come through as they were.
func TestRoundTrip(t *testing.T) {
	names := rapid.OneOf(rapid.SampledFrom([]string{":path", ":status", "date", "cookie", "x-a", "x-b", "accept", "traceparent", "user-agent", "x-request-id", "accept-encoding"}),
		rapid.StringMatching(`[a-z]{1,40}`))
	values := rapid.OneOf(rapid.SampledFrom([]string{"", "200", "gzip, deflate", "a", "b", "/", "/index.html"}), rapid.String(),
		rapid.StringMatching(`[a-z0-9]{1,300}`), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		p := newEnds(rapid.IntRange(0, 8192).Draw(t, "limit"))
		for range rapid.IntRange(1, 20).Draw(t, "blocks") {
			for range rapid.IntRange(0, 2).Draw(t, "resizes") {
				p.resize(rapid.SampledFrom([]uint32{0, 31, 64, 100, 300, 4096, 10000}).Draw(t, "size"))
			}
			var fields []Field
			for range rapid.IntRange(1, 8).Draw(t, "fields") {
				fields = append(fields, Field{Name: names.Draw(t, "name"), Value: values.Draw(t, "value"), Sensitive: rapid.IntRange(0, 9).Draw(t, "sensitive") == 0})
			}
			if _, err := p.send(fields); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A section outlives nothing but is whole until the next block, however the
// table moves within one.
func TestTextIsLentForABlock(t *testing.T) {
	d := NewDecoder(Strict, roomy)
	var s Section
	for round := range 50 {
		var block []byte
		var want []string
		for i := range 100 { // each is referred to as soon as it is there, and long gone at the end
			name, value := "x-name", fmt.Sprintf("%d-%s", round*1000+i, strings.Repeat("v", i*7%200))
			block = appendLiteral(block, 0x40, 6, 0, &Field{Name: name, Value: value})
			block = append(block, 0xbe)
			want = append(want, name+": "+value, name+": "+value)
		}
		if err := d.Decode(block, &s); err != nil || list(&s) != strings.Join(want, "|") {
			t.Fatalf("round %d: %v\n%s", round, err, list(&s))
		}
	}
	if n := cap(d.table.text) + cap(d.table.spare); n > 4*DefaultTableSize+4*300 {
		t.Errorf("a table of %d bytes takes %d", d.table.size, n)
	}
}

func TestKeep(t *testing.T) {
	var s, kept Section
	if err := NewDecoder(Strict, roomy).Decode(unhex(t, "82 40 01 61 01 62"), &s); err != nil {
		t.Fatal(err)
	}
	kept.Keep(&s, 100)
	s.Reset()
	if v, ok := kept.Of(RoleMethod); list(&kept) != ":method: GET|a: b" || v != "GET" || !ok || kept.Unsure() {
		t.Errorf("%+v", kept)
	}
	if v, ok := kept.Field("a"); v != "b" || !ok {
		t.Errorf("a is %q", v)
	}
	s.Keep(&kept, 11)
	if _, ok := s.Field("a"); ok || !s.Cut || len(s.Fields) != 1 {
		t.Errorf("%+v", s)
	}
}

// Every role is found by its name, and only by that.
func TestRoles(t *testing.T) {
	for r := RoleMethod; r < Roles; r++ {
		if r.Name() == "" || RoleOf(r.Name()) != r || RoleOf(r.Name()+"x") == r || RoleOf(r.Name()[1:]) == r {
			t.Errorf("role %d, %q", r, r.Name())
		}
	}
	for _, x := range staticTable[1:] {
		if x.Role <= RoleOther {
			t.Errorf("%s has no role", x.Name)
		}
	}
	if RoleOf("") != RoleOther || !RolePath.Pseudo() || RoleHost.Pseudo() || !RoleUpgrade.OfConnection() || RoleTE.OfConnection() || !RoleCookie.Secret() {
		t.Error("a role is taken for another kind")
	}
}

package event

import (
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is written here must be what the standard library writes.
func TestNumbersAsTheStandardLibraryWritesThem(t *testing.T) {
	check := func(v int64) {
		if got, want := string(appendInt(nil, v)), strconv.FormatInt(v, 10); got != want {
			t.Fatalf("%d is written %s", v, got)
		}
		if got, want := string(appendUint(nil, uint64(v))), strconv.FormatUint(uint64(v), 10); got != want {
			t.Fatalf("%d is written %s", uint64(v), got)
		}
	}
	for v := int64(1); v > 0 && v < math.MaxInt64/10; v *= 10 {
		for _, d := range []int64{-1, 0, 1, 5 * v} {
			check(v + d)
			check(-v - d)
		}
	}
	for _, v := range []int64{0, math.MaxInt64, math.MinInt64} {
		check(v)
	}
	rapid.Check(t, func(t *rapid.T) { check(rapid.Int64().Draw(t, "v")) })
}

func TestTimesAsTheStandardLibraryWritesThem(t *testing.T) {
	check := func(ns int64) {
		want := time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
		if got := string(appendTime([]byte("x"), ns)); got != "x"+want {
			t.Fatalf("%d is written %s, want %s", ns, got, want)
		}
	}
	const day = int64(24 * time.Hour)
	for at := int64(0); at < math.MaxInt64-day; at += day { // to the year 2262
		check(at)
		check(at + day - 1)
	}
	for _, ns := range []int64{1, 10, 1e8, 1e9 - 1, 1e9, 123456780, -1, math.MinInt64, math.MaxInt64} {
		check(ns)
	}
	rapid.Check(t, func(t *rapid.T) { check(rapid.Int64().Draw(t, "ns")) })
}

func TestAddressesAsTheStandardLibraryWritesThem(t *testing.T) {
	for _, text := range []string{"10.0.0.1:80", "255.255.255.255:65535", "0.0.0.0:0", "[2001:db8::1]:443", "[::ffff:10.0.0.1]:80", "[fe80::1%eth0]:1"} {
		if got := string(AppendAddr(nil, netip.MustParseAddrPort(text))); got != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
	if got := AppendAddr(nil, netip.AddrPort{}); len(got) > 0 {
		t.Errorf("no address is written %s", got)
	}
}

func TestIDsAsTheStandardLibraryWritesThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")
		if got, want := string(appendHex(nil, id)), hex.EncodeToString(id); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// What is plain is told eight bytes at a time: no place may be forgotten.
func TestOneOddByteIsFoundAnywhere(t *testing.T) {
	for n := range 40 {
		for at := range n {
			for _, c := range []byte{0, 0x1f, '"', '\\', 0x7f, 0x80, 0xff} {
				s := make([]byte, n)
				for i := range s {
					s[i] = '!'
				}
				s[at] = c
				to := make([]byte, n)
				if got := copyPlain(to, string(s)); got != at || string(to[:at]) != string(s[:at]) {
					t.Fatalf("%d bytes with %#x at %d: %d are plain, %q", n, c, at, got, to)
				}
			}
		}
	}
}

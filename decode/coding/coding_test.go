package coding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// encode applies codings in the order of the list.
func encode(t testing.TB, text []byte, codings ...string) []byte {
	t.Helper()
	for _, c := range codings {
		var b bytes.Buffer
		var w io.WriteCloser
		switch c {
		case "gzip":
			w, _ = gzip.NewWriterLevel(&b, 1)
		case "zlib":
			w = zlib.NewWriter(&b)
		case "raw":
			w, _ = flate.NewWriter(&b, 6)
		case "br":
			w = brotli.NewWriterLevel(&b, 1)
		case "zstd":
			w, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		text = b.Bytes()
	}
	return text
}

func TestDecode(t *testing.T) {
	text := strings.Repeat("a pitot tube sits in the flow. ", 100)
	for _, c := range []struct {
		codings string
		as      []string
	}{
		{"", nil}, {"identity", nil}, {"gzip", []string{"gzip"}}, {"X-GZIP", []string{"gzip"}}, {"deflate", []string{"zlib"}}, {"deflate", []string{"raw"}},
		{"br", []string{"br"}}, {"zstd", []string{"zstd"}}, {"gzip, br", []string{"gzip", "br"}}, {"deflate,identity , zstd", []string{"raw", "zstd"}},
	} {
		in := encode(t, []byte(text), c.as...)
		if out, err := Decode(in, c.codings, 1<<20); err != nil || string(out) != text {
			t.Errorf("%q: %d bytes, %v", c.codings, len(out), err)
		}
		if out, err := Decode(in, c.codings, 99); !errors.Is(err, ErrCut) || string(out) != text[:99] {
			t.Errorf("%q, limited: %q, %v", c.codings, out, err)
		}
		if len(c.as) == 1 { // what came of a body that ended early is kept
			out, err := Decode(in[:len(in)-9], c.codings, 1<<20)
			if err == nil || !strings.HasPrefix(text, string(out)) {
				t.Errorf("%q, cut: %q, %v", c.codings, out, err)
			}
		}
	}
}

func TestWhatCannotBeDecodedStaysAsItIs(t *testing.T) {
	for _, codings := range []string{"compress", "gzip, aws-chunked", "gzip,gzip,gzip,gzip,gzip"} {
		if out, err := Decode([]byte("xyz"), codings, 2); !errors.Is(err, ErrUnknown) || !errors.Is(err, ErrCut) || string(out) != "xy" {
			t.Errorf("%s: %q, %v", codings, out, err)
		}
	}
	for _, codings := range []string{"gzip", "deflate", "br", "zstd"} {
		for _, in := range []string{"", "x", "not what it says", strings.Repeat("\xff", 100)} {
			if out, err := Decode([]byte(in), codings, 10); err == nil && len(out) > 0 || len(out) > 10 {
				t.Errorf("%s of %q: %q, %v", codings, in, out, err)
			}
		}
	}
}

// A body that would be 32 MiB costs about what is wanted of it, also where only
// the middle of a chain is large.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 32<<20)
	for _, as := range [][]string{{"gzip"}, {"br"}, {"zstd"}, {"gzip", "gzip"}, {"br", "zstd"}} {
		in := encode(t, zeros, as...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := Decode(in, strings.Join(as, ","), 64<<10)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrCut) || len(out) > 64<<10 || grown > 16<<20 {
			t.Errorf("%v: %d bytes, %v, %d allocated", as, len(out), err, grown)
		}
	}
	if out, err := Decode(encode(t, zeros, "gzip"), "zstd,gzip", 1<<10); err == nil || len(out) > 0 {
		t.Errorf("zeros as zstd: %d bytes, %v", len(out), err)
	}
}

func FuzzDecode(f *testing.F) {
	for i, as := range []string{"gzip", "zlib", "raw", "br", "zstd"} {
		f.Add(encode(f, []byte("hello, hello, hello"), as), uint8(i))
	}
	lists := []string{"gzip", "deflate", "br", "zstd", "gzip,br", "zstd,deflate", "br,br", "unknown", ""}
	f.Fuzz(func(t *testing.T, in []byte, list uint8) {
		out, err := Decode(in, lists[int(list)%len(lists)], 1000)
		if len(out) > 1000 || err == nil && len(out) == 1000 && len(in) > 2000 && list%9 == 8 {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	})
}

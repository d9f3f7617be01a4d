package route

import (
	"bytes"
	"testing"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
)

// A path that has been brought into its form once stays as it is, and has
// nothing left of what was to go.
func FuzzNormal(f *testing.F) {
	for _, p := range []string{"/a/../b", "/%2e%2e/%2f", "//a\\..//b/.", "/%00", "/a%2", "/..;/x", "/%252e%252e/"} {
		f.Add(p, byte(7))
		f.Add(p, byte(0x0b))
	}
	f.Fuzz(func(t *testing.T, path string, how byte) {
		if path == "" || path[0] != '/' {
			return
		}
		o := config.PathOptions{Normalize: how&1 != 0, MergeSlashes: how&2 != 0, EscapedSlashes: [...]string{config.Keep, config.Unescape, config.Reject, config.Keep}[how>>2&3]}
		n := NewNormal(o)
		h := &http1.Head{Path: []byte(path), Target: []byte(path)}
		var s Scratch
		if !n.Path(h, &s) {
			return
		}
		got := bytes.Clone(h.Path)
		if len(got) == 0 || got[0] != '/' || !bytes.Equal(got, h.Target) {
			t.Fatalf("%+v of %q: path %q, target %q", o, path, got, h.Target)
		}
		if o.Normalize && (bytes.Contains(append(got, '/'), []byte("/../")) || bytes.Contains(append(got, '/'), []byte("/./")) || bytes.IndexByte(got, '\\') >= 0) {
			t.Fatalf("%+v of %q leaves %q", o, path, got)
		}
		if o.MergeSlashes && bytes.Contains(got, []byte("//")) {
			t.Fatalf("%+v of %q leaves %q", o, path, got)
		}
		if o.EscapedSlashes == config.Reject && (bytes.Contains(bytes.ToLower(got), []byte("%2f")) || bytes.Contains(bytes.ToLower(got), []byte("%5c"))) {
			t.Fatalf("%+v of %q lets %q through", o, path, got)
		}
		if o.EscapedSlashes == config.Unescape || bytes.Contains(got, []byte("%25")) {
			return // what was escaped twice is escaped once now, and that is all
		}
		if !n.Path(h, &s) || !bytes.Equal(h.Path, got) {
			t.Fatalf("%+v of %q: %q, and again %q", o, path, got, h.Path)
		}
	})
}

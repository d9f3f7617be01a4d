package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// everything answers in every way that tests ask for by path.
func everything(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/hints":
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	case "/cached":
		w.Header().Set("Etag", `"1"`)
		w.WriteHeader(http.StatusNotModified)
	case "/early": // before the request's body
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	case "/echo":
		w.Header().Set("Trailer", "X-Sum")
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
		w.Header().Set("X-Sum", fmt.Sprint(len(b), r.Trailer.Get("X-From")))
	default:
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, r.URL.RequestURI())
	}
}

// What HTTP means passes between any two versions.
func TestVersions(t *testing.T) {
	addr := origin(t, everything)
	versions(t, func(t *testing.T, client, upstream int) {
		p := start(t, addr, upstream)
		c := p.client(client)
		ask := func(method, path string, body io.Reader, more ...func(*http.Request)) *http.Response {
			t.Helper()
			r, err := http.NewRequest(method, p.url(path), body)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range more {
				f(r)
			}
			a, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if b := body(t, ask("GET", "/a/b?c=d", nil)); b != "GET "+p.addr+" /a/b?c=d" {
			t.Errorf("GET: %q", b)
		}
		if a := ask("HEAD", "/a", nil); body(t, a) != "" || a.ContentLength != int64(len("HEAD "+p.addr+" /a")) {
			t.Errorf("HEAD: %d bytes announced", a.ContentLength)
		}
		for path, status := range map[string]int{"/empty": 204, "/cached": 304} {
			if a := ask("GET", path, nil); a.StatusCode != status || body(t, a) != "" {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
		var hints []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		}}
		a := ask("GET", "/hints", nil, func(r *http.Request) { *r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace)) })
		if b := body(t, a); b != "done" || len(hints) != 1 || hints[0] != "103 </a.css>; rel=preload" {
			t.Errorf("hints %q, then %q", hints, b)
		}
		for _, size := range []int{0, 1, 1000, 70_000, 2 << 20} {
			data := bytes.Repeat([]byte("z"), size)
			a := ask("POST", "/echo", io.MultiReader(bytes.NewReader(data)), func(r *http.Request) {
				r.ContentLength, r.Trailer = -1, http.Header{"X-From": {"me"}}
			})
			if b := body(t, a); b != string(data) || a.Trailer.Get("X-Sum") != fmt.Sprint(size, "me") {
				t.Errorf("%d bytes: %d came back, trailers %v", size, len(b), a.Trailer)
			}
			a = ask("POST", "/echo", bytes.NewReader(data))
			if b := body(t, a); b != string(data) {
				t.Errorf("%d bytes of known length: %d came back", size, len(b))
			}
		}
	})
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// dripping is one that comes slowly after its beginning, so that sockets on the
// way do not fill with what somebody must read to see its end.
type dripping struct{ n int }

func (d *dripping) Read(b []byte) (int, error) {
	if d.n > 200_000 {
		time.Sleep(time.Millisecond)
	}
	b = b[:min(len(b), 10_000)]
	clear(b)
	d.n += len(b)
	return len(b), nil
}

// An answer that comes before the request's end passes, and ends the upload.
func TestEarlyAnswer(t *testing.T) {
	addr := origin(t, everything)
	versions(t, func(t *testing.T, client, upstream int) {
		p := start(t, addr, upstream)
		r, _ := http.NewRequest("POST", p.url("/early"), endless{})
		a, err := p.client(client).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("answer %s", a.Status)
		}
		if x := p.spans.find(t, ofKind(event.Server)); x.HTTP.StatusCode != 413 || x.Flags != 0 {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
	})
}

// When the client goes, so does the request at the upstream.
func TestClientGoes(t *testing.T) {
	for _, when := range []string{"before the answer", "in the answer", "in the request"} {
		t.Run(when, func(t *testing.T) {
			versions(t, func(t *testing.T, client, upstream int) {
				gone, seen := make(chan bool, 1), make(chan bool, 1)
				p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
					switch when {
					case "in the answer":
						io.WriteString(w, "begun")
						w.(http.Flusher).Flush()
					case "in the request":
						io.ReadFull(r.Body, make([]byte, 100_000))
						seen <- true
						io.Copy(io.Discard, r.Body)
						gone <- true
						return
					}
					seen <- true
					<-r.Context().Done()
					gone <- true
				}), upstream)
				ctx, cancel := context.WithCancel(context.Background())
				var up io.Reader
				if when == "in the request" {
					up = new(dripping)
				}
				r, _ := http.NewRequestWithContext(ctx, "POST", p.url("/"), up)
				c := p.client(client)
				over := make(chan error, 1)
				go func() {
					a, err := c.Do(r)
					if err == nil {
						_, err = io.Copy(io.Discard, a.Body)
						a.Body.Close()
					}
					over <- err
				}()
				<-seen
				cancel()
				if err := <-over; !errors.Is(err, context.Canceled) {
					t.Errorf("the client got %v", err)
				}
				select {
				case <-gone:
				case <-time.After(patience):
					t.Error("the upstream was not told")
				}
				if x := p.spans.find(t, ofKind(event.Server)); x.Flags != event.FlagDC {
					t.Errorf("span %s", x.AppendJSON(nil))
				}
			})
		})
	}
}

// An upstream that breaks off has the client see that the answer is cut.
func TestUpstreamGoes(t *testing.T) {
	versions(t, func(t *testing.T, client, upstream int) {
		p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, strings.Repeat("x", 10_000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}), upstream)
		a, err := p.client(client).Get(p.url("/"))
		if err == nil {
			_, err = io.Copy(io.Discard, a.Body)
			a.Body.Close()
		}
		if err == nil {
			t.Error("the client took a cut answer for a whole one")
		}
		x := p.spans.find(t, ofKind(event.Server))
		if x.Flags&(event.FlagUC|event.FlagUR) == 0 || x.Decode&event.BodyCut == 0 ||
			client == 2 && (x.HTTP2.Reset != "INTERNAL_ERROR" || x.HTTP2.ResetBy != "server") {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
	})
}

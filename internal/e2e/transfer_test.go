package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// transferred is how many bytes a big body has: PITOT_E2E_FULL=1 asks for what
// the documents promise, else the test takes seconds.
func transferred() int64 {
	if os.Getenv("PITOT_E2E_FULL") == "1" {
		return 1 << 30
	}
	return 32 << 20
}

// Bodies of any size pass in both directions, between any two versions, in
// memory that does not depend on their size.
func TestBigBodiesPassInConstantMemory(t *testing.T) {
	e := startEvery(t, "", "", "")
	size := transferred()
	h := sha256.New()
	_, _ = io.CopyN(h, zeros{}, size)
	want := fmt.Sprintf("%d %s", size, hex.EncodeToString(h.Sum(nil)))
	e.pairs(t, func(t *testing.T, c *http.Client, base string) {
		r, err := c.Get(fmt.Sprintf("%s/bytes/%d", base, size))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
			t.Errorf("down: %d bytes of %d, %v", n, size, err)
		}
		_ = r.Body.Close()
		up, err := http.NewRequest(http.MethodPut, base+"/sum", io.LimitReader(zeros{}, size)) // of unknown length
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, c, up); got != want {
			t.Errorf("up: %s, want %s", got, want)
		}
	})
	if mib := e.peak(t); mib > 200 {
		t.Errorf("pitot took %d MiB", mib)
	}
}

func text(t *testing.T, c *http.Client, r *http.Request) string {
	t.Helper()
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Trailers pass in both directions between any two versions.
func TestTrailersPass(t *testing.T) {
	e := startEvery(t, "", "", "")
	e.pairs(t, func(t *testing.T, c *http.Client, base string) {
		r, err := http.NewRequest(http.MethodPost, base+"/trailers", io.LimitReader(strings.NewReader("12345"), 5))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1
		r.Trailer = http.Header{"X-From": {"client"}}
		a, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if _, err := io.Copy(io.Discard, a.Body); err != nil {
			t.Fatal(err)
		}
		if got := a.Trailer.Get("X-Sum"); got != "5 client" {
			t.Errorf("the answer's trailer is %q, want that of a request with one", got)
		}
	})
}

// A thousand requests at once share one connection of HTTP/2.
func TestAThousandStreamsOnOneConnection(t *testing.T) {
	e := startEvery(t, "", "", "")
	for _, listener := range []string{"plain", "secure"} {
		for _, cluster := range []string{"h1", "h2"} {
			t.Run(listener+" to "+cluster, func(t *testing.T) {
				c, base := e.client(t, listener, 2)
				one, err := http.NewRequest(http.MethodGet, base+"/"+cluster+"/bytes/1", nil)
				if err != nil {
					t.Fatal(err)
				}
				text(t, c, one) // makes the connection: Go's client dials for each of many at once
				together(t, 1000, func() error {
					a, err := c.Get(base + "/" + cluster + "/slow/300ms")
					if err != nil {
						return err
					}
					defer a.Body.Close()
					if b, err := io.ReadAll(a.Body); err != nil || string(b) != "late" || a.StatusCode != 200 {
						return fmt.Errorf("status %d, %q, %v", a.StatusCode, b, err)
					}
					return nil
				})
			})
		}
	}
}

// together calls f n times at once and fails the test with the first error.
func together(t *testing.T, n int, f func() error) {
	t.Helper()
	var all sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		all.Go(func() {
			if err := f(); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	if len(errs) > 0 {
		t.Errorf("%d of %d failed, the first with: %v", len(errs), n, <-errs)
	}
}

// Who waits for a slow answer costs little.
func TestManySlowRequestsWaitTogether(t *testing.T) {
	n := 1000
	if os.Getenv("PITOT_E2E_FULL") == "1" {
		n = 5000
	}
	e := startEvery(t, "", "", "")
	c, base := e.client(t, "plain", 1)
	began := time.Now()
	together(t, n, func() error {
		a, err := c.Get(base + "/h1/slow/2s")
		if err != nil {
			return err
		}
		defer a.Body.Close()
		_, err = io.Copy(io.Discard, a.Body)
		return err
	})
	t.Logf("%d requests of 2 s took %v, %d MiB", n, time.Since(began), e.peak(t))
	if mib := e.peak(t); mib > 50+n/10 {
		t.Errorf("%d waiting requests cost %d MiB", n, mib)
	}
}

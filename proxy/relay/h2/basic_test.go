package h2

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestServesNetHTTP(t *testing.T) {
	_, at := serve(t, echo, ServerOptions{})
	client := h2c(t)
	req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+at+"/a/b?q=1", io.NopCloser(strings.NewReader("hello")))
	req.Trailer = http.Header{"X-End": {"now"}}
	req.Header["Cookie"] = []string{"a=1; b=2"}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "hello" {
		t.Fatalf("body %q, %v", body, err)
	}
	if res.Header.Get("X-Path") != "/a/b" || res.Header.Get("X-Cookie") != "a=1; b=2" || res.Trailer.Get("X-End") != "back now" {
		t.Errorf("fields %v, trailers %v", res.Header, res.Trailer)
	}
}

// proxied is a client of a server that forwards to handler.
func proxied(t *testing.T, handler http.HandlerFunc) (*http.Client, string) {
	t.Helper()
	host := origin(t, handler)
	d := dialer(t, DialerOptions{})
	_, at := serve(t, forward(d, host, func(err error) { t.Log(err) }), ServerOptions{})
	return h2c(t), "http://" + at
}

func TestForwardsToNetHTTP(t *testing.T) {
	client, at := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusEarlyHints)
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", strconv.FormatInt(n, 10)+r.Trailer.Get("X-End"))
	})
	for _, size := range []int{0, 1, 1000, 16 << 10, 100_000, 3 << 20} {
		body := make([]byte, size)
		_, _ = rand.Read(body)
		req, _ := http.NewRequestWithContext(t.Context(), "PUT", at+"/", bytes.NewReader(body))
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
		if s := res.Trailer.Get("X-Sum"); s != strconv.Itoa(size) {
			t.Errorf("%d bytes: trailer %q", size, s)
		}
	}
}

func TestManyStreams(t *testing.T) {
	client, at := proxied(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			body := strings.Repeat(strconv.Itoa(i), 100)
			res, err := client.Post(at, "text/plain", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); err != nil || string(got) != body {
				t.Errorf("stream %d: %d bytes, %v", i, len(got), err)
			}
		}()
	}
	wg.Wait()
}

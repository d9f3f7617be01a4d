package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// serveHTTP is a small shop on net/http: fixed and chunked bodies, trailers,
// errors, a redirect.
func serveHTTP() (string, func(), error) { return serve(shop()) }

func shop() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cart/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "cart %s\n", r.PathValue("id"))
	})
	mux.HandleFunc("POST /cart/{id}/pay", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "paid with %d bytes\n", n)
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Lines")
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
			http.NewResponseController(w).Flush() // loopback; a failure shows in the client
		}
		w.Header().Set("X-Lines", "3")
	})
	mux.HandleFunc("GET /fail", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "out of stock", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("DELETE /cart/{id}", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return mux
}

// serve serves h on a free port of loopback.
func serve(h http.Handler) (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(l) }) // ends with ErrServerClosed
	return l.Addr().String(), func() { srv.Close(); wg.Wait() }, nil
}

// curlClient runs curl the ways that people run it: keep-alive, HEAD, uploads
// with Expect, chunked uploads, HTTP/1.0, trailers, errors.
func curlClient(ctx context.Context, addr string) error {
	u := "http://" + addr
	big := strings.Repeat("0123456789abcdef", 32<<10/16)
	for _, args := range [][]string{
		{u + "/cart/7", u + "/cart/8?token=secret&page=2", u + "/stream"},
		{"-I", u + "/cart/9"},
		{"-d", "card=4711", u + "/cart/7/pay"},
		{"-H", "Expect: 100-continue", "-d", big, u + "/cart/7/pay"},
		{"-H", "Transfer-Encoding: chunked", "-d", "in chunks", u + "/cart/8/pay"},
		{"--http1.0", u + "/cart/10"},
		{"-X", "DELETE", u + "/cart/11", u + "/nowhere", u + "/fail"},
		{"-H", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "-H", "Host: shop.example", u + "/cart/12"},
	} {
		if err := run(ctx, "", "curl", append([]string{"-sS", "--http1.1", "--max-time", "20", "-o", "/dev/null"}, repeatOutput(args)...)...); err != nil {
			return err
		}
	}
	return nil
}

// repeatOutput gives every URL after the first an -o of its own.
func repeatOutput(args []string) (out []string) {
	urls := 0
	for _, a := range args {
		if strings.HasPrefix(a, "http://") {
			if urls++; urls > 1 {
				out = append(out, "-o", "/dev/null")
			}
		}
		out = append(out, a)
	}
	return out
}

func nodeHTTPClient(ctx context.Context, addr string) error {
	return run(ctx, nodeDir, "node", "fetch.mjs", "http://"+addr)
}

package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// await tries f every 50 ms until it succeeds, ctx ends or wait is over, and then tells f's last error.
func await(ctx context.Context, wait time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := error(nil)
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // a try cut short says less than the one before
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-tick.C:
		}
	}
}

// awaitHTTP waits until url answers with a status below 300.
func awaitHTTP(ctx context.Context, url string, wait time.Duration) error {
	return await(ctx, wait, func(ctx context.Context) error {
		_, err := get(ctx, url)
		return err
	})
}

// get fetches a small page; a status of 300 or more is an error with the page's text.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true // no connection is kept: the pages are few and the process may end at any time
	return fetch(req)
}

func fetch(req *http.Request) ([]byte, error) {
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: callTimeout}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %.300s", req.Method, req.URL.Path, resp.Status, b)
	}
	return b, nil
}

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outcome is what clients saw of a load.
type outcome struct {
	ok, failed int
	took       []time.Duration // of those that went well, sorted
	why        map[string]int  // it did not
}

// success is the share that went well.
func (o *outcome) success() float64 { return float64(o.ok) / float64(max(1, o.ok+o.failed)) }

func (o *outcome) quantile(q float64) time.Duration {
	if len(o.took) == 0 {
		return 0
	}
	return o.took[int(q*float64(len(o.took)-1))]
}

func (o *outcome) String() string {
	return fmt.Sprintf("%d ok, %d failed, p50 %v, p99 %v, %v", o.ok, o.failed, o.quantile(.5), o.quantile(.99), o.why)
}

// sent numbers requests that are to be carried out once.
var sent atomic.Int64

// hammer sends requests by n clients for so long, one after the other each: of
// five, four are GET and one is a POST that says who it is.
func hammer(url string, n int, d time.Duration) *outcome {
	o := &outcome{why: map[string]int{}}
	transport := &http.Transport{MaxIdleConnsPerHost: n}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, Timeout: 3 * time.Second}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				began := time.Now()
				why := once(c, url, i%5 == 4)
				took := time.Since(began)
				mu.Lock()
				if why == "" {
					o.ok++
					o.took = append(o.took, took)
				} else {
					o.failed++
					o.why[why]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(o.took)
	return o
}

// once sends one request, and says what went wrong.
func once(c *http.Client, url string, post bool) string {
	method := http.MethodGet
	if post {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err.Error()
	}
	if post {
		r.Header.Set("X-Once", fmt.Sprint(sent.Add(1)))
	}
	a, err := c.Do(r)
	if err != nil {
		return "no answer"
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	switch {
	case err != nil:
		return "cut off"
	case a.StatusCode != 200:
		return fmt.Sprint(a.StatusCode)
	case string(b) != answer:
		return "wrong body"
	}
	return ""
}

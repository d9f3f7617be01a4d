package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// LoadOptions bound the load. A zero field has the default named beside it.
type LoadOptions struct {
	Target  string        // http://host:port of the shop, or of pitot before it
	For     time.Duration // how long; 0 until ctx ends
	Rate    int           // requests a second, 40
	Workers int           // requests at a time, 8
	Seed    uint64        // of the choice of requests, 1
}

// LoadResult is what the load saw, by its own count.
type LoadResult struct {
	Requests int            `json:"requests"`
	Failed   int            `json:"failed"` // no answer
	ByRoute  map[string]int `json:"by_route"`
	ByStatus map[int]int    `json:"by_status"`
}

// load is a run under way.
type load struct {
	target string
	client *http.Client
	mu     sync.Mutex
	result LoadResult
	random *rand.Rand // guarded by mu
	paid   int        // payments so far, guarded by mu
}

// RunLoad sends requests to the shop at a steady rate. It waits for every answer before it returns.
func RunLoad(ctx context.Context, o LoadOptions) (LoadResult, error) {
	if !strings.HasPrefix(o.Target, "http://") {
		return LoadResult{}, errors.New("demo: the load needs the shop's http:// URL")
	}
	if o.Rate <= 0 {
		o.Rate = 40
	}
	if o.Workers <= 0 {
		o.Workers = 8
	}
	t := &http.Transport{MaxIdleConnsPerHost: o.Workers, IdleConnTimeout: time.Minute}
	defer t.CloseIdleConnections()
	l := &load{
		target: strings.TrimSuffix(o.Target, "/"),
		client: &http.Client{Transport: t, Timeout: 2 * callTimeout},
		result: LoadResult{ByRoute: map[string]int{}, ByStatus: map[int]int{}},
		random: rand.New(rand.NewPCG(max(o.Seed, 1), 7)),
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	l.run(ctx, o)
	return l.result, nil
}

// run feeds the workers a request every 1/rate seconds; when all are busy, ticks pass and the rate falls.
func (l *load) run(ctx context.Context, o LoadOptions) {
	tick := time.NewTicker(time.Second / time.Duration(o.Rate))
	defer tick.Stop()
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range o.Workers {
		wg.Go(func() {
			for range work {
				l.once(context.WithoutCancel(ctx)) // a request begun is finished, so that both ends count the same
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			close(work)
			wg.Wait()
			return
		case <-tick.C:
			select {
			case work <- struct{}{}:
			default:
			}
		}
	}
}

// call is one request to make.
type call struct {
	route, method, path, body string
}

// choose picks the next request as customers would: mostly carts and lists, now and then a payment.
func (l *load) choose() call {
	l.mu.Lock()
	defer l.mu.Unlock()
	cart := l.random.IntN(seedCarts + 8) // the last eight do not exist
	switch n := l.random.IntN(100); {
	case n < 40:
		return call{"GET /cart/{id}", http.MethodGet, fmt.Sprintf("/cart/%d", cart), ""}
	case n < 62:
		category := []string{"garden", "kitchen", "office", "travel"}[l.random.IntN(4)]
		return call{"GET /products", http.MethodGet, "/products?category=" + category, ""}
	case n < 78:
		word := []string{"lamp", "kettle", "chair", "clock"}[l.random.IntN(4)]
		return call{"GET /search", http.MethodGet, "/search?q=" + word + "&token=s3cr3t-" + word, ""}
	case n < 96:
		return l.payment(cart)
	}
	return call{"GET /report", http.MethodGet, "/report", ""}
}

// payment pays a cart: one in nine a second time, one in fourteen with a card that the bank refuses.
func (l *load) payment(cart int) call {
	l.paid++
	id, card := l.paid, "4242"
	if l.paid%9 == 0 {
		id--
	}
	if l.paid%14 == 0 {
		card = "0000"
	}
	return call{"POST /cart/{id}/pay", http.MethodPost, fmt.Sprintf("/cart/%d/pay", cart), fmt.Sprintf(`{"payment":"pay-%d","card":"%s"}`, id, card)}
}

func (l *load) once(ctx context.Context) {
	c := l.choose()
	status, err := l.send(ctx, c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Requests++
	l.result.ByRoute[c.route]++
	if err != nil {
		l.result.Failed++
		return
	}
	l.result.ByStatus[status]++
}

func (l *load) send(ctx context.Context, c call) (int, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, l.target+c.path, strings.NewReader(c.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "pitot-demo-load/1.0")
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ShopOptions are the shop front's.
type ShopOptions struct {
	Listen string // host:port
	Orders string // http://host:port of the orders service, or of pitot before it
}

// shop is the HTTP front: it holds no data and asks the orders service for everything.
type shop struct {
	orders string
	client *http.Client
}

// RunShop serves the shop front until ctx ends.
func RunShop(ctx context.Context, o ShopOptions) error {
	if o.Listen == "" || o.Orders == "" {
		return errors.New("demo: the shop needs an address to listen on and the orders service's URL")
	}
	t := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	defer t.CloseIdleConnections()
	s := &shop{orders: strings.TrimSuffix(o.Orders, "/"), client: &http.Client{Transport: t, Timeout: callTimeout}}
	return serve(ctx, o.Listen, s.routes())
}

func (s *shop) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /health", healthy)
	m.HandleFunc("GET /products", func(w http.ResponseWriter, r *http.Request) { s.pass(w, r, "/catalog?"+r.URL.RawQuery) })
	m.HandleFunc("GET /search", func(w http.ResponseWriter, r *http.Request) {
		s.pass(w, r, "/find?q="+url.QueryEscape(r.URL.Query().Get("q")))
	})
	m.HandleFunc("GET /cart/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.pass(w, r, "/orders/"+url.PathEscape(r.PathValue("id")))
	})
	m.HandleFunc("POST /cart/{id}/pay", s.pay)
	m.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) { s.pass(w, r, "/report") })
	return m
}

// pay is refused by the bank now and then, before the orders service is asked.
func (s *shop) pay(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	var order struct{ Card string }
	if err := json.Unmarshal(body, &order); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("the body is not JSON: %w", err))
		return
	}
	if order.Card == "0000" {
		pause(r.Context(), 20*time.Millisecond, rand.Float64())
		refuse(w, http.StatusInternalServerError, errors.New("the bank did not answer"))
		return
	}
	s.forward(w, r, http.MethodPost, "/orders/"+url.PathEscape(r.PathValue("id"))+"/pay", string(body))
}

func (s *shop) pass(w http.ResponseWriter, r *http.Request, path string) {
	s.forward(w, r, http.MethodGet, path, "")
}

// forward asks the orders service in the request's trace and passes its answer on.
func (s *shop) forward(w http.ResponseWriter, r *http.Request, method, path, body string) {
	req, err := http.NewRequestWithContext(r.Context(), method, s.orders+path, strings.NewReader(body))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	req.Header.Set("Traceparent", traceOf(r).parent())
	req.Header.Set("User-Agent", "shop/1.0")
	if id := r.Header.Get("X-Request-Id"); id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		refuse(w, http.StatusBadGateway, err)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(resp.Body, maxBody)) // the client is gone when this fails
}

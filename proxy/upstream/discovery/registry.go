package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// registry is asked over HTTP, in the form of the first version of Envoy's
// service discovery: GET /v1/registration/SERVICE.
type registry struct {
	url    string
	token  string
	client *http.Client
	etag   string // of the last answer that can be used
}

const idleRegistry = 90 * time.Second // for a kept connection

func registryURL(c *config.Discovery) string {
	return strings.TrimRight(c.URL, "/") + "/v1/registration/" + url.PathEscape(c.Service)
}

func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 1, IdleConnTimeout: idleRegistry, ForceAttemptHTTP2: true}
}

// Close closes the connection that is kept.
func (r *registry) Close() error {
	r.client.CloseIdleConnections()
	return nil
}

func (r *registry) Fetch(ctx context.Context) (Answer, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return Answer{}, err
	}
	q.Header.Set("Accept", "application/json")
	if r.etag != "" {
		q.Header.Set("If-None-Match", r.etag)
	}
	if r.token != "" {
		q.Header.Set("Authorization", "Bearer "+r.token)
	}
	a, err := r.client.Do(q)
	if err != nil {
		return Answer{}, err
	}
	defer a.Body.Close()
	if a.StatusCode == http.StatusNotModified && r.etag != "" {
		return Answer{Same: true}, nil
	}
	if a.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("%s says %s", r.url, a.Status)
	}
	b, err := io.ReadAll(io.LimitReader(a.Body, maxFile+1))
	if err != nil {
		return Answer{}, err
	}
	all, err := ParseHosts(b)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", r.url, err)
	}
	r.etag = a.Header.Get("ETag")
	return all, nil
}

// registered is what a registry tells of a host.
type registered struct {
	IP       string         `json:"ip_address"`
	Port     uint16         `json:"port"`
	Revision string         `json:"revision"`
	Tags     map[string]any `json:"tags"`
	Load     *struct {
		CPU, Memory, Utilization, QPS, EPS float64
	} `json:"load"`
}

// ParseHosts reads a registry's answer. One host that cannot be used spoils it.
func ParseHosts(b []byte) (Answer, error) {
	a, err := parseHosts(b)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", errRejected, err)
	}
	return a, nil
}

func parseHosts(b []byte) (a Answer, err error) {
	var list struct {
		Hosts *[]registered `json:"hosts"`
	}
	if len(b) > maxFile {
		return a, fmt.Errorf("the answer is larger than %d bytes", maxFile)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return a, fmt.Errorf("the answer is not as it must be: %w", err)
	}
	if list.Hosts == nil {
		return a, fmt.Errorf("the answer has no list of hosts")
	}
	if len(*list.Hosts) > config.MaxEndpoints {
		return a, fmt.Errorf("the answer has %d hosts, which is more than %d", len(*list.Hosts), config.MaxEndpoints)
	}
	for i := range *list.Hosts {
		e, err := (*list.Hosts)[i].endpoint()
		if err != nil {
			return Answer{}, fmt.Errorf("host %d of the answer: %w", i, err)
		}
		a.Endpoints = append(a.Endpoints, e)
		if l := (*list.Hosts)[i].Load; l != nil {
			a.Reports = append(a.Reports, Report{e.Address, upstream.Load{CPU: l.CPU, Memory: l.Memory, Utilization: l.Utilization, QPS: l.QPS, EPS: l.EPS}})
		}
	}
	slices.SortFunc(a.Endpoints, func(a, b upstream.Endpoint) int { return strings.Compare(a.Address, b.Address) })
	return a, nil
}

// The tags of a host that are not metadata alone.
const (
	tagWeight = "load_balancing_weight"
	tagZone   = "az"
	tagRegion = "region"
)

const maxShare = 100 // of load_balancing_weight

func (h *registered) endpoint() (e upstream.Endpoint, err error) {
	ip, err := netip.ParseAddr(h.IP)
	if err != nil {
		return e, err
	}
	if h.Port == 0 {
		return e, fmt.Errorf("%s has no port", ip)
	}
	e.Address = netip.AddrPortFrom(ip.Unmap(), h.Port).String()
	if w, ok := h.Tags[tagWeight]; ok {
		n, isNumber := w.(float64)
		if !isNumber || n != float64(uint32(n)) || n < 1 || n > maxShare {
			return e, fmt.Errorf("%s of %s is %v; must be from 1 to %d", tagWeight, ip, w, maxShare)
		}
		e.Weight = uint32(n)
	}
	e.Metadata = map[string]string{}
	for name, v := range h.Tags {
		if name != tagWeight {
			e.Metadata[name] = tagText(v)
		}
	}
	if h.Revision != "" {
		e.Metadata["revision"] = h.Revision
	}
	e.Locality = upstream.Locality{Region: e.Metadata[tagRegion], Zone: e.Metadata[tagZone]}
	return e, nil
}

// tagText is a tag as text; numbers as they are written in JSON.
func tagText(v any) string {
	if n, ok := v.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

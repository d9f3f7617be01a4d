package admin

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
)

// Limits of the labels: their values come from clients.
const (
	maxSeries    = 512 // services by operations; the rest is counted as other
	maxLabel     = 128 // bytes of a label's value
	other        = "_OTHER"
	metricsQueue = 256 // batches
)

// metrics are rate, errors and durations by service and operation, fed from
// the hub like any other subscriber, and the numbers of /stats.
type metrics struct {
	server   *Server
	sub      *tap.Subscription
	registry *prometheus.Registry
	serve    http.HandlerFunc

	duration *prometheus.HistogramVec
	errors   *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	series   map[labels]*series // used by run alone
	recent   [2]*series         // used last, by kind; used by run alone
}

type labels struct {
	service, operation string
	protocol           event.Protocol
	kind               event.Kind
}

type series struct {
	labels
	duration          prometheus.Observer
	errors            prometheus.Counter
	request, response prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	names := []string{"service", "operation", "protocol", "span_kind"}
	m := &metrics{
		server: s, registry: prometheus.NewRegistry(), series: map[labels]*series{},
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pitot_exchange_duration_seconds", Help: "Time from the first byte of a request to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, names),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pitot_exchange_errors_total", Help: "Exchanges whose status is error.",
		}, names),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pitot_exchange_bytes_total", Help: "Bytes of requests and responses, framing included.",
		}, append(names, "direction")),
	}
	m.sub = s.o.Hub.Subscribe("metrics", metricsQueue, false)
	m.registry.MustRegister(m.duration, m.errors, m.bytes, numbers{s, newHelps()},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.serve = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP
	return m
}

// run counts what the hub tells until ctx is done.
func (m *metrics) run(ctx context.Context) {
	defer m.sub.Close()
	for {
		select {
		case b, open := <-m.sub.C():
			if !open {
				return
			}
			for i := range b.Exchanges {
				m.count(&b.Exchanges[i])
			}
		case <-ctx.Done():
			return
		}
	}
}

func (m *metrics) count(x *event.Exchange) {
	l := labels{x.Service, x.Name, x.Protocol, x.Kind}
	recent := &m.recent[l.kind&1]
	if *recent == nil || (*recent).labels != l {
		*recent = m.of(l)
	}
	s := *recent
	s.duration.Observe(time.Duration(x.Duration()).Seconds())
	s.request.Add(float64(max(0, x.RequestBytes)))
	s.response.Add(float64(max(0, x.ResponseBytes)))
	if x.Status == event.Error {
		s.errors.Inc()
	}
}

func (m *metrics) of(l labels) *series {
	if s := m.series[l]; s != nil {
		return s
	}
	if len(m.series) >= maxSeries {
		l.service, l.operation = other, other
		if s := m.series[l]; s != nil {
			return s
		}
	}
	// The key must not hold on to the batch that it came with.
	l.service, l.operation = strings.Clone(l.service), strings.Clone(l.operation)
	s := m.newSeries(l)
	m.series[l] = s
	return s
}

func (m *metrics) newSeries(l labels) *series {
	v := []string{label(l.service), label(l.operation), l.protocol.String(), l.kind.String()}
	with := func(direction string) prometheus.Counter {
		return m.bytes.WithLabelValues(append(v[:len(v):len(v)], direction)...)
	}
	return &series{l, m.duration.WithLabelValues(v...), m.errors.WithLabelValues(v...), with("request"), with("response")}
}

// label makes text fit for a label: UTF-8, printable, bounded.
func label(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxLabel)], "")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}

// numbers gives Prometheus the numbers of /stats.
type numbers struct {
	s *Server
	helps
}

// seconds is a time in Prometheus' unit, and its name.
func seconds(name string, value float64) (string, float64) {
	if cut, ok := strings.CutSuffix(name, "_ns_sum"); ok {
		return cut + "_seconds", value / 1e9
	}
	if cut, ok := strings.CutSuffix(name, "_usecs"); ok {
		return cut + "_seconds", value / 1e6
	}
	return name, value
}

// Describe says nothing, so that the names need not be known beforehand.
func (numbers) Describe(chan<- *prometheus.Desc) {}

func (n numbers) Collect(ch chan<- prometheus.Metric) {
	n.collectCertificates(ch)
	for _, g := range n.s.groups() {
		if strings.HasPrefix(g.name, "tap ") {
			continue // a reader's address is no label
		}
		for _, s := range g.stats {
			name, kind := "pitot_"+g.kind+"_"+s.Name, prometheus.CounterValue
			if g.kind == "pitot" {
				name = "pitot_" + s.Name
			}
			name = strings.ReplaceAll(name, ".", "_") // as in ssl.handshake
			name, value := seconds(name, float64(s.Value))
			if s.Gauge {
				kind = prometheus.GaugeValue
			} else if !strings.HasSuffix(name, "_total") {
				name += "_total"
			}
			desc := prometheus.NewDesc(name, n.help(g.kind, s.Name), labelNames(g), nil)
			ch <- prometheus.MustNewConstMetric(desc, kind, value, labelValues(g)...)
		}
	}
}

func labelNames(g group) []string {
	if g.name == "" {
		return nil
	}
	return []string{g.kind}
}

func labelValues(g group) []string {
	if g.name == "" {
		return nil
	}
	return []string{label(g.name)}
}

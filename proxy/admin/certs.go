package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pitot-io/pitot/proxy/secure"
)

func (s *Server) certificates() []secure.Certificate {
	if s.o.Certificates == nil {
		return []secure.Certificate{}
	}
	return s.o.Certificates(time.Now())
}

func (s *Server) certs(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string][]secure.Certificate{"certificates": s.certificates()})
}

// expiry tells for how long each certificate is still good.
var expiry = prometheus.NewDesc("pitot_tls_certificate_expiry_seconds", "Seconds until the certificate expires; negative when it has.",
	[]string{"path", "used_by", "serial"}, nil)

func (n numbers) collectCertificates(ch chan<- prometheus.Metric) {
	seen := map[[3]string]bool{}
	for _, c := range n.s.certificates() {
		labels := [3]string{label(c.Path), label(c.UsedBy), label(c.Serial)}
		if seen[labels] { // an authority that stands twice in its file
			continue
		}
		seen[labels] = true
		ch <- prometheus.MustNewConstMetric(expiry, prometheus.GaugeValue, time.Until(c.NotAfter).Seconds(), labels[:]...)
	}
}

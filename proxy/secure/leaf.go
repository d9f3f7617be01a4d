package secure

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// Leaf is a certificate in use: one that is shown to peers, or an authority
// that peers are believed by.
type Leaf struct {
	File string
	CA   bool
	Cert *x509.Certificate
}

// Certificate is what the operator is told of a certificate.
type Certificate struct {
	Path      string    `json:"path"`
	UsedBy    string    `json:"used_by"` // as `listener "web"`
	Use       string    `json:"use"`     // shown, or authority
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	SANs      []string  `json:"sans"`
	Serial    string    `json:"serial"` // hexadecimal
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	DaysLeft  int       `json:"days_left"` // negative: expired for so long
	InUse     bool      `json:"in_use"`
	Failure   string    `json:"failure,omitempty"` // why the file as it is now is not what is in use
}

// Certificates are all that are in use.
func (w *Watcher) Certificates(now time.Time) []Certificate {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []Certificate{}
	for _, s := range w.sources {
		for _, l := range s.leaves {
			all = append(all, l.describe(s, now))
		}
	}
	return all
}

func (l *Leaf) describe(s *source, now time.Time) Certificate {
	c := Certificate{
		Path: l.File, UsedBy: s.user, Use: "shown", Subject: l.Cert.Subject.String(), Issuer: l.Cert.Issuer.String(), SANs: names(l.Cert),
		Serial: fmt.Sprintf("%x", l.Cert.SerialNumber), NotBefore: l.Cert.NotBefore.UTC(), NotAfter: l.Cert.NotAfter.UTC(),
		DaysLeft: days(l.Cert.NotAfter.Sub(now)), InUse: true, Failure: s.failure,
	}
	if l.CA {
		c.Use = "authority"
	}
	return c
}

// days are whole days, rounded down.
func days(d time.Duration) int {
	n := int(d / (24 * time.Hour))
	if d < 0 {
		n--
	}
	return n
}

// names are the alternative names of c of every kind.
func names(c *x509.Certificate) []string {
	all := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	return append(all, c.EmailAddresses...)
}

// Who has a certificate that expires soon is told so, and again every so often.
const (
	ExpiresSoon = 14 * 24 * time.Hour
	remindEvery = 12 * time.Hour
)

// remind tells of the certificates that expire soon.
func (w *Watcher) remind(now time.Time) {
	for _, c := range w.Certificates(now) {
		if n, soon := c.expires(now); soon {
			w.told(n)
		}
	}
}

// Standing are the events of what is wrong now, told anew: certificates that
// expire soon, and files that cannot be used.
func (w *Watcher) Standing(now time.Time) (all []event.Notice) {
	for _, c := range w.Certificates(now) {
		if n, soon := c.expires(now); soon {
			all = append(all, n)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sources {
		if s.failure != "" {
			all = append(all, s.failed(now))
		}
	}
	return all
}

// expires is the event of a certificate that expires soon.
func (c *Certificate) expires(now time.Time) (n event.Notice, soon bool) {
	left := c.NotAfter.Sub(now)
	if left >= ExpiresSoon {
		return n, false
	}
	when := fmt.Sprintf("expires in %d days, on %s", c.DaysLeft, c.NotAfter.Format(time.DateOnly))
	if left < 0 {
		when = "has expired on " + c.NotAfter.Format(time.DateOnly)
	}
	name := cmp.Or(strings.Join(c.SANs, ", "), c.Subject)
	return event.Notice{
		Time: now.UnixNano(), Name: event.EventCertExpiring, Severity: event.Warn,
		Body: fmt.Sprintf("certificate of %s for %s %s: %s", c.UsedBy, name, when, c.Path), Attributes: []event.KeyValue{
			{Key: "files", Value: c.Path}, {Key: "used_by", Value: c.UsedBy}, {Key: "serial", Value: c.Serial},
			{Key: "not_after", Value: c.NotAfter.Format(time.RFC3339)}, {Key: "days_left", Value: fmt.Sprint(c.DaysLeft)},
		},
	}, true
}

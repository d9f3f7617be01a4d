package secure

import (
	"crypto/tls"
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// Stats count sessions of one listener or cluster, under Envoy's names.
type Stats struct {
	handshake       atomic.Uint64
	connectionError atomic.Uint64
	sessionReused   atomic.Uint64
	noCertificate   atomic.Uint64
	failVerifyError atomic.Uint64
	failNoCert      atomic.Uint64
	failSAN         atomic.Uint64
	failHash        atomic.Uint64
	version         [4]atomic.Uint64 // from TLS 1.0 on
}

func (s *Stats) succeeded(c *tls.ConnectionState) {
	s.handshake.Add(1)
	if c.DidResume {
		s.sessionReused.Add(1)
	}
	if len(c.PeerCertificates) == 0 {
		s.noCertificate.Add(1)
	}
	if v := c.Version - tls.VersionTLS10; int(v) < len(s.version) {
		s.version[v].Add(1)
	}
}

func (s *Stats) failed(f *Failure) {
	s.connectionError.Add(1)
	switch f.reason {
	case NoClientCert:
		s.failNoCert.Add(1)
	case SANMismatch, WrongName:
		s.failSAN.Add(1)
	case PinMismatch:
		s.failHash.Add(1)
	case UnknownAuthority, CertificateExpired, CertificateNotYet, BadCertificate:
		s.failVerifyError.Add(1)
	}
}

// All are the numbers, always in the same order.
func (s *Stats) All() []upstream.Stat {
	count := func(name string, c *atomic.Uint64) upstream.Stat {
		return upstream.Stat{Name: "ssl." + name, Value: c.Load()}
	}
	return []upstream.Stat{
		count("handshake", &s.handshake),
		count("connection_error", &s.connectionError),
		count("session_reused", &s.sessionReused),
		count("no_certificate", &s.noCertificate),
		count("fail_verify_error", &s.failVerifyError),
		count("fail_verify_no_cert", &s.failNoCert),
		count("fail_verify_san", &s.failSAN),
		count("fail_verify_cert_hash", &s.failHash),
		count("versions.TLSv1", &s.version[0]),
		count("versions.TLSv1.1", &s.version[1]),
		count("versions.TLSv1.2", &s.version[2]),
		count("versions.TLSv1.3", &s.version[3]),
	}
}

package hop

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/http1"
)

var xForwardedClientCert = []byte("x-forwarded-client-cert")

// ClientCert is what becomes of x-forwarded-client-cert on a connection. The
// zero value lets nobody tell of certificates.
type ClientCert struct {
	Keep bool   // pass on what came
	Own  string // element for the client's certificate, behind it; may be empty
}

// TellsCert reports whether a field tells of a client's certificate.
func TellsCert(f *http1.Field) bool {
	return len(f.Name) == len(xForwardedClientCert) && bytes.EqualFold(f.Name, xForwardedClientCert)
}

// addCert adds x-forwarded-client-cert in one field.
func (f *Forwarding) addCert(h *http1.Head) {
	at := len(f.text)
	b := f.text
	for i := range h.Fields {
		if from := &h.Fields[i]; f.Cert.Keep && !from.Hop && len(from.Value) > 0 && TellsCert(from) {
			b = append(comma(b, at), from.Value...)
		}
	}
	if f.Cert.Own != "" {
		b = append(comma(b, at), f.Cert.Own...)
	}
	if len(b) > at {
		f.add(xForwardedClientCert, http1.Other, at, b)
	}
}

func comma(b []byte, empty int) []byte {
	if len(b) == empty {
		return b
	}
	return append(b, ',')
}

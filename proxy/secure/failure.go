package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Why a handshake failed, in words that name nobody. An alert of the peer is
// alert_ and its name.
const (
	Timeout            = "timeout"
	Closed             = "closed" // the peer went in the middle of it
	NotTLS             = "not_tls"
	Busy               = "too_many_handshakes"
	NoClientCert       = "no_client_certificate"
	CertificateExpired = "certificate_expired"
	CertificateNotYet  = "certificate_not_yet_valid"
	UnknownAuthority   = "unknown_authority"
	WrongName          = "certificate_for_another_name"
	SANMismatch        = "san_mismatch"
	PinMismatch        = "pin_mismatch"
	Revoked            = "certificate_revoked"
	RevocationUnknown  = "revocation_unknown" // no list of the issuer's, or one that has run out
	BadCertificate     = "bad_certificate"
	NoSharedVersion    = "no_shared_version"
	NoSharedCipher     = "no_shared_cipher"
	NoSharedProtocol   = "no_shared_protocol"
	ProtocolError      = "protocol_error"
)

// Failure is a handshake that failed.
type Failure struct {
	reason string
	err    error
}

func (f *Failure) Error() string { return "TLS: " + strings.TrimPrefix(f.err.Error(), "tls: ") }
func (f *Failure) Unwrap() error { return f.err }

// Reason is one of the words above.
func (f *Failure) Reason() string { return f.reason }

func errorf(format string, a ...any) error { return fmt.Errorf(format, a...) }

// failed makes a Failure of what crypto/tls says.
func failed(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{reasonOf(err), err}
}

func reasonOf(err error) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return NotTLS
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return reasonOfCertificate(err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "alert_" + strings.ReplaceAll(strings.TrimPrefix(op.Err.Error(), "tls: "), " ", "_")
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Closed
	}
	return reasonOfText(err.Error())
}

// reasonOfText knows what crypto/tls tells by no type.
func reasonOfText(text string) string {
	for _, known := range []struct{ part, reason string }{
		{"didn't provide a certificate", NoClientCert},
		{"unsupported versions", NoSharedVersion},
		{"unsupported protocol version", NoSharedVersion},
		{"no cipher suite", NoSharedCipher},
		{"unsupported application protocols", NoSharedProtocol},
		{"unadvertised application protocol", NoSharedProtocol},
		{"x509:", BadCertificate},
		{"certificate", BadCertificate},
	} {
		if strings.Contains(text, known.part) {
			return known.reason
		}
	}
	return ProtocolError
}

func reasonOfCertificate(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return UnknownAuthority
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return WrongName
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		if strings.Contains(e.Detail, "before") {
			return CertificateNotYet
		}
		return CertificateExpired
	}
	return BadCertificate
}

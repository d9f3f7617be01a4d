package tls

import (
	_ "embed"
	"fmt"
	"strings"
)

// suites has a line for every cipher suite of IANA's registry: its number in
// hexadecimal and its name.
//
//go:embed suites.txt
var suites string

// suiteName is IANA's name of a cipher suite, its number where it has none.
func suiteName(id uint16) string {
	key := fmt.Sprintf("%04x ", id)
	at := 0
	if !strings.HasPrefix(suites, key) {
		if at = strings.Index(suites, "\n"+key) + 1; at == 0 {
			return fmt.Sprintf("0x%04X", id)
		}
	}
	name, _, _ := strings.Cut(suites[at+len(key):], "\n")
	return name
}

// versionName is a version as OpenTelemetry splits it, "tls" and "1.2"; empty
// for what is no version.
func versionName(v uint16) (protocol, number string) {
	switch {
	case v == 0x0300:
		return "ssl", "3"
	case v > 0x0300 && v <= versionTLS13:
		return "tls", fmt.Sprintf("1.%d", v-0x0301)
	case v>>8 == 0x7f: // a draft of TLS 1.3
		return "tls", "1.3"
	}
	return "", ""
}

// alertName is the name of an alert (RFC 8446, 6).
func alertName(code byte) string {
	switch code {
	case 0:
		return "close_notify"
	case 10:
		return "unexpected_message"
	case 20:
		return "bad_record_mac"
	case 22:
		return "record_overflow"
	case 40:
		return "handshake_failure"
	case 42:
		return "bad_certificate"
	case 43:
		return "unsupported_certificate"
	case 44:
		return "certificate_revoked"
	case 45:
		return "certificate_expired"
	case 46:
		return "certificate_unknown"
	case 47:
		return "illegal_parameter"
	case 48:
		return "unknown_ca"
	case 49:
		return "access_denied"
	case 50:
		return "decode_error"
	case 51:
		return "decrypt_error"
	case 70:
		return "protocol_version"
	case 71:
		return "insufficient_security"
	case 80:
		return "internal_error"
	case 86:
		return "inappropriate_fallback"
	case 90:
		return "user_canceled"
	case 100:
		return "no_renegotiation"
	case 109:
		return "missing_extension"
	case 110:
		return "unsupported_extension"
	case 112:
		return "unrecognized_name"
	case 113:
		return "bad_certificate_status_response"
	case 115:
		return "unknown_psk_identity"
	case 116:
		return "certificate_required"
	case 120:
		return "no_application_protocol"
	case 121:
		return "ech_required"
	}
	return fmt.Sprintf("alert_%d", code)
}

// kindName is the name of a handshake message.
func kindName(kind byte) string {
	switch kind {
	case 0:
		return "HelloRequest"
	case kindClientHello:
		return "ClientHello"
	case kindServerHello:
		return "ServerHello"
	case 4:
		return "NewSessionTicket"
	case kindEndOfEarly:
		return "EndOfEarlyData"
	case kindExtensions:
		return "EncryptedExtensions"
	case 11:
		return "Certificate"
	case 12:
		return "ServerKeyExchange"
	case 13:
		return "CertificateRequest"
	case 14:
		return "ServerHelloDone"
	case 15:
		return "CertificateVerify"
	case 16:
		return "ClientKeyExchange"
	case kindFinished:
		return "Finished"
	case 21:
		return "CertificateURL"
	case 22:
		return "CertificateStatus"
	case kindKeyUpdate:
		return "KeyUpdate"
	case 25:
		return "CompressedCertificate"
	}
	return fmt.Sprintf("Handshake_%d", kind)
}

package tls

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
)

// LineError is a line of a key log that cannot be read.
type LineError struct {
	Line int // from 1
	What string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.What) }

const maxLineErrors = 5 // told of one text; more say nothing new

// Add reads text in the format of NSS key logs (SSLKEYLOGFILE): lines of a
// label, a client random and a secret. Empty lines, comments (#) and labels of
// secrets that decrypt nothing are passed over. first is the number of the
// text's first line, lines how many it has. Lines that cannot be read are told
// together, as *LineError; all others are taken.
func (k *Keys) Add(text []byte, first int) (lines int, err error) {
	var wrong []error
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if what := k.addLine(bytes.TrimSpace(line)); what != "" && len(wrong) < maxLineErrors {
			wrong = append(wrong, &LineError{Line: first + lines, What: what})
		}
		text = rest
		lines++
	}
	return lines, errors.Join(wrong...)
}

// addLine says what is wrong with line.
func (k *Keys) addLine(line []byte) string {
	if len(line) == 0 || line[0] == '#' {
		return ""
	}
	fields := bytes.Fields(line)
	if !isLabel(fields[0]) {
		return fmt.Sprintf("%.40q is no label of a key log; a line is as CLIENT_RANDOM 64-HEX-DIGITS 96-HEX-DIGITS", fields[0])
	}
	l, known := labelOf(fields[0])
	switch {
	case !known:
		return "" // RSA, EXPORTER_SECRET, ECH_SECRET, or of a time to come
	case len(fields) != 3:
		return fmt.Sprintf("%s has %d fields after it, and 2 are needed: client random and secret", fields[0], len(fields)-1)
	}
	return k.addSecret(l, fields[0], fields[1], fields[2])
}

func (k *Keys) addSecret(l label, name, random, secret []byte) string {
	var r [32]byte
	var s [maxSecret]byte
	if len(random) != 2*len(r) {
		return fmt.Sprintf("%s: the client random has %d hexadecimal digits, and 64 are needed", name, len(random))
	}
	if len(secret) != 2*maxSecret && (l == master || len(secret) != 64) {
		return fmt.Sprintf("%s: the secret has %d hexadecimal digits, and %s are needed", name, len(secret), digits(l))
	}
	if _, err := hex.Decode(r[:], random); err != nil {
		return fmt.Sprintf("%s: the client random is not hexadecimal", name)
	}
	n, err := hex.Decode(s[:], secret)
	if err != nil {
		return fmt.Sprintf("%s: the secret is not hexadecimal", name)
	}
	k.put(l, r, s[:n])
	return ""
}

func digits(l label) string {
	if l == master {
		return "96"
	}
	return "64 or 96"
}

// isLabel reports whether b looks like a label of any kind.
func isLabel(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return b[0] >= 'A' && b[0] <= 'Z'
}

// labelNames are the labels as they stand in a key log.
var labelNames = [numLabels]string{
	master: "CLIENT_RANDOM", clientEarly: "CLIENT_EARLY_TRAFFIC_SECRET",
	clientHandshake: "CLIENT_HANDSHAKE_TRAFFIC_SECRET", serverHandshake: "SERVER_HANDSHAKE_TRAFFIC_SECRET",
	clientTraffic: "CLIENT_TRAFFIC_SECRET_0", serverTraffic: "SERVER_TRAFFIC_SECRET_0",
}

func labelOf(name []byte) (label, bool) {
	for l, s := range labelNames {
		if string(name) == s {
			return label(l), true
		}
	}
	return 0, false
}

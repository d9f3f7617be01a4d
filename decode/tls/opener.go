package tls

import (
	"crypto/hkdf"
	"crypto/hmac"
	"encoding/binary"
	"hash"
)

// opener takes the protection off the records of one direction under one key.
type opener struct {
	aead  aead
	iv    [12]byte
	fixed int  // bytes of iv; the rest of the nonce is in the record
	tls13 bool // the header stands for itself, and the type is inside

	nonce [12]byte
	extra [13]byte
}

// open deciphers rec, a record with its header, as number seq under the key,
// and appends what is inside to dst. ok is false when it does not authenticate.
func (o *opener) open(dst []byte, seq uint64, rec []byte) (plain []byte, ok bool) {
	body := rec[headerLen:]
	explicit := 12 - o.fixed
	if len(body) < explicit+o.aead.Overhead() {
		return dst, false
	}
	o.nonce = o.iv
	if explicit > 0 { // RFC 5288, 3
		copy(o.nonce[o.fixed:], body[:explicit])
		body = body[explicit:]
	} else { // RFC 8446, 5.3
		binary.BigEndian.PutUint64(o.nonce[4:], binary.BigEndian.Uint64(o.nonce[4:])^seq)
	}
	plain, err := o.aead.Open(dst, o.nonce[:], body, o.additional(seq, rec, len(body)-o.aead.Overhead()))
	return plain, err == nil
}

// additional is the data that is authenticated beside the ciphertext: RFC
// 8446, 5.2, and RFC 5246, 6.2.3.3.
func (o *opener) additional(seq uint64, rec []byte, n int) []byte {
	if o.tls13 {
		return append(o.extra[:0], rec[:headerLen]...)
	}
	b := binary.BigEndian.AppendUint64(o.extra[:0], seq)
	b = append(b, rec[:3]...)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// newOpener13 is the opener under a traffic secret of TLS 1.3 (RFC 8446, 7.3);
// nil when the secret is of another size than the suite's hash.
func newOpener13(s suite, secret []byte) *opener {
	if len(secret) != s.hash().Size() {
		return nil
	}
	o := &opener{fixed: 12, tls13: true}
	copy(o.iv[:], expandLabel(s.hash, secret, "iv", 12))
	a, err := s.aead(expandLabel(s.hash, secret, "key", s.key))
	if err != nil {
		return nil
	}
	o.aead = a
	return o
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, 7.1).
func expandLabel(h func() hash.Hash, secret []byte, name string, n int) []byte {
	name = "tls13 " + name
	info := string([]byte{byte(n >> 8), byte(n), byte(len(name))}) + name + "\x00"
	out, err := hkdf.Expand(h, secret, info, n)
	if err != nil {
		return make([]byte, n) // decrypts nothing
	}
	return out
}

// nextSecret follows a traffic secret after a KeyUpdate (RFC 8446, 7.2).
func nextSecret(s suite, secret []byte) []byte {
	return expandLabel(s.hash, secret, "traffic upd", len(secret))
}

// newOpener12 is the opener of what goes to the client, or to the server,
// under a master secret of TLS 1.2 (RFC 5246, 6.3).
func newOpener12(s suite, secret []byte, client, server *[32]byte, toClient bool) *opener {
	seed := append(append([]byte("key expansion"), server[:]...), client[:]...)
	block := prf(s.hash, secret, seed, 2*s.key+2*s.fixed)
	key, iv := block[:s.key], block[2*s.key:2*s.key+s.fixed]
	if toClient {
		key, iv = block[s.key:2*s.key], block[2*s.key+s.fixed:]
	}
	a, err := s.aead(key)
	if err != nil {
		return nil
	}
	o := &opener{aead: a, fixed: s.fixed}
	copy(o.iv[:], iv)
	return o
}

// prf is n bytes of the pseudorandom function of TLS 1.2 (RFC 5246, 5), where
// seed begins with the label.
func prf(h func() hash.Hash, secret, seed []byte, n int) (out []byte) {
	mac := hmac.New(h, secret)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}

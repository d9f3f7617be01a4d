package tls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ccm is AES-CCM with nonces of 12 bytes (RFC 3610, RFC 6655), for messages of
// less than 16 MiB. It only opens.
type ccm struct {
	block cipher.Block
	tag   int // bytes

	mac, count, stream [16]byte
}

func newCCM(key []byte, tag int) (*ccm, error) {
	b, err := aes.NewCipher(key)
	return &ccm{block: b, tag: tag}, err
}

var errOpen = errors.New("message does not authenticate")

func (c *ccm) Overhead() int { return c.tag }

// Open appends the plaintext of b to dst, or says that b is not authentic.
func (c *ccm) Open(dst, nonce, b, extra []byte) ([]byte, error) {
	if len(b) < c.tag || len(b)-c.tag >= 1<<24 {
		return nil, errOpen
	}
	text, tag := b[:len(b)-c.tag], b[len(b)-c.tag:]
	from := len(dst)
	dst = append(dst, text...)
	out := dst[from:]
	c.count = [16]byte{0: 2} // RFC 3610, 2.3: three bytes of length
	copy(c.count[1:], nonce)
	for i := 0; i < len(out); i += 16 {
		c.key(uint32(i/16 + 1))
		subtle.XORBytes(out[i:], out[i:], c.stream[:])
	}
	c.authenticate(nonce, out, extra)
	c.key(0)
	subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:])
	if subtle.ConstantTimeCompare(c.mac[:c.tag], tag) != 1 {
		clear(out)
		return dst[:from], errOpen
	}
	return dst, nil
}

// key sets stream to block n of the key stream.
func (c *ccm) key(n uint32) {
	c.count[13], c.count[14], c.count[15] = byte(n>>16), byte(n>>8), byte(n)
	c.block.Encrypt(c.stream[:], c.count[:])
}

// authenticate sets mac to the CBC-MAC (RFC 3610, 2.2).
func (c *ccm) authenticate(nonce, text, extra []byte) {
	flags := byte((c.tag-2)/2<<3 | 2)
	if len(extra) > 0 {
		flags |= 0x40
	}
	c.mac = [16]byte{0: flags}
	copy(c.mac[1:], nonce)
	c.mac[13], c.mac[14], c.mac[15] = byte(len(text)>>16), byte(len(text)>>8), byte(len(text))
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(extra) > 0 { // at most 13 bytes in TLS, so one block with its length
		first := [16]byte{}
		binary.BigEndian.PutUint16(first[:], uint16(len(extra)))
		n := copy(first[2:], extra)
		c.mix(first[:])
		c.mix(extra[n:])
	}
	c.mix(text)
}

// mix takes b, filled up with zeros to whole blocks, into mac.
func (c *ccm) mix(b []byte) {
	for len(b) > 0 {
		n := subtle.XORBytes(c.mac[:], c.mac[:], b[:min(16, len(b))])
		b = b[n:]
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
}

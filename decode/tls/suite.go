package tls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// aead is the half of cipher.AEAD that opens.
type aead interface {
	Overhead() int
	Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
}

// suite is what is needed of a cipher suite to take its protection off. It
// follows from the suite's name.
type suite struct {
	hash  func() hash.Hash
	key   int // bytes
	fixed int // bytes of the nonce that the key block gives; 12 where the record carries none (TLS 1.2)
	aead  func(key []byte) (aead, error)
}

// suiteOf is the suite of that number; ok is false for what pitot cannot
// decipher.
func suiteOf(id uint16) (s suite, ok bool) {
	name := suiteName(id)
	s = suite{hash: sha256.New, fixed: 4}
	if strings.HasSuffix(name, "_SHA384") {
		s.hash = sha512.New384
	}
	switch {
	case strings.Contains(name, "_AES_128_"):
		s.key = 16
	case strings.Contains(name, "_AES_256_"):
		s.key = 32
	}
	switch {
	case strings.Contains(name, "_CHACHA20_POLY1305_"):
		s.key, s.fixed, s.aead = chacha20poly1305.KeySize, 12, newChaCha
	case strings.Contains(name, "_AES_") && strings.Contains(name, "_GCM_"):
		s.aead = newGCM
	case strings.Contains(name, "_AES_") && strings.Contains(name, "_CCM_8"):
		s.aead = func(key []byte) (aead, error) { return newCCM(key, 8) }
	case strings.Contains(name, "_AES_") && strings.Contains(name, "_CCM"):
		s.aead = func(key []byte) (aead, error) { return newCCM(key, 16) }
	}
	return s, s.aead != nil && s.key > 0
}

func newChaCha(key []byte) (aead, error) { return chacha20poly1305.New(key) }

func newGCM(key []byte) (aead, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

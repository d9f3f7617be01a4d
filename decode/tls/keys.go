package tls

import (
	"bytes"
	"sync"
)

// label says what a secret is for.
type label uint8

const (
	master          label = iota // CLIENT_RANDOM: the master secret of TLS 1.2 and before
	clientEarly                  // CLIENT_EARLY_TRAFFIC_SECRET
	clientHandshake              // CLIENT_HANDSHAKE_TRAFFIC_SECRET
	serverHandshake              // SERVER_HANDSHAKE_TRAFFIC_SECRET
	clientTraffic                // CLIENT_TRAFFIC_SECRET_0
	serverTraffic                // SERVER_TRAFFIC_SECRET_0
	numLabels
)

// maxSecret is the longest secret there is: a master secret, or one of
// SHA-384.
const maxSecret = 48

// secrets are those of one connection.
type secrets struct {
	size  [numLabels]uint8
	bytes [numLabels][maxSecret]byte
	told  [numLabels]bool // by Used
	queue bool            // for Used
}

// Keys are the secrets of connections by the random of their ClientHello. They
// may be used from several goroutines. When there are too many, those that came
// first are forgotten.
type Keys struct {
	// Miss, where set before the first use, is called when the secrets of a
	// connection are looked for in vain; it may add to the keys. It may be
	// called from several goroutines.
	Miss func()

	// Collect, set before the first use, remembers which secrets are used, for
	// Used.
	Collect bool

	max int

	mu     sync.RWMutex
	byName map[[32]byte]*secrets
	order  [][32]byte // of arrival; a ring once it is full
	oldest int
	used   [][32]byte // since Used was called
}

const defaultKeys = 1 << 18

// NewKeys holds the secrets of at most max connections; 0 means 262,144, which
// are some 100 MB.
func NewKeys(max int) *Keys {
	if max <= 0 {
		max = defaultKeys
	}
	return &Keys{max: max, byName: make(map[[32]byte]*secrets)}
}

// Len is the number of connections whose secrets are known.
func (k *Keys) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.byName)
}

func (k *Keys) put(l label, random [32]byte, secret []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.byName[random]
	if s == nil {
		s = new(secrets)
		k.byName[random] = s
		k.remember(random)
	}
	if !bytes.Equal(s.bytes[l][:s.size[l]], secret) {
		s.told[l] = false
	}
	s.size[l] = uint8(copy(s.bytes[l][:], secret))
}

func (k *Keys) remember(random [32]byte) {
	if len(k.order) < k.max {
		k.order = append(k.order, random)
		return
	}
	delete(k.byName, k.order[k.oldest])
	k.order[k.oldest] = random
	k.oldest = (k.oldest + 1) % k.max
}

// secret is a copy of the secret of the connection; nil where it is not known.
func (k *Keys) secret(l label, random [32]byte) []byte {
	if k == nil {
		return nil
	}
	b := k.look(l, random)
	if b == nil && k.Miss != nil {
		k.Miss()
		b = k.look(l, random)
	}
	return b
}

func (k *Keys) look(l label, random [32]byte) []byte {
	b, fresh := k.get(l, random)
	if fresh && k.Collect {
		k.use(random)
	}
	return b
}

// get is a copy of a secret; fresh says that Used did not give it yet.
func (k *Keys) get(l label, random [32]byte) (b []byte, fresh bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	s := k.byName[random]
	if s == nil || s.size[l] == 0 {
		return nil, false
	}
	return append([]byte(nil), s.bytes[l][:s.size[l]]...), !s.told[l]
}

// knows reports whether any secret of the connection is known.
func (k *Keys) knows(random [32]byte) bool {
	if k.has(random) {
		return true
	}
	if k.Miss == nil {
		return false
	}
	k.Miss()
	return k.has(random)
}

func (k *Keys) has(random [32]byte) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.byName[random] != nil
}

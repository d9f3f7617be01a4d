package tls

import "encoding/hex"

// use notes that a secret of the connection was used.
func (k *Keys) use(random [32]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.byName[random]; s != nil && !s.queue {
		s.queue = true
		k.used = append(k.used, random)
	}
}

// Used appends to b, as lines of a key log, the secrets of connections that
// were used since the last call, with Collect set: all that are known of such a
// connection and were not given before. It begins no connection once b holds
// most bytes; then it is to be called again. Secrets that were forgotten
// meanwhile, because there were too many, are left out.
func (k *Keys) Used(b []byte, most int) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.used) > 0 && len(b) < most {
		random := k.used[0]
		k.used = k.used[1:]
		if s := k.byName[random]; s != nil {
			b = s.tell(b, random)
		}
	}
	return b
}

// tell appends what was not told.
func (s *secrets) tell(b []byte, random [32]byte) []byte {
	s.queue = false
	for l, name := range labelNames {
		if s.size[l] == 0 || s.told[l] {
			continue
		}
		s.told[l] = true
		b = append(append(b, name...), ' ')
		b = append(hex.AppendEncode(b, random[:]), ' ')
		b = append(hex.AppendEncode(b, s.bytes[l][:s.size[l]]), '\n')
	}
	return b
}

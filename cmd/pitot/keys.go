package main

import (
	"fmt"

	"github.com/pitot-io/pitot/decode/tls"
	"github.com/pitot-io/pitot/internal/keylog"
)

// followKeys reads the key log of that name into keys, and goes on reading it
// when connections come whose keys are missing; without a name it does
// nothing. warn is told of lines that cannot be read. stop ends the reading.
func followKeys(name string, keys *tls.Keys, warn func(error)) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := keylog.Open(name, keys, warn)
	if err != nil {
		return nil, fmt.Errorf("--keylog: %w", err)
	}
	return f.Close, nil
}

// addSecrets adds the key logs that captures carry.
func addSecrets(keys *tls.Keys, warn func(error)) func([]byte) {
	return func(text []byte) {
		if _, err := keys.Add(text, 1); err != nil {
			warn(fmt.Errorf("secrets in the capture: %w", err))
		}
	}
}

package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/pitot-io/pitot/decode/tls"
	"github.com/pitot-io/pitot/internal/keylog"
)

// keyFlags say where the secrets of TLS connections come from.
type keyFlags struct {
	file string
	keys *tls.Keys
}

func (k *keyFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&k.file, "keylog", "", "TLS key log `file` (SSLKEYLOGFILE), to decrypt what it has keys for; it is read on while it grows")
}

// make is where the secrets will be; open fills it. collect says that used will
// be called: whoever is given the packets shall be able to read them.
func (k *keyFlags) make(collect bool) *tls.Keys {
	k.keys = tls.NewKeys(0)
	k.keys.Collect = collect && k.file != ""
	return k.keys
}

// maxSecrets is how many bytes of secrets are written at once.
const maxSecrets = 1 << 20

// used appends the secrets that were used and not written yet.
func (k *keyFlags) used(b []byte) []byte { return k.keys.Used(b, maxSecrets) }

// open reads the key log, and goes on reading it when connections come whose
// keys are missing. warn is told of lines that cannot be read; stop ends the
// reading.
func (k *keyFlags) open(warn func(error)) (stop func(), err error) {
	if k.file == "" {
		return func() {}, nil
	}
	f, err := keylog.Open(k.file, k.keys, warn)
	if err != nil {
		return nil, fmt.Errorf("--keylog: %w", err)
	}
	return func() { f.Close() }, nil // only read from
}

// captured adds the key logs that captures carry.
func (k *keyFlags) captured(warn func(error)) func([]byte) {
	return func(text []byte) {
		if _, err := k.keys.Add(text, 1); err != nil {
			warn(fmt.Errorf("secrets in the capture: %w", err))
		}
	}
}

package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// maxState bounds the file of a registry's state, in bytes.
const maxState = 256 << 20

// state is the file of a registry.
type state struct {
	Version int     `json:"version"` // of this form
	Hosts   []saved `json:"hosts"`
}

type saved struct {
	Host
	Weighed int `json:"operator_weight,omitempty"`
}

// Save writes the registry to a file, which is replaced at once or not at all.
// Load reports are not kept: they would be old.
func (r *Registry) Save(file string) error {
	b, err := json.MarshalIndent(r.snapshot(), "", " ")
	if err == nil {
		err = replace(file, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("registry: state is not kept: %w", err)
	}
	return nil
}

func (r *Registry) snapshot() (s state) {
	s.Version, s.Hosts = 1, []saved{}
	for _, c := range r.Services() {
		r.mu.Lock()
		if sv := r.services[c.Service]; sv != nil {
			for _, h := range sv.list() {
				a, _ := netip.ParseAddr(h.IP) // it is one of ours
				h.Load = nil
				s.Hosts = append(s.Hosts, saved{h, sv.hosts[netip.AddrPortFrom(a, h.Port)].weighed})
			}
		}
		r.mu.Unlock()
	}
	return s
}

// replace writes a file beside the old one and puts it in its place.
func replace(file string, b []byte) error {
	t, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = t.Write(b)
	err = errors.Join(err, t.Chmod(0o644), t.Sync(), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), file)
	}
	if err != nil {
		_ = os.Remove(t.Name()) // the first error tells more
	}
	return err
}

// Restore reads what Save wrote. A missing file is an empty registry. Every host
// gets a whole TTL from now: none of them could check in while there was nobody.
func (r *Registry) Restore(now time.Time, file string) (hosts int, err error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("registry: state: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return 0, fmt.Errorf("registry: state: %w", err)
	}
	var s state
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&s); err != nil || s.Version != 1 {
		return 0, fmt.Errorf("registry: state: %s is not a registry's (version %d, %v); move it away to begin anew", file, s.Version, err)
	}
	for _, h := range s.Hosts {
		if err := r.restore(now, h); err != nil {
			return 0, fmt.Errorf("registry: state: %s: %w", file, err)
		}
	}
	return len(s.Hosts), nil
}

func (r *Registry) restore(now time.Time, h saved) error {
	ip, err := netip.ParseAddr(h.IP)
	if err != nil {
		return err
	}
	in := Registration{Service: h.Service, Address: netip.AddrPortFrom(ip, h.Port), Revision: h.Revision, Repo: h.Repo, Tags: h.Tags}
	if err := in.check(); err != nil {
		return err
	}
	if _, err := r.register(now, in); err != nil || h.Weighed == 0 {
		return err
	}
	return r.Weigh(h.Service, ip, h.Port, h.Weighed)
}

// Changes counts what happened that Save would keep.
func (r *Registry) Changes() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changes
}

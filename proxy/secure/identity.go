package secure

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pitot-io/pitot/internal/config"
)

// identity is what a peer's certificate must be, beyond who signed it.
type identity struct {
	matches []matcher
	spki    [][32]byte
	hashes  [][32]byte
}

type matcher struct {
	kind string
	fits func(string) bool
}

func newIdentity(match []config.SANMatch, spki, hashes []string) (*identity, error) {
	id := new(identity)
	for _, m := range match {
		fits, err := matching(&m)
		if err != nil {
			return nil, err
		}
		id.matches = append(id.matches, matcher{kind: m.Type, fits: fits})
	}
	for _, s := range spki {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, err
		}
		var h [32]byte
		copy(h[:], b)
		id.spki = append(id.spki, h)
	}
	for _, s := range hashes {
		h, _ := config.ParseHash(s) // checked with the configuration
		id.hashes = append(id.hashes, h)
	}
	return id, nil
}

func matching(m *config.SANMatch) (func(string) bool, error) {
	fold := func(s string) string { return s }
	if m.Type == "dns" {
		fold = strings.ToLower
	}
	exact, prefix, suffix := fold(m.Exact), fold(m.Prefix), fold(m.Suffix)
	if a, err := netip.ParseAddr(exact); m.Type == "ip" && err == nil {
		exact = a.Unmap().String()
	}
	switch {
	case m.Prefix != "":
		return func(s string) bool { return strings.HasPrefix(fold(s), prefix) }, nil
	case m.Suffix != "":
		return func(s string) bool { return strings.HasSuffix(fold(s), suffix) }, nil
	case m.Regex != "":
		re, err := regexp.Compile("^(?:" + m.Regex + ")$")
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	return func(s string) bool { return fold(s) == exact }, nil
}

// check fails with a *Failure when c is not who it must be.
func (id *identity) check(c *x509.Certificate) error {
	if len(id.matches) > 0 && !slices.ContainsFunc(id.matches, func(m matcher) bool { return slices.ContainsFunc(sansOf(c, m.kind), m.fits) }) {
		return &Failure{SANMismatch, errorf("certificate of %q (%s) has no name that is allowed", c.Subject, strings.Join(names(c), ", "))}
	}
	if len(id.spki)+len(id.hashes) == 0 {
		return nil
	}
	if slices.Contains(id.spki, sha256.Sum256(c.RawSubjectPublicKeyInfo)) || slices.Contains(id.hashes, sha256.Sum256(c.Raw)) {
		return nil
	}
	return &Failure{PinMismatch, errorf("certificate of %q is none of those that are pinned", c.Subject)}
}

// sansOf are the names of c of one kind.
func sansOf(c *x509.Certificate, kind string) (all []string) {
	switch kind {
	case "dns":
		return c.DNSNames
	case "email":
		return c.EmailAddresses
	case "uri":
		for _, u := range c.URIs {
			all = append(all, u.String())
		}
	case "ip":
		for _, ip := range c.IPAddresses {
			if a, ok := netip.AddrFromSlice(ip); ok {
				all = append(all, a.Unmap().String())
			}
		}
	}
	return all
}

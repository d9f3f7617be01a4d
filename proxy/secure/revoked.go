package secure

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// revoked is what authorities have taken back (RFC 5280, 5), by their public
// key. A nil one asks nothing.
type revoked map[string]*revocations

// revocations are those of one authority.
type revocations struct {
	file    string
	until   time.Time // when the next list is due; zero where it does not say
	serials map[string]bool
}

// loadRevoked reads lists in PEM, or one as it is, each of which must be signed
// by one of authorities.
func loadRevoked(file string, authorities []*Leaf) (revoked, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := revoked{}
	found := false
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			continue
		}
		found = true
		if err := all.add(file, block.Bytes, authorities); err != nil {
			return nil, err
		}
	}
	if !found {
		return all, all.add(file, b, authorities)
	}
	return all, nil
}

func (r revoked) add(file string, der []byte, authorities []*Leaf) error {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var no error = errors.New("its issuer is none of the authorities")
	for _, a := range authorities {
		if string(a.Cert.RawSubject) != string(list.RawIssuer) {
			continue
		}
		if no = list.CheckSignatureFrom(a.Cert); no != nil {
			continue
		}
		r.put(string(a.Cert.RawSubjectPublicKeyInfo), file, list)
		return nil
	}
	return fmt.Errorf("%s: the list of %q cannot be used: %w", file, list.Issuer, no)
}

// put adds a list. Of several of one authority all count, and they are good for
// as long as the last.
func (r revoked) put(key, file string, list *x509.RevocationList) {
	of := r[key]
	if of == nil {
		of = &revocations{file: file, until: list.NextUpdate, serials: map[string]bool{}}
		r[key] = of
	}
	if list.NextUpdate.IsZero() || !of.until.IsZero() && list.NextUpdate.After(of.until) {
		of.until = list.NextUpdate
	}
	for i := range list.RevokedCertificateEntries {
		of.serials[string(list.RevokedCertificateEntries[i].SerialNumber.Bytes())] = true
	}
}

// check fails with a *Failure unless one of a certificate's chains is free of
// what was taken back. The issuer of the certificate itself must have a list
// that has not run out; those above may.
func (r revoked) check(chains [][]*x509.Certificate, now time.Time) (err error) {
	if r == nil {
		return nil
	}
	err = &Failure{Revoked, errorf("no chain of the certificate was verified")}
	for _, chain := range chains {
		if err = r.chain(chain, now); err == nil {
			return nil
		}
	}
	return err
}

func (r revoked) chain(chain []*x509.Certificate, now time.Time) error {
	for i := 0; i+1 < len(chain); i++ {
		c := chain[i]
		list := r[string(chain[i+1].RawSubjectPublicKeyInfo)]
		switch {
		case list == nil && i > 0:
		case list == nil:
			return &Failure{RevocationUnknown, errorf("there is no list of what %q, who signed the certificate of %q, has revoked", c.Issuer, c.Subject)}
		case !list.until.IsZero() && now.After(list.until):
			return &Failure{RevocationUnknown, errorf("the list of what %q has revoked ran out on %s: %s", c.Issuer, list.until.Format(time.RFC3339), list.file)}
		case list.serials[string(c.SerialNumber.Bytes())]:
			return &Failure{Revoked, errorf("certificate %x of %q is revoked", c.SerialNumber, c.Subject)}
		}
	}
	return nil
}

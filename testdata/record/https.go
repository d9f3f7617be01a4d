package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const httpsHost = "shop.example"

// serveHTTPS is a small shop under TLS with a certificate that is thrown away.
func serveHTTPS() (string, func(), error) {
	cert, err := throwaway()
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cart/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "cart %s\n", r.PathValue("id"))
	})
	mux.HandleFunc("POST /cart/{id}/pay", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "paid with %d bytes\n", n)
	})
	mux.HandleFunc("GET /catalog", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("a line of the catalog\n", 2000)) // a failure shows in the client
	})
	srv := &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	var wg sync.WaitGroup
	wg.Go(func() { srv.ServeTLS(l, "", "") }) // ends with ErrServerClosed
	return l.Addr().String(), func() { srv.Close(); wg.Wait() }, nil
}

func throwaway() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: httpsHost}, DNSNames: []string{httpsHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// httpsClient runs curl over HTTP/1.1 and HTTP/2 in the versions of TLS.
func httpsClient(ctx context.Context, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(os.Getenv("SSLKEYLOGFILE")); err != nil {
		return err
	}
	u := "https://" + httpsHost + ":" + port
	for _, version := range []string{"1.2", "1.3"} {
		for _, protocol := range []string{"--http1.1", "--http2"} {
			common := []string{"-sSk", "--max-time", "20", protocol, "--tlsv" + version, "--tls-max", version, "--resolve", httpsHost + ":" + port + ":127.0.0.1"}
			gets := append(common, "-o", "/dev/null", "-o", "/dev/null", u+"/cart/7", u+"/catalog", "--next")
			args := append(append(gets, common...), "-o", "/dev/null", "-d", "card=4711", u+"/cart/7/pay")
			if err := run(ctx, "", "curl", args...); err != nil {
				return err
			}
		}
	}
	return nil
}

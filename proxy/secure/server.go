package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/socket"
)

// Server is the server's side of TLS on one listener.
type Server struct {
	c        *config.ListenerTLS
	forward  config.ForwardCert
	alpn     []string
	store    *store
	identity *identity
	config   atomic.Pointer[tls.Config]
	revoked  atomic.Pointer[revoked]
	slots    chan struct{} // one for each handshake under way
	keylog   *keyLog
	files    *Watcher
	stats    *Stats
}

// NewServer reads the certificates of a listener, and lets w read them again.
// alpn is what is spoken where the configuration does not tell. Close it.
func NewServer(listener string, c *config.ListenerTLS, forward config.ForwardCert, alpn []string, w *Watcher) (*Server, error) {
	s := &Server{files: w, stats: new(Stats), c: c, forward: forward, alpn: c.ALPN, store: newStore(len(c.Certificates)), slots: make(chan struct{}, c.MaxHandshakes)}
	if len(c.ALPN) == 0 {
		s.alpn = alpn
	}
	if err := s.open(fmt.Sprintf("listener %q", listener), w); err != nil {
		s.Close()
		return nil, fmt.Errorf("listener %q: tls: %w", listener, err)
	}
	return s, nil
}

func (s *Server) open(user string, w *Watcher) (err error) {
	if s.keylog, err = openKeyLog(s.c.KeyLog); err != nil {
		return err
	}
	id := &s.c.Client
	if s.identity, err = newIdentity(id.Match, id.SPKI, id.SHA256); err != nil {
		return err
	}
	for i, p := range s.c.Certificates {
		if err := w.add(s, user, []string{p.Cert, p.Key}, func() ([]*Leaf, error) { return s.readPair(i) }); err != nil {
			return err
		}
	}
	if id.CA == "" {
		s.config.Store(s.settings(nil))
		return nil
	}
	files := []string{id.CA}
	if id.CRL != "" {
		files = append(files, id.CRL)
	}
	return w.add(s, user, files, s.readAuthorities)
}

func (s *Server) readPair(i int) ([]*Leaf, error) {
	files := s.c.Certificates[i]
	p, err := loadPair(files.Cert, files.Key)
	if err != nil {
		return nil, err
	}
	s.store.put(i, p)
	return []*Leaf{{File: files.Cert, Cert: p.Leaf}}, nil
}

// readAuthorities begins anew with all settings: tickets of sessions that were
// made under other authorities are good no more.
func (s *Server) readAuthorities() ([]*Leaf, error) {
	pool, all, err := loadBundle(s.c.Client.CA)
	if err != nil {
		return nil, err
	}
	if file := s.c.Client.CRL; file != "" {
		lists, err := loadRevoked(file, all)
		if err != nil {
			return nil, err
		}
		s.revoked.Store(&lists)
	}
	s.config.Store(s.settings(pool))
	return all, nil
}

func (s *Server) settings(authorities *x509.CertPool) *tls.Config {
	c := &tls.Config{
		NextProtos: s.alpn, ClientCAs: authorities, SessionTicketsDisabled: !s.c.SessionTickets,
		GetConfigForClient: s.greeted,
		GetCertificate:     s.certificate,
		VerifyConnection:   s.verify,
	}
	protect(c, s.c.MinVersion, s.c.MaxVersion, s.c.Ciphers, s.keylog)
	switch {
	case s.c.Client.Mode == config.ClientNone:
	case authorities == nil && s.c.Client.Mode == config.ClientRequire: // what is pinned needs no authority
		c.ClientAuth = tls.RequireAnyClientCert
	case authorities == nil:
		c.ClientAuth = tls.RequestClientCert
	case s.c.Client.Mode == config.ClientRequire:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c
}

// protect fills in what both sides of TLS have in common.
func protect(c *tls.Config, least, most string, ciphers []string, keylog *keyLog) {
	c.MinVersion, c.MaxVersion = config.VersionID(least), config.VersionID(most)
	for _, name := range ciphers {
		id, _ := config.CipherID(name) // checked with the configuration
		c.CipherSuites = append(c.CipherSuites, id)
	}
	if keylog != nil {
		c.KeyLogWriter = keylog
	}
}

// keyLog writes secrets. A session does without it when that fails: the file
// may be closed while a handshake is under way.
type keyLog struct{ file *os.File }

func (k *keyLog) Write(b []byte) (int, error) {
	_, _ = k.file.Write(b)
	return len(b), nil
}

func (k *keyLog) close() {
	if k != nil {
		_ = k.file.Close() // each line was written whole
	}
}

func openKeyLog(file string) (*keyLog, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &keyLog{f}, nil
}

// greeted is called when the client's hello has come, before anything costly.
func (s *Server) greeted(h *tls.ClientHelloInfo) (*tls.Config, error) {
	n := sessionOf(h.Conn)
	if n == nil {
		return nil, nil
	}
	n.Hello = h
	select {
	case s.slots <- struct{}{}:
	default:
		late := time.NewTimer(time.Until(n.deadline))
		defer late.Stop()
		select {
		case s.slots <- struct{}{}:
		case <-late.C:
			return nil, &Failure{Busy, errors.New("as many handshakes as max_handshakes allows were under way for all of handshake_timeout")}
		}
	}
	n.holds = true
	return nil, nil
}

func (s *Server) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := s.store.pick(h)
	if n := sessionOf(h.Conn); n != nil {
		n.local = c.Leaf
	}
	return c, nil
}

// verify is asked for new sessions and for those that are resumed.
func (s *Server) verify(c tls.ConnectionState) error {
	if s.c.Client.Mode == config.ClientNone || len(c.PeerCertificates) == 0 {
		return nil // one that must be there was missed before
	}
	if lists := s.revoked.Load(); lists != nil {
		if err := lists.check(c.VerifiedChains, time.Now()); err != nil {
			return err
		}
	}
	return s.identity.check(c.PeerCertificates[0])
}

// Handshake makes a session with a client, within the handshake timeout. Its
// error is a *Failure; the socket is left open. The session is there in both
// cases, to be told.
func (s *Server) Handshake(c socket.Conn) (*socket.Stream, *Session, error) {
	n := &Session{server: s, deadline: time.Now().Add(s.c.HandshakeTimeout)}
	link := socket.Over(c)
	link.State = n
	_ = c.SetDeadline(n.deadline) // fails only when closed, and then so does the handshake
	t := tls.Server(link, s.config.Load())
	err := t.Handshake()
	if n.holds {
		<-s.slots
	}
	_ = c.SetDeadline(time.Time{})
	if err != nil {
		f := failed(err)
		s.stats.failed(f)
		return nil, n, f
	}
	state := t.ConnectionState()
	s.stats.succeeded(&state)
	n.settle(&state)
	return socket.Secured(t, c), n, nil
}

// Stats are the numbers of the listener's sessions.
func (s *Server) Stats() *Stats { return s.stats }

// Follow counts on where the server before has counted. It comes before the
// first handshake.
func (s *Server) Follow(before *Server) { s.stats = before.stats }

// Close frees what the server holds open. Handshakes that are under way go on.
func (s *Server) Close() {
	s.files.drop(s)
	s.keylog.close()
}

// localOf is the certificate that stands for a session that was resumed, and
// for which none was chosen.
func (s *Server) localOf(name string) *x509.Certificate {
	return s.store.index.Load().named(name)[0].Leaf
}

// Package launch finds the running embedded store or starts one as a process of its own, and says when it may end.
//
// Who stops it: a store that Ensure started is shared. Every user holds a lease, an open HTTP request; the store ends by itself when
// the last lease has gone, whether its holder closed it, crashed or was killed. A store started by hand with `pitot store`
// takes leases too but does not end with them.
package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/sink/store"
	"github.com/pitot-io/pitot/sink/store/library"
)

// Options say which store is wanted. Zero values mean the defaults beside the fields.
type Options struct {
	Listen  string        // "" is store.DefaultListen
	Data    string        // "" is DefaultData, and any running store will do
	Program string        // what to run as PROGRAM store ...; "" is Program()
	Wait    time.Duration // for a started store to answer; default 30 s
}

// Store is a running store and this process's lease on it.
type Store struct {
	Addr    string // host:port
	Data    string // its data folder
	Started bool   // by this process

	lease  *lease
	exited <-chan struct{} // closed when the process that was started has ended; nil when none was
}

// DSN names the store for clickhouse-go.
func (s *Store) DSN() string { return "http://" + s.Addr + "/" }

// DefaultData is the data folder when none is named: pitot/store in XDG_STATE_HOME, or in the user's cache folder.
func DefaultData() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "pitot", "store"), nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the store's data: %w (set HOME, or give --data)", err)
	}
	return filepath.Join(cache, "pitot", "store"), nil
}

// Ensure returns a lease on the store at opts.Listen, starting it when nothing answers there. A missing engine is a
// *library.MissingError: callers that can do without history say so once and go on.
func Ensure(ctx context.Context, opts Options) (*Store, error) {
	if opts.Listen == "" {
		opts.Listen = store.DefaultListen
	}
	if opts.Wait == 0 {
		opts.Wait = 30 * time.Second
	}
	data, err := probe(ctx, opts.Listen)
	switch {
	case err == nil:
		return join(ctx, opts, data)
	case !errors.Is(err, errSilent):
		return nil, err
	}
	return start(ctx, opts)
}

// join takes a lease on a store that runs.
func join(ctx context.Context, opts Options, data string) (*Store, error) {
	if opts.Data != "" {
		if want, err := filepath.Abs(opts.Data); err == nil && want != data {
			return nil, fmt.Errorf("the store at %s serves %s, not %s: choose another address for it, or leave the data folder out", opts.Listen, data, want)
		}
	}
	lease, err := hold(ctx, opts.Listen)
	if err != nil {
		return nil, err
	}
	return &Store{Addr: opts.Listen, Data: data, lease: lease}, nil
}

// start runs the store process and waits until it answers or ends.
func start(ctx context.Context, opts Options) (*Store, error) {
	if _, err := library.Find(); err != nil {
		return nil, err
	}
	data, program := opts.Data, opts.Program
	if data == "" {
		var err error
		if data, err = DefaultData(); err != nil {
			return nil, err
		}
	}
	if program == "" {
		var err error
		if program, err = Program(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("store data folder: %w", err)
	}
	logPath := filepath.Clean(data) + ".log"
	logFile, err := os.OpenFile(logPath, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store log: %w", err)
	}
	defer logFile.Close()
	cmd := exec.Command(program, "store", "--data", data, "--listen", opts.Listen, "--while-leased")
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C in the terminal is for pitot, which flushes into the store and then lets it go
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the store: %w", err)
	}
	exited := make(chan struct{})
	go func() { // ends with the process; Close waits for it when the process ends with the lease
		defer close(exited)
		_ = cmd.Wait() // why it ended stands in its log
	}()
	s := &Store{Addr: opts.Listen, Data: data, Started: true, exited: exited}
	if err := s.await(ctx, opts.Wait, logPath); err != nil {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		return nil, err
	}
	return s, nil
}

// await polls until the started store gives a lease, and tells its last words when it ended instead. When it ended because another
// process was faster at starting one, that one's lease will do.
func (s *Store) await(ctx context.Context, wait time.Duration, logPath string) error {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	exited, failure := s.exited, fmt.Errorf("the store did not answer at %s within %s; its log is %s", s.Addr, wait, logPath)
	for {
		if data, err := probe(ctx, s.Addr); err == nil {
			s.Data = data
			s.lease, err = hold(ctx, s.Addr)
			return err
		}
		select {
		case <-exited:
			failure = fmt.Errorf("the store did not start: %s", lastWords(logPath))
			if !strings.Contains(failure.Error(), "in use") {
				return failure
			}
			s.Started, exited = false, nil
			deadline.Reset(min(wait, othersWait))
		case <-deadline.C:
			return failure
		case <-ctx.Done():
			return fmt.Errorf("start the store: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// othersWait is how long another process's store, just started, may take to answer.
const othersWait = 5 * time.Second

// lastWords is the error that ended the store, or the last line of its log.
func lastWords(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	words := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if said, ok := strings.CutPrefix(line, "pitot: "); ok {
			return said
		}
		words = line
	}
	return words
}

// Close gives the lease back. When this process started the store and nobody else uses it, Close waits until the store has written out
// and ended, or until ctx ends.
func (s *Store) Close(ctx context.Context) error {
	alone := s.Started && users(ctx, s.Addr) <= 1
	s.lease.close()
	if !alone {
		return nil
	}
	select {
	case <-s.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the store at %s is still closing: %w", s.Addr, ctx.Err())
	}
}

// Gone is closed when the store has ended, or the lease was closed.
func (s *Store) Gone() <-chan struct{} { return s.lease.gone }

// errSilent says that nothing listens at the address.
var errSilent = errors.New("nothing answers")

// probe asks whether a pitot store answers at addr and returns its data folder.
func probe(ctx context.Context, addr string) (data string, err error) {
	res, err := request(ctx, http.MethodGet, addr, "/ping")
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return "", errSilent
	case err != nil:
		return "", fmt.Errorf("%s is taken by something that does not speak HTTP (%w): choose another address for the store", addr, err)
	}
	_ = res.Body.Close()
	if data = res.Header.Get(store.MarkHeader); data == "" {
		return "", fmt.Errorf("%s is taken by another server, not a pitot store: choose another address for the store, or name a ClickHouse with --store http://%s", addr, addr)
	}
	return data, nil
}

// users is the number of leases, 0 when it cannot be told.
func users(ctx context.Context, addr string) (n int) {
	res, err := request(ctx, http.MethodHead, addr, store.LeasePath)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	_, _ = fmt.Sscan(res.Header.Get("X-Pitot-Leases"), &n)
	return n
}

// request sends one short request on a connection of its own.
func request(ctx context.Context, method, addr, path string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err == nil {
		_ = res.Body.Close()
	}
	return res, err
}

// lease is an open request that lasts until it is closed or the store goes.
type lease struct {
	cancel context.CancelFunc
	gone   chan struct{} // closed when the request has ended, from whichever side
}

// hold opens a lease.
func hold(ctx context.Context, addr string) (*lease, error) {
	open, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the lease lasts beyond the call that took it
	stop := context.AfterFunc(ctx, cancel)
	req, err := http.NewRequestWithContext(open, http.MethodGet, "http://"+addr+store.LeasePath, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if !stop() || err != nil {
		cancel()
		return nil, fmt.Errorf("lease on the store at %s: %w", addr, errors.Join(err, ctx.Err()))
	}
	l := &lease{cancel: cancel, gone: make(chan struct{})}
	go func() { // ends with the request
		defer close(l.gone)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}()
	return l, nil
}

func (l *lease) close() {
	l.cancel()
	<-l.gone
}

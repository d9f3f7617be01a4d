package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

const (
	readyTimeout = 60 * time.Second // for one process to answer: the store unpacks and opens its engine
	stopTimeout  = 15 * time.Second // for one process to end
	drainTimeout = 20 * time.Second // for the last spans to reach the store
)

// Options are those of `pitot demo`.
type Options struct {
	Program  string        // this program, which the demo's processes are run from
	Store    string        // the program that serves the store; one that becomes it could lose the word that the demo has ended
	For      time.Duration // of the load, when nobody watches; 20 s
	Rate     int           // requests a second, 40
	NoStore  error         // why there can be no store on this machine; nil when there can
	MongoDB  string        // a real server, host:port or mongodb:// URI; empty for mongod on PATH or the in-memory one
	Out      io.Writer     // takes the report
	Progress io.Writer     // takes what happens meanwhile

	// Watch, when there is a terminal, shows the running pitot at the admin address until the user leaves. The load
	// then runs as long as that, and there is no report.
	Watch func(ctx context.Context, admin string) error
}

// demo is a run under way.
type demo struct {
	Options
	at       places
	dir      string
	children *children
	storeDSN string // as pitot's configuration has it
	mongoURI string // through pitot
	mongo    string // what the MongoDB end is, for the report
	load     *child
}

// Run starts everything, waits for the load or the user, reports, and leaves no process and no file behind. Its error
// says what failed, or that the report's numbers do not agree.
func Run(ctx context.Context, o Options) (err error) {
	o.For, o.Rate = cmp.Or(o.For, 20*time.Second), cmp.Or(o.Rate, 40)
	dir, err := os.MkdirTemp("", "pitot-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer os.RemoveAll(dir)
	d := &demo{Options: o, dir: dir, children: newChildren(o.Program, dir)}
	defer func() { err = errors.Join(err, d.children.close(stopTimeout)) }()
	free, err := takePorts(placesNeeded)
	if err != nil {
		return err
	}
	defer free.release()
	d.at = newPlaces(free.free)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	defer func() { cancel(nil); <-watched }()
	go func() {
		defer close(watched)
		if err := d.children.unexpected(ctx); err != nil {
			cancel(ended{err})
		}
	}()
	err = d.run(ctx)
	var why ended
	switch {
	case errors.As(context.Cause(ctx), &why):
		return why.error // and all else failed because of it
	case ctx.Err() != nil && o.Watch == nil:
		return errStopped
	case ctx.Err() != nil:
		return nil // the user had seen enough
	}
	return err
}

// ended is the cause of a run cut short by a process that ended.
type ended struct{ error }

// errStopped is what a run ends with that was told to end, by Ctrl-C or SIGTERM.
var errStopped = errors.New("demo: stopped before its end, so there is no report")

func (d *demo) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{d.startStore, d.startMongo, d.startProxy, d.startServices, d.startLoad} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if d.Watch != nil {
		return d.Watch(ctx, d.at.admin)
	}
	d.say("load for %v at %d requests a second; Ctrl-C ends it all", d.For, d.Rate)
	select {
	case <-d.load.exited:
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.finish(ctx)
}

func (d *demo) say(format string, a ...any) { fmt.Fprintf(d.Progress, "demo: "+format+"\n", a...) }

// startStore runs a store of the demo's own, so that its numbers are the demo's and nothing of it stays.
func (d *demo) startStore(ctx context.Context) error {
	if d.NoStore != nil && d.Watch == nil {
		return fmt.Errorf("demo: the report needs the store: %w", d.NoStore)
	}
	if d.NoStore != nil {
		d.say("no history: %v", d.NoStore)
		d.storeDSN = config.None
		return nil
	}
	d.storeDSN = "http://" + d.at.store + "/"
	data := filepath.Join(d.dir, "store")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return d.runReady(ctx, d.Store, "store", "http://"+d.at.store+"/ping", "store", "--listen", d.at.store, "--data", data)
}

// startReady runs `pitot args...` and waits until url answers, or the process has ended, whose last words say why.
func (d *demo) startReady(ctx context.Context, name, url string, args ...string) error {
	return d.runReady(ctx, d.Program, name, url, args...)
}

// runReady is startReady for another program than pitot.
func (d *demo) runReady(ctx context.Context, program, name, url string, args ...string) error {
	ch, err := d.children.start(name, program, args...)
	if err != nil {
		return err
	}
	return d.ready(ctx, ch, func(ctx context.Context) error {
		_, err := get(ctx, url)
		return err
	})
}

func (d *demo) ready(ctx context.Context, ch *child, probe func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- await(ctx, readyTimeout, probe) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("demo: %s is not ready after %v: %w; its last words: %s", ch.name, readyTimeout, err, lastWords(ch.log))
		}
		return nil
	case <-ch.exited:
		cancel()
		<-done
		return ch.failure()
	}
}

// startMongo finds the MongoDB end: the server named, mongod, or the in-memory one.
func (d *demo) startMongo(ctx context.Context) error {
	if d.MongoDB != "" {
		address, uri, err := readMongo(d.MongoDB, d.at.mongoIn)
		if err != nil {
			return err
		}
		d.at.mongo, d.mongoURI, d.mongo = address, uri, "the MongoDB at "+address
		return dial(ctx, address)
	}
	d.mongoURI = "mongodb://" + d.at.mongoIn + "/?directConnection=true"
	program, args := d.Program, []string{"demo", "mongo", "--listen", d.at.mongo}
	d.mongo = "the in-memory MongoDB"
	if found, err := exec.LookPath("mongod"); err == nil {
		data := filepath.Join(d.dir, "mongod")
		if err := os.MkdirAll(data, 0o700); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		_, port, _ := net.SplitHostPort(d.at.mongo)
		program, args, d.mongo = found, []string{"--dbpath", data, "--bind_ip", "127.0.0.1", "--port", port}, found
	}
	ch, err := d.children.start("mongo", program, args...)
	if err != nil {
		return err
	}
	return d.ready(ctx, ch, func(ctx context.Context) error { return dial(ctx, d.at.mongo) })
}

func dial(ctx context.Context, address string) error {
	nc, err := (&net.Dialer{Timeout: callTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nc.Close()
}

func (d *demo) startProxy(ctx context.Context) error {
	text, err := d.at.yaml(d.storeDSN)
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "pitot.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return d.startReady(ctx, "pitot", "http://"+d.at.admin+"/ready", "proxy", "-c", file)
}

func (d *demo) startServices(ctx context.Context) error {
	health := func(address string) string { return "http://" + address + "/health" }
	if err := d.startReady(ctx, "orders-1", health(d.at.orders1), "demo", "orders", "--listen", d.at.orders1, "--mongo", d.mongoURI, "--seed"); err != nil {
		return err
	}
	if err := d.startReady(ctx, "orders-2", health(d.at.orders2), "demo", "orders", "--listen", d.at.orders2, "--mongo", d.mongoURI, "--delay", "25ms"); err != nil {
		return err
	}
	if err := d.startReady(ctx, "shop", health(d.at.shop), "demo", "shop", "--listen", d.at.shop, "--orders", "http://"+d.at.ordersIn); err != nil {
		return err
	}
	d.say("load -> pitot -> shop -> pitot -> orders -> pitot -> %s", d.mongo)
	d.say("pitot's admin is http://%s, the store %s", d.at.admin, d.storeDSN)
	return nil
}

func (d *demo) startLoad(context.Context) (err error) {
	args := []string{"demo", "load", "--target", "http://" + d.at.shopIn, "--rate", fmt.Sprint(d.Rate)}
	if d.Watch == nil {
		args = append(args, "--for", d.For.String())
	}
	d.load, err = d.children.start("load", d.Program, args...)
	return err
}

// loadResult is what the load counted, as it printed at its end.
func (d *demo) loadResult() (LoadResult, error) {
	var r LoadResult
	b, err := os.ReadFile(d.load.out)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, fmt.Errorf("demo: what the load counted: %w", err)
	}
	return r, nil
}

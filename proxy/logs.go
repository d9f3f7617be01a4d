package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/accesslog"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// logs are the outputs of all listeners' access logs. Those that write to one
// file share it, and it stays open when the configuration changes.
type logs struct {
	mu      sync.Mutex // guards what follows
	outputs map[string]*logOutput
	running bool
	closed  bool
	writing sync.WaitGroup
}

// logOutput is an output that runs until end is called.
type logOutput struct {
	*accesslog.Output
	ctx     context.Context // until it has ended
	end     context.CancelFunc
	retired time.Time // when no configuration named it any more
}

func newLogs() *logs { return &logs{outputs: map[string]*logOutput{}} }

// accessLog makes a listener's access log, nil where it has none.
func (s *Server) accessLog(c *config.Listener) (*accesslog.Log, error) {
	if len(c.AccessLog) == 0 {
		return nil, nil
	}
	l, err := accesslog.New(c.AccessLog, s.logOutput)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", c.Name, err)
	}
	return l, nil
}

// logKey tells outputs apart.
func logKey(c *config.AccessLog) string {
	if c.OTLP.Endpoint != "" {
		return fmt.Sprintf("otlp %+v", c.OTLP)
	}
	return "file " + c.File
}

// logOutput finds the output of a log, or opens it.
func (s *Server) logOutput(c *config.AccessLog) (*accesslog.Output, error) {
	l, key := s.logs, logKey(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.outputs[key]; o != nil {
		return o.Output, nil
	}
	out, err := s.openLog(c)
	if err != nil {
		return nil, err
	}
	o := &logOutput{Output: out}
	o.ctx, o.end = context.WithCancel(context.Background())
	l.outputs[key] = o
	if l.running {
		l.run(o)
	}
	return out, nil
}

func (s *Server) openLog(c *config.AccessLog) (*accesslog.Output, error) {
	limit := int(c.Queue)
	switch {
	case c.OTLP.Endpoint != "":
		return accesslog.Server(&c.OTLP, limit, s.deps.Log), nil
	case c.File == "-":
		return accesslog.To("stdout", s.deps.Stdout, limit, s.deps.Log), nil
	}
	return accesslog.Open(c.File, limit, s.deps.Log)
}

// run has an output deliver lines until its end. The caller has the lock.
func (l *logs) run(o *logOutput) { l.writing.Go(func() { o.Run(o.ctx) }) }

// begin has all outputs deliver lines.
func (l *logs) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = true
	for _, o := range l.outputs {
		l.run(o)
	}
}

// close ends all outputs once what they hold is written.
func (l *logs) close() {
	l.mu.Lock()
	if !l.closed {
		for _, o := range l.outputs {
			if o.end(); !l.running {
				_ = o.Discard() // it has not taken anything
			}
		}
	}
	l.closed = true
	l.mu.Unlock()
	l.writing.Wait()
}

// logGrace is how long an output that no configuration names any more is kept
// for exchanges that began under the old one.
const logGrace = 10 * time.Minute

// keep notes which outputs a configuration names, and ends those that none has
// named for long.
func (l *logs) keep(c *config.Config) {
	named := map[string]bool{}
	for i := range c.Listeners {
		for j := range c.Listeners[i].AccessLog {
			named[logKey(&c.Listeners[i].AccessLog[j])] = true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, o := range l.outputs {
		switch {
		case named[key]:
			o.retired = time.Time{}
		case o.retired.IsZero():
			o.retired = time.Now()
		case time.Since(o.retired) > logGrace && l.running:
			o.end()
			delete(l.outputs, key)
		}
	}
}

// all are the outputs in the order of their names.
func (l *logs) all() []*logOutput {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*logOutput
	for _, key := range slices.Sorted(maps.Keys(l.outputs)) {
		list = append(list, l.outputs[key])
	}
	return list
}

// views are the numbers of the access logs, for the operator.
func (l *logs) views() (all []admin.Listener) {
	for _, o := range l.all() {
		written, dropped, failed := o.Stats()
		all = append(all, admin.Listener{Name: o.Name(), Stats: []upstream.Stat{
			{Name: "written", Value: written}, {Name: "dropped", Value: dropped}, {Name: "failed", Value: failed},
		}})
	}
	return all
}

// ReopenLogs opens the files of access logs anew, after they were moved. It
// waits for that while the server runs.
func (s *Server) ReopenLogs() error {
	var all error
	for _, o := range s.logs.all() {
		if err := o.Reopen(o.ctx); err != nil && !errors.Is(err, context.Canceled) {
			all = errors.Join(all, fmt.Errorf("access log: %w; lines go to the old file", err))
		}
	}
	return all
}

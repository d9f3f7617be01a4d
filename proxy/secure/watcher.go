package secure

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// lookEvery is how often files are looked at. A look costs one stat a file,
// and works on every file system and with every way to replace a file, such as
// the links of a Kubernetes secret.
const lookEvery = time.Second

// WatcherOptions make a Watcher.
type WatcherOptions struct {
	Log  *slog.Logger
	Tell func(*event.Notice) // may be nil
}

// Watcher reads the files of certificates when they change. While a new file
// cannot be used, what was read before stays in use.
type Watcher struct {
	o WatcherOptions

	looking sync.Mutex // one look at a time
	mu      sync.Mutex // guards sources and what they hold
	sources []*source
	added   bool // some of them, since the last look
}

// NewWatcher makes a watcher that knows no files yet.
func NewWatcher(o WatcherOptions) *Watcher { return &Watcher{o: o} }

// source is one or more files that are used together.
type source struct {
	owner   any    // a Server or a Client
	user    string // as `listener "web"`
	files   []string
	read    func() ([]*Leaf, error) // and puts into use what it read
	stamps  []stamp                 // of what was read last
	leaves  []*Leaf                 // in use
	failure string                  // why the files as they are cannot be used
	tries   int                     // that failed in a row
}

// stamp tells versions of a file apart.
type stamp struct {
	time  int64
	size  int64
	inode uint64
}

func stampOf(file string) (s stamp) {
	i, err := os.Stat(file)
	if err != nil {
		return s // reading it tells why
	}
	s.time, s.size = i.ModTime().UnixNano(), i.Size()
	if sys, ok := i.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}

func (s *source) look() (stamps []stamp, changed bool) {
	for i, f := range s.files {
		now := stampOf(f)
		changed = changed || len(s.stamps) <= i || s.stamps[i] != now
		stamps = append(stamps, now)
	}
	return stamps, changed
}

// add reads files of owner's for the first time. read is called again, by one
// goroutine at a time, when they have changed.
func (w *Watcher) add(owner any, user string, files []string, read func() ([]*Leaf, error)) error {
	s := &source{owner: owner, user: user, files: files, read: read}
	s.stamps, _ = s.look()
	var err error
	if s.leaves, err = read(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sources, w.added = append(slices.Clip(w.sources), s), true
	return nil
}

// drop forgets the files of owner. They may be read once more.
func (w *Watcher) drop(owner any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sources = slices.DeleteFunc(slices.Clone(w.sources), func(s *source) bool { return s.owner == owner })
}

// Run looks at the files until ctx is done.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	w.more()
	w.remind(time.Now())
	reminded := time.Now()
	for {
		select {
		case now := <-tick.C:
			if w.Look() || w.more() || now.Sub(reminded) >= remindEvery {
				w.remind(now)
				reminded = now
			}
		case <-ctx.Done():
			return
		}
	}
}

// Look reads what has changed, and what could not be used at the last look. It
// reports whether something new is in use.
func (w *Watcher) Look() (renewed bool) {
	w.looking.Lock()
	defer w.looking.Unlock()
	for _, s := range w.all() {
		if stamps, changed := s.look(); changed || s.tries > 0 {
			renewed = w.renew(s, stamps) || renewed
		}
	}
	return renewed
}

// more reports whether there are certificates of which nobody was reminded.
func (w *Watcher) more() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.added = false }()
	return w.added
}

func (w *Watcher) all() []*source {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sources
}

func (w *Watcher) renew(s *source, stamps []stamp) bool {
	leaves, err := s.read()
	w.mu.Lock()
	defer w.mu.Unlock()
	s.stamps = stamps
	if err != nil {
		w.failed(s, err)
		return false
	}
	s.leaves, s.failure, s.tries = leaves, "", 0
	w.told(s.notice(time.Now(), event.EventCertReloaded, event.Info, "in use from now on: "+strings.Join(s.files, ", ")))
	return true
}

// failed notes that new files cannot be used. The first time may lie between
// the replacing of a certificate and that of its key; it is told from the
// second time on, once.
func (w *Watcher) failed(s *source, err error) {
	s.tries++
	if s.tries < 2 || s.failure == err.Error() {
		return
	}
	s.failure = err.Error()
	w.told(s.failed(time.Now()))
}

func (s *source) failed(now time.Time) event.Notice {
	return s.notice(now, event.EventCertFailed, event.Warn, s.failure+"; the one before stays in use")
}

func (s *source) notice(now time.Time, name string, level event.Severity, text string) event.Notice {
	return event.Notice{
		Time: now.UnixNano(), Name: name, Severity: level, Body: "certificate of " + s.user + ": " + text,
		Attributes: []event.KeyValue{{Key: "files", Value: strings.Join(s.files, ",")}, {Key: "used_by", Value: s.user}},
	}
}

// told tells an event, and logs it.
func (w *Watcher) told(n event.Notice) {
	if n.Severity >= event.Warn {
		w.o.Log.Warn(n.Body)
	} else {
		w.o.Log.Info(n.Body)
	}
	if w.o.Tell != nil {
		w.o.Tell(&n)
	}
}

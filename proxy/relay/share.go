package relay

// share is what an exchange needs to be carried on in goroutines that others
// share (Sharing): it leaves them instead of waiting for its upstream, and goes
// on in one of them when the upstream tells that something has come.
type share struct {
	sharing Sharing     // nil where it has a goroutine for itself
	inBody  bool        // the answer's body is what it waited for, not a head
	goOn    func() bool // resumed, bound once
	news    func()      // hasNews, bound once
	alone   func()      // keepGoroutine, bound once
}

// keepGoroutine has the exchange wait where it is from now on.
func (e *exchange) keepGoroutine() {
	if s := e.sharing; s != nil {
		e.sharing = nil
		s.Alone()
	}
}

// leaves reports whether e leaves its goroutine until the upstream has something
// to be taken; then e is somebody else's already.
func (e *exchange) leaves(inBody bool) bool {
	if e.sharing == nil {
		return false
	}
	e.inBody = inBody
	return e.via.(Telling).Tell(e.news)
}

func (e *exchange) hasNews() { e.sharing.Resume(e.goOn) }

// resumed goes on where e had left. It reports whether e is over.
func (e *exchange) resumed() bool {
	received := e.receive
	if e.inBody {
		received = e.passBody
	}
	if !received() {
		return false
	}
	e.conclude(e.endTry())
	e.dispose()
	return true
}

// flushed has f's output written, after a call that came to err.
func (e *exchange) flushed(f Flusher, err error) error {
	if err == nil && e.sharing != nil {
		return e.sharing.Later(f)
	}
	return flushed(f, err)
}

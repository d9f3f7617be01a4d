//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"net/url"
	"strconv"
	"sync"
	"time"
)

// sessions are connections kept between requests under a session_id: their SET, USE and temporary tables last. Settings given in the URL
// of a request to a session stay with the session too.
type sessions struct {
	mu   sync.Mutex
	byID map[string]*session
}

type session struct {
	conn  *conn
	busy  bool
	timer *time.Timer // ends it when idle
}

// Session timeouts, as in ClickHouse.
const (
	defaultSessionTimeout = 60 * time.Second
	maxSessionTimeout     = time.Hour
)

// acquireSession returns the session's connection, made when new unless session_check=1. release gives it back.
func (s *Store) acquireSession(q url.Values) (c *conn, release func(), err error) {
	id, idle, err := q.Get("session_id"), defaultSessionTimeout, error(nil)
	if text := q.Get("session_timeout"); text != "" {
		seconds, err := strconv.Atoi(text)
		if idle = time.Duration(seconds) * time.Second; err != nil || seconds < 0 || idle > maxSessionTimeout {
			return nil, nil, raise(374, "INVALID_SESSION_TIMEOUT", "Invalid session timeout: "+text)
		}
	}
	all := &s.sessions
	all.mu.Lock()
	defer all.mu.Unlock()
	held := all.byID[id]
	switch {
	case held == nil && q.Get("session_check") == "1":
		return nil, nil, raise(372, "SESSION_NOT_FOUND", "Session "+id+" not found")
	case held != nil && held.busy:
		return nil, nil, raise(373, "SESSION_IS_LOCKED", "Session "+id+" is locked by a concurrent client")
	case held == nil && len(all.byID) >= s.opts.Limits.Sessions:
		return nil, nil, raise(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "too many sessions")
	case held == nil:
		conn, err := s.engine.connect()
		if err != nil {
			return nil, nil, err
		}
		held = &session{conn: conn}
		if all.byID == nil {
			all.byID = map[string]*session{}
		}
		all.byID[id] = held
	default:
		held.timer.Stop()
	}
	held.busy = true
	return held.conn, func() { all.release(id, held, idle, q.Get("close_session") == "1") }, nil
}

// release keeps the session for idle, or ends it now.
func (all *sessions) release(id string, held *session, idle time.Duration, end bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	held.busy = false
	if end {
		all.drop(id, held)
		return
	}
	held.timer = time.AfterFunc(idle, func() {
		all.mu.Lock()
		defer all.mu.Unlock()
		if !held.busy {
			all.drop(id, held)
		}
	})
}

// drop needs mu.
func (all *sessions) drop(id string, held *session) {
	if all.byID[id] == held {
		delete(all.byID, id)
		held.conn.close()
	}
}

// closeAll ends every session; no request may be running.
func (all *sessions) closeAll() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for id, held := range all.byID {
		held.timer.Stop()
		all.drop(id, held)
	}
}

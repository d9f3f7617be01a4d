//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"

	"github.com/pitot-io/pitot/sink/store/library"
)

// engine is the engine opened on one data folder. The library allows one folder per process; the engine may be opened once.
type engine struct {
	lib  *chdb
	data string
	root unsafe.Pointer // held open: closing the last connection shuts the engine down
	lock *os.File
	open sync.WaitGroup // connections
}

// openEngine loads the library (path "" looks for it), locks data and starts the engine on it.
func openEngine(path, data string) (*engine, error) {
	if path == "" {
		found, err := library.Find()
		if err != nil {
			return nil, err
		}
		path = found
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("store data folder: %w", err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("store data folder: %w", err)
	}
	held, err := lock(data)
	if err != nil {
		return nil, err
	}
	lib, err := load(path)
	if err != nil {
		_ = held.Close()
		return nil, err
	}
	e := &engine{lib: lib, data: data, lock: held}
	keepSignals(func() {
		lib.setSignals(0)
		e.root = lib.open("clickhouse", "--path="+data)
	})
	if e.root == nil {
		_ = held.Close()
		return nil, fmt.Errorf("the engine could not open %s; it may be damaged or of a newer version (move it away to start afresh)", data)
	}
	return e, nil
}

// close shuts the engine down after the last connection has gone, which writes out what is pending.
func (e *engine) close() error {
	e.open.Wait()
	e.lib.closeConn(e.root)
	return e.lock.Close()
}

// conn is one connection: settings, current database and temporary tables of its own. One statement at a time; not for use
// by several goroutines.
type conn struct {
	e      *engine
	ptr    unsafe.Pointer // for closing
	handle uintptr        // for everything else
}

// connect opens a connection, which takes about 0.2 ms.
func (e *engine) connect() (*conn, error) {
	ptr := e.lib.open("clickhouse", "--path="+e.data)
	if ptr == nil {
		return nil, raise(1002, "UNKNOWN_EXCEPTION", "the engine refused a connection")
	}
	e.open.Add(1)
	return &conn{e: e, ptr: ptr, handle: *(*uintptr)(ptr)}, nil
}

func (c *conn) close() {
	c.e.lib.closeConn(c.ptr)
	c.e.open.Done()
}

// exec runs a statement for its effect.
func (c *conn) exec(sql string) error {
	_, _, err := c.query(sql, "Null")
	return err
}

// query runs sql and returns its whole output in format, unless sql names one itself.
func (c *conn) query(sql, format string) ([]byte, Stats, error) {
	lib := c.e.lib
	r := text(lib.query, c.handle, sql, format)
	defer lib.free(r)
	runtime.KeepAlive(sql)
	if msg := lib.resultError(r); msg != "" {
		return nil, Stats{}, newException(msg)
	}
	return lib.output(r), lib.stats(r), nil
}

// stream runs a SELECT and hands its output to each, block by block, every block formatted on its own. An error of each stops the query.
func (c *conn) stream(sql, format string, each func([]byte) error) (Stats, error) {
	lib := c.e.lib
	s := text(lib.queryStream, c.handle, sql, format)
	defer lib.free(s)
	runtime.KeepAlive(sql)
	if msg := lib.resultError(s); msg != "" {
		return Stats{}, newException(msg)
	}
	var total Stats
	for {
		n, stats, err := c.next(s, each)
		total.add(stats)
		if err != nil {
			lib.cancel(c.handle, s)
			return total, err
		}
		if n == 0 {
			return total, nil
		}
	}
}

// next fetches one block; n is its size, 0 at the end.
func (c *conn) next(stream uintptr, each func([]byte) error) (n int, stats Stats, err error) {
	lib := c.e.lib
	r := lib.fetch(c.handle, stream)
	defer lib.free(r)
	if msg := lib.resultError(r); msg != "" {
		return 0, Stats{}, newException(msg)
	}
	stats = lib.stats(r)
	n = int(lib.resultLen(r))
	if n == 0 {
		return 0, stats, nil
	}
	return n, stats, each(unsafe.Slice(lib.resultBuffer(r), n)) // valid until free
}

func (lib *chdb) stats(r uintptr) Stats {
	return Stats{
		ReadRows: lib.rowsRead(r), ReadBytes: lib.bytesRead(r), WrittenRows: lib.rowsWritten(r), WrittenBytes: lib.bytesWritten(r),
		ResultRows: lib.rowsOut(r), ResultBytes: uint64(lib.resultLen(r)),
	}
}

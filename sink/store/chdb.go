//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// chdb is the loaded library: the functions of chdb.h that pitot uses. Handles are opaque addresses owned by the library.
type chdb struct {
	version     func() string
	setSignals  func(enabled int32)
	connect     func(argc int32, argv unsafe.Pointer) unsafe.Pointer // to the connection's handle; nil when refused
	closeConn   func(conn unsafe.Pointer)
	query       func(conn uintptr, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) uintptr
	queryStream func(conn uintptr, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) uintptr
	fetch       func(conn, stream uintptr) uintptr
	cancel      func(conn, stream uintptr)
	free        func(result uintptr)

	resultError  func(result uintptr) string
	resultBuffer func(result uintptr) *byte
	resultLen    func(result uintptr) uintptr
	rowsOut      func(result uintptr) uint64
	rowsRead     func(result uintptr) uint64
	bytesRead    func(result uintptr) uint64
	rowsWritten  func(result uintptr) uint64
	bytesWritten func(result uintptr) uint64

	insert       func(conn uintptr, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) uintptr
	insertAppend func(stream uintptr, data unsafe.Pointer, n uintptr) int32
	insertDone   func(stream uintptr) uintptr
	insertCancel func(stream uintptr)
	insertError  func(stream uintptr) string
	insertFree   func(stream uintptr)

	classify func(conn uintptr, sql unsafe.Pointer, n uintptr, db unsafe.Pointer, dn uintptr, out unsafe.Pointer) int32
}

// load opens the library at path and binds its functions. The library stays loaded for the life of the process.
func load(path string) (*chdb, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the engine %s: %w", path, err)
	}
	c := &chdb{}
	var missing []error
	for name, fn := range c.symbols() {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		purego.RegisterFunc(fn, address)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("load the engine %s: it is another version than pitot needs: %w", path, errors.Join(missing...))
	}
	return c, nil
}

func (c *chdb) symbols() map[string]any {
	return map[string]any{
		"chdb_version": &c.version, "chdb_set_signal_handlers_enabled": &c.setSignals,
		"chdb_connect": &c.connect, "chdb_close_conn": &c.closeConn,
		"chdb_query_n": &c.query, "chdb_stream_query_n": &c.queryStream,
		"chdb_stream_fetch_result": &c.fetch, "chdb_stream_cancel_query": &c.cancel, "chdb_destroy_query_result": &c.free,
		"chdb_result_error": &c.resultError, "chdb_result_buffer": &c.resultBuffer, "chdb_result_length": &c.resultLen,
		"chdb_result_rows_read": &c.rowsOut, "chdb_result_storage_rows_read": &c.rowsRead, "chdb_result_storage_bytes_read": &c.bytesRead,
		"chdb_result_rows_written": &c.rowsWritten, "chdb_result_bytes_written": &c.bytesWritten,
		"chdb_stream_insert_n": &c.insert, "chdb_stream_append": &c.insertAppend, "chdb_stream_done": &c.insertDone,
		"chdb_stream_cancel_insert": &c.insertCancel, "chdb_stream_insert_error": &c.insertError, "chdb_destroy_insert_stream": &c.insertFree,
		"chdb_classify_query_n": &c.classify,
	}
}

// open connects with command-line style arguments. nil means that the engine refused them.
func (c *chdb) open(args ...string) unsafe.Pointer {
	argv := make([]*byte, len(args)+1) // ends in nil, as main's argv does
	for i, a := range args {
		b := append([]byte(a), 0)
		argv[i] = &b[0]
	}
	conn := c.connect(int32(len(args)), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	return conn
}

// text is a function taking an address and a length, called with the bytes of two strings.
func text(call func(conn uintptr, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) uintptr, conn uintptr, sql, format string) uintptr {
	return call(conn, unsafe.Pointer(unsafe.StringData(sql)), uintptr(len(sql)), unsafe.Pointer(unsafe.StringData(format)), uintptr(len(format)))
}

// output copies a result's bytes.
func (c *chdb) output(result uintptr) []byte {
	n := c.resultLen(result)
	if n == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice(c.resultBuffer(result), n)...)
}

// analysis mirrors chdb_query_analysis_v1.
type analysis struct{ size, statements, flags, class uint32 }

// Classes of chdb_query_class.
const (
	classReadOnly = 0
	classMutating = 1
	classGlobal   = 2
	classControl  = 3
	classUnknown  = 4
)

// kind classifies sql by the engine's own parser.
func (c *chdb) kind(conn uintptr, sql string) (analysis, bool) {
	a := analysis{size: uint32(unsafe.Sizeof(analysis{}))}
	state := c.classify(conn, unsafe.Pointer(unsafe.StringData(sql)), uintptr(len(sql)), nil, 0, unsafe.Pointer(&a))
	return a, state == 0
}

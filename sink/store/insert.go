//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"errors"
	"io"
	"unsafe"
)

// insertChunk is how much of a body is handed to the engine at once, in bytes.
const insertChunk = 1 << 20

// insert runs `INSERT INTO t (...)`, a head without FORMAT or data, with the data of r in the given format. When r fails the insert is
// cancelled; ClickHouse keeps the blocks it had already written.
func (c *conn) insert(head, format string, r io.Reader) (Stats, error) {
	lib := c.e.lib
	s := text(lib.insert, c.handle, head, format)
	defer lib.insertFree(s)
	if msg := lib.insertError(s); msg != "" {
		return Stats{}, newException(msg)
	}
	buf := make([]byte, insertChunk)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 && lib.insertAppend(s, unsafe.Pointer(&buf[0]), uintptr(n)) != 0 {
			return Stats{}, newException(or(lib.insertError(s), unknownInsert))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
			break
		}
		if err != nil {
			lib.insertCancel(s)
			return Stats{}, err
		}
	}
	res := lib.insertDone(s)
	defer lib.free(res)
	if msg := lib.resultError(res); msg != "" {
		return Stats{}, newException(msg)
	}
	return lib.stats(res), nil
}

const unknownInsert = "Code: 1002. DB::Exception: the engine refused the data without a reason. (UNKNOWN_EXCEPTION)"

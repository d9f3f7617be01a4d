//go:build unix

package socket

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
)

func TestNow(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		if err := syscall.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
	}
	from, to := uintptr(pair[0]), uintptr(pair[1])
	b := make([]byte, 100)
	if _, err := ReadNow(to, b); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("nothing is there: %v", err)
	}
	text := []byte("as much as fits")
	if n, err := WriteNow(from, text); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	if n, err := ReadNow(to, b[:5]); err != nil || !bytes.Equal(b[:n], text[:5]) {
		t.Errorf("%q, %v", b[:max(n, 0)], err)
	}
	if n, err := ReadNow(to, b); err != nil || !bytes.Equal(b[:n], text[5:]) {
		t.Errorf("%q, %v", b[:max(n, 0)], err)
	}
	if _, err := WriteNow(^uintptr(0), text); !errors.Is(err, syscall.EBADF) {
		t.Errorf("no descriptor: %v", err)
	}
}

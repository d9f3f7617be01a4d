package proxy

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Without descriptors connections wait, and are served when there are some.
func TestAcceptRecoversFromWantOfDescriptors(t *testing.T) {
	r := run(t, nil, serve(t, echo))
	before := r.dial()
	say(t, before, "a")
	hear(t, before, "a")
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: min(old.Cur, 256), Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()
	var taken []*os.File
	free := func() {
		for _, f := range taken {
			f.Close()
		}
		taken = nil
	}
	defer free()
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, unix.EMFILE) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, f)
	}
	taken[len(taken)-1].Close() // for the client's side
	taken = taken[:len(taken)-1]
	c := r.dial()
	waitFor(t, func() bool { return r.listeners[0].stats.CxAcceptError.Load() > 0 })
	say(t, before, "b") // who is there goes on
	hear(t, before, "b")
	free()
	say(t, c, "c")
	hear(t, c, "c")
}

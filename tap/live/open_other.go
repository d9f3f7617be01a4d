//go:build !linux

package live

import (
	"fmt"
	"runtime"
)

// open says that there is nothing to open.
func open(*Options) ([]source, description, error) {
	return nil, description{}, fmt.Errorf("live capture needs Linux, and this is %s; capture with tcpdump -w and use pitot replay, or pipe: tcpdump -U -w - | pitot replay -", runtime.GOOS)
}

package discovery

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/pitot-io/pitot/internal/config"
)

// maxFile bounds a file of endpoints, in bytes.
const maxFile = 64 << 20

// file lists endpoints. It is looked at every time (one stat) and read when it is
// another one or has changed, which works with every way to replace a file.
type file struct {
	path string
	read os.FileInfo // of what was read last and can be used
}

func (f *file) Fetch(context.Context) (Answer, error) {
	now, err := os.Stat(f.path)
	if err != nil {
		f.read = nil // read it again when it is back
		return Answer{}, err
	}
	if f.read != nil && os.SameFile(f.read, now) && f.read.ModTime().Equal(now.ModTime()) && f.read.Size() == now.Size() {
		return Answer{Idle: true}, nil
	}
	b, err := readFile(f.path)
	if err != nil {
		return Answer{}, err
	}
	all, err := config.ParseEndpoints(f.path, b)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", errRejected, err)
	}
	f.read = now
	return Answer{Endpoints: Endpoints(all)}, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%w: %s is larger than %d bytes", errRejected, path, maxFile)
	}
	return b, err
}

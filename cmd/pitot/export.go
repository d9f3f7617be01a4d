package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tap/pcapfile"
)

// export is the --pcapng of a replay: the packets of the exchanges that fit,
// written in a second reading of the files.
type export struct {
	out       string
	selection *tap.Selection
}

// newExport refuses what cannot be read twice, or would be overwritten.
func newExport(out string, files []string, keep *filter.Filter, given bool) (*export, error) {
	target, _ := os.Stat(out) // nil where it is new
	for _, f := range files {
		info, err := os.Stat(f)
		switch {
		case f == "-" || err == nil && !info.Mode().IsRegular() && !info.IsDir():
			return nil, usagef("--pcapng reads the capture twice, which %s does not allow; save it in a file first, for example with tcpdump -w FILE", f)
		case err == nil && target != nil && os.SameFile(info, target):
			return nil, usagef("--pcapng %s would overwrite the capture; name another file", out)
		}
	}
	var choose func(*event.Exchange) bool
	if given {
		choose = keep.Match
	}
	return &export{out, tap.NewSelection(choose)}, nil
}

// write reads the files again and leaves what was chosen in the file, which is
// whole or not there.
func (e *export) write(ctx context.Context, o tap.ReplayOptions, told io.Writer) (err error) {
	file, err := os.CreateTemp(filepath.Dir(e.out), "."+filepath.Base(e.out)+"-*")
	if err != nil {
		return fmt.Errorf("--pcapng: %w; name a file in a folder that can be written", err)
	}
	defer func() {
		if err != nil {
			file.Close()           // the first error tells more
			os.Remove(file.Name()) // nobody needs half of it
			err = fmt.Errorf("--pcapng: %w", err)
		}
	}()
	w := pcapfile.NewWriter(file, pcapfile.Section{Application: "pitot"})
	done, err := tap.Export(ctx, o, e.selection, w)
	if err != nil && !partly(err) {
		return err
	}
	if err := errors.Join(file.Chmod(0o644), file.Close(), os.Rename(file.Name(), e.out)); err != nil {
		return err
	}
	fmt.Fprintf(told, "%d packets of %d connections written to %s\n", done.Packets, done.Connections, e.out)
	return nil
}

// partly reports whether err is of a file that cannot be read to its end, which
// the first reading has told already.
func partly(err error) bool {
	var broken *pcapfile.Error
	return errors.As(err, &broken)
}

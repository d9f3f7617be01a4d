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
	if _, err := os.Stat(filepath.Dir(out)); err != nil {
		return nil, fmt.Errorf("--pcapng %s: %w; name a file in a folder that can be written", out, err)
	}
	var choose func(*event.Exchange) bool
	if given {
		choose = keep.Match
	}
	return &export{out, tap.NewSelection(choose)}, nil
}

// write reads the files again and leaves what was chosen in the file, which is
// whole or not there. used gives the secrets that decrypted it.
func (e *export) write(ctx context.Context, o tap.ReplayOptions, used func([]byte) []byte, told io.Writer) error {
	file, finish, err := e.create(ctx)
	if err != nil {
		return fmt.Errorf("--pcapng: %w; name a file in a folder that can be written", err)
	}
	done, err := e.copy(ctx, o, used, file)
	if partly(err) {
		err = nil
	}
	if err = finish(err); err != nil {
		return fmt.Errorf("--pcapng: %w", err)
	}
	fmt.Fprintf(told, "%d packets of %d connections written to %s\n", done.Packets, done.Connections, e.out)
	return nil
}

// create opens a file that takes the place of the one asked for when finish is
// called without an error; what is no regular file, as a pipe to Wireshark, is
// written to as it is.
func (e *export) create(ctx context.Context) (file *os.File, finish func(error) error, err error) {
	if info, err := os.Stat(e.out); err == nil && !info.Mode().IsRegular() {
		file, err := createUntil(ctx, e.out)
		return file, func(err error) error { return errors.Join(err, file.Close()) }, err
	}
	if file, err = os.CreateTemp(filepath.Dir(e.out), "."+filepath.Base(e.out)+"-*"); err != nil {
		return nil, nil, err
	}
	return file, func(err error) error {
		if err == nil {
			err = errors.Join(file.Chmod(0o644), file.Close(), os.Rename(file.Name(), e.out))
		}
		if err != nil {
			file.Close()           // the first error tells more
			os.Remove(file.Name()) // nobody needs half of it
		}
		return err
	}, nil
}

// copy writes the secrets and what was chosen.
func (e *export) copy(ctx context.Context, o tap.ReplayOptions, used func([]byte) []byte, file *os.File) (tap.Exported, error) {
	w := pcapfile.NewWriter(file, pcapfile.Section{Application: "pitot " + versionText()})
	for b := used(nil); len(b) > 0; b = used(b[:0]) {
		if err := w.Secrets(pcapfile.SecretsTLS, b); err != nil {
			return tap.Exported{}, err
		}
	}
	return tap.Export(ctx, o, e.selection, w)
}

// partly reports whether err is of a file that cannot be read to its end, which
// the first reading has told already.
func partly(err error) bool {
	var broken *pcapfile.Error
	return errors.As(err, &broken)
}

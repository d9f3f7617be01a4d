package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

// lookEvery is how often a configuration file is looked at.
const lookEvery = time.Second

// fileState is what tells one content of a file from another: a file that was
// renamed into its place has another number, one that was written another time
// or size. A link is followed, so that swapping it counts, too.
type fileState struct {
	info os.FileInfo
}

func stateOf(file string) fileState {
	info, err := os.Stat(file)
	if err != nil {
		return fileState{} // between two contents; the next look sees the new one
	}
	return fileState{info}
}

func (s fileState) same(o fileState) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	return os.SameFile(s.info, o.info) && s.info.Size() == o.info.Size() && s.info.ModTime().Equal(o.info.ModTime())
}

// changes is a configuration file that may change.
type changes struct {
	file string
	read func() (*config.Config, error)
	last fileState // of what was read last; taken before it was
}

func changesOf(file string, read func() (*config.Config, error)) *changes {
	return &changes{file, read, stateOf(file)}
}

// follow calls apply with every new configuration of the file until ctx is
// done. One that cannot be used is told, and the old one stays. again asks for a
// look at a file that seems the same.
func (c *changes) follow(ctx context.Context, again <-chan os.Signal, apply func(*config.Config) error, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-again:
			asked = true
		case <-tick.C:
		}
		now := stateOf(c.file)
		if now.info == nil || !asked && now.same(c.last) {
			continue
		}
		c.last = now
		c.apply(apply, log)
	}
}

func (c *changes) apply(apply func(*config.Config) error, log *slog.Logger) {
	cfg, err := c.read()
	if err == nil {
		err = apply(cfg)
	}
	if err != nil {
		log.Error("the new configuration is not used; the old one stays", "file", c.file, "error", err)
		return
	}
	log.Info("a new configuration is in use", "file", c.file)
}

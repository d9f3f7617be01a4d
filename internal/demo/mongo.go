package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/pitot-io/pitot/internal/minimongo"
)

// MongoOptions are the in-memory server's.
type MongoOptions struct {
	Listen string
}

// RunMongo serves the in-memory MongoDB until ctx ends.
func RunMongo(ctx context.Context, o MongoOptions) error {
	s, err := minimongo.Listen(o.Listen, minimongo.Options{Latency: mongoLatency})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	<-ctx.Done()
	return s.Close()
}

// mongoLatency makes the in-memory server about as slow as one with a disk.
func mongoLatency(command, collection string) time.Duration {
	switch command {
	case "aggregate":
		return 12 * time.Millisecond
	case "insert", "update", "findAndModify", "commitTransaction":
		return 3 * time.Millisecond
	case "find", "getMore":
		if collection == "products" {
			return 600 * time.Microsecond
		}
		return time.Millisecond
	}
	return 0
}

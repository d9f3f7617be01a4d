package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/tui"
)

// tokenVariable is where the admin's token is looked for; on the command line
// other users of the machine could read it.
const tokenVariable = "PITOT_ADMIN_TOKEN"

// topFlags are the flags of pitot top as they were given.
type topFlags struct {
	admin  string
	from   string
	filter string
	plain  bool
	ascii  bool
	mouse  bool

	looking sync.WaitGroup // at the clusters of an admin
}

func topCommand() *cobra.Command {
	var f topFlags
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch a running pitot in the terminal",
		Long: "Watch a running pitot in the terminal: services, the newest exchanges, MongoDB\n" +
			"by call site, a proxy's clusters and endpoints, and what was decided about them.\n" +
			"It attaches to the admin address of pitot proxy or pitot tap, or reads JSON\n" +
			"Lines that were written by --json.\n" +
			"An admin that asks for a token gets the one in " + tokenVariable + ".",
		Example: "  pitot top\n  pitot top --admin 127.0.0.1:9901 --filter 'protocol:mongodb duration>100ms'\n  pitot replay capture.pcap --json | pitot top --from -\n  pitot top --plain --from spans.jsonl",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.admin, "admin", "127.0.0.1:9901", "admin `address` of the pitot to watch")
	fl.StringVar(&f.from, "from", "", "read JSON Lines from this `file` instead; - is standard input")
	fl.StringVar(&f.filter, "filter", "", "show what fits this `expression`")
	fl.BoolVar(&f.plain, "plain", false, "print a line per event instead of a screen")
	fl.BoolVar(&f.ascii, "ascii", false, "draw with ASCII characters only")
	fl.BoolVar(&f.mouse, "mouse", true, "take the mouse; --mouse=false leaves it to select text")
	return c
}

func (f *topFlags) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	expr, err := parseFilter(f.filter)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	feed := newFeed()
	o := tui.Options{Batches: feed.batches, Filter: expr, Plain: f.plain, ASCII: f.ascii, NoMouse: !f.mouse, Loss: feed.loss, Status: feed.status, Output: stdout}
	if f.plain {
		feed.tell = stderr
	}
	if f.from != "" {
		err = f.read(ctx, feed, stdin, &o)
	} else {
		err = f.attach(ctx, feed, &o)
	}
	if err != nil {
		return err
	}
	err = tui.Run(ctx, o)
	cancel()
	f.looking.Wait()
	return cmp.Or(err, feed.wait(f.from != "-"))
}

// attach connects before there is a screen, so that nobody at the other end is
// an error and not a picture of nothing.
func (f *topFlags) attach(ctx context.Context, feed *feed, o *tui.Options) error {
	a := newAttachment(f.admin, f.filter, os.Getenv(tokenVariable))
	body, err := a.open(ctx)
	if err != nil {
		return err
	}
	if o.Filter, o.Title = nil, f.admin; f.filter != "" { // the other end filters: what it leaves out never comes here
		o.Title += " only " + f.filter
	}
	feed.start(func() error { return a.follow(ctx, body, feed) })
	if !f.plain {
		look := &lookout{ask: a.status}
		o.Clusters = look.clusters
		f.looking.Go(func() { look.run(ctx) })
	}
	return nil
}

func (f *topFlags) read(ctx context.Context, feed *feed, stdin io.Reader, o *tui.Options) error {
	o.Title, o.Replay = f.from, true
	if f.from == "-" {
		o.Title = "standard input"
		feed.start(func() error { return feed.lines(ctx, stdin, o.Title, true) })
		return nil
	}
	file, err := os.Open(f.from)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	context.AfterFunc(ctx, func() { file.Close() }) // ends a read of a pipe that nobody writes to
	feed.start(func() error {
		defer file.Close()
		return feed.lines(ctx, file, f.from, true)
	})
	return nil
}

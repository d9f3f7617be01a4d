package sqlshell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/chzyer/readline"

	"github.com/pitot-io/pitot/sink/store"
)

// Prompts of a new statement and of its further lines.
const (
	prompt = "pitot> "
	more   = "    -> "
)

// Lines gives typed lines. *readline.Instance does.
type Lines interface {
	Readline() (string, error)
	SetPrompt(string)
}

// Interactive reads from the terminal until \q or Ctrl-D, with line editing and history. Ctrl-C clears the line, and stops a query that runs.
func (s *Shell) Interactive(ctx context.Context) error {
	in, err := readline.NewEx(&readline.Config{Prompt: prompt, HistoryFile: s.History, DisableAutoSaveHistory: true, HistorySearchFold: true})
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	defer in.Close()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	defer signal.Stop(end)
	quit := make(chan struct{})
	defer close(quit)
	go func() { // ends with Interactive
		select {
		case <-end:
			_ = in.Close()
		case <-quit:
		}
	}()
	fmt.Fprintln(s.Out, `Statements end with ";". \d lists tables, \h helps, \q quits.`)
	return s.Loop(context.WithoutCancel(ctx), in, func(line string) { _ = in.SaveHistory(line) })
}

// Loop runs what lines gives, until it ends. A statement that fails is told and does not end the loop.
func (s *Shell) Loop(ctx context.Context, lines Lines, save func(string)) error {
	text := ""
	for {
		lines.SetPrompt(prompt)
		if !blank(text) {
			lines.SetPrompt(more)
		}
		line, err := lines.Readline()
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			text = ""
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("terminal: %w", err)
		}
		if command := strings.TrimSpace(line); blank(text) && strings.HasPrefix(command, `\`) {
			if strings.TrimRight(command, "; ") == `\q` {
				return nil
			}
			save(command)
			s.tell(ctx, command)
			continue
		}
		text = s.ready(ctx, text+line+"\n", save)
	}
}

// ready runs the statements that text completes and returns the rest.
func (s *Shell) ready(ctx context.Context, text string, save func(string)) string {
	statements, rest := store.Split(text)
	for _, sql := range statements {
		save(strings.Join(strings.Fields(sql), " ") + ";")
		s.tell(ctx, sql)
	}
	return rest
}

// tell runs one statement, which Ctrl-C stops, and prints its failure.
func (s *Shell) tell(ctx context.Context, sql string) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	if err := s.one(ctx, sql); err != nil {
		fmt.Fprintln(s.Err, err)
	}
}

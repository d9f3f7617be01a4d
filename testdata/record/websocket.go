package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// serveWebSocket answers every message with itself, greets with a ping, and
// closes for cause when it is asked to.
func serveWebSocket() (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{id}", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}, CompressionMode: websocket.CompressionContextTakeover, CompressionThreshold: 64})
		if err != nil {
			return // the client is told
		}
		defer c.CloseNow()
		ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
		defer cancel()
		for echo(ctx, c) == nil {
		}
	})
	srv := &http.Server{Handler: mux}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(l) }) // ends with ErrServerClosed
	return l.Addr().String(), func() { srv.Close(); wg.Wait() }, nil
}

func echo(ctx context.Context, c *websocket.Conn) error {
	kind, b, err := c.Read(ctx)
	switch {
	case err != nil:
		return err
	case string(b) == "leave":
		return c.Close(websocket.StatusPolicyViolation, "asked to leave")
	}
	return c.Write(ctx, kind, b)
}

// goWebSocketClient holds three sessions: one that ends in order, one that the
// server closes for cause, and one that breaks off.
func goWebSocketClient(ctx context.Context, addr string) error {
	for _, s := range []struct {
		compress websocket.CompressionMode
		talk     func(context.Context, *websocket.Conn) error
	}{
		{websocket.CompressionDisabled, chat},
		{websocket.CompressionContextTakeover, leave},
		{websocket.CompressionDisabled, breakOff},
	} {
		c, _, err := websocket.Dial(ctx, "ws://"+addr+"/rooms/7?token=secret", &websocket.DialOptions{Subprotocols: []string{"chat"}, CompressionMode: s.compress})
		if err != nil {
			return err
		}
		err = s.talk(ctx, c)
		c.CloseNow()
		if err != nil {
			return err
		}
	}
	return nil
}

func chat(ctx context.Context, c *websocket.Conn) error {
	if err := say(ctx, c, websocket.MessageText, "hello"); err != nil {
		return err
	}
	w, err := c.Writer(ctx, websocket.MessageBinary) // one message in several frames
	if err != nil {
		return err
	}
	for range 3 {
		if _, err := io.WriteString(w, strings.Repeat("0123456789abcdef", 200)); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if _, b, err := c.Read(ctx); err != nil || len(b) != 9600 {
		return fmt.Errorf("read %d bytes: %w", len(b), err)
	}
	reading := c.CloseRead(ctx)
	for range 2 {
		if err := c.Ping(reading); err != nil {
			return err
		}
	}
	return c.Close(websocket.StatusNormalClosure, "bye")
}

func leave(ctx context.Context, c *websocket.Conn) error {
	if err := say(ctx, c, websocket.MessageText, strings.Repeat("a line that repeats. ", 20)); err != nil {
		return err
	}
	if err := c.Write(ctx, websocket.MessageText, []byte("leave")); err != nil {
		return err
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		return fmt.Errorf("asked to leave, the server said: %w", err)
	}
	return nil
}

func breakOff(ctx context.Context, c *websocket.Conn) error {
	return say(ctx, c, websocket.MessageText, "is anybody there?")
}

func say(ctx context.Context, c *websocket.Conn, kind websocket.MessageType, text string) error {
	if err := c.Write(ctx, kind, []byte(text)); err != nil {
		return err
	}
	if _, b, err := c.Read(ctx); err != nil || string(b) != text {
		return fmt.Errorf("sent %q, read %q: %w", text, b, err)
	}
	return nil
}

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// exchange is a client that writes one request and reads an answer of known
// size: the cheapest load there is, so that the peer gets the machine.
type exchange struct {
	conn    net.Conn
	request []byte
	answer  []byte
}

func dialExchange(request, answer []byte) func(string) (client, error) {
	return func(address string) (client, error) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		return &exchange{c, request, make([]byte, len(answer))}, nil
	}
}

func (e *exchange) once() error {
	if err := e.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := e.conn.Write(e.request); err != nil {
		return err
	}
	_, err := io.ReadFull(e.conn, e.answer)
	return err
}

func (e *exchange) close() { e.conn.Close() }

// httpClient asks for bodies of a known size; what is before them, proxies add to.
type httpClient struct {
	conn    net.Conn
	request []byte
	size    int
	buf     []byte
}

func dialHTTP(request []byte, size int) func(string) (client, error) {
	return func(address string) (client, error) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		return &httpClient{c, request, size, make([]byte, 64<<10)}, nil
	}
}

func (h *httpClient) close() { h.conn.Close() }

func (h *httpClient) once() error {
	if err := h.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := h.conn.Write(h.request); err != nil {
		return err
	}
	return readAnswer(h.conn, h.buf, h.size)
}

// readAnswer reads an answer of HTTP/1.1 whose body has size bytes.
func readAnswer(c net.Conn, buf []byte, size int) error {
	have := 0
	for {
		n, err := c.Read(buf[have:])
		if err != nil {
			return err
		}
		have += n
		if head := bytes.Index(buf[:have], []byte("\r\n\r\n")); head >= 0 {
			if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200")) {
				return fmt.Errorf("answer: %.40q", buf[:have])
			}
			return discard(c, buf, size-(have-head-4))
		}
	}
}

func discard(c net.Conn, buf []byte, n int) error {
	for n > 0 {
		k, err := c.Read(buf[:min(n, len(buf))])
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

var body1k = bytes.Repeat([]byte("x"), 1024)

// serve answers every request that until finds in the bytes read with answer.
func serve(until func(b []byte) (n int), answer func(request []byte) []byte) (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				answerAll(c, until, answer)
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	stop := func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	}
	return l.Addr().String(), stop, nil
}

func answerAll(c net.Conn, until func([]byte) int, answer func([]byte) []byte) {
	defer c.Close()
	buf, have := make([]byte, 16<<10), 0
	for {
		n, err := c.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		for {
			n := until(buf[:have])
			if n == 0 {
				break
			}
			if _, err := c.Write(answer(buf[:n])); err != nil {
				return
			}
			have = copy(buf, buf[n:have])
		}
		if have == len(buf) {
			return
		}
	}
}

func untilHead(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return 0
}

func untilMessage(b []byte) int {
	if len(b) < 16 {
		return 0
	}
	if n := int(binary.LittleEndian.Uint32(b)); n <= len(b) {
		return n
	}
	return 0
}

// opMsg is an OP_MSG of one document.
func opMsg(id, to int32, doc bson.D) ([]byte, error) {
	body, err := bson.Marshal(doc)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 21+len(body))
	b = binary.LittleEndian.AppendUint32(b, uint32(21+len(body)))
	b = binary.LittleEndian.AppendUint32(b, uint32(id))
	b = binary.LittleEndian.AppendUint32(b, uint32(to))
	b = binary.LittleEndian.AppendUint32(b, 2013)
	b = append(b, 0, 0, 0, 0, 0)
	return append(b, body...), nil
}

var errNoPitot = errors.New("no pitot binary; make build first")

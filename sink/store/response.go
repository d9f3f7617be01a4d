package store

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// response writes one answer: data -> native frames (compress=1) -> content encoding -> HTTP. The first part is held back, so that a query
// that fails early is answered with its status; one that fails later ends in an exception block.
type response struct {
	w      http.ResponseWriter
	r      *http.Request
	q      url.Values
	hold   int  // bytes to hold before the status is sent
	strict bool // wait_end_of_query: more than hold is an error

	pending   bytes.Buffer
	committed bool
	encoder   io.WriteCloser
	frames    *frameWriter // nil without compress=1
	tag       string       // of an exception block
}

// holdBytes is what is held of an ordinary answer.
const holdBytes = 1 << 20

func newResponse(w http.ResponseWriter, r *http.Request, q url.Values, limit int64) *response {
	o := &response{w: w, r: r, q: q, hold: holdBytes, tag: rand.Text()[:16]}
	if q.Get("wait_end_of_query") == "1" {
		o.hold, o.strict = int(limit), true
	}
	return o
}

// format announces the output's format.
func (o *response) format(name string) {
	o.w.Header().Set("X-ClickHouse-Format", name)
	o.w.Header().Set("Content-Type", contentType(name))
}

// write takes a part of the answer.
func (o *response) write(b []byte) error {
	if o.committed {
		return o.send(b)
	}
	if o.pending.Len()+len(b) > o.hold {
		if o.strict {
			return tooLarge(fmt.Sprintf("the result is larger than %d bytes, which is what wait_end_of_query=1 may hold", o.hold))
		}
		o.commit()
		if err := o.send(o.pending.Bytes()); err != nil {
			return err
		}
		o.pending = bytes.Buffer{}
		return o.send(b)
	}
	o.pending.Write(b)
	return nil
}

// commit sends the status; from here the answer is under way.
func (o *response) commit() {
	o.committed = true
	o.w.Header().Set("X-ClickHouse-Exception-Tag", o.tag)
	method, enc := encoded(o.w, acceptsEncoding(o.r, o.q.Get("enable_http_compression")))
	if method != "" {
		o.w.Header().Set("Content-Encoding", method)
		o.w.Header().Set("Vary", "Accept-Encoding")
	}
	o.encoder = enc
	if o.q.Get("compress") == "1" {
		o.frames = newFrameWriter(enc, o.q.Get("network_compression_method"), o.q.Get("network_zstd_compression_level"))
	}
	o.w.WriteHeader(http.StatusOK)
}

func (o *response) send(b []byte) (err error) {
	if len(b) == 0 {
		return nil
	}
	if o.frames != nil {
		_, err = o.frames.Write(b)
	} else {
		_, err = o.encoder.Write(b)
	}
	return err
}

// finish ends a good answer.
func (o *response) finish(stats Stats, elapsed time.Duration) error {
	if !o.committed {
		o.w.Header().Set("X-ClickHouse-Summary", stats.summary(elapsed))
		if o.pending.Len() == 0 {
			o.w.Header().Set("Content-Length", "0")
			o.w.WriteHeader(http.StatusOK)
			return nil
		}
		o.commit()
		if err := o.send(o.pending.Bytes()); err != nil {
			return nil // the client has gone; there is nobody to tell
		}
	}
	o.end()
	return nil
}

// end flushes the writers; an error means that the client has gone.
func (o *response) end() {
	if o.frames != nil {
		_ = o.frames.Close()
	}
	_ = o.encoder.Close()
}

// fail answers with e: as the status and body, or when the answer is under way as an exception block at its end, which clients of
// ClickHouse 25.11 and later look for (marker, tag, text, length and tag, marker). The block is not framed, as clients read it raw.
func (o *response) fail(e *Exception, version string) {
	text := e.Text + " (version " + version + ")\n"
	if o.committed {
		o.frames = nil
		_, _ = fmt.Fprintf(o.encoder, "\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", o.tag, text, len(text), o.tag)
		o.end()
		return
	}
	h := o.w.Header()
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	if e.status() == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="ClickHouse HTTP API"`)
	}
	o.w.WriteHeader(e.status())
	if o.r.Method != http.MethodHead {
		_, _ = io.WriteString(o.w, text)
	}
}

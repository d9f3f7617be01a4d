// Package http1 reads HTTP/1.0 and HTTP/1.1. One incremental parser has two
// uses: it is the proxy's codec (Strict refuses what a proxy must refuse) and
// the decoder of captures (Lenient reports what is there).
//
// Head reads a message's start line and fields, Body its body's framing,
// FillRequest and FillResponse turn heads into what an exchange tells, and
// Protocol is the decoder.
package http1

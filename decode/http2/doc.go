// Package http2 reads HTTP/2 (RFC 9113) with field compression of its own
// (RFC 7541), since a connection may be joined in its middle: what HPACK cannot
// tell then is "?", and what comes again as a literal is known again.
//
// A connection has two halves. Each takes its direction's bytes apart into
// frames (half.go, frame.go), joins a field block's fragments (block.go) and
// undoes its compression (hpack.go, table.go, huffman.go). Streams (stream.go,
// request.go, answer.go) make exchanges of what they carry. Where the place in
// the bytes is lost, seek.go finds it again.
package http2

// Package wire reads and writes HTTP/2 as bytes: frames (RFC 9113, 4 and 6) and
// the compression of fields (HPACK, RFC 7541). The decoder of captures and the
// proxy share it. It holds no connection and no stream: bytes in, values out,
// and back.
//
// Frames: ParseHeader, Header.Check and the Parse functions read, the Append
// functions write. Fields: a Decoder turns blocks into Sections, an Encoder
// fields into blocks; both follow one direction of one connection. A Role says
// what a field's name means, so that nobody compares names.
package wire

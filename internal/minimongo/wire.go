package minimongo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The wire protocol's numbers, from its public specification.
const (
	headerLen     = 16
	maxMessage    = 48_000_000 // bytes, header included; hello says so
	maxDocument   = 16_777_216 // bytes of one stored document
	maxReplyBatch = 16_000_000 // bytes of documents in one batch of a cursor

	opReply      int32 = 1
	opQuery      int32 = 2004
	opCompressed int32 = 2012
	opMsg        int32 = 2013

	flagChecksum       uint32 = 1 << 0
	flagMoreToCome     uint32 = 1 << 1
	flagExhaustAllowed uint32 = 1 << 16
	flagsRequired      uint32 = 0xffff // unknown bits among these must be refused
)

var errWire = errors.New("minimongo: not the MongoDB wire protocol")

// message is one message after decompression: body is what follows the header, and code the opcode inside.
type message struct {
	id         int32
	code       int32
	compressor compressorID // how it came; noCompressor if it came plain
	body       []byte
	checked    uint32 // CRC-32C of all but the last four bytes, when it came plain
}

// readMessage reads one message. The body grows as bytes arrive, whatever the length promised.
func readMessage(r io.Reader, codecs *codecs) (message, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return message{}, err
	}
	size := int64(int32(binary.LittleEndian.Uint32(h[0:])))
	if size < headerLen || size > maxMessage {
		return message{}, fmt.Errorf("%w: message length %d", errWire, size)
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, size-headerLen); err != nil {
		return message{}, err
	}
	m := message{id: int32(binary.LittleEndian.Uint32(h[4:])), code: int32(binary.LittleEndian.Uint32(h[12:])), body: body.Bytes(), compressor: noCompressor}
	if m.code == opCompressed {
		return m.inflate(codecs)
	}
	if len(m.body) >= 4 {
		table := crc32.MakeTable(crc32.Castagnoli)
		m.checked = crc32.Update(crc32.Checksum(h[:], table), table, m.body[:len(m.body)-4])
	}
	return m, nil
}

// query is what a request asks: its command, with document sequences put in as arrays.
type query struct {
	flags uint32
	body  bson.D
}

// parse reads the body of an OP_MSG or OP_QUERY.
func (m message) parse() (query, error) {
	switch m.code {
	case opMsg:
		return m.parseMsg()
	case opQuery:
		return m.parseQuery()
	}
	return query{}, fmt.Errorf("%w: opcode %d is not served", errWire, m.code)
}

func (m message) parseMsg() (query, error) {
	if len(m.body) < 4 {
		return query{}, fmt.Errorf("%w: OP_MSG of %d bytes", errWire, len(m.body))
	}
	q := query{flags: binary.LittleEndian.Uint32(m.body)}
	if unknown := q.flags & flagsRequired &^ (flagChecksum | flagMoreToCome); unknown != 0 {
		return q, fmt.Errorf("%w: OP_MSG flag bits %#x", errWire, unknown)
	}
	b := m.body[4:]
	if q.flags&flagChecksum != 0 {
		if len(b) < 4 {
			return q, fmt.Errorf("%w: OP_MSG without its checksum", errWire)
		}
		sum := binary.LittleEndian.Uint32(b[len(b)-4:])
		if m.compressor == noCompressor && sum != m.checked {
			return q, fmt.Errorf("%w: OP_MSG checksum %#x, want %#x", errWire, sum, m.checked)
		}
		b = b[:len(b)-4]
	}
	return q, q.sections(b)
}

// sections reads OP_MSG's sections: one body, and sequences that become its array fields.
func (q *query) sections(b []byte) error {
	var sequences bson.D
	for len(b) > 0 {
		kind := b[0]
		var err error
		switch b = b[1:]; {
		case kind == 0 && q.body == nil:
			q.body, b, err = takeDocument(b)
		case kind == 1:
			var e bson.E
			e, b, err = takeSequence(b)
			sequences = append(sequences, e)
		default:
			err = fmt.Errorf("%w: OP_MSG section of kind %d", errWire, kind)
		}
		if err != nil {
			return err
		}
	}
	if q.body == nil {
		return fmt.Errorf("%w: OP_MSG without a body", errWire)
	}
	q.body = append(q.body, sequences...)
	return nil
}

func takeSequence(b []byte) (bson.E, []byte, error) {
	if len(b) < 4 {
		return bson.E{}, nil, fmt.Errorf("%w: cut document sequence", errWire)
	}
	size := int(int32(binary.LittleEndian.Uint32(b)))
	if size < 5 || size > len(b) {
		return bson.E{}, nil, fmt.Errorf("%w: document sequence of %d bytes in %d", errWire, size, len(b))
	}
	seq, rest := b[4:size], b[size:]
	name, seq, ok := bytes.Cut(seq, []byte{0})
	if !ok {
		return bson.E{}, nil, fmt.Errorf("%w: document sequence without a name", errWire)
	}
	docs := bson.A{}
	for len(seq) > 0 {
		var d bson.D
		var err error
		if d, seq, err = takeDocument(seq); err != nil {
			return bson.E{}, nil, err
		}
		docs = append(docs, d)
	}
	return bson.E{Key: string(name), Value: docs}, rest, nil
}

// parseQuery reads OP_QUERY, with which drivers still say their first hello: flags, "db.$cmd\0", skip, count, document.
func (m message) parseQuery() (query, error) {
	if len(m.body) < 4 {
		return query{}, fmt.Errorf("%w: OP_QUERY of %d bytes", errWire, len(m.body))
	}
	ns, b, ok := bytes.Cut(m.body[4:], []byte{0})
	db, isCmd := bytes.CutSuffix(ns, []byte(".$cmd"))
	if !ok || !isCmd || len(b) < 8 {
		return query{}, fmt.Errorf("%w: OP_QUERY is served for commands only", errWire)
	}
	body, _, err := takeDocument(b[8:])
	if err != nil {
		return query{}, err
	}
	if inner, ok := lookup(body, "$query"); ok {
		if d, ok := inner.(bson.D); ok {
			body = d
		}
	}
	return query{body: append(body, bson.E{Key: "$db", Value: string(db)})}, nil
}

// takeDocument decodes the document that b begins with and returns what follows it.
func takeDocument(b []byte) (bson.D, []byte, error) {
	n, err := checkDocument(b, 0)
	if err != nil {
		return nil, nil, err
	}
	d := bson.D{}
	if err := bson.Unmarshal(b[:n], &d); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errWire, err)
	}
	return d, b[n:], nil
}

// appendReply appends the reply to a message of code: OP_MSG, or OP_REPLY to an OP_QUERY.
func appendReply(dst []byte, id, to, code int32, flags uint32, doc []byte) []byte {
	start := len(dst)
	reply := opMsg
	if code == opQuery {
		reply = opReply
	}
	dst = appendHeader(dst, id, to, reply)
	if code == opQuery {
		dst = append(dst, make([]byte, 16)...) // flags, no cursor, start 0
		dst = binary.LittleEndian.AppendUint32(dst, 1)
	} else {
		dst = binary.LittleEndian.AppendUint32(dst, flags)
		dst = append(dst, 0) // section kind
	}
	dst = append(dst, doc...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// appendHeader appends a header whose length the caller fills in.
func appendHeader(dst []byte, id, to, code int32) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(id))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(to))
	return binary.LittleEndian.AppendUint32(dst, uint32(code))
}

package mongo

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/pitot-io/pitot/decode/mongo"
)

// Opcodes of requests and of their answers (MongoDB's wire protocol).
const (
	opReply   = 1
	opQuery   = 2004
	opGetMore = 2005
	opMsg     = 2013

	opCompressed = 2012 // of any of these
)

// queryFailure is the flag of an OP_REPLY to a query that failed.
const queryFailure = 1 << 1

// answer is the message that refuses m, as an answer to a request of its kind
// looks.
func (r *Refusal) answer(m *mongo.Request) []byte {
	switch {
	case m.Opcode == opQuery && m.Command:
		return reply(m.RequestID, 0, r.document("errmsg"))
	case m.Opcode == opQuery, m.Opcode == opGetMore:
		return reply(m.RequestID, queryFailure, r.document("$err"))
	}
	b := header(m.RequestID, opMsg)
	b = append(b, 0, 0, 0, 0, 0) // no flags, a section of kind 0
	return finish(append(b, r.document("errmsg")...))
}

// reply is an OP_REPLY with one document.
func reply(to int32, flags byte, doc []byte) []byte {
	b := append(header(to, opReply), flags, 0, 0, 0)
	b = append(b, make([]byte, 8+4)...) // no cursor, from the first document on
	return finish(append(append(b, 1, 0, 0, 0), doc...))
}

// header begins a message, with room for its length. Its id is the one that it
// answers: nobody asks for it.
func header(to int32, opcode uint32) []byte {
	b := make([]byte, 4, 256)
	b = binary.LittleEndian.AppendUint32(b, uint32(to))
	b = binary.LittleEndian.AppendUint32(b, uint32(to))
	return binary.LittleEndian.AppendUint32(b, opcode)
}

func finish(b []byte) []byte {
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

// document is the error as BSON: {ok: 0, errmsg: ..., code: ..., codeName: ...,
// errorLabels: [...]}, with the message under that key.
func (r *Refusal) document(key string) []byte {
	b := make([]byte, 4, 128)
	b = append(append(b, 0x01), "ok\x00"...)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(0))
	b = appendText(b, key, r.Message)
	b = append(append(b, 0x10), "code\x00"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(r.Code))
	if r.CodeName != "" {
		b = appendText(b, "codeName", r.CodeName)
	}
	if len(r.Labels) > 0 {
		b = append(append(b, 0x04), "errorLabels\x00"...)
		list := make([]byte, 4)
		for i, l := range r.Labels {
			list = appendText(list, strconv.Itoa(i), l)
		}
		b = append(b, finish(append(list, 0))...)
	}
	return finish(append(b, 0))
}

func appendText(b []byte, key, s string) []byte {
	b = append(append(append(b, 0x02), key...), 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)+1))
	return append(append(b, s...), 0)
}

package minimongo

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// maxDepth is how deep documents may nest; deeper ones would cost stack wherever a value is walked.
const maxDepth = 100

// checkDocument walks the BSON document that b begins with and returns its length, so that the decoder behind it
// sees only lengths that fit and nesting that is bounded. The specification is bsonspec.org, version 1.1.
func checkDocument(b []byte, depth int) (int, error) {
	if len(b) < 5 {
		return 0, fmt.Errorf("%w: document cut at %d bytes", errWire, len(b))
	}
	size := int(int32(binary.LittleEndian.Uint32(b)))
	if size < 5 || size > len(b) || b[size-1] != 0 {
		return 0, fmt.Errorf("%w: document of %d bytes in %d", errWire, size, len(b))
	}
	if depth > maxDepth {
		return 0, fmt.Errorf("%w: documents nested deeper than %d", errWire, maxDepth)
	}
	for at := 4; at < size-1; {
		name := bytes.IndexByte(b[at+1:size-1], 0)
		if name < 0 {
			return 0, fmt.Errorf("%w: field name without an end", errWire)
		}
		value := at + 1 + name + 1
		n, err := checkValue(b[at], b[value:size-1], depth)
		if err != nil {
			return 0, err
		}
		at = value + n
	}
	return size, nil
}

// checkValue returns the length of the value of type t that b begins with.
func checkValue(t byte, b []byte, depth int) (int, error) {
	n := 0
	switch t {
	case 0x06, 0x0a, 0xff, 0x7f: // undefined, null, min and max key
	case 0x08:
		n = 1
	case 0x10:
		n = 4
	case 0x01, 0x09, 0x11, 0x12:
		n = 8
	case 0x07:
		n = 12
	case 0x13:
		n = 16
	case 0x02, 0x0d, 0x0e: // strings
		return checkString(b)
	case 0x05: // binary: length, subtype, bytes
		size, err := checkLength(b, 5)
		if err != nil {
			return 0, err
		}
		n = 5 + size
	case 0x03, 0x04:
		return checkDocument(b, depth+1)
	case 0x0b:
		return checkRegex(b)
	case 0x0c: // string and 12 bytes
		size, err := checkString(b)
		if err != nil {
			return 0, err
		}
		n = size + 12
	case 0x0f:
		return checkCode(b, depth)
	default:
		return 0, fmt.Errorf("%w: value of type %#x", errWire, t)
	}
	if n > len(b) {
		return 0, fmt.Errorf("%w: value of type %#x cut", errWire, t)
	}
	return n, nil
}

// checkLength reads the length a value begins with, which must leave room for extra bytes and itself.
func checkLength(b []byte, extra int) (int, error) {
	if len(b) < extra {
		return 0, fmt.Errorf("%w: value cut", errWire)
	}
	size := int(int32(binary.LittleEndian.Uint32(b)))
	if size < 0 || size > len(b)-extra {
		return 0, fmt.Errorf("%w: value of %d bytes in %d", errWire, size, len(b))
	}
	return size, nil
}

func checkString(b []byte) (int, error) {
	size, err := checkLength(b, 4)
	if err != nil {
		return 0, err
	}
	if size < 1 || b[4+size-1] != 0 {
		return 0, fmt.Errorf("%w: string without an end", errWire)
	}
	return 4 + size, nil
}

func checkRegex(b []byte) (int, error) {
	pattern := bytes.IndexByte(b, 0)
	if pattern < 0 {
		return 0, fmt.Errorf("%w: regular expression cut", errWire)
	}
	options := bytes.IndexByte(b[pattern+1:], 0)
	if options < 0 {
		return 0, fmt.Errorf("%w: regular expression cut", errWire)
	}
	return pattern + options + 2, nil
}

// checkCode checks code with scope: a length, a string, a document.
func checkCode(b []byte, depth int) (int, error) {
	if len(b) < 14 {
		return 0, fmt.Errorf("%w: code with scope cut", errWire)
	}
	size := int(int32(binary.LittleEndian.Uint32(b)))
	if size < 14 || size > len(b) {
		return 0, fmt.Errorf("%w: code with scope of %d bytes in %d", errWire, size, len(b))
	}
	code, err := checkString(b[4:size])
	if err != nil {
		return 0, err
	}
	scope, err := checkDocument(b[4+code:size], depth+1)
	if err != nil {
		return 0, err
	}
	if 4+code+scope != size {
		return 0, fmt.Errorf("%w: code with scope of %d bytes", errWire, size)
	}
	return size, nil
}

package wire

// Limits of a Decoder.
type Limits struct {
	Table  int // bytes kept of the dynamic table; of a Strict decoder, what may be kept: see SetTableSize
	List   int // bytes of a section, as SETTINGS_MAX_HEADER_LIST_SIZE counts them
	Fields int // of a section
}

// Mode is what a Decoder makes of bytes out of order.
type Mode uint8

const (
	// Strict refuses what breaks RFC 7541, as a party of the connection must.
	Strict Mode = iota
	// Late watches from aside: it may know only a part of the table, and takes
	// what is clear all the same.
	Late
)

// Decoder undoes HPACK for one direction of one connection. The zero Decoder
// is made ready by Begin.
type Decoder struct {
	Limits Limits
	mode   Mode
	table  table
}

// NewDecoder makes a Decoder for the start of a connection.
func NewDecoder(m Mode, l Limits) *Decoder {
	d := new(Decoder)
	d.Begin(m, l)
	return d
}

// Begin makes d ready for the start of a connection. Strict decoders allow the
// other side DefaultTableSize bytes of table until SetTableSize says otherwise.
func (d *Decoder) Begin(m Mode, l Limits) {
	d.mode, d.Limits = m, l
	d.table.begin(l.Table)
	if m == Strict {
		d.Limits.Table = DefaultTableSize
		d.table.limit = unbounded
	}
}

// Forget says that bytes were missed, or that the connection was joined in its
// middle (Late only): anything may be in the table.
func (d *Decoder) Forget() { d.table.forget() }

// SetTableSize says that the other side has acknowledged our
// SETTINGS_HEADER_TABLE_SIZE of n bytes (Strict only). Where its table is
// larger, its next block must begin by making it smaller (RFC 7541, 4.2).
func (d *Decoder) SetTableSize(n int) { d.Limits.Table = n }

// Decode reads a whole field block into s, whose text is lent until the next
// call of Decode with either of d and s; block may be overwritten at once.
//
// An error that is ErrTooLarge (Strict only) says that the section is over
// Limits; s holds its beginning, and the table is as the other side's. Any
// other wraps ErrCompression or ErrShort: s holds what was read until then, s.Cut
// is set and the table is forgotten. In Late mode updates of the table's size
// are taken wherever they stand.
func (d *Decoder) Decode(block []byte, s *Section) error {
	s.Reset()
	d.table.moved = false
	if err := d.decode(block, s); err != nil {
		d.table.forget()
		s.Cut = true
		return err
	}
	if s.Cut && d.mode == Strict {
		return ErrTooLarge
	}
	return nil
}

func (d *Decoder) decode(b []byte, s *Section) (err error) {
	if b, err = d.updates(b); err != nil {
		return err
	}
	for len(b) > 0 {
		c := b[0]
		switch {
		case c > 0x80 && c <= 0x80+staticLast:
			d.add(&staticTable[c&0x7f], s)
			b = b[1:]
		case c > 0x80 && c < 0xff: // most are
			err = d.refer(int(c&0x7f), s)
			b = b[1:]
		case c&0x80 != 0:
			var i int
			if i, b, err = integer(b, 7); err == nil {
				err = d.refer(i, s)
			}
		case c&0xe0 == 0x20:
			if d.mode == Strict {
				return errUpdatePlace
			}
			b, err = d.update(b)
		default:
			b, err = d.literal(b, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// updates takes those of the table's size off the beginning of a block.
func (d *Decoder) updates(b []byte) (_ []byte, err error) {
	for err == nil && len(b) > 0 && b[0]&0xe0 == 0x20 {
		b, err = d.update(b)
	}
	if err == nil && d.mode == Strict && d.table.max > d.Limits.Table {
		return nil, errNoUpdate
	}
	return b, err
}

func (d *Decoder) update(b []byte) (rest []byte, err error) {
	n, rest, err := integer(b, 5)
	switch {
	case err != nil:
		return nil, err
	case d.mode == Strict && n > d.Limits.Table:
		return nil, errUpdateSize
	}
	d.table.resize(n)
	return rest, nil
}

// refer adds the field at index i of the tables.
func (d *Decoder) refer(i int, s *Section) error {
	x, err := d.lookup(i)
	if err == nil {
		d.add(x, s)
	}
	return err
}

// unknownEntry stands for an entry that a Late decoder has not seen.
var unknownEntry = Field{Name: Unknown, Value: Unknown, Role: RoleOther}

// lookup is the entry at index i, static or dynamic.
func (d *Decoder) lookup(i int) (*Field, error) {
	if i <= staticLast {
		if i == 0 {
			return nil, errIndex
		}
		return &staticTable[i], nil
	}
	if x := d.table.get(i - staticLast - 1); x != nil {
		return x, nil
	}
	if d.table.whole {
		return nil, errIndex
	}
	return &unknownEntry, nil
}

// literal reads a field that is sent as text, or whose value is.
func (d *Decoder) literal(b []byte, s *Section) (rest []byte, err error) {
	var x Field
	var i int
	c, prefix := b[0], uint(4)
	if c&0x40 != 0 {
		prefix = 6
	} else {
		x.Sensitive = c&0x10 != 0
	}
	mark := len(s.text)
	if i, b, err = integer(b, prefix); err != nil {
		return nil, err
	}
	if i > 0 {
		named, err := d.lookup(i)
		if err != nil {
			return nil, err
		}
		x.Name, x.Role = named.Name, named.Role
		x.Malformed = d.mode == Strict && named.Malformed && malformedName(x.Name)
	} else {
		if x.Name, b, err = s.literal(b); err != nil {
			return nil, err
		}
		x.Role = RoleOf(x.Name)
		x.Malformed = d.mode == Strict && x.Role == RoleOther && malformedName(x.Name)
	}
	if x.Value, b, err = s.literal(b); err != nil {
		return nil, err
	}
	x.Malformed = x.Malformed || d.mode == Strict && malformedValue(x.Value)
	if c&0x40 != 0 {
		d.table.insert(&x)
	}
	if d.add(&x, s); s.Cut {
		s.text = s.text[:mark] // nobody refers to it
	}
	return b, nil
}

// add takes x into the section while limits allow.
func (d *Decoder) add(x *Field, s *Section) {
	if s.Size+x.size() > d.Limits.List || len(s.Fields) >= min(d.Limits.Fields, mostFields) {
		s.Size += x.size()
		s.Cut = true
		return
	}
	if x.Role == RoleOther && x.Name == Unknown {
		s.Unknown++
	}
	s.put(x)
}

// literal reads a text into the section's.
func (s *Section) literal(b []byte) (text string, rest []byte, err error) {
	l, rest, err := readLiteral(b)
	if err != nil {
		return "", nil, err
	}
	at, ok := len(s.text), true
	if l.Huffman {
		s.text, ok = AppendUnhuffman(s.text, l.Bytes)
	} else {
		s.text = append(s.text, l.Bytes...)
	}
	if !ok {
		return "", nil, errHuffman
	}
	return view(s.text[at:len(s.text):len(s.text)]), rest, nil
}

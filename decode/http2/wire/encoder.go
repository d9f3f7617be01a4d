package wire

import "hash/maphash"

// Encoder compresses fields for one direction of one connection. It puts into
// the table what is likely to come again, and never a secret: what is in it,
// somebody who can add fields of his own could guess by the size of blocks
// (RFC 7541, 7.1).
type Encoder struct {
	limit   int // bytes of table that it uses at most
	max     int // that it uses now
	lowest  int // max was as low as this since the last block
	changed bool

	table sentTable
	seed  maphash.Seed
	once  [buckets]uint32 // hashes of fields that were sent as text
}

// NewEncoder makes an Encoder for the start of a connection that uses up to
// limit bytes of table, where the other side allows them; 0 for none.
func NewEncoder(limit int) *Encoder {
	e := &Encoder{limit: limit, max: DefaultTableSize, lowest: DefaultTableSize, seed: maphash.MakeSeed()}
	e.table.next = 1
	e.SetTableSize(DefaultTableSize)
	return e
}

// SetTableSize takes the other side's SETTINGS_HEADER_TABLE_SIZE. It is called
// between blocks, when SETTINGS is acknowledged; the next block tells what it
// made of it (RFC 7541, 4.2).
func (e *Encoder) SetTableSize(n uint32) {
	size := int(min(uint64(n), uint64(max(e.limit, 0))))
	if size == e.max {
		return
	}
	e.max, e.changed = size, true
	e.lowest = min(e.lowest, size)
	e.table.evict(size)
}

// Append adds the representation of one field to b, a field block in the
// making. x.Role may be RoleUnset. A Sensitive field is sent so that nobody on
// the way puts it into a table, as are those of a role that is a Secret. The text of
// x is copied. Blocks go onto the wire in the order in which they were made.
func (e *Encoder) Append(b []byte, x *Field) []byte {
	if e.changed {
		b = e.update(b)
	}
	r := x.Role
	if r == RoleUnset {
		r = RoleOf(x.Name)
	}
	way := roleNames[r].how
	if i := staticEntry(r, x.Value); i > 0 && !x.Sensitive {
		return append(b, 0x80|byte(i))
	}
	name := e.hashName(x.Name, r)
	switch {
	case way == secret || x.Sensitive:
		return appendLiteral(b, 0x10, 4, e.nameIndex(x.Name, r, name), x)
	case way == never:
		return e.rare(b, x, r, name)
	}
	both := name ^ uint32(maphash.String(e.seed, x.Value))
	if i := e.table.find(x, both); i > 0 {
		return appendInteger(b, 0x80, 7, i)
	}
	if x.size() > e.max/2 || way == onceMore && !e.again(both) {
		return appendLiteral(b, 0, 4, e.nameIndex(x.Name, r, name), x)
	}
	return e.insert(b, x, r, name, both)
}

// insert sends x as text and puts it into the table.
func (e *Encoder) insert(b []byte, x *Field, r Role, name, both uint32) []byte {
	b = appendLiteral(b, 0x40, 6, e.nameIndex(x.Name, r, name), x)
	e.table.evict(e.max - x.size())
	e.table.insert(x, r, name, both)
	return b
}

// rare sends a field that is another one in each message. Where no table has
// its name, it goes into one for the sake of that.
func (e *Encoder) rare(b []byte, x *Field, r Role, name uint32) []byte {
	i := e.nameIndex(x.Name, r, name)
	if i == 0 && x.size() <= e.max/8 {
		return e.insert(b, x, r, name, name^uint32(maphash.String(e.seed, x.Value)))
	}
	return appendLiteral(b, 0, 4, i, x)
}

// update tells what the table's size is from now on. Where it was smaller for a
// while the table is emptied first, since some decoders take a second update
// only then.
func (e *Encoder) update(b []byte) []byte {
	if e.lowest < e.max {
		e.table.evict(0)
		b = appendInteger(b, 0x20, 5, 0)
	}
	e.lowest, e.changed = e.max, false
	return appendInteger(b, 0x20, 5, e.max)
}

// again reports whether a field with that hash was sent as text not long ago.
func (e *Encoder) again(hash uint32) bool {
	was := &e.once[hash%buckets]
	if *was == hash {
		return true
	}
	*was = hash
	return false
}

func (e *Encoder) hashName(name string, r Role) uint32 {
	if r > RoleOther {
		return uint32(r) * 0x9e3779b1
	}
	return uint32(maphash.String(e.seed, name))
}

// nameIndex is where a name stands in the tables, 0 where it does not.
func (e *Encoder) nameIndex(name string, r Role, hash uint32) int {
	if i := staticNames[r]; i > 0 {
		return int(i)
	}
	return e.table.findName(name, hash)
}

// staticNames are the first entries of the static table with the name of a role.
var staticNames = indexRoles()

func indexRoles() (t [Roles]uint8) {
	for i := staticLast; i > 0; i-- {
		t[staticTable[i].Role] = uint8(i)
	}
	return t
}

// staticEntry is the index of a field in the static table, 0 where it is not.
func staticEntry(r Role, value string) int {
	i := int(staticNames[r])
	if i == 0 {
		return 0
	}
	for ; i <= staticLast && staticTable[i].Role == r; i++ {
		if staticTable[i].Value == value {
			return i
		}
	}
	return 0
}

// appendLiteral adds a field as text; name is the index of its name, or 0.
func appendLiteral(b []byte, pattern byte, prefix uint, name int, x *Field) []byte {
	b = appendInteger(b, pattern, prefix, name)
	if name == 0 {
		b = appendText(b, x.Name)
	}
	return appendText(b, x.Value)
}

// appendInteger adds v with a prefix of n bits (RFC 7541, 5.1).
func appendInteger(b []byte, pattern byte, n uint, v int) []byte {
	most := 1<<n - 1
	if v < most {
		return append(b, pattern|byte(v))
	}
	b = append(b, pattern|byte(most))
	for v -= most; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

package wire

// buckets is how many lists the entries of an encoder's table are in.
const buckets = 128

// sentTable is the dynamic table of an encoder. Its entries are numbered in the
// order of their coming. Those with a hash in common are in a list, the newest
// first: what it holds behind one that has gone has gone too.
type sentTable struct {
	size int // bytes of living entries
	ring []sent
	next uint32 // number of the next entry
	n    uint32 // living entries

	text, spare []byte

	fields [buckets]uint32 // the newest entry with that hash of name and value
	names  [buckets]uint32 // with that hash of its name
}

type sent struct {
	name, value            string
	nameHash, hash         uint32
	olderName, olderFields uint32 // the next in the list
	role                   Role
}

func (x *sent) size() int { return len(x.name) + len(x.value) + entryOverhead }

func (t *sentTable) at(number uint32) *sent { return &t.ring[number&uint32(len(t.ring)-1)] }

// find is the index of a field, 0 where it is not in the table.
func (t *sentTable) find(x *Field, hash uint32) int {
	last := uint32(0)
	for i := t.fields[hash%buckets]; ; {
		age := t.next - i
		if age > t.n || age <= last {
			return 0
		}
		e := t.at(i)
		if e.hash == hash && e.value == x.Value && e.name == x.Name {
			return staticLast + int(age)
		}
		i, last = e.olderFields, age
	}
}

// findName is the index of an entry with that name, 0 where there is none.
func (t *sentTable) findName(name string, hash uint32) int {
	last := uint32(0)
	for i := t.names[hash%buckets]; ; {
		age := t.next - i
		if age > t.n || age <= last {
			return 0
		}
		e := t.at(i)
		if e.nameHash == hash && e.name == name {
			return staticLast + int(age)
		}
		i, last = e.olderName, age
	}
}

// insert adds an entry; room was made by evict.
func (t *sentTable) insert(x *Field, r Role, nameHash, hash uint32) {
	if int(t.n) == len(t.ring) {
		t.grow()
	}
	t.room(len(x.Name) + len(x.Value))
	name, field := &t.names[nameHash%buckets], &t.fields[hash%buckets]
	e := t.at(t.next)
	*e = sent{x.Name, x.Value, nameHash, hash, *name, *field, r}
	t.settle(e)
	*name, *field = t.next, t.next
	t.size += e.size()
	t.next++
	t.n++
}

// evict drops the oldest entries until the others have at most max bytes.
func (t *sentTable) evict(max int) {
	for t.size > max && t.n > 0 {
		t.size -= t.at(t.next - t.n).size()
		t.n--
	}
}

func (t *sentTable) grow() {
	ring := make([]sent, max(minRing, 2*len(t.ring)))
	for i := t.next - t.n; i != t.next; i++ {
		ring[i&uint32(len(ring)-1)] = *t.at(i)
	}
	t.ring = ring
}

// settle puts the text of an entry where it lives.
func (t *sentTable) settle(e *sent) {
	if e.role > RoleOther {
		e.name = e.role.Name()
	} else {
		e.name = t.keep(e.name)
	}
	e.value = t.keep(e.value)
}

func (t *sentTable) keep(s string) string {
	at := len(t.text)
	t.text = append(t.text, s...)
	return view(t.text[at:len(t.text):len(t.text)])
}

// room moves the text of living entries to the spare memory where n more bytes
// do not fit.
func (t *sentTable) room(n int) {
	if len(t.text)+n <= cap(t.text) {
		return
	}
	need := t.size - int(t.n)*entryOverhead + n
	old := t.text
	if t.text = t.spare[:0]; cap(t.text) < need+need/2 {
		t.text = make([]byte, 0, max(minText, 2*need))
	}
	for i := t.next - t.n; i != t.next; i++ {
		t.settle(t.at(i))
	}
	t.spare = old[:0]
}

// Package accesslog writes a line for every HTTP exchange, and for every connection
// that is forwarded as it is: text or JSON into a
// file, or OTLP to a server. A line is made by functions compiled once, without
// allocating, in the goroutine of the exchange; a goroutine of the log's own
// writes many of them at once. Traffic never waits for it: lines for which there
// is no room are dropped and counted.
package accesslog

import (
	"fmt"
	"sync"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/operator"
	"github.com/pitot-io/pitot/proxy/format"
)

// Log is a listener's access logs. Its methods may be called from many
// goroutines.
type Log struct {
	logs             []*one
	answer, trailers [][]byte
	lines            sync.Pool // of *[]byte, memory for one line
}

// one is one entry of the configuration.
type one struct {
	filter filter
	append func(b []byte, e *format.Entry) []byte // adds a record
	conn   func(b []byte, e *format.Entry) []byte // the same of a connection
	out    *Output
}

// New compiles a listener's logs. open gives the output of each; two logs may
// share one.
func New(all []config.AccessLog, open func(*config.AccessLog) (*Output, error)) (*Log, error) {
	l := &Log{lines: sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}}
	for i := range all {
		c := &all[i]
		o, err := l.compile(c)
		if err != nil {
			return nil, fmt.Errorf("access log %d: %w", i, err)
		}
		if o.out, err = open(c); err != nil {
			return nil, err
		}
		l.logs = append(l.logs, o)
	}
	return l, nil
}

func (l *Log) compile(c *config.AccessLog) (*one, error) {
	o := new(one)
	var err error
	if o.filter, err = newFilter(&c.Filter); err != nil {
		return nil, err
	}
	text, err := format.Parse(c.Text, operator.Log(), format.Text)
	if err != nil {
		return nil, err
	}
	l.want(&text)
	conn := text
	if c.Text == config.DefaultLine {
		if conn, err = format.Parse(config.ConnectionLine, operator.Log(), format.Text); err != nil {
			return nil, err
		}
	}
	use := format.JSON
	if c.OTLP.Endpoint != "" {
		use = format.Text
	}
	var fields []field
	for _, p := range c.JSON {
		f, err := format.Parse(p.Value, operator.Log(), use)
		if err != nil {
			return nil, err
		}
		l.want(&f)
		fields = append(fields, field{p.Name, f})
	}
	switch {
	case c.OTLP.Endpoint != "":
		o.append, o.conn = newRecord(&text, fields).append, newRecord(&conn, fields).append
	case len(fields) > 0:
		o.append = newObject(fields).append
		o.conn = o.append
	default:
		o.append, o.conn = textLine(&text), textLine(&conn)
	}
	return o, nil
}

// textLine makes a line of text.
func textLine(f *format.Format) func(b []byte, e *format.Entry) []byte {
	return func(b []byte, e *format.Entry) []byte { return append(f.AppendText(b, e), '\n') }
}

// field is a named format: a member of an object, an attribute of a record.
type field struct {
	name   string
	format format.Format
}

func (l *Log) want(f *format.Format) {
	answer, trailers := f.Wanted()
	l.answer, l.trailers = append(l.answer, answer...), append(l.trailers, trailers...)
}

// Wanted are the names of the fields that the lines need of answers' heads and
// of their trailers.
func (l *Log) Wanted() (answer, trailers [][]byte) { return l.answer, l.trailers }

// longLine is the size of a line whose memory is not kept for the next.
const longLine = 64 << 10

// Log writes the exchange or connection down, where the filters let it.
func (l *Log) Log(e *format.Entry) {
	for _, o := range l.logs {
		if !o.filter.takes(e) {
			continue
		}
		b := l.lines.Get().(*[]byte)
		add := o.append
		if e.Connection {
			add = o.conn
		}
		*b = add((*b)[:0], e)
		o.out.put(*b)
		if cap(*b) <= longLine {
			l.lines.Put(b)
		}
	}
}

// object is a line of JSON.
type object struct {
	names  []string // with what stands before the value
	fields []field
}

func newObject(fields []field) *object {
	o := &object{fields: fields}
	before := byte('{')
	for _, f := range fields {
		o.names = append(o.names, string(append(format.AppendString([]byte{before}, f.name), ':')))
		before = ','
	}
	return o
}

func (o *object) append(b []byte, e *format.Entry) []byte {
	for i := range o.fields {
		b = append(b, o.names[i]...)
		b = o.fields[i].format.AppendJSON(b, e)
	}
	return append(b, "}\n"...)
}

package relay

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// compare tells what differs between the answer that the client got and that of
// the copy.
func (s *shadow) compare() {
	var what []string
	n := event.Notice{
		Name: event.EventMirrored, Severity: event.Warn, Service: s.x.Service, TraceID: s.x.TraceID, SpanID: s.attempt.X.SpanID, Time: time.Now().UnixNano(),
		Attributes: []event.KeyValue{{Key: event.AttrListener, Value: s.x.Listener}, {Key: event.AttrRouteName, Value: s.x.Route}, {Key: event.AttrCluster, Value: s.x.Cluster}},
	}
	differs := func(name, main, own string) {
		what = append(what, name)
		n.Attributes = append(n.Attributes, event.KeyValue{Key: event.AttrMirrorMain + name, Value: main}, event.KeyValue{Key: event.AttrMirrorOwn + name, Value: own})
	}
	a, b := &s.main, &s.own
	if s.m.Status && a.status != b.status {
		differs("status", strconv.Itoa(a.status), strconv.Itoa(b.status))
	}
	for i, name := range s.m.Headers {
		if !bytes.Equal(a.fields[i], b.fields[i]) {
			differs("header."+name, short(a.fields[i]), short(b.fields[i]))
		}
	}
	if s.m.Payload && (a.hash != b.hash || a.bytes != b.bytes) {
		differs("body_bytes", strconv.FormatInt(a.bytes, 10), strconv.FormatInt(b.bytes, 10))
		differs("body_hash", strconv.FormatUint(a.hash, 16), strconv.FormatUint(b.hash, 16))
	}
	if len(what) == 0 {
		s.g.o.Mirror.Same.Add(1)
		return
	}
	s.g.o.Mirror.Different.Add(1)
	differs("ns", strconv.FormatInt(int64(a.took), 10), strconv.FormatInt(int64(b.took), 10))
	n.Body = fmt.Sprintf("the mirror %q answers %s differently in %s", s.x.Cluster, s.x.Name, strings.Join(what[:len(what)-1], ", "))
	s.g.mirrors.tell(&n)
}

// mostShown is how much of a field's value is told, in bytes.
const mostShown = 64

func short(v []byte) string { return strings.ToValidUTF8(string(v[:min(len(v), mostShown)]), "?") }

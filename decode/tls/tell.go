package tls

import (
	"strconv"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// tellWhenKnown tells the event when everything is known that it tells.
func (k *conn) tellWhenKnown(emit event.Emitter) {
	if k.server != nil && k.settled && (k.client != nil || k.half[event.ToServer].mute) {
		k.tell(k.toldAt, emit)
	}
}

// tell tells the event of this connection, once.
func (k *conn) tell(at int64, emit event.Emitter) {
	if k.told || k.first == nil && k.server == nil {
		return
	}
	k.told = true
	if k.server != nil {
		at = k.toldAt
	}
	n := event.Notice{Time: at, Name: event.EventTLS, Body: k.sentence(), Attributes: k.attributes()}
	if k.failedHandshake() {
		n.Severity = event.Warn
	}
	emit.Notice(&n)
}

func (k *conn) failedHandshake() bool { return k.alerted && k.server == nil }

// serverName is the name that the client asked for.
func (k *conn) serverName() string {
	if k.first == nil {
		return ""
	}
	return k.first.serverName
}

// sentence is as "TLS 1.3 to api.example.com (h2)".
func (k *conn) sentence() string {
	var b strings.Builder
	b.WriteString(k.versionText())
	if name := k.serverName(); name != "" {
		b.WriteString(" to " + name)
	} else if k.first == nil {
		b.WriteString(", client hello not seen")
	} else {
		b.WriteString(" to " + k.Server.String() + ", no server name")
	}
	switch {
	case k.failedHandshake():
		b.WriteString(" failed: " + alertName(k.alert) + " from the " + sender(k.alertDir))
	case k.server == nil:
		b.WriteString(", not answered")
	case k.server.alpn != "":
		b.WriteString(" (" + k.server.alpn + ")")
	case k.first != nil && len(k.first.alpn) > 0 && k.server.version >= versionTLS13:
		b.WriteString(" (offered " + k.offered() + ")")
	}
	return b.String()
}

func (k *conn) versionText() string {
	if k.server == nil {
		return "TLS"
	}
	name, number := versionName(k.server.version)
	return strings.TrimSpace(strings.ToUpper(name) + " " + number)
}

func sender(d event.Dir) string {
	if d == event.ToServer {
		return "client"
	}
	return "server"
}

func (k *conn) offered() string {
	names := make([]string, len(k.first.alpn))
	for i, name := range k.first.alpn {
		names[i] = printable([]byte(name))
	}
	return strings.Join(names, ",")
}

func (k *conn) attributes() (kv []event.KeyValue) {
	add := func(key, value string) {
		if value != "" {
			kv = append(kv, event.KeyValue{Key: key, Value: value})
		}
	}
	add("client", k.Client.String())
	add("server", k.Server.String())
	add("tcp_stream", strconv.FormatInt(k.Stream, 10))
	add(event.AttrTLSServerName, k.serverName())
	if s := k.server; s != nil {
		name, number := versionName(s.version)
		add(event.AttrTLSProtocol, name)
		add(event.AttrTLSVersion, number)
		add(event.AttrTLSCipher, suiteName(s.suite))
		add(event.AttrTLSALPN, s.alpn)
		add(event.AttrTLSResumed, strconv.FormatBool(s.resumed))
	}
	if c := k.first; c != nil {
		add(event.AttrTLSOffered, k.offered())
		add(event.AttrTLSJA4, c.ja4())
		if c.ech {
			add(event.AttrTLSECH, "offered")
		}
	}
	if k.alerted {
		add(event.AttrTLSAlert, alertName(k.alert))
	}
	return kv
}

// opaque names the exchange of a connection that was not deciphered.
type opaque struct {
	event.Emitter
	k *conn
}

func (o opaque) Exchange(x *event.Exchange) {
	k := o.k
	x.Name = "tls"
	if name := k.serverName(); name != "" {
		x.Name, x.Service = "tls "+name, name
	}
	if k.first == nil && k.server == nil {
		x.Decode |= event.Guessed
	}
	if k.alerted {
		x.Status, x.ErrorType = event.Error, alertName(k.alert)
		x.StatusMessage = "TLS alert from the " + sender(k.alertDir)
	}
	o.Emitter.Exchange(x)
}

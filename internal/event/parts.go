package event

// HTTP is the part of an exchange that only HTTP has.
type HTTP struct {
	Method     string // as sent; an unknown method stays as it is
	Scheme     string // "http" or "https"
	Host       string // host that the client asked for, without port
	Port       uint16 // port in Host or the target; 0 when none was named
	Path       string // path as sent, without query
	Query      string // without "?", secrets redacted
	Version    string // "1.0", "1.1", "2"
	UserAgent  string
	RequestID  string // x-request-id
	Template   string // path with its variable segments as {id}: a guess, not a route
	Route      string // path or template of the proxy's route, where that has one
	StatusCode int    // 0 when no final answer was seen

	RequestBody  int64 // bytes of the body as transferred, without chunk framing
	ResponseBody int64

	Upgrade string // protocol that a 101 agreed to; "connect" for a CONNECT tunnel
	Interim uint8  // answers of class 1xx before the final one

	Detail *HTTPDetail // fields and bodies, where they were asked for; else nil
}

// Mongo is the part of an exchange that only MongoDB has.
type Mongo struct {
	Database   string
	Collection string
	Operation  string // the command's name as sent: "find", "isMaster"
	Query      string // the command's shape, every literal as ?
	Shape      uint64 // hash of operation, namespace and Query; 0 when there is none
	Class      QueryClass

	RequestID int32
	Opcode    int32 // of the request, after decompression
	Code      int32 // server's error code; 0 when none
	CodeName  string

	Returned int64 // documents in the answer; -1 when the answer has none to count
	Affected int64 // n of the answer; -1 when absent
	Batch    int64 // documents or statements in the request; 0 when it has none
	Limit    int64 // the query's limit; 0 when it has none
	Cursor   int64 // cursor id that the answer left open, or that the request used

	TxnNumber   int64  // -1 when none
	Session     string // hex of lsid.id; empty when none
	Compressor  string // of the request: "snappy", "zlib", "zstd", "noop" or empty
	Application string // client.application.name of the handshake
	Driver      string // client.driver name and version of the handshake

	Labels      string // errorLabels of the answer, joined by ","
	Namespaces  int32  // namespaces that a bulkWrite writes to, where there are several; else 0
	WriteErrors int32  // statements that failed, of a write that went through as a command

	MoreToCome bool // request that wants no answer
	Exhaust    bool // answered by a chain of replies
	Replies    uint32

	Transaction TxnStep
	Retryable   bool // a write with a number of its own, which may be sent again
	CursorKind  CursorKind
	CursorDone  bool // the answer ended the cursor
	Await       bool // the server may wait with its answer until there is news: its duration is no latency
	Chatter     bool // what drivers and monitors say of their own accord: hello, ping, endSessions ...

	Site CallSite

	Handshake *MongoHandshake // on the first hello of a connection, and where it authenticates; else nil
}

// MongoHandshake is what the two sides of a connection told each other.
type MongoHandshake struct {
	OS           string // client.os: type, name, architecture, version
	Platform     string // client.platform: "go1.26.0"
	Compressors  string // that both sides have, best first, joined by ","
	Mechanism    string // of authentication: "SCRAM-SHA-256"
	ReplicaSet   string
	Role         string // of the server: "primary", "secondary", "arbiter", "mongos", "standalone", "other"
	MinWire      int32  // the server's range of wire versions; MaxWire is 0 when it told none
	MaxWire      int32
	ConnectionID int64 // the server's number of the connection
}

// TxnStep is what a command does in a transaction of several statements.
type TxnStep uint8

const (
	TxnNone   TxnStep = iota
	TxnStart          // begins one
	TxnIn             // is inside one
	TxnCommit         // ends it
	TxnAbort          // undoes it
)

var txnSteps = [...]string{"", "start", "in", "commit", "abort"}

func (t TxnStep) String() string { return nameOf(txnSteps[:], int(t)) }

// CursorKind is how a cursor that does not end with its last document goes on.
type CursorKind uint8

const (
	CursorPlain         CursorKind = iota
	CursorTailable                 // waits at the end of a capped collection for the client to ask again
	CursorTailableAwait            // the server waits a while for more before it answers
	CursorChangeStream
)

var cursorKinds = [...]string{"", "tailable", "tailable_await", "change_stream"}

func (k CursorKind) String() string { return nameOf(cursorKinds[:], int(k)) }

// Awaits reports whether a getMore of the cursor is answered when there is
// news, or its time is over.
func (k CursorKind) Awaits() bool { return k >= CursorTailableAwait }

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return ""
}

// mongoOpcodes are the opcodes of MongoDB's wire protocol by name.
var mongoOpcodes = [...]struct {
	op   int32
	name string
}{
	{2013, "OP_MSG"}, {2012, "OP_COMPRESSED"}, {2004, "OP_QUERY"}, {1, "OP_REPLY"}, {2001, "OP_UPDATE"}, {2002, "OP_INSERT"},
	{2005, "OP_GET_MORE"}, {2006, "OP_DELETE"}, {2007, "OP_KILL_CURSORS"}, {2010, "OP_COMMAND"}, {2011, "OP_COMMANDREPLY"},
}

// MongoOpcode is the name of an opcode of MongoDB's wire protocol; "" when it
// has none.
func MongoOpcode(op int32) string {
	for i := range mongoOpcodes {
		if mongoOpcodes[i].op == op {
			return mongoOpcodes[i].name
		}
	}
	return ""
}

// QueryClass says how many shards a read has to ask (Envoy's notions).
type QueryClass uint8

const (
	ClassNone    QueryClass = iota // not a query
	ClassPrimary                   // by one _id
	ClassMulti                     // by several _id
	ClassScatter                   // without _id
)

func (c QueryClass) String() string {
	return [...]string{"", "pk", "multi", "scatter"}[c&3]
}

// CallSite is what a comment tells about the code that sent a command.
// The specification of how comments are read is in docs/protocols.md.
type CallSite struct {
	Name     string // pitot.call_site: the place, in the best form that the comment allows
	Function string // code.function.name
	File     string
	Line     int // 0 when unknown
	Column   int

	Application string
	Environment string
	Controller  string
	Action      string
	Route       string
	Text        string // free text, bounded
	Stack       string // further frames, joined by "\n"

	TraceID    TraceID // of a traceparent in the comment
	SpanID     SpanID
	TraceState string

	Inherited bool       // taken over from the command that opened the cursor
	Other     int        // further comments in the same command, only counted
	Truncated bool       // the comment was over a limit
	Extra     []KeyValue // unknown scalar keys, at most 8
}

// IsZero reports whether nothing at all is known.
func (s *CallSite) IsZero() bool {
	return s.Name == "" && s.Text == "" && s.TraceID.IsZero() && len(s.Extra) == 0 &&
		s.Application == "" && s.Function == "" && s.File == "" && s.Stack == ""
}

// KeyValue is one attribute that has no field of its own.
type KeyValue struct{ Key, Value string }

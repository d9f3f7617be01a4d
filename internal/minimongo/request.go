package minimongo

import (
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// request is one command of one client.
type request struct {
	server *Server
	conn   *conn
	name   string // the command's name as written: the first field
	db     string
	body   bson.D
	txn    *transaction // the running one it belongs to, or nil
	again  bool         // a repetition on an exhaust stream
}

func newRequest(c *conn, body bson.D) *request {
	r := &request{server: c.server, conn: c, body: body}
	if len(body) > 0 {
		r.name = body[0].Key
	}
	db, _ := lookup(body, "$db")
	r.db = text(db)
	return r
}

// field returns the request's field name as a T: the zero T when it is not there, an error when it is something else.
func field[T any](r *request, name string) (T, error) {
	var zero T
	v, _ := lookup(r.body, name)
	if nullish(v) == nil {
		return zero, nil
	}
	t, ok := v.(T)
	if !ok {
		return zero, typeMismatch.errorf("BSON field '%s.%s' is the wrong type '%s', expected type '%s'", r.name, name, typeName(v), typeName(any(zero)))
	}
	return t, nil
}

// number returns a field as an integer, def when it is not there.
func (r *request) number(name string, def int64) (int64, error) {
	v, _ := lookup(r.body, name)
	if nullish(v) == nil {
		return def, nil
	}
	n, ok := asInt(v)
	if !ok {
		return 0, typeMismatch.errorf("BSON field '%s.%s' is the wrong type '%s', expected types '[long, int, decimal, double]'", r.name, name, typeName(v))
	}
	return n, nil
}

// natural is number, refused below 0.
func (r *request) natural(name string) (int64, error) {
	n, err := r.number(name, 0)
	if err == nil && n < 0 {
		return 0, code{51024, "Location51024"}.errorf("BSON field '%s' value must be >= 0, actual value '%d'", name, n)
	}
	return n, err
}

func (r *request) flag(name string) bool {
	v, _ := lookup(r.body, name)
	return truthy(v)
}

// collection is the collection's name that the command's first field gives.
func (r *request) collection() (string, error) {
	name, ok := r.body[0].Value.(string)
	if !ok || name == "" {
		return "", invalidNamespace.errorf("collection name has invalid type %s", typeName(r.body[0].Value))
	}
	return name, nil
}

// documents returns a field that is an array of documents and must be there.
func (r *request) documents(name string) ([]bson.D, error) {
	list, err := field[bson.A](r, name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || len(list) > maxWriteBatch {
		return nil, code{16, "InvalidLength"}.errorf("Write batch sizes must be between 1 and %d. Got %d operations.", maxWriteBatch, len(list))
	}
	out := make([]bson.D, len(list))
	for i, v := range list {
		d, ok := v.(bson.D)
		if !ok {
			return nil, typeMismatch.errorf("BSON field '%s.%s.%d' is the wrong type '%s', expected type 'object'", r.name, name, i, typeName(v))
		}
		out[i] = d
	}
	return out, nil
}

// streams says whether reply may be followed by more without a request: a hello that waits, a cursor not yet empty.
func (r *request) streams(reply bson.D) bool {
	switch r.name {
	case "hello", "isMaster", "ismaster":
		_, waits := lookup(r.body, "maxAwaitTimeMS")
		return waits
	case "getMore":
		return openCursor(reply) != 0
	}
	return false
}

// next is the request whose reply follows on a stream; nil when the client ended it by saying something else.
func (r *request) next(bson.D) (*request, error) {
	out := *r
	out.again = true
	if r.name == "getMore" {
		return &out, nil
	}
	if wait, err := r.number("maxAwaitTimeMS", 0); err != nil || !r.conn.idle(millis(wait)) {
		return nil, errors.Join(err, r.conn.alive())
	}
	return &out, nil
}

// alive is io.EOF when the client has closed.
func (c *conn) alive() error {
	if _, err := c.in.Peek(1); err != nil {
		return io.EOF
	}
	return nil
}

// openCursor is the id of the cursor a reply leaves open, 0 for none.
func openCursor(reply bson.D) int64 {
	v, _ := lookup(reply, "cursor")
	d, _ := v.(bson.D)
	id, _ := lookup(d, "id")
	n, _ := asInt(id)
	return n
}

package minimongo

import (
	"runtime"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	maxWriteBatch  = 100_000
	sessionMinutes = 30
	wireVersion    = 25 // MongoDB 8.0
	serverVersion  = "8.0.0"
)

// hello tells clients what this is. Asked for news of the state they know, it waits as servers do: there is never any.
func hello(r *request) (bson.D, error) {
	known, err := field[bson.D](r, "topologyVersion")
	if err != nil {
		return nil, err
	}
	wait, err := r.number("maxAwaitTimeMS", 0)
	if err != nil {
		return nil, err
	}
	if id, _ := lookup(known, "processId"); id == r.server.process && !r.again {
		r.conn.idle(millis(wait))
	}
	d := bson.D{{Key: "helloOk", Value: true}}
	if r.name == "hello" {
		d = append(d, bson.E{Key: "isWritablePrimary", Value: true})
	} else {
		d = append(d, bson.E{Key: "ismaster", Value: true})
	}
	names, err := field[bson.A](r, "compression")
	if err != nil {
		return nil, err
	}
	d = append(d,
		bson.E{Key: "msg", Value: "isdbgrid"},
		bson.E{Key: "topologyVersion", Value: bson.D{{Key: "processId", Value: r.server.process}, {Key: "counter", Value: int64(0)}}},
		bson.E{Key: "maxBsonObjectSize", Value: int32(maxDocument)},
		bson.E{Key: "maxMessageSizeBytes", Value: int32(maxMessage)},
		bson.E{Key: "maxWriteBatchSize", Value: int32(maxWriteBatch)},
		bson.E{Key: "localTime", Value: bson.NewDateTimeFromTime(time.Now())},
		bson.E{Key: "logicalSessionTimeoutMinutes", Value: int32(sessionMinutes)},
		bson.E{Key: "connectionId", Value: r.conn.id},
		bson.E{Key: "minWireVersion", Value: int32(0)},
		bson.E{Key: "maxWireVersion", Value: int32(wireVersion)},
		bson.E{Key: "readOnly", Value: false},
	)
	if both := r.server.codecs.negotiate(texts(names)); len(both) > 0 {
		d = append(d, bson.E{Key: "compression", Value: both})
	}
	return d, nil
}

func texts(list bson.A) []string {
	var out []string
	for _, v := range list {
		out = append(out, text(v))
	}
	return out
}

func ping(*request) (bson.D, error) { return bson.D{}, nil }

func buildInfo(*request) (bson.D, error) {
	return bson.D{
		{Key: "version", Value: serverVersion},
		{Key: "versionArray", Value: bson.A{int32(8), int32(0), int32(0), int32(0)}},
		{Key: "gitVersion", Value: "minimongo"},
		{Key: "modules", Value: bson.A{"minimongo"}},
		{Key: "bits", Value: int32(64)},
		{Key: "debug", Value: false},
		{Key: "maxBsonObjectSize", Value: int32(maxDocument)},
		{Key: "storageEngines", Value: bson.A{"minimongo"}},
	}, nil
}

func serverStatus(r *request) (bson.D, error) {
	s := r.server
	var commands int64
	for _, n := range s.Commands() {
		commands += n
	}
	s.store.RLock()
	docs := s.store.docs
	s.store.RUnlock()
	return bson.D{
		{Key: "host", Value: s.Addr()},
		{Key: "version", Value: serverVersion},
		{Key: "process", Value: "mongos"},
		{Key: "uptime", Value: time.Since(s.started).Seconds()},
		{Key: "localTime", Value: bson.NewDateTimeFromTime(time.Now())},
		{Key: "connections", Value: bson.D{{Key: "current", Value: int32(s.connections())}, {Key: "totalCreated", Value: s.connIDs.Load()}}},
		{Key: "opcounters", Value: bson.D{{Key: "command", Value: commands}}},
		{Key: "documents", Value: int64(docs)},
		{Key: "cursors", Value: int32(s.cursors.open())},
	}, nil
}

func hostInfo(*request) (bson.D, error) {
	return bson.D{{Key: "system", Value: bson.D{{Key: "numCores", Value: int32(runtime.NumCPU())}, {Key: "cpuArch", Value: runtime.GOARCH}}}, {Key: "os", Value: bson.D{{Key: "type", Value: runtime.GOOS}}}}, nil
}

func whatsMyURI(r *request) (bson.D, error) {
	return bson.D{{Key: "you", Value: r.conn.nc.RemoteAddr().String()}}, nil
}

func getParameter(*request) (bson.D, error) {
	return bson.D{{Key: "featureCompatibilityVersion", Value: bson.D{{Key: "version", Value: "8.0"}}}}, nil
}

func connectionStatus(*request) (bson.D, error) {
	return bson.D{{Key: "authInfo", Value: bson.D{{Key: "authenticatedUsers", Value: bson.A{}}, {Key: "authenticatedUserRoles", Value: bson.A{}}}}}, nil
}

func getLog(*request) (bson.D, error) {
	return bson.D{{Key: "totalLinesWritten", Value: int32(0)}, {Key: "log", Value: bson.A{}}}, nil
}

package minimongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// handler runs one command; its document is the reply without ok.
type handler func(r *request) (bson.D, error)

// commands is every command served, by the names it is called by.
func commands() map[string]handler {
	return map[string]handler{
		"hello": hello, "isMaster": hello, "ismaster": hello,
		"ping": ping, "buildInfo": buildInfo, "buildinfo": buildInfo, "serverStatus": serverStatus, "hostInfo": hostInfo,
		"whatsmyuri": whatsMyURI, "getParameter": getParameter, "connectionStatus": connectionStatus, "getLog": getLog,
		"find": find, "aggregate": aggregate, "count": count, "distinct": distinct, "getMore": getMore, "killCursors": killCursors,
		"insert": insert, "update": update, "delete": remove, "findAndModify": findAndModify, "findandmodify": findAndModify, "bulkWrite": bulkWrite,
		"create": create, "drop": drop, "dropDatabase": dropDatabase, "listCollections": listCollections, "listDatabases": listDatabases,
		"createIndexes": createIndexes, "listIndexes": listIndexes, "dropIndexes": dropIndexes, "collStats": collStats, "dbStats": dbStats,
		"commitTransaction": commitTransaction, "abortTransaction": abortTransaction, "startSession": startSession,
		"endSessions": endSessions, "refreshSessions": ping, "killSessions": endSessions,
	}
}

// run answers a request: the command's reply or its failure.
func (s *Server) run(r *request) bson.D {
	h := s.handlers[r.name]
	if h == nil {
		return commandNotFound.errorf("no such command: '%s'", r.name).reply()
	}
	s.count(r.name)
	if r.db == "" {
		return missingField.errorf("BSON field 'OP_MSG.$db' is missing but a required field").reply()
	}
	if err := r.refuseOptions(); err != nil {
		return finish(nil, err)
	}
	if s.opts.Latency != nil && !r.again {
		if d := s.opts.Latency(r.name, text(r.body[0].Value)); d > 0 {
			s.sleep(d)
		}
	}
	return s.sessions.run(r, h)
}

// refuseOptions refuses what would change the answer and is not here: better no answer than a wrong one. Hints, read
// concerns and the like change how an answer is found, and are ignored.
func (r *request) refuseOptions() error {
	for _, e := range r.body {
		switch {
		case e.Key == "collation":
			return checkCollation(e.Value)
		case e.Key == "let" && truthyDocument(e.Value), r.name == "find" && (e.Key == "min" || e.Key == "max" || e.Key == "returnKey" && truthy(e.Value)):
			return commandNotSupported.errorf("minimongo's %s has no '%s'", r.name, e.Key)
		}
	}
	return nil
}

// checkCollation takes the one that compares bytes.
func checkCollation(v any) error {
	d, _ := v.(bson.D)
	if locale, ok := lookup(d, "locale"); ok && locale != "simple" {
		return commandNotSupported.errorf("minimongo has no collation but 'simple'")
	}
	return nil
}

func truthyDocument(v any) bool {
	d, ok := v.(bson.D)
	return ok && len(d) > 0
}

// finish makes a handler's outcome a reply.
func finish(d bson.D, err error) bson.D {
	if err != nil {
		return asFailure(err).reply()
	}
	return append(d, bson.E{Key: "ok", Value: 1.0})
}

// millis is n milliseconds, at most a minute.
func millis(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 60_000)) * time.Millisecond
}

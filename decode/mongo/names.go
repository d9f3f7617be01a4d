package mongo

import (
	"bytes"
	"strings"

	"github.com/pitot-io/pitot/decode/bson"
)

// sensitive reports whether a command carries secrets: nothing of it but its
// name and its database may be told (the drivers' command monitoring
// specification, section Security).
func sensitive(op []byte) bool {
	switch {
	case len(op) > 32:
		return false
	case hasFold(op, "copydb"), is(op, "authenticate"), is(op, "saslStart"), is(op, "saslContinue"),
		is(op, "getnonce"), is(op, "createUser"), is(op, "updateUser"):
		return true
	}
	return false
}

func is(op []byte, name string) bool {
	return len(op) == len(name) && (op[0]|0x20) == (name[0]|0x20) && strings.EqualFold(string(op), name)
}

func hasFold(op []byte, prefix string) bool {
	return len(op) >= len(prefix) && is(op[:len(prefix)], prefix)
}

// hello reports whether a command is the handshake, by its new or old names.
func hello(op []byte) bool { return is(op, "hello") || is(op, "isMaster") }

// chatter reports whether a command is one that drivers and monitors send of
// their own accord: it says nothing of what an application asks for. Commands
// that authenticate are none, as their failures matter.
func chatter(op []byte) bool {
	switch string(op) {
	case "hello", "isMaster", "ismaster", "ping", "buildInfo", "buildinfo", "serverStatus", "replSetGetStatus",
		"getLog", "endSessions", "refreshSessions", "hostInfo", "whatsmyuri", "connectionStatus", "getParameter",
		"getCmdLineOpts", "replSetHeartbeat", "replSetUpdatePosition", "replSetGetConfig", "isdbgrid", "_isSelf",
		"atlasVersion", "getDiagnosticData", "getFreeMonitoringStatus", "getDefaultRWConcern", "features", "listCommands":
		return true
	}
	return false
}

// collection takes the collection from the first value of the commands that
// have it there. Other commands have other things there: getLog a log's name,
// aggregate a 1 when it is about a database.
func (c *conn) collection(x *exchange, first bson.Element) {
	if string(first.Key) == "getMore" {
		x.mongo.Cursor, _ = first.Int()
		return
	}
	if string(first.Key) == "explain" && first.Type == bson.Document {
		it := bson.Elements(first.Value)
		if first, _ = it.Next(); first.Type == 0 {
			return
		}
	}
	s, ok := first.Text()
	if !ok {
		return
	}
	switch where(first.Key) {
	case namesCollection:
		x.mongo.Collection = x.keep(bounded(s, maxName))
	case namesNamespace:
		if i := bytes.IndexByte(s, '.'); i >= 0 {
			x.mongo.Collection = x.keep(bounded(s[i+1:], maxName))
		}
	}
}

type naming uint8

const (
	namesNothing naming = iota
	namesCollection
	namesNamespace // "db.collection"
)

// where says what the first value of a command names.
func where(op []byte) naming {
	switch string(op) {
	case "find", "aggregate", "insert", "update", "delete", "findAndModify", "findandmodify", "count", "distinct",
		"create", "drop", "createIndexes", "dropIndexes", "deleteIndexes", "listIndexes", "reIndex", "collMod",
		"collStats", "collstats", "validate", "compact", "mapReduce", "mapreduce", "killCursors", "geoNear", "geoSearch",
		"convertToCapped", "cloneCollectionAsCapped", "parallelCollectionScan", "createSearchIndexes",
		"dropSearchIndex", "updateSearchIndex", "listSearchIndexes", "planCacheClear", "planCacheListFilters",
		"planCacheSetFilter", "planCacheClearFilters", "analyze":
		return namesCollection
	case "renameCollection", "shardCollection", "reshardCollection", "unshardCollection", "refineCollectionShardKey",
		"moveChunk", "moveCollection", "split", "splitVector", "mergeChunks", "dataSize", "datasize",
		"configureCollectionBalancing", "balancerCollectionStatus":
		return namesNamespace
	}
	return namesNothing
}

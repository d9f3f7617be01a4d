package config

import "fmt"

// For is the protocol whose requests the limit is about: HTTP, MongoDB, or ""
// for those of both.
func (r *RateLimit) For() string {
	for i := range r.Actions {
		if p := r.Actions[i].protocol(); p != "" {
			return p
		}
	}
	return ""
}

// protocol is the one that has what the action takes; "" where both have it.
func (a *LimitAction) protocol() string {
	switch {
	case a.MongoCommand != nil, a.MongoDatabase != nil, a.MongoCollection != nil, a.MongoCallSite != nil, a.MongoApp != nil:
		return MongoDB
	case a.DestinationCluster != nil, a.RemoteAddress != nil, a.MaskedAddress != nil, a.GenericKey != nil:
		return ""
	}
	return HTTP
}

// checkLimitKinds looks whether the limits are about what is spoken there.
func checkLimitKinds(all []RateLimit, spoken, key string, wrong report) {
	for i := range all {
		r, at := &all[i], fmt.Sprintf("%s.rate_limits[%d]", key, i)
		own := spoken
		if own == Auto {
			own = r.For()
		}
		switch own {
		case HTTP:
			r.checkOnly(HTTP, "HTTP has no commands, databases, collections and call sites; take another action", at, wrong)
		case MongoDB:
			r.checkOnly(MongoDB, "MongoDB's commands have no such thing; use one of mongodb_command, mongodb_database, mongodb_collection, mongodb_call_site, mongodb_application, "+
				"remote_address, masked_remote_address, generic_key and destination_cluster", at, wrong)
			r.checkCommands(at, wrong)
		}
	}
}

func (r *RateLimit) checkOnly(protocol, mend, key string, wrong report) {
	for i := range r.Actions {
		if p := r.Actions[i].protocol(); p != "" && p != protocol {
			wrong(fmt.Sprintf("%s.actions[%d]", key, i), "%s", mend)
		}
	}
}

// checkCommands looks at a limit of commands.
func (r *RateLimit) checkCommands(key string, wrong report) {
	switch {
	case r.Headers:
		wrong(key+".headers", "MongoDB has no headers; remove it")
	case r.Status != 429:
		wrong(key+".status", "MongoDB has no status; remove it")
	}
}

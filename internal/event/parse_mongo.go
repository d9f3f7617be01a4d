package event

import "slices"

func (m *Mongo) setSession(s *scanner, key string, v value) {
	switch key {
	case AttrMongoExhaust:
		m.Exhaust = v.text == "true"
	case AttrMongoTransaction:
		m.Transaction = TxnStep(max(0, slices.Index(txnSteps[:], v.text)))
	case AttrMongoRetryable:
		m.Retryable = v.text == "true"
	case AttrMongoCursorType:
		m.CursorKind = CursorKind(max(0, slices.Index(cursorKinds[:], v.text)))
	case AttrMongoCursorDone:
		m.CursorDone = v.text == "true"
	case AttrMongoAwait:
		m.Await = v.text == "true"
	case AttrMongoChatter:
		m.Chatter = v.text == "true"
	case AttrMongoLabels:
		m.Labels = v.text
	case AttrMongoWriteErrors:
		m.WriteErrors = whole[int32](s, key, v)
	case AttrMongoNamespaces:
		m.Namespaces = whole[int32](s, key, v)
	default:
		if !m.setHandshake(s, key, v) {
			m.Site.set(s, key, v)
		}
	}
}

// setHandshake reports whether the attribute is of a handshake.
func (m *Mongo) setHandshake(s *scanner, key string, v value) bool {
	var h MongoHandshake
	if m.Handshake != nil {
		h = *m.Handshake
	}
	switch key {
	case AttrMongoOS:
		h.OS = v.text
	case AttrMongoPlatform:
		h.Platform = v.text
	case AttrMongoCompressors:
		h.Compressors = v.text
	case AttrMongoMechanism:
		h.Mechanism = v.text
	case AttrMongoReplicaSet:
		h.ReplicaSet = v.text
	case AttrMongoRole:
		h.Role = v.text
	case AttrMongoMinWire:
		h.MinWire = whole[int32](s, key, v)
	case AttrMongoMaxWire:
		h.MaxWire = whole[int32](s, key, v)
	case AttrMongoConnectionID:
		h.ConnectionID = whole[int64](s, key, v)
	default:
		return false
	}
	m.Handshake = &h
	return true
}

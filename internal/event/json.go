package event

// AppendJSON adds x to b as one line of the JSON Lines contract, newline
// included. The order of keys is fixed, so equal exchanges give equal bytes.
func (x *Exchange) AppendJSON(b []byte) []byte {
	b = append(b, `{"kind":"span","trace_id":"`...)
	b = appendHex(b, x.TraceID[:])
	b = append(b, `","span_id":"`...)
	b = appendHex(b, x.SpanID[:])
	b = append(b, `","parent_span_id":"`...)
	if !x.ParentID.IsZero() {
		b = appendHex(b, x.ParentID[:])
	}
	b = append(b, `","name":`...)
	b = appendString(b, x.Name)
	b = append(append(b, `,"span_kind":"`...), x.Kind.String()...)
	b = appendString(append(b, `","service":`...), x.Service)
	b = appendString(append(b, `,"peer_service":`...), x.Peer)
	b = append(append(b, `,"protocol":"`...), x.Protocol.String()...)
	b = x.appendTimes(b)
	b = append(append(b, `,"status":"`...), x.Status.String()...)
	b = appendString(append(b, `","status_message":`...), x.StatusMessage)
	b = AppendAddr(append(b, `,"client":"`...), x.Client)
	b = AppendAddr(append(b, `","server":"`...), x.Server)
	b = appendInt(append(b, `","tcp_stream":`...), x.Stream)
	b = appendInt(append(b, `,"attempt":`...), int64(x.Attempt))
	b = x.Flags.Append(append(b, `,"response_flags":"`...))
	b = x.Decode.appendNames(append(b, `","decode_flags":[`...))
	return append(x.appendAttributes(append(b, `],"attributes":`...)), "}\n"...)
}

func (x *Exchange) appendTimes(b []byte) []byte {
	b = appendTime(append(b, `","start":"`...), x.Start)
	b = appendTime(append(b, `","end":"`...), x.End)
	b = appendInt(append(b, `","duration_ns":`...), x.Duration())
	return appendInt(append(b, `,"ttfb_ns":`...), x.TTFB())
}

func (d DecodeFlags) appendNames(b []byte) []byte {
	if d == 0 {
		return b
	}
	first := true
	d.Each(func(name string) {
		if !first {
			b = append(b, ',')
		}
		first, b = false, appendString(b, name)
	})
	return b
}

// appendAttributes writes the attributes as an object, whose opening brace
// takes the place of the comma before its first member.
func (x *Exchange) appendAttributes(b []byte) []byte {
	at := len(b)
	e := attrs{json: b}
	e.exchange(x)
	if len(e.json) == at {
		return append(e.json, "{}"...)
	}
	e.json[at] = '{'
	return append(e.json, '}')
}

// AppendJSON adds n to b as one line of the JSON Lines contract.
func (n *Notice) AppendJSON(b []byte) []byte {
	b = append(b, `{"kind":"event","time":"`...)
	b = appendTime(b, n.Time)
	b = append(b, '"')
	b = appendMember(b, "name", n.Name)
	b = appendMember(b, "severity", n.Severity.String())
	b = appendMember(b, "service", n.Service)
	b = append(b, `,"trace_id":"`...)
	if !n.TraceID.IsZero() {
		b = appendHex(b, n.TraceID[:])
	}
	b = append(b, `","span_id":"`...)
	if !n.SpanID.IsZero() {
		b = appendHex(b, n.SpanID[:])
	}
	b = append(b, '"')
	b = appendMember(b, "body", n.Body)
	b = append(b, `,"attributes":{`...)
	for i, kv := range n.Attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, kv.Key)
		b = append(b, ':')
		b = appendString(b, kv.Value)
	}
	return append(b, "}}\n"...)
}

// appendKey begins one more member of an object.
func appendKey(b []byte, key string) []byte {
	b = append(b, `,"`...)
	b = append(b, key...)
	return append(b, `":`...)
}

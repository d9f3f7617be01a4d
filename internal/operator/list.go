package operator

import "slices"

// Log is every operator: those of access logs.
func Log() Set { return slices.Clone(all) }

// Fields are the operators of header values: what is known when a request
// goes to its upstream.
func Fields() Set {
	return slices.DeleteFunc(Log(), func(o Operator) bool { return !o.Early })
}

// all lists the operators. proxy/format says what each stands for.
var all = Set{
	// time
	{Name: "START_TIME", Arg: Time, Early: true},
	{Name: "EMIT_TIME", Arg: Time},
	{Name: "DURATION"},
	{Name: "REQUEST_DURATION"},
	{Name: "RESPONSE_DURATION"},
	{Name: "RESPONSE_TX_DURATION"},
	{Name: "COMMON_DURATION", Arg: Span},
	// result
	{Name: "RESPONSE_CODE"},
	{Name: "RESPONSE_CODE_DETAILS"},
	{Name: "RESPONSE_FLAGS"},
	{Name: "RESPONSE_FLAGS_LONG"},
	{Name: "CONNECTION_TERMINATION_DETAILS"},
	{Name: "GRPC_STATUS"},
	{Name: "GRPC_STATUS_NUMBER"},
	{Name: "UPSTREAM_REQUEST_ATTEMPT_COUNT"},
	// bytes
	{Name: "BYTES_RECEIVED"},
	{Name: "BYTES_SENT"},
	{Name: "DOWNSTREAM_WIRE_BYTES_RECEIVED"},
	{Name: "DOWNSTREAM_WIRE_BYTES_SENT"},
	{Name: "UPSTREAM_WIRE_BYTES_RECEIVED"},
	{Name: "UPSTREAM_WIRE_BYTES_SENT"},
	// where
	{Name: "LISTENER", Early: true},
	{Name: "ROUTE_NAME", Early: true},
	{Name: "CLUSTER", Early: true},
	{Name: "UPSTREAM_CLUSTER", Early: true},
	{Name: "UPSTREAM_CLUSTER_RAW", Early: true},
	{Name: "UPSTREAM_HOST", Early: true},
	{Name: "UPSTREAM_HOST_NAME", Early: true},
	{Name: "UPSTREAM_HOST_NAME_WITHOUT_PORT", Early: true},
	{Name: "UPSTREAM_LOCAL_ADDRESS"},
	{Name: "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"},
	{Name: "UPSTREAM_LOCAL_PORT"},
	{Name: "UPSTREAM_REMOTE_ADDRESS"},
	{Name: "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"},
	{Name: "UPSTREAM_REMOTE_PORT"},
	{Name: "DOWNSTREAM_REMOTE_ADDRESS", Early: true},
	{Name: "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Early: true},
	{Name: "DOWNSTREAM_REMOTE_PORT", Early: true},
	{Name: "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Early: true},
	{Name: "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Early: true},
	{Name: "DOWNSTREAM_DIRECT_REMOTE_PORT", Early: true},
	{Name: "DOWNSTREAM_LOCAL_ADDRESS", Early: true},
	{Name: "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Early: true},
	{Name: "DOWNSTREAM_LOCAL_PORT", Early: true},
	{Name: "CONNECTION_ID", Early: true},
	{Name: "REQUEST_ID", Early: true},
	{Name: "TRACE_ID", Early: true},
	{Name: "SPAN_ID", Early: true},
	// fields
	{Name: "REQ", Arg: Field, Early: true},
	{Name: "RESP", Arg: Field},
	{Name: "TRAILER", Arg: Field},
	{Name: "QUERY_PARAM", Arg: Param, Early: true},
	{Name: "PATH", Arg: PathKind, Early: true},
	// TLS
	{Name: "REQUESTED_SERVER_NAME", Early: true},
	{Name: "DOWNSTREAM_TLS_VERSION", Early: true},
	{Name: "DOWNSTREAM_TLS_CIPHER", Early: true},
	{Name: "DOWNSTREAM_PEER_SUBJECT", Early: true},
	{Name: "DOWNSTREAM_PEER_ISSUER", Early: true},
	{Name: "DOWNSTREAM_PEER_SERIAL", Early: true},
	{Name: "DOWNSTREAM_PEER_FINGERPRINT_256", Early: true},
	{Name: "DOWNSTREAM_PEER_URI_SAN", Early: true},
	{Name: "DOWNSTREAM_PEER_DNS_SAN", Early: true},
	// the rest
	{Name: "PROTOCOL", Early: true},
	{Name: "UPSTREAM_PROTOCOL"},
	{Name: "HOSTNAME", Early: true},
	{Name: "ENVIRONMENT", Arg: Param, Early: true},
	{Name: "ACCESS_LOG_TYPE"},
}

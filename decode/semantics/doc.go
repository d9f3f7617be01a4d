// Package semantics tells what HTTP's messages mean whatever version carries
// them (RFC 9110): names and templates of operations, queries without their
// secrets, fields that are secret, authorities, trace context. The decoders of
// HTTP/1 and HTTP/2 share it, so that both tell the same of the same request.
package semantics

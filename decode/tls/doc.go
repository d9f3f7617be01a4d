// Package tls follows a connection that speaks TLS (SSL 3.0 to TLS 1.3): it
// tells who is called by what name and how the connection is protected, and
// where the key log knows the connection's secrets it takes the protection off
// and hands what is inside to the decoder of that protocol.
//
// Bytes that do not authenticate are never handed on. Facts are from RFC 5246
// (TLS 1.2), RFC 8446 (TLS 1.3), RFC 5288, 6655 and 7905 (AEAD suites), RFC 6066
// (server name), RFC 7301 (ALPN), the NSS key log format and the description of
// JA4.
package tls

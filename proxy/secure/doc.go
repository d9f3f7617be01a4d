// Package secure is the proxy's TLS, by crypto/tls: certificates that are
// chosen by the name a client asks for and read anew when their files change,
// the server's side on a listener and the client's side towards a cluster, what
// is asked of a peer's certificate, and what is told of it to servers.
package secure

// Package e2e runs the built pitot as a user would, between clients and
// servers that people have: it holds only tests.
package e2e

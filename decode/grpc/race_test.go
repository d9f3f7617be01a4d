//go:build race

package grpc

const underRace = true

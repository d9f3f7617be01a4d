//go:build !race

package grpc

const underRace = false

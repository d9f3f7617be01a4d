// Package desync holds the proxy to one rule by its tests: nothing goes on that
// two programs might take for different messages. Each malformed or ambiguous
// message has its expected reaction; nginx and HAProxy, where they are
// installed, get it too, and where one of them refuses it or frames it
// otherwise, what pitot has made of it must be something that all of them agree
// on.
package desync

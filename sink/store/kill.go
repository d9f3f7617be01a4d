//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

// tagPrefix begins the log_comment that every statement carries, by which it can be found and killed: the library has no call for
// it and makes query ids of its own.
const tagPrefix = "pitot-store "

// kill stops the statement with the tag, or all tagged ones for "". It returns when they have been told, not when they have ended.
func (e *engine) kill(tag string) {
	c, err := e.connect()
	if err != nil {
		return // the statement goes on to its end, and its output is dropped
	}
	defer c.close()
	where := "endsWith(Settings['log_comment'], " + quote(tag) + ")"
	if tag == "" {
		where = "position(Settings['log_comment'], " + quote(tagPrefix) + ") > 0"
	}
	_ = c.exec("KILL QUERY WHERE " + where + " ASYNC")
}

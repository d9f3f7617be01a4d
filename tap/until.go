package tap

import "context"

// Until does what may wait for ever and cannot be ended, and gives up when ctx
// ends: do is left behind then, and ends with the process. Opening a named pipe
// is of that kind: it waits for who is at the other end.
func Until[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := do()
		done <- outcome{v, err}
	}()
	select {
	case got := <-done:
		return got.v, got.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

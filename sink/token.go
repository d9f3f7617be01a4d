package sink

import "context"

type tokenKey struct{}

// WithToken names the batches of a Write. The name stays the same when they are written again, so that a sink whose destination can
// tell repeats stores them once, even when only the answer to the first attempt was lost.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// Token is the name of the batches being written, or "".
func Token(ctx context.Context) string {
	token, _ := ctx.Value(tokenKey{}).(string)
	return token
}

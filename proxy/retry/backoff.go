package retry

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
)

// BackOff is how long is waited before a retry.
type BackOff struct{ Base, Max time.Duration }

// Draw gives a number of [0, n), each as likely as any other.
type Draw func(n int64) int64

// Wait is the time before retry number n, from 0: drawn from nothing to the
// base, to twice that at the next one, and so on up to the maximum. That is what
// Envoy does; its documentation says otherwise.
func (b BackOff) Wait(n int, draw Draw) time.Duration {
	next := b.Base
	for ; n > 0 && next < b.Max; n-- {
		next *= 2
	}
	if next = min(next, b.Max); next <= 0 {
		return 0
	}
	return time.Duration(draw(int64(next)))
}

// Asked is how long an answer asks to be left alone: Retry-After (RFC 9110,
// 10.2.3), or X-RateLimit-Reset, a time in seconds since the Unix epoch. It is
// 0 when it does not, or for longer than most; now is the time, in ns since the
// Unix epoch.
func Asked(answer *http1.Head, now int64, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	if d := within(seconds(answer.Get("retry-after"), now), most); d > 0 {
		return d
	}
	at, err := strconv.ParseInt(decode.View(bytes.TrimSpace(answer.Get("x-ratelimit-reset"))), 10, 64)
	if err != nil || at > now/1e9+int64(most/time.Second)+1 {
		return 0
	}
	return within(time.Duration(at*1e9-now), most)
}

// Limited is the wait of an answer that asks for d: drawn from [d, 1.5 d), so
// that not all come back at the same moment.
func Limited(d time.Duration, draw Draw) time.Duration {
	return d + time.Duration(draw(max(1, int64(d/2))))
}

// seconds reads a number of seconds, or a date.
func seconds(v []byte, now int64) time.Duration {
	s := decode.View(bytes.TrimSpace(v))
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return at.Sub(time.Unix(0, now))
	}
	return 0
}

func within(d, most time.Duration) time.Duration {
	if d > most {
		return 0
	}
	return d
}

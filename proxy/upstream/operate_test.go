package upstream

import (
	"testing"
	"testing/synctest"
	"time"
)

// An operator's ejection lasts as long as it was asked for, whoever ejects the
// host besides, or would have it back.
func TestOperatorsEjectionsLast(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(h *Host)
		want time.Duration // how long it is out
	}{
		"alone":                     {func(h *Host) { h.Eject(time.Minute) }, time.Minute},
		"a detector has it back":    {func(h *Host) { h.Mark(Ejected, true); h.Eject(time.Minute); time.Sleep(time.Second); h.Readmit() }, time.Minute},
		"longer by the second word": {func(h *Host) { h.Eject(time.Second); h.Eject(time.Minute) }, time.Minute},
		"shorter by the second":     {func(h *Host) { h.Eject(time.Hour); h.Eject(time.Minute) }, time.Minute},
		"a detector's lasts longer": {func(h *Host) {
			h.Mark(Ejected, true)
			h.Eject(time.Second)
			time.AfterFunc(time.Minute, h.Readmit)
		}, time.Minute},
		"returned": {func(h *Host) {
			h.Mark(Ejected, true)
			h.Eject(time.Hour)
			time.AfterFunc(time.Minute, func() { h.Return() })
		}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c0 := New(Options{Name: "a", Endpoints: Addresses("127.0.0.1:1")})
				h := c0.Hosts()[0]
				began := time.Now()
				c.do(h)
				for h.Flags()&Ejected != 0 && time.Since(began) < 2*time.Hour {
					time.Sleep(time.Second) // of the bubble's clock
				}
				if d := time.Since(began); d < c.want || d > c.want+time.Second {
					t.Errorf("out for %v, want %v", d, c.want)
				}
				time.Sleep(2 * time.Hour) // what is left of timers
				if h.Flags()&Ejected != 0 {
					t.Error("it is out again")
				}
				c0.Close()
			})
		})
	}
}

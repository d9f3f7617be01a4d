package episode

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnEpisodeIsToldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		begun, over := 0, []Told(nil)
		locked := func(f func()) { mu.Lock(); f(); mu.Unlock() }
		e := Episode{
			Begin: func(time.Time) { locked(func() { begun++ }) },
			End:   func(told Told) { locked(func() { over = append(over, told) }) },
		}
		for range 3 { // 1,000 times within 10 s, then nothing
			for range 1000 {
				e.Hit()
				time.Sleep(10 * time.Millisecond)
			}
			if !e.On() {
				t.Fatal("not on while it happens")
			}
			time.Sleep(20 * time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		if begun != 3 || len(over) != 3 {
			t.Fatalf("%d beginnings and %d ends of 3 episodes", begun, len(over))
		}
		for _, told := range over {
			if took := told.Ended.Sub(told.Began); told.Count != 1000 || took < 5*time.Second || took > 15*time.Second {
				t.Errorf("told %d times in %v, want 1000 in about 10 s", told.Count, took)
			}
		}
	})
}

func TestCloseEndsAnEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, over := 0, 0
		e := Episode{Begin: func(time.Time) { begun++ }, End: func(Told) { over++ }, Quiet: time.Second}
		e.Hit()
		e.Close()
		e.Hit()
		time.Sleep(time.Minute)
		if begun != 1 || over != 1 {
			t.Errorf("%d beginnings and %d ends, want one each", begun, over)
		}
	})
}

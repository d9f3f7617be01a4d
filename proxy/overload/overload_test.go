package overload

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestActionsFollowPressure(t *testing.T) {
	var told []string
	m := New(func(n *event.Notice) { told = append(told, n.Body) })
	m.Use([]config.OverloadAction{
		{Action: config.StopRequests, Resource: config.Memory, At: 95},
		{Action: config.DisableKeepalive, Resource: config.Memory, From: 80, At: 90},
		{Action: config.StopConnections, Resource: config.Descriptors, At: 95},
		{Action: config.ShrinkMemory, Resource: config.Memory, At: 90},
	})
	s := int64(1e9)
	for i, c := range []struct {
		sample               Sample
		stop, accept, shrink bool
		keepalive            int // percent of those who ask
	}{
		{Sample{0.5, 0.5, 0, 0}, false, false, false, 0},
		{Sample{0.85, 0.5, 0, 0}, false, false, false, 50},
		{Sample{0.92, 0.96, 0, 0}, false, true, true, 100},
		{Sample{0.99, 0.96, 0, 0}, true, true, false, 100}, // shrunk just now
		{Sample{0.1, 0.1, 0, 0}, false, false, false, 0},
		{Sample{0.99, 0, 9, 9}, true, false, false, 100},
	} {
		shrink := m.Look(int64(1e18)+int64(i)*s, c.sample)
		closed := 0
		for range 1000 {
			if m.Active(DisableKeepalive) {
				closed++
			}
		}
		if m.Active(StopRequests) != c.stop || m.Full(StopConnections) != c.accept || shrink != c.shrink || closed < 10*c.keepalive-100 || closed > 10*c.keepalive+100 {
			t.Errorf("%v: requests %v, connections %v, shrink %v, keepalive %d of 1000", c.sample, m.Active(StopRequests), m.Active(StopConnections), shrink, closed)
		}
	}
	if len(told) != 11 || told[0] != "overload: disable_keepalive, as memory is at 85 %" {
		t.Errorf("%d events: %q", len(told), told)
	}
	var none *Manager
	if none.Active(StopRequests) || none.Full(StopRequests) {
		t.Error("none acts")
	}
}

func TestTheProcessIsMeasured(t *testing.T) {
	s := Limits{Memory: 1 << 30, Descriptors: 1 << 10, Goroutines: 1 << 10, Connections: 10}.Pressure(5)
	for i, name := range resources {
		if s[i] <= 0 || s[i] > 1 {
			t.Errorf("%s: %v", name, s[i])
		}
	}
	if s := (Limits{}).Pressure(5); s != (Sample{}) {
		t.Errorf("without limits: %v", s)
	}
	if l := (Limits{}).WithSystem(); l.Descriptors < 10 {
		t.Errorf("%+v", l)
	}
}

func TestMemoryOfTheControlGroup(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := groupMemory(root); n != 0 {
		t.Errorf("without groups %d", n)
	}
	write("proc/self/cgroup", "1:cpu:/x\n0::/system.slice/pitot.service\n")
	write("sys/fs/cgroup/system.slice/pitot.service/memory.max", "max\n")
	write("sys/fs/cgroup/system.slice/memory.max", "1073741824\n")
	if n := groupMemory(root); n != 1<<30 {
		t.Errorf("%d, want that of the group above", n)
	}
}

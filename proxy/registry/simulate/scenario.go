package simulate

import (
	"encoding/json"
	"errors"
	"time"
)

// scenario is a story. happens is called before every tick.
type scenario struct {
	name, story string
	happens     func(w *world, at time.Duration)
}

// scenarios lists all of them.
func scenarios() []scenario {
	return []scenario{
		{"calm", "a tenth of the hosts dies, as many come", func(w *world, at time.Duration) { w.turnover(at) }},
		{"outage", "the registry is away for 20 min, and hosts die and come meanwhile", during(5*time.Minute, 25*time.Minute, away)},
		{"empty", "it answers for 10 min that there is nobody", during(5*time.Minute, 15*time.Minute, nobody)},
		{"restart", "it begins anew without knowing anybody, every 5 min", restart},
		{"partial", "every answer leaves out half of the hosts, others each time", during(5*time.Minute, 30*time.Minute, half)},
		{"flapping", "every other answer is empty", during(5*time.Minute, 30*time.Minute, flapping())},
		{"garbage", "its answers are cut in the middle", during(5*time.Minute, 30*time.Minute, garbage)},
		{"silence", "no host reaches it for 10 min, so that all expire", silence},
		{"rolling", "hosts are replaced one after the other: deregistered, then stopped", rolling},
		{"everything", "all of that by chance", everything()},
	}
}

// turnover lets a tenth of the hosts die in the middle, and as many come.
func (w *world) turnover(at time.Duration) {
	if at == w.For/4 {
		w.kill((w.Hosts + 9) / 10)
	}
	if at == w.For/3 {
		for range (w.Hosts + 9) / 10 {
			w.join()
		}
	}
}

// during has a fault last from one time to another.
func during(from, to time.Duration, f fault) func(*world, time.Duration) {
	return func(w *world, at time.Duration) {
		w.turnover(at)
		switch at {
		case from:
			w.fault = f
		case to:
			w.fault = nil
		}
	}
}

var errAway = errors.New("connection refused")

func away(*world, []byte) ([]byte, error) { return nil, errAway }

func nobody(*world, []byte) ([]byte, error) { return []byte(`{"hosts":[]}`), nil }

func garbage(_ *world, right []byte) ([]byte, error) { return right[:len(right)/2], nil }

func flapping() fault {
	n := 0
	return func(w *world, right []byte) ([]byte, error) {
		if n++; n%2 == 0 {
			return nobody(w, right)
		}
		return right, nil
	}
}

func half(w *world, right []byte) ([]byte, error) {
	var list struct {
		Hosts []json.RawMessage `json:"hosts"`
	}
	if err := json.Unmarshal(right, &list); err != nil {
		return nil, err
	}
	w.chance.Shuffle(len(list.Hosts), func(i, j int) { list.Hosts[i], list.Hosts[j] = list.Hosts[j], list.Hosts[i] })
	list.Hosts = list.Hosts[:len(list.Hosts)/2]
	return json.Marshal(list)
}

func restart(w *world, at time.Duration) {
	w.turnover(at)
	if at > 0 && at%(5*time.Minute) == 0 {
		w.registry = w.newRegistry()
	}
}

func silence(w *world, at time.Duration) {
	w.turnover(at)
	for _, h := range w.hosts {
		h.silent = at >= 5*time.Minute && at < 15*time.Minute
	}
}

// stopAfter is how long after its deregistration a host that is replaced ends.
const stopAfter = 20 * time.Second

func rolling(w *world, at time.Duration) {
	const every = 30 * time.Second
	if at < 5*time.Minute || at > w.For-5*time.Minute {
		return
	}
	all := w.living()
	switch at % every {
	case 0:
		w.join()
	case every / 3:
		h := all[0]
		h.silent = true
		_ = w.registry.Deregister("simulated", h.address.Addr(), 0) // one that is not there is gone, too
	case every/3 + stopAfter - tick:
		all[0].died = w.now
	}
}

func everything() func(*world, time.Duration) {
	faults := []fault{nil, away, nobody, half, garbage, flapping()}
	return func(w *world, at time.Duration) {
		w.turnover(at)
		if at < 2*time.Minute || w.chance.IntN(20) > 0 {
			return
		}
		w.fault = faults[w.chance.IntN(len(faults))]
		if w.chance.IntN(20) == 0 {
			w.registry = w.newRegistry()
		}
		if at > w.For-10*time.Minute {
			w.fault = nil // the end is calm, so that who died can be seen to go
		}
	}
}

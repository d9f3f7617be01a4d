package upstream

import (
	"fmt"
	"math"
	"testing"
)

// in is n endpoints at each zone, in order: "a" 3, "b" 2.
func in(zones string, counts ...int) (all []Endpoint) {
	for i, n := range counts {
		for k := range n {
			all = append(all, Endpoint{Address: fmt.Sprintf("10.%d.0.%d:80", i, k), Locality: Locality{Zone: zones[i : i+1]}})
		}
	}
	return all
}

// percent is what part of 10000 picks each key gets, rounded.
func percent(t *testing.T, c *Cluster, key func(h *Host, w *Want) string) map[string]int {
	t.Helper()
	const picks = 10_000
	n := map[string]int{}
	for range picks {
		w := new(Want)
		h, err := c.Pick(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		new(Want).Done(h)
		n[key(h, w)]++
	}
	for k := range n {
		n[k] = int(math.Round(float64(n[k]) * 100 / picks))
	}
	return n
}

func zoneOf(h *Host, _ *Want) string { return h.locality().Zone }

// eff = weight * min(100, 140 * healthy / total) / 100
func TestLocalityWeights(t *testing.T) {
	for _, c := range []struct {
		policy string
		down   int // of the 10 at a
		want   string
	}{
		{"round_robin", 0, "map[a:33 b:67]"},
		{"round_robin", 2, "map[a:33 b:67]"},   // 8 of 10 can carry all
		{"round_robin", 5, "map[a:26 b:74]"},   // 0.7 : 2
		{"least_request", 5, "map[a:26 b:74]"}, // the same
		{"random", 8, "map[a:12 b:88]"},        // 0.28 : 2
	} {
		p, _ := NewPolicy(c.policy, Tuning{})
		cluster := New(Options{Policy: p, Balance: Balance{PanicThreshold: -1, Localities: []LocalityWeight{
			{Locality{Zone: "a"}, 1}, {Locality{Zone: "b"}, 2},
		}}, Endpoints: in("ab", 10, 4)})
		mark(cluster, FailedCheck, 0, c.down)
		if got := fmt.Sprint(percent(t, cluster, zoneOf)); got != c.want {
			t.Errorf("%s, %d down: %s, want %s", c.policy, c.down, got, c.want)
		}
	}
}

// A policy that hashes gets the shares of localities as weights.
func TestLocalityWeightsOfATable(t *testing.T) {
	p, _ := NewPolicy("maglev", Tuning{})
	c := New(Options{Policy: p, Balance: Balance{Localities: []LocalityWeight{{Locality{Zone: "a"}, 1}, {Locality{Zone: "b"}, 3}}}, Endpoints: in("ab", 10, 2)})
	n := map[string]int{}
	tab := c.now.Load().tree.only.picker.(*table)
	for _, h := range tab.entries {
		n[tab.hosts[h].locality().Zone]++
	}
	if share := float64(n["b"]) / float64(len(tab.entries)); math.Abs(share-0.75) > 0.001 {
		t.Errorf("b has %.4f of the entries, want 0.75", share)
	}
}

// Envoy's example: percentages of 10000, the own zone first, the rest by what
// room there is.
func TestZoneShares(t *testing.T) {
	for _, c := range []struct {
		hosts, proxies []int
		want           string
		direct         bool
	}{
		{[]int{1, 1, 1}, []int{1, 1, 1}, "[10000 0 0]", true},
		{[]int{2, 1, 1}, []int{1, 1, 1}, "[10000 0 0]", true},
		{[]int{1, 3}, []int{1, 1}, "[5000 5000]", false},         // 25 % of 50 %
		{[]int{2, 2, 6}, []int{4, 3, 3}, "[5000 0 5000]", false}, // only the third has room
		{[]int{2, 4, 4}, []int{6, 2, 2}, "[3333 3333.5 3333.5]", false},
		{[]int{0, 1}, []int{1, 1}, "[0 10000]", false},
		{[]int{1, 1, 0}, []int{2, 2, 0}, "[10000 0 0]", true},
	} {
		got, direct := zoneShares(c.hosts, c.proxies, 0)
		if fmt.Sprint(got) != c.want || direct != c.direct {
			t.Errorf("hosts %d, proxies %d: %v, %v; want %s, %v", c.hosts, c.proxies, got, direct, c.want, c.direct)
		}
	}
}

func TestZoneAware(t *testing.T) {
	proxies := New(Options{Endpoints: in("ab", 2, 2)})
	c := New(Options{Balance: Balance{Zone: &ZoneAware{Own: Locality{Zone: "a"}}}, Endpoints: in("ab", 3, 3)})
	why := func(_ *Host, w *Want) string { return w.Why }
	step := func(name, counter, want string, do func()) {
		t.Helper()
		do()
		before := uint64(0)
		if counter != "" {
			before = stat(t, c, counter)
		}
		if got := fmt.Sprint(percent(t, c, why)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if counter != "" && stat(t, c, counter) == before {
			t.Errorf("%s: %s does not count", name, counter)
		}
	}
	step("the proxies are not known", "lb_local_cluster_not_ok", "map[round_robin:100]", func() {})
	step("level", "lb_zone_routing_all_directly", "map[round_robin, own zone:100]", func() { c.Follow(proxies) })
	step("one down at home", "", "map[round_robin:100]", func() { mark(c, FailedCheck, 0, 1) }) // 5 hosts
	if stat(t, c, "lb_zone_cluster_too_small") == 0 {
		t.Error("lb_zone_cluster_too_small does not count")
	}
	step("more elsewhere: 1 of 7 here, and half of the proxies", "lb_zone_routing_cross_zone", "map[round_robin, other zone:71 round_robin, own zone:29]", func() { c.Update(in("ab", 2, 6)) })
	step("three quarters of the proxies here", "lb_zone_routing_sampled", "map[round_robin, other zone:81 round_robin, own zone:19]", func() { proxies.Update(in("ab", 6, 2)) })
	step("nobody at home", "", "map[round_robin, other zone:100]", func() { c.Update(in("xbc", 0, 6, 1)) })
	step("in panic", "lb_healthy_panic", "map[round_robin, panic:100]", func() { c.Update(in("ab", 4, 4)); mark(c, FailedCheck, 0, 8) })
}

func TestZoneAwareForAPart(t *testing.T) {
	proxies := New(Options{Endpoints: in("ab", 2, 2)})
	c := New(Options{Balance: Balance{Zone: &ZoneAware{Own: Locality{Zone: "a"}, Enabled: 40}}, Endpoints: in("ab", 3, 3)})
	c.Follow(proxies)
	if got := fmt.Sprint(percent(t, c, func(_ *Host, w *Want) string { return w.Why })); got != "map[round_robin:60 round_robin, own zone:40]" {
		t.Errorf("%s", got)
	}
}

package simulate

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNobodyWhoWorksIsTakenAway(t *testing.T) {
	for seed := range uint64(1) {
		all, err := Run(t.Context(), Options{Hosts: 12, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if r.Taken != 0 || r.Removed != r.Dead || r.Dead == 0 || r.OutAfter == 0 || r.OutAfter > failures*checks+tick || r.Least < 8 {
				t.Errorf("seed %d: %+v", seed, r)
			}
			if r.Scenario == "outage" && r.Answers[2] == 0 || r.Scenario == "empty" && r.Answers[1] == 0 || r.Scenario == "garbage" && r.Answers[3] == 0 {
				t.Errorf("nothing happened: %+v", r)
			}
		}
		if Taken(all) != 0 {
			t.Error("hosts were taken away")
		}
	}
}

// The simulation sees what it is there to see: without health checks, discovery
// that is wrong takes everybody away.
func TestWithoutChecksHostsAreTakenAway(t *testing.T) {
	all, err := Run(t.Context(), Options{Hosts: 8, Unchecked: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		wrong := strings.Contains("empty restart partial flapping silence everything", r.Scenario)
		if wrong != (r.Taken > 0) && r.Scenario != "rolling" {
			t.Errorf("%+v", r)
		}
	}
}

func TestOneSeedIsOneStory(t *testing.T) {
	var text [2]strings.Builder
	for i := range text {
		all, err := Run(t.Context(), Options{Hosts: 3, For: 30 * time.Minute, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		for j := range all {
			all[j].Failed = 0 // who is picked is by chance of the product's own
		}
		if err := Print(&text[i], all); err != nil {
			t.Fatal(err)
		}
	}
	_, first, _ := strings.Cut(text[0].String(), "\n")
	if text[0].String() != text[1].String() || strings.Count(first, "\n") != len(scenarios()) {
		t.Errorf("%s\n%s", text[0].String(), text[1].String())
	}
}

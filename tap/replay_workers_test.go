package tap_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/builtin"
	"github.com/pitot-io/pitot/internal/testkit"
	"github.com/pitot-io/pitot/tap"
)

// own are the captures of the repository.
func own(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, kind := range []string{"*.pcap", "*.pcapng"} {
		some, err := filepath.Glob(filepath.Join("..", "testdata", kind))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		t.Fatal("testdata holds no captures")
	}
	return all
}

// told is everything that a replay tells, as JSON Lines.
func told(t *testing.T, o tap.ReplayOptions) []byte {
	t.Helper()
	var err error
	if o.Protocols, err = builtin.Protocols(builtin.ProtocolOptions{}); err != nil {
		t.Fatal(err)
	}
	out := new(lines)
	if _, err := run(t.Context(), o, out); err != nil && out.b == nil {
		t.Log(err) // some captures are broken on purpose
	}
	return out.b
}

// TestAnyNumberOfWorkersTellsTheSame, byte for byte and in the same order.
func TestAnyNumberOfWorkersTellsTheSame(t *testing.T) {
	files := own(t)
	for _, file := range files {
		sameForAnyNumber(t, []int{2, 3, 8}, file)
	}
	sameForAnyNumber(t, []int{2, 3, 8}, files...)
}

func TestAnyNumberOfWorkersTellsTheSameOfEveryCapture(t *testing.T) {
	files := testkit.Captures(t, "*.pcap", "*.pcapng")
	for _, file := range files {
		sameForAnyNumber(t, []int{3}, file)
	}
	sameForAnyNumber(t, []int{2, 8}, files...)
}

func sameForAnyNumber(t *testing.T, workers []int, files ...string) {
	t.Helper()
	want := told(t, tap.ReplayOptions{Files: files, Workers: 1})
	for _, n := range workers {
		if got := told(t, tap.ReplayOptions{Files: files, Workers: n}); !bytes.Equal(got, want) {
			t.Fatalf("%s: %d workers tell otherwise:\n%s", files[0], n, firstDifference(got, want))
		}
	}
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: got\n%s\nwant\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

// TestManyConnectionsAreToldInOrder: far more than a round holds, over lost
// segments, equal times, silence and the end, each with several workers.
func TestManyConnectionsAreToldInOrder(t *testing.T) {
	p := newTape()
	for i := range 6000 {
		port := uint16(1000 + i)
		switch i % 4 {
		case 0:
			p.talk(i/10, port)
		case 1: // lost bytes
			p.tcp(i/10, port, true, syn, 99, "", 0)
			p.tcp(i/10, port, true, 0, 104, "late", 0)
		case 2: // goes on until the end
			p.tcp(i/10, port, true, 0, 104, "open", 0)
		case 3:
			p.tcp(i/10, port-1, false, 0, 700, "answer", 0)
		}
	}
	p.tcp(7200_000, 999, true, syn, 1, "", 0) // everything is silent for two hours
	p.talk(7200_001, 998)
	name := p.save(t)
	want, sum := replay(t, tap.ReplayOptions{Files: []string{name}, Workers: 1})
	if sum.Exchanges < 4500 {
		t.Fatalf("%d exchanges", sum.Exchanges)
	}
	for i := 1; i < len(want.Exchanges); i++ {
		if want.Exchanges[i].End < want.Exchanges[i-1].End {
			t.Fatalf("exchange %d ends before the one told before it", i)
		}
	}
	for _, n := range []int{2, 5, 16, 99} {
		got, other := replay(t, tap.ReplayOptions{Files: []string{name}, Workers: n})
		if got.JSON() != want.JSON() || other != sum {
			t.Errorf("%d workers tell otherwise; %+v, want %+v", n, other, sum)
		}
	}
}

// TestTurnsOfAConnectionLastBeyondARound: its exchanges are told in their
// order when all of them, and more packets than a round has, are of one time.
func TestTurnsOfAConnectionLastBeyondARound(t *testing.T) {
	const ask, answer = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"
	p := newTape()
	p.tcp(1, 1000, true, syn, 99, "", 0)
	p.tcp(1, 1000, false, syn, 99, "", 0)
	for i := range 3000 {
		p.tcp(1, 1000, true, 0, uint32(100+i*len(ask)), ask, 0)
		p.tcp(1, 1000, false, 0, uint32(100+i*len(answer)), answer, 0)
	}
	all, err := builtin.Protocols(builtin.ProtocolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 3} {
		r, sum := replay(t, tap.ReplayOptions{Files: []string{p.save(t)}, Protocols: all, Workers: n})
		if sum.Exchanges != 3000 {
			t.Fatalf("%d exchanges", sum.Exchanges)
		}
		for i := 1; i < len(r.Exchanges); i++ {
			if r.Exchanges[i].RequestSeq < r.Exchanges[i-1].RequestSeq {
				t.Fatalf("%d workers: exchange %d is told before the one that it follows", n, i)
			}
		}
	}
}

package desync

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pitot-io/pitot/internal/testca"
)

// reading is what somebody took bytes for.
type reading struct {
	messages []string // each with its body
	answers  []int    // to the client
}

// passed are the requests that reached an origin.
func passed(b string) (all []string) {
	r := bufio.NewReader(strings.NewReader(b))
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			if err != io.EOF {
				all = append(all, "unreadable: "+err.Error())
			}
			return all
		}
		body, err := io.ReadAll(req.Body)
		if err != nil { // it has no end, and so no meaning
			return append(all, "unfinished")
		}
		all = append(all, fmt.Sprintf("%s %s %q", req.Method, req.RequestURI, body))
	}
}

// answered are the statuses and bodies that a client got, to requests of that
// method.
func answered(b, method string) (codes []int, all []string) {
	r := bufio.NewReader(strings.NewReader(b))
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return codes, all
		}
		if resp.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		codes = append(codes, resp.StatusCode)
		all = append(all, fmt.Sprintf("%d %q %v", resp.StatusCode, body, err))
		method = "GET"
	}
}

// reads is how a proxy takes a request.
func (f *front) reads(send string) reading {
	f.origin.took() // what came late of an earlier one
	got, _ := f.ask(send)
	codes, _ := answered(got, strings.SplitN(send, " ", 2)[0])
	return reading{passed(f.origin.took()), codes}
}

func (r reading) String() string { return fmt.Sprintf("%v, passed on %q", r.answers, r.messages) }

// same reports whether both have the same messages, as far as they are whole.
func same(a, b []string) bool { return strings.Join(whole(a), "\n") == strings.Join(whole(b), "\n") }

func whole(all []string) []string {
	if n := len(all); n > 0 && all[n-1] == "unfinished" {
		return all[:n-1]
	}
	return all
}

// agree compares what pitot passed on with what the peers make of the same
// bytes. Where one differs, pitot's own version must be beyond dispute.
func agree(t *testing.T, peers []*front, send, sent string) {
	t.Helper()
	mine := passed(sent)
	differ := false
	for _, p := range peers {
		r := p.reads(send)
		t.Logf("%-8s %s", p.name, r)
		differ = differ || !same(mine, r.messages)
	}
	if len(mine) == 0 || !differ {
		return
	}
	for _, p := range peers {
		r := p.reads(sent)
		for range 3 { // a busy machine makes some late
			if !same(mine, r.messages) {
				r = p.reads(sent)
			}
		}
		if !same(mine, r.messages) {
			t.Errorf("%s reads what pitot passed on, %q, as %q and not as %q", p.name, sent, r.messages, mine)
		}
	}
}

// lanes spreads cases over sets of proxies, so that their timeouts run at the
// same time.
func lanes[C any](t *testing.T, cases []C, name func(C) string, try func(*testing.T, *lane, C)) {
	t.Parallel()
	peers, cert := startPeers(t, width), testca.New(t).Issue("x", testca.Year(), "x")
	var all []*lane
	for i := range width {
		all = append(all, &lane{pitots: []*front{pitot(t, nil), pitot(t, &cert)}, peers: peers[i]})
	}
	spread(t, all, cases, name, try)
}

// width is the number of lanes.
const width = 20

func spread[C any](t *testing.T, lanes []*lane, cases []C, name func(C) string, try func(*testing.T, *lane, C)) {
	queue := make(chan C, len(cases))
	for _, c := range cases {
		queue <- c
	}
	close(queue)
	var all sync.WaitGroup
	for _, l := range lanes {
		all.Go(func() {
			for c := range queue {
				t.Run(name(c), func(t *testing.T) { try(t, l, c) })
			}
		})
	}
	all.Wait()
}

// lane is one of each proxy.
type lane struct {
	pitots []*front
	peers  []*front
	hosts  []*front // before hosts of HTTP/2, pitot first
}

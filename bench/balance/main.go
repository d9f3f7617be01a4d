// Command balance compares balancing policies in simulated time: a real
// upstream.Cluster picks, hosts with queues serve, and no socket and no clock
// take part. It prints latencies, failures and how evenly hosts are loaded.
//
//	go run ./bench/balance
package main

import (
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
	"time"
)

func main() {
	s := standard()
	flag.IntVar(&s.hosts, "hosts", s.hosts, "hosts (at most 10000)")
	flag.IntVar(&s.requests, "requests", s.requests, "requests (at most 10000000)")
	flag.Float64Var(&s.load, "load", s.load, "part of what all hosts can do that is asked of them at the end of the ramp")
	flag.Uint64Var(&s.seed, "seed", s.seed, "of the load; picks are by chance")
	flag.Parse()
	s.hosts, s.requests = min(s.hosts, 10_000), min(s.requests, 10_000_000)
	if err := s.check(); err != nil {
		fmt.Fprintln(os.Stderr, "balance:", err)
		os.Exit(2)
	}
	fmt.Printf("%d hosts, %d requests of %s of work on average. Load from %.0f %% to %.0f %%, work lognormal with sigma %v.\n", s.hosts, s.requests, s.mean, s.load*50, s.load*100, s.sigma)
	for _, sc := range scenes {
		fmt.Printf("\n%s\n\n", sc.name)
		if err := table(s, sc); err != nil {
			fmt.Fprintln(os.Stderr, "balance:", err)
			os.Exit(1)
		}
	}
	fmt.Printf("\nLoad of %.0f %% throughout, work exponential: what queueing theory knows\n\n", s.load*100)
	if err := table(s.textbook(), scenes[0]); err != nil {
		fmt.Fprintln(os.Stderr, "balance:", err)
		os.Exit(1)
	}
}

func table(s sim, sc scene) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| policy\t| mean ms\t| p50 ms\t| p99 ms\t| p99.9 ms\t| errors %\t| spread\t| slow host\t| failing host\t| p99 / round robin\t|")
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	first := time.Duration(0)
	for _, p := range contenders {
		r, err := s.run(p, sc)
		if err != nil {
			return err
		}
		if first == 0 {
			first = r.p99
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t| %.2f\t| %.2f\t| %.2f\t| %.2f\t| %.2f\t|\n", p.name, ms(r.mean), ms(r.p50), ms(r.p99), ms(r.p999), 100*r.errors, r.spread, r.slow, r.failing, float64(r.p99)/float64(first))
	}
	return w.Flush()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

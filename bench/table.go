package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table collects one figure per peer and round, lower is better.
type table struct {
	title, unit string
	bases       []string
	peers       []string
	values      map[string][]float64
	extra       map[string][]float64
	extraName   string
}

func newTable(title, unit, extraName string, bases ...string) *table {
	return &table{title: title, unit: unit, extraName: extraName, bases: bases, values: map[string][]float64{}, extra: map[string][]float64{}}
}

func (t *table) add(peer string, value, extra float64) {
	if !slices.Contains(t.peers, peer) {
		t.peers = append(t.peers, peer)
	}
	t.values[peer] = append(t.values[peer], value)
	t.extra[peer] = append(t.extra[peer], extra)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// ratio is the median over rounds of the peer's value by the base's.
func (t *table) ratio(peer, base string) string {
	var r []float64
	for i := range min(len(t.values[peer]), len(t.values[base])) {
		if b := t.values[base][i]; b > 0 {
			r = append(r, t.values[peer][i]/b)
		}
	}
	if len(r) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", median(r))
}

func (t *table) print() {
	fmt.Printf("\n### %s\n\n%s, %d CPUs, %d rounds\n\n", t.title, time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), len(t.values[t.peers[0]]))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "| peer\t| %s (median)\t| min..max\t| %s\t|%s\n", t.unit, t.extraName, each(t.bases, func(b string) string { return " / " + b + "\t|" }))
	fmt.Fprintf(w, "| ---\t| ---\t| ---\t| ---\t|%s\n", each(t.bases, func(string) string { return " ---\t|" }))
	for _, p := range t.peers {
		v := t.values[p]
		fmt.Fprintf(w, "| %s\t| %.3f\t| %.3f..%.3f\t| %.0f\t|%s\n", p, median(v), slices.Min(v), slices.Max(v), median(t.extra[p]),
			each(t.bases, func(b string) string { return " " + t.ratio(p, b) + "\t|" }))
	}
	_ = w.Flush() // standard output
}

func each(words []string, f func(string) string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(f(w))
	}
	return b.String()
}

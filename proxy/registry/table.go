package registry

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// wantsText reports whether a person asks: curl -H 'Accept: text/plain', or
// ?format=text.
func wantsText(q *http.Request) bool {
	accept := q.Header.Get("Accept")
	return q.FormValue("format") == "text" || strings.Contains(accept, "text/plain") && !strings.Contains(accept, "json")
}

// table writes hosts for a person.
func table(w http.ResponseWriter, hosts []Host, now time.Time) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICE\tADDRESS\tWEIGHT\tAZ\tCANARY\tREVISION\tSEEN\tCPU\tMEMORY\tQPS")
	for i := range hosts {
		h := &hosts[i]
		l := h.Load
		if l == nil {
			l = new(Load)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%v\t%v\t%s\t%s ago\t%s\t%s\t%s\n", h.Service, hostPort(h), dash(float64(h.Tags.Weight())), or(h.Tags[TagZone]), or(h.Tags[TagCanary]),
			or(h.Revision), now.Sub(h.LastCheckIn).Round(time.Second), percent(l.CPU), percent(l.Memory), dash(l.QPS))
	}
	return t.Flush()
}

func overview(w http.ResponseWriter, all []Count) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICE\tHOSTS")
	for _, c := range all {
		fmt.Fprintf(t, "%s\t%d\n", c.Service, c.Hosts)
	}
	return t.Flush()
}

func hostPort(h *Host) string {
	if strings.Contains(h.IP, ":") {
		return fmt.Sprintf("[%s]:%d", h.IP, h.Port)
	}
	return fmt.Sprintf("%s:%d", h.IP, h.Port)
}

// or is v, or a dash where nothing is known. Control characters, which would
// speak to the terminal, are shown as they are written in Go.
func or(v any) string {
	text := fmt.Sprint(v)
	if v == nil || text == "" {
		return "-"
	}
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

// dash is a number, or a dash for none; percent is a share likewise.
func dash(v float64) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func percent(v float64) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v*100, 'f', 0, 64) + "%"
}

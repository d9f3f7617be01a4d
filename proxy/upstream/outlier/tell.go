package outlier

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// numbers are what a detector went by.
type numbers struct {
	run  int64 // failures in a row
	need int   // that are enough

	rate, mean, stdev, threshold float64 // in percent
	requests                     int64   // of the interval
}

// why is n in words.
func (n *numbers) why(t Type) string {
	switch t {
	case Consecutive5xx:
		return fmt.Sprintf("%d failures (5xx) in a row", n.run)
	case ConsecutiveGateway:
		return fmt.Sprintf("%d failures of a gateway (502, 503, 504) in a row", n.run)
	case ConsecutiveLocal:
		return fmt.Sprintf("%d times in a row no answer came", n.run)
	case SuccessRate, LocalSuccessRate:
		return fmt.Sprintf("%.1f %% of %d requests succeeded, less than %.1f %% (mean %.1f %%, standard deviation %.1f)", n.rate, n.requests, n.threshold, n.mean, n.stdev)
	}
	return fmt.Sprintf("%.1f %% of %d requests failed, at least %.0f %%", 100-n.rate, n.requests, n.threshold)
}

// attributes are n as the event has them.
func (n *numbers) attributes(t Type) []event.KeyValue {
	percent := func(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }
	all := []event.KeyValue{{Key: event.AttrOutlierType, Value: t.String()}}
	switch t {
	case Consecutive5xx, ConsecutiveGateway, ConsecutiveLocal:
		return append(all,
			event.KeyValue{Key: event.AttrOutlierConsecutive, Value: strconv.FormatInt(n.run, 10)},
			event.KeyValue{Key: event.AttrOutlierThreshold, Value: strconv.Itoa(n.need)})
	case SuccessRate, LocalSuccessRate:
		all = append(all,
			event.KeyValue{Key: event.AttrOutlierMean, Value: percent(n.mean)},
			event.KeyValue{Key: event.AttrOutlierStdev, Value: percent(n.stdev)})
	}
	return append(all,
		event.KeyValue{Key: event.AttrOutlierRate, Value: percent(n.rate)},
		event.KeyValue{Key: event.AttrOutlierThreshold, Value: percent(n.threshold)},
		event.KeyValue{Key: event.AttrOutlierRequests, Value: strconv.FormatInt(n.requests, 10)})
}

// tellEjection tells that m is ejected.
func (d *Detector) tellEjection(m *monitor, t Type, now int64, n numbers) {
	length := m.length(&d.o)
	d.tell(m, &event.Notice{
		Time: now, Name: event.EventEjection, Severity: event.Warn,
		Body: fmt.Sprintf("%s is ejected for %s: %s", m.host.Address(), length.Round(time.Millisecond), n.why(t)),
		Attributes: append(n.attributes(t),
			event.KeyValue{Key: event.AttrOutlierEnforced, Value: "true"},
			event.KeyValue{Key: event.AttrOutlierLength, Value: strconv.FormatInt(int64(length), 10)}),
	})
}

// tellWould tells that m would be ejected, but for why; once in an interval for
// each detector, as it goes on finding it.
func (d *Detector) tellWould(m *monitor, t Type, now int64, n numbers, why string) {
	if m.told&(1<<t) != 0 {
		return
	}
	m.told |= 1 << t
	reason := "its detector is not enforced"
	if why == "overflow" {
		reason = fmt.Sprintf("no more than %d %% of the hosts may be, and %d of %d are", d.o.MaxPercent, d.stats.active.Load(), len(d.cluster.Hosts()))
	}
	d.tell(m, &event.Notice{
		Time: now, Name: event.EventWouldEject,
		Body: fmt.Sprintf("%s would have been ejected: %s; %s", m.host.Address(), n.why(t), reason),
		Attributes: append(n.attributes(t),
			event.KeyValue{Key: event.AttrOutlierEnforced, Value: "false"},
			event.KeyValue{Key: event.AttrOutlierReason, Value: why}),
	})
}

// tellReturn tells that m is back.
func (d *Detector) tellReturn(m *monitor, now int64, why string) {
	d.tell(m, &event.Notice{
		Time: now, Name: event.EventReturned,
		Body:       fmt.Sprintf("%s is back after %s: %s", m.host.Address(), time.Duration(now-m.since).Round(time.Millisecond), why),
		Attributes: []event.KeyValue{{Key: event.AttrOutlierReason, Value: why}},
	})
}

// tell adds what every event of ejections has.
func (d *Detector) tell(m *monitor, n *event.Notice) {
	last := int64(-1) // as Envoy: there was none
	if m.since != 0 {
		last = (n.Time - m.since) / int64(time.Second)
	}
	n.Attributes = append(n.Attributes,
		event.KeyValue{Key: event.AttrOutlierEjections, Value: strconv.FormatInt(m.times, 10)},
		event.KeyValue{Key: event.AttrOutlierLast, Value: strconv.FormatInt(last, 10)})
	d.cluster.Tell(m.host, n)
}

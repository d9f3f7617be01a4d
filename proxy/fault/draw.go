package fault

import (
	"math/rand/v2"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

// share is a part of the requests, in parts of a config.Million; 0 is none.
type share int

// newShare reads a percentage of what there is; where there is nothing, it is
// none.
func newShare(percent string, there bool) (share, error) {
	n, err := config.ParsePercent(percent)
	if !there {
		n = 0
	}
	return share(n), err
}

// draw decides about one request.
func (s share) draw() bool {
	return s > 0 && (s >= config.Million || rand.IntN(config.Million) < int(s))
}

// delay is a distribution of times.
type delay struct {
	share
	points []config.Percentile // between two of them times lie evenly; the first is the shortest
}

func newDelay(c *config.FaultDelay) (d delay, err error) {
	switch {
	case c.Fixed > 0:
		d.points = []config.Percentile{{Time: c.Fixed}, {Share: 1, Time: c.Fixed}}
	case c.To > 0:
		d.points = []config.Percentile{{Time: c.From}, {Share: 1, Time: c.To}}
	case len(c.Percentiles) > 0:
		points, err := config.ParsePercentiles(c.Percentiles)
		if err != nil {
			return d, err
		}
		d.points = append([]config.Percentile{{}}, points...)
	}
	d.share, err = newShare(c.Percent, d.points != nil)
	return d, err
}

// time draws one.
func (d *delay) time() time.Duration { return d.at(rand.Float64()) }

// at is the time that a share u of all times, up to 1, does not exceed. None is
// longer than that of the last point.
func (d *delay) at(u float64) time.Duration {
	for i := 1; i < len(d.points); i++ {
		if a, b := d.points[i-1], d.points[i]; u <= b.Share {
			return a.Time + time.Duration(float64(b.Time-a.Time)*(u-a.Share)/(b.Share-a.Share))
		}
	}
	return d.points[len(d.points)-1].Time
}

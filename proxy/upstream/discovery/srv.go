package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// srv has endpoints be what records of type SRV name (RFC 2782): its targets with
// their ports, priorities and weights. Every address of a target is an endpoint.
type srv struct {
	*names
	name string
}

// Bounds of an answer with records of type SRV.
const (
	maxTargets   = 256
	targetsAtOne = 8 // looked up at a time
)

func (s *srv) Fetch(ctx context.Context) (Answer, error) {
	q := s.ask()
	_, records, err := q.LookupSRV(ctx, "", "", s.name)
	if unknown(err) {
		return Answer{TTL: q.holds()}, nil
	} else if err != nil {
		return Answer{}, err
	}
	if len(records) > maxTargets {
		return Answer{}, fmt.Errorf("%w: %s has %d records, which is more than %d", errRejected, s.name, len(records), maxTargets)
	}
	ranks, err := ranksOf(records)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %s %w", errRejected, s.name, err)
	}
	found := make([][]upstream.Endpoint, len(records))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(targetsAtOne)
	for i, r := range records {
		g.Go(func() (err error) {
			found[i], err = s.target(ctx, q, r, ranks)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Answer{}, err
	}
	all := slices.Concat(found...)
	slices.SortFunc(all, func(a, b upstream.Endpoint) int { return strings.Compare(a.Address, b.Address) })
	return Answer{Endpoints: all, TTL: q.holds()}, nil
}

// target is the endpoints of one record; none for a target that has no address,
// or is the root, which says that there is no such service.
func (s *srv) target(ctx context.Context, q *asking, r *net.SRV, ranks []uint16) (all []upstream.Endpoint, err error) {
	if r.Target == "." {
		return nil, nil
	}
	found, err := q.addresses(ctx, r.Target)
	if err != nil {
		return nil, err
	}
	for _, ip := range found {
		e := upstream.Endpoint{
			Address: netip.AddrPortFrom(ip, r.Port).String(), Hostname: strings.TrimSuffix(r.Target, "."),
			Weight: max(1, uint32(r.Weight)), Priority: slices.Index(ranks, r.Priority),
		}
		if len(found) > 1 { // places in rings and tables are by host name otherwise, and one each
			e.Metadata = map[string]string{upstream.HashKeyName: e.Address}
		}
		all = append(all, e)
	}
	return all, nil
}

// ranksOf are the priorities that there are, in order: the place of one there is
// the cluster's.
func ranksOf(records []*net.SRV) (ranks []uint16, err error) {
	for _, r := range records {
		ranks = append(ranks, r.Priority)
	}
	slices.Sort(ranks)
	ranks = slices.Compact(ranks)
	if len(ranks) > config.MaxPriority+1 {
		return nil, fmt.Errorf("has %d priorities, which is more than %d", len(ranks), config.MaxPriority+1)
	}
	return ranks, nil
}

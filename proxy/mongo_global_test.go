package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// globalFinds asks the service there about find commands.
func globalFinds(t *testing.T, protocol, address, more string) func(*config.Config) {
	return func(c *config.Config) {
		configuredAs(t, protocol, `
rate_limits:
- name: finds
  token_bucket: {max_tokens: 1, fill_interval: 1s}
  actions: [{mongodb_command: {only: [find]}}, {mongodb_database: {}}, {mongodb_collection: {}}, {mongodb_call_site: {}}, {mongodb_application: {}}, {remote_address: {}}]
`)(c)
		l := &c.Listeners[0].RateLimits[0]
		l.Global, l.Bucket = true, config.TokenBucket{}
		c.RateLimitService = &config.RateLimitService{Address: address, Domain: "mongo", Timeout: patience}
		c.RateLimitService.Deny = strings.Contains(more, "deny")
	}
}

func checkout(o *options.ClientOptions) { o.SetAppName("checkout") }

// findOne finds a document, as a place in the code.
func findOne(t *testing.T, c *mongo.Collection) error {
	return c.FindOne(t.Context(), bson.D{}, options.FindOne().SetComment("cart.go:17 loadCart")).Err()
}

// descriptors are those of a question, as text.
func descriptors(r *rls.RateLimitRequest) string {
	var b strings.Builder
	for _, d := range r.GetDescriptors() {
		for _, e := range d.GetEntries() {
			fmt.Fprintf(&b, "%s=%s ", e.GetKey(), e.GetValue())
		}
	}
	return b.String()
}

// A command waits for what the service says, and is refused in MongoDB's words.
func TestGlobalLimitsOfCommands(t *testing.T) {
	for _, protocol := range []string{config.MongoDB, config.Auto} {
		t.Run(protocol, func(t *testing.T) {
			l, address := serveLimiter(t, rls.RateLimitResponse_OK)
			asked := make(chan string, 16)
			judge := func(_ context.Context, q *rls.RateLimitRequest) rls.RateLimitResponse_Code {
				about := descriptors(q)
				asked <- about
				if strings.Contains(about, "mongodb_collection=shop.carts ") {
					return rls.RateLimitResponse_OVER_LIMIT
				}
				return rls.RateLimitResponse_OK
			}
			l.judge.Store(&judge)
			r := mongoRig(t, protocol, "", globalFinds(t, protocol, address, ""))
			db := r.mongo(once, checkout).Database("shop")
			find := func(collection string) error {
				return findOne(t, db.Collection(collection))
			}
			for range 2 {
				var e mongo.CommandError
				if err := find("carts"); !errors.As(err, &e) || e.Code != 462 || !e.HasErrorLabel("NoWritesPerformed") {
					t.Errorf("%#v", err)
				}
				if err := find("orders"); !errors.Is(err, mongo.ErrNoDocuments) {
					t.Errorf("another collection: %v", err)
				}
			}
			want := "mongodb_command=find mongodb_database=shop mongodb_collection=shop.carts mongodb_call_site=cart.go:17 loadCart mongodb_application=checkout remote_address=127.0.0.1 "
			if got := <-asked; got != want || l.asked.Load() != 4 {
				t.Errorf("asked %d times, %q, want %q", l.asked.Load(), got, want)
			}
			if x := r.command("find", "carts"); x.Flags != event.FlagRL || x.ErrorType != "462" {
				t.Errorf("told %s, %s", x.Flags, x.ErrorType)
			}
			for name, want := range map[string]uint64{"enabled": 4, "ok": 2, "enforced": 2} {
				if got := limitStat(t, r.Server, "finds", name); got != want {
					t.Errorf("%s is %d, want %d", name, got, want)
				}
			}
		})
	}
}

// Without the service commands go on, or do not.
func TestGlobalLimitsOfCommandsWithoutTheService(t *testing.T) {
	for _, more := range []string{"", "deny"} {
		r := mongoRig(t, config.MongoDB, "", globalFinds(t, config.MongoDB, refusing(t), more), func(c *config.Config) { c.RateLimitService.Timeout = 50 * time.Millisecond })
		err := findOne(t, r.mongo(once, checkout).Database("shop").Collection("carts"))
		x := r.command("find", "carts")
		var e mongo.CommandError
		if more == "" && (!errors.Is(err, mongo.ErrNoDocuments) || x.Flags != 0) || more != "" && (!errors.As(err, &e) || e.Code != 1 || x.Flags != event.FlagRLSE || x.ErrorType != "1") {
			t.Errorf("%q: %v, told %s %s", more, err, x.Flags, x.ErrorType)
		}
	}
}

// dialled keeps a driver's connections, so that a test can break them off.
type dialled struct {
	mu  sync.Mutex
	all []net.Conn
}

func (d *dialled) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		d.mu.Lock()
		d.all = append(d.all, c)
		d.mu.Unlock()
	}
	return c, err
}

func (d *dialled) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.all {
		_ = c.Close()
	}
}

// The question ends with the client that has asked: nobody waits for an answer
// to it.
func TestGlobalLimitsOfCommandsEndWithTheClient(t *testing.T) {
	l, address := serveLimiter(t, rls.RateLimitResponse_OK)
	begun, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	judge := func(ctx context.Context, _ *rls.RateLimitRequest) rls.RateLimitResponse_Code {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return rls.RateLimitResponse_OK
	}
	l.judge.Store(&judge)
	r := mongoRig(t, config.MongoDB, "", globalFinds(t, config.MongoDB, address, ""), func(c *config.Config) { c.RateLimitService.Timeout = time.Minute })
	conns := new(dialled)
	client := r.mongo(once, checkout, func(o *options.ClientOptions) { o.SetDialer(conns) })
	var asking sync.WaitGroup
	asking.Go(func() {
		if err := findOne(t, client.Database("shop").Collection("carts")); err == nil || errors.Is(err, mongo.ErrNoDocuments) {
			t.Errorf("it was answered: %v", err)
		}
	})
	for _, step := range []struct {
		what string
		done chan struct{}
	}{{"begin", begun}, {"end", ended}} {
		select {
		case <-step.done:
		case <-time.After(patience):
			t.Fatalf("the question does not %s", step.what)
		}
		conns.close()
	}
	asking.Wait()
	if x := r.command("find", "carts"); x.ErrorType != event.ErrUnanswered {
		t.Errorf("told %s", x.AppendJSON(nil))
	}
}

package proxy

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/pitot-io/pitot/internal/config"
)

const perCollection = `
rate_limits:
- name: carts
  actions: [{mongodb_collection: {only: [shop.carts]}}, {mongodb_command: {only: [find]}}]
  token_bucket: {max_tokens: 2, fill_interval: 1h}
- name: shy
  enforce: false
  actions: [{remote_address: {}}]
  token_bucket: {max_tokens: 1, fill_interval: 1h}
`

// once has a driver try each command once.
func once(o *options.ClientOptions) { o.SetMaxAdaptiveRetries(0) }

func TestRateLimitsOfCommands(t *testing.T) {
	for _, protocol := range []string{config.MongoDB, config.Auto} {
		t.Run(protocol, func(t *testing.T) {
			r := mongoRig(t, protocol, "", configuredAs(t, protocol, perCollection))
			db := r.mongo(once).Database("shop")
			find := func(collection string) error { return db.Collection(collection).FindOne(t.Context(), bson.D{}).Err() }
			for i := range 5 {
				err := find("carts")
				var e mongo.CommandError
				switch refused := errors.As(err, &e); {
				case i < 2 && !errors.Is(err, mongo.ErrNoDocuments):
					t.Errorf("find %d gives %v", i, err)
				case i >= 2 && (!refused || e.Code != 462 || e.Name != "IngressRequestRateLimitExceeded" || !e.HasErrorLabel("SystemOverloadedError") || !e.HasErrorLabel("RetryableError")):
					t.Errorf("find %d gives %#v", i, err)
				}
			}
			if err := find("orders"); !errors.Is(err, mongo.ErrNoDocuments) {
				t.Errorf("another collection: %v", err)
			}
			if _, err := db.Collection("carts").InsertOne(t.Context(), bson.D{}); err != nil {
				t.Errorf("another command: %v", err)
			}
			told := map[string]int{}
			for range 5 {
				x := r.command("find", "carts")
				told[x.Flags.String()+" "+x.ErrorType]++
			}
			if told[" "] != 2 || len(told) != 2 {
				t.Errorf("told %v", told)
			}
			for name, want := range map[string]uint64{"enabled": 5, "ok": 2, "rate_limited": 3, "enforced": 3, "keys": 1} {
				if got := limitStat(t, r.Server, "carts", name); got != want {
					t.Errorf("%s is %d, want %d", name, got, want)
				}
			}
			if n := limitStat(t, r.Server, "shy", "rate_limited"); n == 0 || limitStat(t, r.Server, "shy", "enforced") != 0 {
				t.Errorf("the limit that is not enforced would have refused %d", n)
			}
		})
	}
}

// A driver that knows the labels waits and tries again.
func TestDriversWaitForRateLimits(t *testing.T) {
	r := mongoRig(t, config.MongoDB, "", configuredAs(t, config.MongoDB, "rate_limits: [{name: a, actions: [{mongodb_collection: {}}], token_bucket: {max_tokens: 1, fill_interval: 20ms}}]"))
	carts := r.mongo(func(o *options.ClientOptions) {
		o.SetMaxAdaptiveRetries(10).SetRetryReads(true).SetTimeout(30 * time.Second)
	}).Database("shop").Collection("carts")
	for range 10 {
		if err := carts.FindOne(t.Context(), bson.D{}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
			t.Fatal(err)
		}
	}
	if limitStat(t, r.Server, "a", "enforced") == 0 {
		t.Error("nothing was refused")
	}
}

// A write that wants no answer is dropped, and told so.
func TestRateLimitsOfUnacknowledgedWrites(t *testing.T) {
	r := mongoRig(t, config.MongoDB, "", configuredAs(t, config.MongoDB, "rate_limits: [{name: a, actions: [{mongodb_command: {only: [insert]}}], token_bucket: {max_tokens: 1, fill_interval: 1h}}]"))
	carts := r.mongo(func(o *options.ClientOptions) { o.SetMaxPoolSize(1) }).Database("shop").Collection("carts", options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
	for i := range 3 {
		if _, err := carts.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := carts.CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
		t.Errorf("%d documents, %v", n, err)
	}
	var all []string
	for range 3 {
		x := r.command("insert", "carts")
		all = append(all, x.Flags.String()+x.ErrorType)
	}
	if slices.Sort(all); !slices.Equal(all, []string{"", "RLRL", "RLRL"}) {
		t.Errorf("told as %q", all)
	}
}

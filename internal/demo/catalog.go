package demo

import (
	"context"
	"net/http"
	"regexp"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// catalog lists one category, or all, in batches small enough that the driver asks for more.
func (s *Orders) catalog(ctx context.Context, t trace, r *http.Request) (any, error) {
	filter := bson.D{}
	if c := r.URL.Query().Get("category"); c != "" {
		filter = bson.D{{Key: "category", Value: c}}
	}
	o := options.Find().SetSort(bson.D{{Key: "cents", Value: 1}}).SetBatchSize(25).SetProjection(bson.D{{Key: "stock", Value: 0}}).SetComment(here().sqlcommenter(t, "/catalog"))
	return s.products(ctx, filter, o)
}

// find looks for a name.
func (s *Orders) find(ctx context.Context, t trace, r *http.Request) (any, error) {
	pattern := bson.Regex{Pattern: regexp.QuoteMeta(r.URL.Query().Get("q")), Options: "i"}
	return s.products(ctx, bson.D{{Key: "name", Value: pattern}}, options.Find().SetLimit(10).SetComment(here().datadog(t)))
}

func (s *Orders) products(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]productDoc, error) {
	cur, err := s.db.Collection("products").Find(ctx, filter, o)
	if err != nil {
		return nil, err
	}
	found := []productDoc{}
	return found, cur.All(ctx, &found)
}

// report sums the newest payments up, then asks for statistics that no server has: a mistake somebody shipped.
func (s *Orders) report(ctx context.Context, t trace, _ *http.Request) (any, error) {
	pipeline := bson.A{
		bson.D{{Key: "$sort", Value: bson.D{{Key: "at", Value: -1}}}},
		bson.D{{Key: "$limit", Value: 500}},
		bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: "carts"}, {Key: "localField", Value: "cart"}, {Key: "foreignField", Value: "_id"}, {Key: "as", Value: "carts"}}}},
		bson.D{{Key: "$unwind", Value: "$carts"}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$carts.user"}, {Key: "payments", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
		bson.D{{Key: "$sort", Value: bson.D{{Key: "payments", Value: -1}}}},
		bson.D{{Key: "$limit", Value: 5}},
	}
	cur, err := s.db.Collection("payments").Aggregate(ctx, pipeline, options.Aggregate().SetComment(here().fileLine()))
	if err != nil {
		return nil, err
	}
	var best []bson.M
	if err := cur.All(ctx, &best); err != nil {
		return nil, err
	}
	return best, s.db.RunCommand(ctx, bson.D{{Key: "shopStatistics", Value: 1}, {Key: "comment", Value: here().frame()}}).Err()
}

package main

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/internal/minimongo"
)

// serveMongo is our in-memory server, which speaks the real wire protocol.
func serveMongo() (string, func(), error) {
	s, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		return "", nil, err
	}
	return s.Addr(), func() { s.Close() }, nil // an error of closing changes no capture
}

const nodeDir = "testdata/record/node"

// goMongoClient does a day's work with the official Go driver: writes in
// batches, cursors with getMore, call sites in several forms, errors.
func goMongoClient(compressor string) func(context.Context, string) error {
	return func(ctx context.Context, addr string) error {
		o := options.Client().ApplyURI("mongodb://" + addr + "/?directConnection=true").SetAppName("record").SetMaxPoolSize(2)
		if compressor != "" {
			o.SetCompressors([]string{compressor})
		}
		c, err := mongo.Connect(o)
		if err != nil {
			return err
		}
		if err := work(ctx, c.Database("shop").Collection("orders")); err != nil {
			return err
		}
		return c.Disconnect(ctx)
	}
}

func work(ctx context.Context, orders *mongo.Collection) error {
	var docs []any
	for i := range 250 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "user", Value: i % 10}, {Key: "total", Value: 10 + i}})
	}
	if _, err := orders.InsertMany(ctx, docs, options.InsertMany().SetComment("orders.go:17")); err != nil {
		return err
	}
	if _, err := orders.InsertOne(ctx, bson.D{{Key: "_id", Value: 7}}); !mongo.IsDuplicateKeyError(err) {
		return fmt.Errorf("inserting twice gave %v", err)
	}
	if err := read(ctx, orders); err != nil {
		return err
	}
	_, err := orders.UpdateMany(ctx, bson.D{{Key: "user", Value: 3}}, bson.D{{Key: "$set", Value: bson.D{{Key: "paid", Value: true}}}},
		options.UpdateMany().SetComment(bson.D{{Key: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, {Key: "text", Value: "pay"}}))
	if err != nil {
		return err
	}
	if _, err := orders.DeleteOne(ctx, bson.D{{Key: "_id", Value: 1}}); err != nil {
		return err
	}
	if err := orders.Database().RunCommand(ctx, bson.D{{Key: "nonsense", Value: 1}}).Err(); err == nil {
		return fmt.Errorf("a nonsense command was taken")
	}
	return nil
}

func read(ctx context.Context, orders *mongo.Collection) error {
	cur, err := orders.Find(ctx, bson.D{{Key: "user", Value: bson.D{{Key: "$in", Value: bson.A{1, 2, 3}}}}},
		options.Find().SetBatchSize(20).SetComment(`{"callingFunction":"Cart.load"}`))
	if err != nil {
		return err
	}
	var all []bson.M
	if err := cur.All(ctx, &all); err != nil {
		return err
	}
	if len(all) != 75 {
		return fmt.Errorf("found %d documents, want 75", len(all))
	}
	for i := range 6 { // one query a time where one would do
		if err := orders.FindOne(ctx, bson.D{{Key: "_id", Value: i}}, options.FindOne().SetComment("Cart.item (cart.go:42)")).Err(); err != nil {
			return err
		}
	}
	agg, err := orders.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "total", Value: bson.D{{Key: "$gt", Value: 100}}}}}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$user"}, {Key: "sum", Value: bson.D{{Key: "$sum", Value: "$total"}}}}}},
	}, options.Aggregate().SetComment("action='index',controller='orders',framework='rails'"))
	if err != nil {
		return err
	}
	return agg.Close(ctx)
}

func nodeMongoClient(compressor string) func(context.Context, string) error {
	return func(ctx context.Context, addr string) error {
		if err := run(ctx, nodeDir, "npm", "ci", "--no-audit", "--no-fund", "--silent"); err != nil {
			return err
		}
		return run(ctx, nodeDir, "node", "mongo.mjs", addr, compressor)
	}
}

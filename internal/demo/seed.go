package demo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// How much the demo's database holds. The load asks for a few carts beyond the last one.
const (
	seedProducts = 240
	seedCarts    = 150
	maxItems     = 9
)

// seed drops the demo's database and fills it anew, the same each time.
func (s *Orders) seed(ctx context.Context) error {
	if err := s.db.Drop(ctx); err != nil {
		return err
	}
	comment := here().frame()
	categories, things := []string{"garden", "kitchen", "office", "travel"}, []string{"lamp", "kettle", "chair", "bag", "clock", "rake", "mug", "notebook"}
	var products, carts []any
	for i := range seedProducts {
		products = append(products, productDoc{ID: i, Name: fmt.Sprintf("%s %d", things[i%len(things)], i), Category: categories[i%len(categories)], Cents: 199 + i*37%5000, Stock: 100_000})
	}
	for i := range seedCarts {
		c := cartDoc{ID: i, User: fmt.Sprintf("user-%d", i%20)}
		for n := range 1 + i%maxItems {
			c.Items = append(c.Items, itemDoc{Product: (i*7 + n*13) % seedProducts, Qty: 1 + n%3})
		}
		carts = append(carts, c)
	}
	if _, err := s.db.Collection("products").InsertMany(ctx, products, options.InsertMany().SetComment(comment)); err != nil {
		return err
	}
	if _, err := s.db.Collection("carts").InsertMany(ctx, carts, options.InsertMany().SetComment(comment)); err != nil {
		return err
	}
	_, err := s.db.Collection("products").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "category", Value: 1}}})
	return err
}

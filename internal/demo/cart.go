package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type cartDoc struct {
	ID    int        `bson:"_id" json:"id"`
	User  string     `bson:"user" json:"user"`
	Items []itemDoc  `bson:"items" json:"items"`
	Paid  *time.Time `bson:"paid,omitempty" json:"paid,omitempty"`
}

type itemDoc struct {
	Product int    `bson:"product" json:"product"`
	Qty     int    `bson:"qty" json:"qty"`
	Name    string `bson:"-" json:"name"`
	Cents   int    `bson:"-" json:"cents"`
}

type productDoc struct {
	ID       int    `bson:"_id" json:"id"`
	Name     string `bson:"name" json:"name"`
	Category string `bson:"category" json:"category"`
	Cents    int    `bson:"cents" json:"cents"`
	Stock    int    `bson:"stock" json:"stock"`
}

func cartID(r *http.Request) (int, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return 0, errNoCart
	}
	return id, nil
}

// cart answers with a cart and the names of what is in it.
func (s *Orders) cart(ctx context.Context, t trace, r *http.Request) (any, error) {
	id, err := cartID(r)
	if err != nil {
		return nil, err
	}
	c, err := s.loadCart(ctx, id)
	if err != nil {
		return nil, err
	}
	return c, s.nameItems(ctx, t, c)
}

func (s *Orders) loadCart(ctx context.Context, id int) (*cartDoc, error) {
	var c cartDoc
	err := s.db.Collection("carts").FindOne(ctx, bson.D{{Key: "_id", Value: id}}, options.FindOne().SetComment(here().lyft())).Decode(&c)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errNoCart
	}
	return &c, err
}

// nameItems asks for each product by itself: the N+1 that the demo is there to show. One find with $in would do.
func (s *Orders) nameItems(ctx context.Context, t trace, c *cartDoc) error {
	for i := range c.Items {
		var p productDoc
		byID := bson.D{{Key: "_id", Value: c.Items[i].Product}}
		if err := s.db.Collection("products").FindOne(ctx, byID, options.FindOne().SetComment(here().document(t))).Decode(&p); err != nil {
			return fmt.Errorf("product %d: %w", c.Items[i].Product, err)
		}
		c.Items[i].Name, c.Items[i].Cents = p.Name, p.Cents
	}
	return nil
}

// pay marks a cart as paid, books the payment and takes the products from the stock.
func (s *Orders) pay(ctx context.Context, t trace, r *http.Request) (any, error) {
	id, err := cartID(r)
	if err != nil {
		return nil, err
	}
	var order struct{ Payment string }
	if err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&order); err != nil {
		return nil, fmt.Errorf("the payment is not JSON: %w", err)
	}
	c, err := s.markPaid(ctx, id)
	if err != nil {
		return nil, err
	}
	book := func(ctx context.Context) (any, error) {
		if err := s.bookPayment(ctx, id, order.Payment); err != nil {
			return nil, err
		}
		return nil, s.takeStock(ctx, t, c)
	}
	if !s.txns {
		_, err = book(ctx)
		return map[string]any{"paid": id}, err
	}
	sess, err := s.db.Client().StartSession()
	if err != nil {
		return nil, err
	}
	defer sess.EndSession(ctx)
	_, err = sess.WithTransaction(ctx, book)
	return map[string]any{"paid": id}, err
}

func (s *Orders) markPaid(ctx context.Context, id int) (*cartDoc, error) {
	var c cartDoc
	change := bson.D{{Key: "$set", Value: bson.D{{Key: "paid", Value: time.Now()}}}, {Key: "$inc", Value: bson.D{{Key: "visits", Value: 1}}}}
	err := s.db.Collection("carts").FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: id}}, change, options.FindOneAndUpdate().SetComment(here().frame())).Decode(&c)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errNoCart
	}
	return &c, err
}

// bookPayment inserts the payment under the client's id, so that paying twice is a duplicate key.
func (s *Orders) bookPayment(ctx context.Context, cart int, payment string) error {
	doc := bson.D{{Key: "_id", Value: payment}, {Key: "cart", Value: cart}, {Key: "at", Value: time.Now()}}
	_, err := s.db.Collection("payments").InsertOne(ctx, doc, options.InsertOne().SetComment(here().fileLine()))
	return err
}

func (s *Orders) takeStock(ctx context.Context, t trace, c *cartDoc) error {
	var models []mongo.WriteModel
	for _, item := range c.Items {
		models = append(models, mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: item.Product}}).SetUpdate(bson.D{{Key: "$inc", Value: bson.D{{Key: "stock", Value: -item.Qty}}}}))
	}
	_, err := s.db.Collection("products").BulkWrite(ctx, models, options.BulkWrite().SetComment(here().datadog(t)))
	return err
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// database is the demo's, dropped and filled anew at each start.
const database = "pitot_demo"

// OrdersOptions are one endpoint of the orders service.
type OrdersOptions struct {
	Listen string
	Mongo  string        // mongodb:// URI of the server, or of pitot before it
	Delay  time.Duration // added to every request: one endpoint is slower than the other
	Seed   bool          // fill the database before serving
}

// Orders is the service that owns the data.
type Orders struct {
	db    *mongo.Database
	delay time.Duration
	txns  bool // whether the server takes transactions: a replica set or a mongos does
}

// RunOrders serves one endpoint of the orders service until ctx ends.
func RunOrders(ctx context.Context, o OrdersOptions) (err error) {
	if o.Listen == "" || o.Mongo == "" {
		return errors.New("demo: the orders service needs an address to listen on and MongoDB's URI")
	}
	client, err := mongo.Connect(options.Client().ApplyURI(o.Mongo).SetAppName("orders").SetCompressors([]string{"snappy"}).
		SetConnectTimeout(connectTimeout).SetServerSelectionTimeout(selectTimeout))
	if err != nil {
		return fmt.Errorf("demo: connect to MongoDB: %w", err)
	}
	defer func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err = errors.Join(err, client.Disconnect(late))
	}()
	s := &Orders{db: client.Database(database), delay: o.Delay}
	if err := s.learn(ctx); err != nil {
		return err
	}
	if o.Seed {
		if err := s.seed(ctx); err != nil {
			return fmt.Errorf("demo: fill the database: %w", err)
		}
	}
	return serve(ctx, o.Listen, s.routes())
}

// learn asks the server what it is.
func (s *Orders) learn(ctx context.Context) error {
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string
	}
	if err := s.db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return fmt.Errorf("demo: no MongoDB answers: %w", err)
	}
	s.txns = hello.SetName != "" || hello.Msg == "isdbgrid"
	return nil
}

func (s *Orders) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /health", healthy)
	for route, h := range map[string]func(ctx context.Context, t trace, r *http.Request) (any, error){
		"GET /orders/{id}": s.cart, "POST /orders/{id}/pay": s.pay, "GET /catalog": s.catalog, "GET /find": s.find, "GET /report": s.report,
	} {
		m.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) { s.handle(w, r, h) })
	}
	return m
}

var errNoCart = errors.New("no such cart")

// handle runs one request and gives each kind of failure its status.
func (s *Orders) handle(w http.ResponseWriter, r *http.Request, h func(context.Context, trace, *http.Request) (any, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	if s.delay > 0 {
		pause(ctx, s.delay, rand.Float64())
	}
	v, err := h(ctx, traceOf(r), r)
	switch {
	case err == nil:
		answer(w, http.StatusOK, v)
	case errors.Is(err, errNoCart):
		refuse(w, http.StatusNotFound, err)
	case mongo.IsDuplicateKeyError(err):
		refuse(w, http.StatusConflict, errors.New("paid already"))
	default:
		refuse(w, http.StatusInternalServerError, err)
	}
}

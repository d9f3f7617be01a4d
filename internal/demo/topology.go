package demo

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pitot-io/pitot/internal/config"
)

// places are the demo's addresses: pitot's three listeners, its admin, the store, and what stands behind.
type places struct {
	shopIn, ordersIn, mongoIn string // pitot's
	admin, store              string
	shop, orders1, orders2    string
	mongo                     string
}

const placesNeeded = 9

func newPlaces(at []string) places {
	return places{at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8]}
}

// yaml is the configuration of the demo's pitot.
func (p places) yaml(storeDSN string) ([]byte, error) {
	type object = map[string]any
	listener := func(name, address, protocol string, edge bool) object {
		return object{"name": name, "address": address, "protocol": protocol, "cluster": name, "use_remote_address": edge}
	}
	text, err := yaml.Marshal(object{
		"listeners": []object{
			listener("shop", p.shopIn, config.HTTP, true),
			listener("orders", p.ordersIn, config.HTTP, false), // behind the shop: its request ids and traces go on
			listener("mongo", p.mongoIn, config.MongoDB, false),
		},
		"clusters": []object{
			{"name": "shop", "endpoints": []string{p.shop}, "policy": "round_robin"},
			{"name": "orders", "endpoints": []string{p.orders1, p.orders2}, "policy": "round_robin"},
			{"name": "mongo", "endpoints": []string{p.mongo}, "policy": "round_robin"},
		},
		"admin":    object{"address": p.admin},
		"store":    object{"dsn": storeDSN},
		"services": object{p.shop: "shop", p.orders1: "orders", p.orders2: "orders", p.mongo: "mongo", p.shopIn: "shop", p.ordersIn: "orders", p.mongoIn: "mongo"},
	})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return text, nil
}

// readMongo takes what PITOT_DEMO_MONGODB may hold: a URI with one host, or host:port. It returns the server's address
// and the URI by which the services reach it through pitot at in.
func readMongo(text, in string) (address, uri string, err error) {
	if !strings.Contains(text, "://") {
		text = "mongodb://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", "", fmt.Errorf("demo: PITOT_DEMO_MONGODB: %w", redacted(err))
	}
	q := u.Query()
	if u.Scheme != "mongodb" || u.Host == "" || strings.Contains(u.Host, ",") || q.Get("tls") == "true" || q.Get("ssl") == "true" {
		return "", "", errors.New("demo: PITOT_DEMO_MONGODB must be host:port or a mongodb:// URI with one host and without TLS, as mongodb://127.0.0.1:27017")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "27017")
	}
	address = u.Host
	q.Set("directConnection", "true") // else the driver would go round pitot, to the address the server names
	u.Host, u.RawQuery = in, q.Encode()
	if u.Path == "" {
		u.Path = "/"
	}
	return address, u.String(), nil
}

// redacted keeps what is wrong with a URL and leaves out the URL, which may hold a password.
func redacted(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

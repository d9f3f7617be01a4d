package main

import (
	"context"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

// serveHTTP2 is the shop over HTTP/2 without TLS, by prior knowledge and by
// upgrade.
func serveHTTP2() (string, func(), error) {
	return serve(h2c.NewHandler(shop(), new(http2.Server)))
}

// curlHTTP2Client runs curl by prior knowledge and by an upgrade from HTTP/1.1,
// with several requests on a connection then: curl 7.88 cannot do that by prior
// knowledge.
func curlHTTP2Client(ctx context.Context, addr string) error {
	u := "http://" + addr
	const known, upgrade = "--http2-prior-knowledge", "--http2"
	big := strings.Repeat("0123456789abcdef", 40<<10/16)
	for _, args := range [][]string{
		{known, u + "/cart/8?token=secret&page=2"},
		{known, u + "/fail"},
		{known, "-d", big, u + "/cart/7/pay"},
		{known, "-I", u + "/cart/9"},
		{known, "-H", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "-H", "Host: shop.example", u + "/cart/12"},
		{upgrade, u + "/cart/20", u + "/cart/21", u + "/nowhere"},
		{upgrade, "-d", "card=4711", u + "/cart/22/pay"},
	} {
		if err := run(ctx, "", "curl", append([]string{"-sS", "--max-time", "20", "-o", "/dev/null"}, repeatOutput(args)...)...); err != nil {
			return err
		}
	}
	return nil
}

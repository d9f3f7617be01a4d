package filter

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

type addr = netip.AddrPort

// httpNames are the values of protocol that "http" stands for.
const httpNames = "http/1.0 http/1.1 h2"

func equalProtocol(value string) (test, string) {
	v := strings.ToLower(value)
	switch v {
	case "http":
		return func(x *event.Exchange) bool {
			return x.Protocol == event.HTTP10 || x.Protocol == event.HTTP11 || x.Protocol == event.HTTP2
		}, ""
	case "grpc": // gRPC-Web on HTTP/1 too
		return func(x *event.Exchange) bool { return x.GRPC != nil }, ""
	case "mongo":
		v = event.MongoDB.String()
	case "http2":
		v = event.HTTP2.String()
	}
	p, ok := event.ParseProtocol(v)
	if !ok {
		return nil, fmt.Sprintf("%q is no protocol; there are http (for %s), grpc, mongodb, websocket and tcp", value, httpNames)
	}
	return func(x *event.Exchange) bool { return x.Protocol == p }, ""
}

func equalKind(value string) (test, string) {
	for _, k := range []event.Kind{event.Server, event.Client} {
		if strings.EqualFold(value, k.String()) {
			return func(x *event.Exchange) bool { return x.Kind == k }, ""
		}
	}
	return nil, fmt.Sprintf("%q is no kind; there are server and client", value)
}

// equalStatus takes the span's status, or HTTP's as a number or a class.
func equalStatus(value string) (test, string) {
	for _, s := range []event.Status{event.Unset, event.OK, event.Error} {
		if strings.EqualFold(value, s.String()) {
			return func(x *event.Exchange) bool { return x.Status == s }, ""
		}
	}
	if len(value) == 3 && '1' <= value[0] && value[0] <= '5' && strings.EqualFold(value[1:], "xx") {
		class := int(value[0] - '0')
		return func(x *event.Exchange) bool { return httpOf(x).StatusCode/100 == class }, ""
	}
	n, msg := kindNumber.parse(value)
	if msg != "" {
		return nil, fmt.Sprintf("%q is no status; write error, ok, unset, a class such as 5xx or a number such as 503", value)
	}
	return numeric(httpStatus, "=", n), ""
}

// equalCode takes a number, or the name of a MongoDB error.
func equalCode(value string) (test, string) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return numeric(code, "=", n), ""
	}
	return func(x *event.Exchange) bool { return strings.EqualFold(mongoOf(x).CodeName, value) }, ""
}

// equalGRPC takes the name of a status of gRPC, or its number.
func equalGRPC(value string) (test, string) {
	if value == "" {
		return func(x *event.Exchange) bool { return rpcOf(x).Status < 0 }, ""
	}
	n := event.ParseGRPCStatus(strings.ToUpper(value))
	if n < 0 {
		return nil, fmt.Sprintf("%q is no status of gRPC; there are names such as UNAVAILABLE and numbers such as 14", value)
	}
	return func(x *event.Exchange) bool { return rpcOf(x).Status == n }, ""
}

// equalShape takes the shape's hash as the JSON Lines show it, or its text.
func equalShape(value string) (test, string) {
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		return func(x *event.Exchange) bool { return x.Mongo != nil && x.Mongo.Shape == n }, ""
	}
	return func(x *event.Exchange) bool { return strings.EqualFold(mongoOf(x).Query, value) }, ""
}

// equalError looks at error.type alone, so that error:"" finds what went well.
func equalError(value string) (test, string) {
	return func(x *event.Exchange) bool { return strings.EqualFold(x.ErrorType, value) }, ""
}

// equalRoute takes the proxy's route, or the template guessed from the path
// where there is no proxy.
func equalRoute(value string) (test, string) {
	return func(x *event.Exchange) bool {
		if x.Route == "" {
			return strings.EqualFold(httpOf(x).Template, value)
		}
		return strings.EqualFold(x.Route, value)
	}, ""
}

func equalFlag(value string) (test, string) {
	if value == "" {
		return func(x *event.Exchange) bool { return x.Flags == 0 }, ""
	}
	f := event.ParseResponseFlags(strings.ToUpper(value))
	if f == 0 {
		return nil, fmt.Sprintf("%q is no response flag; flags are %s", value, strings.ReplaceAll((^event.ResponseFlags(0)).String(), ",", ", "))
	}
	return func(x *event.Exchange) bool { return x.Flags&f != 0 }, ""
}

func equalDecode(value string) (test, string) {
	if value == "" {
		return func(x *event.Exchange) bool { return x.Decode == 0 }, ""
	}
	f := event.ParseDecodeFlag(strings.ToLower(value))
	if f == 0 {
		return nil, fmt.Sprintf("%q is no decode flag; flags are %s", value, strings.Join(decodeNames(), ", "))
	}
	return func(x *event.Exchange) bool { return x.Decode&f != 0 }, ""
}

func decodeNames() (names []string) {
	(^event.DecodeFlags(0)).Each(func(n string) { names = append(names, n) })
	return names
}

// flagsFitting holds for exchanges with a response flag whose name fits re.
func flagsFitting(re *regexp.Regexp) test {
	var mask event.ResponseFlags
	for name := range strings.SplitSeq((^mask).String(), ",") {
		if re.MatchString(name) {
			mask |= event.ParseResponseFlags(name)
		}
	}
	return func(x *event.Exchange) bool { return x.Flags&mask != 0 }
}

// decodeFitting is the same for decode flags.
func decodeFitting(re *regexp.Regexp) test {
	var mask event.DecodeFlags
	for _, name := range decodeNames() {
		if re.MatchString(name) {
			mask |= event.ParseDecodeFlag(name)
		}
	}
	return func(x *event.Exchange) bool { return x.Decode&mask != 0 }
}

// equalAddr takes an address, an address with port, a network or a :port.
func equalAddr(of func(*event.Exchange) addr) func(string) (test, string) {
	return func(value string) (test, string) {
		if p, err := netip.ParsePrefix(value); err == nil {
			return func(x *event.Exchange) bool { return p.Contains(of(x).Addr().Unmap()) }, ""
		}
		if a, err := netip.ParseAddr(strings.Trim(value, "[]")); err == nil {
			return func(x *event.Exchange) bool { return of(x).Addr().Unmap() == a.Unmap() }, ""
		}
		if a, err := netip.ParseAddrPort(value); err == nil {
			return func(x *event.Exchange) bool {
				return of(x).Addr().Unmap() == a.Addr().Unmap() && of(x).Port() == a.Port()
			}, ""
		}
		port, err := strconv.ParseUint(strings.TrimPrefix(value, ":"), 10, 16)
		if err != nil || !strings.HasPrefix(value, ":") {
			return nil, fmt.Sprintf("%q is no address; write 10.0.0.1, 10.0.0.1:80, 10.0.0.0/8 or :80", value)
		}
		return func(x *event.Exchange) bool { return of(x).IsValid() && of(x).Port() == uint16(port) }, ""
	}
}

// equalTrace takes an id or its beginning, as screens show it.
func equalTrace(value string) (test, string) {
	v := strings.ToLower(value)
	if len(v) == 0 {
		return func(x *event.Exchange) bool { return x.TraceID.IsZero() }, ""
	}
	want, err := hex.DecodeString(v + strings.Repeat("0", len(v)%2))
	if err != nil || len(want) > len(event.TraceID{}) {
		return nil, fmt.Sprintf("%q is no trace id; write its 32 hex digits, or the first few", value)
	}
	whole, half := want[:len(v)/2], want[len(v)/2:]
	return func(x *event.Exchange) bool {
		return slices.Equal(x.TraceID[:len(whole)], whole) && (len(half) == 0 || x.TraceID[len(whole)]&0xf0 == half[0])
	}, ""
}

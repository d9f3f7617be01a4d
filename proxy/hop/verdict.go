package hop

import (
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// ImmediateFail is the field of an answer by which a host says that it fails
// its health checks, without being asked (Envoy).
const ImmediateFail = "x-envoy-immediate-health-check-fail"

// Failing reports whether h says in the answer with this head that it fails.
// Hosts that nobody checks are not believed: nothing would bring them back.
func Failing(h *upstream.Host, answer *http1.Head) bool {
	return h.Checked() && answer.Get(ImmediateFail) != nil
}

// httpOf are the statuses that those of gRPC count by, by number (Envoy,
// "Grpc::Utility::grpcToHttpStatus").
var httpOf = [...]int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}

// CallStatus is what the field grpc-status of an answer counts as in HTTP; 0
// for none. What is no number, or one that nobody knows, counts as UNKNOWN.
func CallStatus(value []byte) int {
	n := 0
	for i, c := range value {
		if c-'0' > 9 || i > 2 {
			return httpOf[2]
		}
		n = n*10 + int(c-'0')
	}
	switch {
	case len(value) == 0:
		return 0
	case n >= len(httpOf):
		return httpOf[2]
	}
	return httpOf[n]
}

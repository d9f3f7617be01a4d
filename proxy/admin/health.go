package admin

import (
	"fmt"
	"net/http"
)

// health has the listeners' health checks fail, or fail no more.
func (s *Server) health(fail bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.o.Fail(fail)
		s.o.Log.Info("health checks", "fail", fail)
		plain(w)
		fmt.Fprintln(w, "OK")
	}
}

package registry

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds what is read of a request, in bytes.
const maxBody = 64 << 10

// handler serves a registry over HTTP.
type handler struct {
	r     *Registry
	now   func() time.Time
	token string // empty for none
}

// Handler serves r; now is the clock. With a token, who does not bring it as a
// bearer token gets nothing but 401.
func Handler(r *Registry, now func() time.Time, token string) http.Handler {
	h := &handler{r, now, token}
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                                h.overview,
		"GET /v1/registration":                    h.overview,
		"GET /v1/registration/{service}":          h.list,
		"POST /v1/registration/{service}":         h.register,
		"DELETE /v1/registration/{service}/{ip}":  h.deregister,
		"GET /v1/registration/repo/{repo}":        h.repo,
		"POST /v1/loadbalancing/{service}":        h.weigh,
		"POST /v1/loadbalancing/{service}/{ip}":   h.weigh,
		"DELETE /v1/loadbalancing/{service}":      h.unweigh,
		"DELETE /v1/loadbalancing/{service}/{ip}": h.unweigh,
		"POST /v1/load/{service}/{ip}":            h.load,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, q *http.Request) {
			q.Body = http.MaxBytesReader(w, q.Body, maxBody)
			if err := serve(w, q); err != nil {
				refused(w, err)
			}
		})
	}
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready\n") })
	return h.guarded(mux)
}

func (h *handler) guarded(next http.Handler) http.Handler {
	if h.token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		given, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(h.token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "this registry wants its token, as Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, q)
	})
}

// refused answers with what is wrong.
func refused(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if r, ok := errors.AsType[*Refusal](err); ok {
		status = map[Kind]int{Bad: http.StatusBadRequest, Unknown: http.StatusNotFound, Full: http.StatusInsufficientStorage}[r.Kind]
	}
	http.Error(w, err.Error(), status)
}

func (h *handler) register(w http.ResponseWriter, q *http.Request) error {
	f, err := fields(q)
	if err != nil {
		return err
	}
	in := Registration{Service: q.PathValue("service"), Revision: f.Get("revision"), Repo: f.Get("service_repo_name")}
	ip, err := parseIP(f.Get("ip"))
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(f.Get("port"), 10, 16)
	if err != nil || port == 0 {
		return refuse(Bad, "port %q is not valid; must be from 1 to 65535", f.Get("port"))
	}
	in.Address = netip.AddrPortFrom(ip, uint16(port))
	if in.Tags, err = parseTags(f.Get("tags")); err != nil {
		return err
	}
	if in.Load, err = parseLoad(f, "load."); err != nil {
		return err
	}
	if err := h.r.Register(h.now(), in); err != nil {
		return err
	}
	return sendJSON(w, struct{}{})
}

func (h *handler) deregister(w http.ResponseWriter, q *http.Request) error {
	ip, port, err := parsePlace(q.PathValue("ip"))
	if err != nil {
		return err
	}
	if err := h.r.Deregister(q.PathValue("service"), ip, port); err != nil {
		return err
	}
	return sendJSON(w, struct{}{})
}

func (h *handler) list(w http.ResponseWriter, q *http.Request) error {
	a, err := h.r.List(h.now(), q.PathValue("service"))
	if err != nil {
		return err
	}
	if wantsText(q) {
		return table(w, a.List.Hosts, h.now())
	}
	w.Header().Set("ETag", a.ETag)
	w.Header().Set("Content-Type", "application/json")
	if q.Header.Get("If-None-Match") == a.ETag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = w.Write(a.Body) // who asked may be gone
	return nil
}

func (h *handler) repo(w http.ResponseWriter, q *http.Request) error {
	l := h.r.OfRepo(h.now(), q.PathValue("repo"))
	if wantsText(q) {
		return table(w, l.Hosts, h.now())
	}
	return sendJSON(w, l)
}

func (h *handler) overview(w http.ResponseWriter, q *http.Request) error {
	h.r.Expire(h.now())
	all := h.r.Services()
	if wantsText(q) {
		return overview(w, all)
	}
	return sendJSON(w, map[string][]Count{"services": append([]Count{}, all...)})
}

func (h *handler) weigh(w http.ResponseWriter, q *http.Request) error {
	f, err := fields(q)
	if err != nil {
		return err
	}
	weight, err := strconv.Atoi(f.Get(TagWeight))
	if err != nil || weight == 0 {
		return refuse(Bad, "%s %q is not valid; must be a whole number from %d to %d", TagWeight, f.Get(TagWeight), minShare, maxShare)
	}
	return h.setWeight(w, q, weight)
}

func (h *handler) unweigh(w http.ResponseWriter, q *http.Request) error { return h.setWeight(w, q, 0) }

func (h *handler) setWeight(w http.ResponseWriter, q *http.Request, weight int) (err error) {
	var ip netip.Addr
	var port uint16
	if text := q.PathValue("ip"); text != "" {
		if ip, port, err = parsePlace(text); err != nil {
			return err
		}
	}
	if err := h.r.Weigh(q.PathValue("service"), ip, port, weight); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *handler) load(w http.ResponseWriter, q *http.Request) error {
	f, err := fields(q)
	if err != nil {
		return err
	}
	ip, port, err := parsePlace(q.PathValue("ip"))
	if err != nil {
		return err
	}
	l, err := parseLoad(f, "")
	if err != nil {
		return err
	}
	if l == nil {
		return refuse(Bad, "no load is told; must have one of cpu, memory, utilization, qps, eps, as cpu=0.7")
	}
	if err := h.r.Report(h.now(), q.PathValue("service"), ip, port, *l); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// parsePlace reads an IP address, alone or with a port.
func parsePlace(text string) (netip.Addr, uint16, error) {
	if ip, err := parseIP(strings.Trim(text, "[]")); err == nil {
		return ip, 0, nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Addr().Zone() != "" || a.Port() == 0 {
		return netip.Addr{}, 0, refuse(Bad, "%q is not valid; must be an IP address, or one with its port, as 10.0.0.7:8080", text)
	}
	return a.Addr().Unmap(), a.Port(), nil
}

func parseIP(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, refuse(Bad, "ip %q is not valid; must be an IP address, as 10.0.0.7", text)
	}
	return ip.Unmap(), nil
}

// parseLoad reads the fields of a load report; nil where there is none.
func parseLoad(f url.Values, prefix string) (*Load, error) {
	var l Load
	told := false
	for name, to := range map[string]*float64{"cpu": &l.CPU, "memory": &l.Memory, "utilization": &l.Utilization, "qps": &l.QPS, "eps": &l.EPS} {
		text := f.Get(prefix + name)
		if text == "" {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, refuse(Bad, "%s%s %q is not valid; must be a number, as 0.7", prefix, name, text)
		}
		*to, told = v, true
	}
	if !told {
		return nil, nil
	}
	return &l, l.check()
}

// fields are those of a form, or of a flat object of JSON; what is an object in
// it stays JSON, and load is told as load.cpu and so on.
func fields(q *http.Request) (url.Values, error) {
	if kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type")); kind == "application/json" {
		return jsonFields(q)
	}
	if err := q.ParseForm(); err != nil {
		return nil, refuse(Bad, "the body is no form: %v", err)
	}
	return q.PostForm, nil
}

func jsonFields(q *http.Request) (url.Values, error) {
	b, err := io.ReadAll(q.Body)
	var object map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(b, &object)
	}
	if err != nil {
		return nil, refuse(Bad, "the body is no object of JSON: %v", err)
	}
	f := url.Values{}
	for name, raw := range object {
		var text string
		var load map[string]json.Number
		switch {
		case json.Unmarshal(raw, &text) == nil:
			f.Set(name, text)
		case name == "load" && json.Unmarshal(raw, &load) == nil:
			for k, v := range load {
				f.Set("load."+k, v.String())
			}
		default:
			f.Set(name, string(raw))
		}
	}
	return f, nil
}

func sendJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // who asked may be gone
	return nil
}

package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pitot-io/pitot/internal/operator"
	"github.com/pitot-io/pitot/internal/pathtemplate"
)

func (c *Config) checkRoute(r *Route, key string, wrong report) {
	r.Match.check(key+".match", wrong)
	checkAffinity(HTTP, r.Hash, r.Sticky, r.Subset, key, wrong)
	c.checkAction(r, key, wrong)
	r.checkPriority(key, wrong)
	checkShed(r.Admission, r.Concurrency, key, wrong)
	r.checkRewrites(key, wrong)
	if s := r.DirectResponse.Status; r.DirectResponse != (DirectResponse{}) && (s < 200 || s > 599) {
		wrong(key+".direct_response.status", "%d is not valid; must be from 200 to 599", s)
	}
	if len(r.DirectResponse.Body) > maxDirect {
		wrong(key+".direct_response.body", "has %d bytes; at most %d are possible", len(r.DirectResponse.Body), maxDirect)
	}
	if strings.ContainsFunc(r.DirectResponse.ContentType, control) {
		wrong(key+".direct_response.content_type", "has a control character; must be as text/plain")
	}
	if r.Redirect != (Redirect{}) {
		r.Redirect.check(&r.Match, key+".redirect", wrong)
	}
	r.RequestHeaders.check(key+".request_headers", wrong)
	r.ResponseHeaders.check(key+".response_headers", wrong)
}

// maxDirect bounds the body of a direct response, in bytes (Envoy's limit).
const maxDirect = 4 << 10

func control(r rune) bool { return r < ' ' || r == 0x7f }

// checkAction wants one of cluster, clusters, redirect and direct_response.
func (c *Config) checkAction(r *Route, key string, wrong report) {
	actions := 0
	for _, there := range []bool{r.Cluster != "", len(r.Clusters) > 0, r.Redirect != (Redirect{}), r.DirectResponse != (DirectResponse{})} {
		if there {
			actions++
		}
	}
	switch {
	case actions == 0:
		wrong(key+".cluster", "must name a cluster%s; or the route must have clusters, redirect or direct_response", c.clusterNames())
	case actions > 1:
		wrong(key, "has more than one of cluster, clusters, redirect and direct_response; keep one")
	}
	checkUpgrades(r.Upgrades, key+".upgrades", wrong)
	c.checkReference(r.Cluster, key+".cluster", wrong)
	c.checkSplit(r, key, wrong)
	c.checkMirrors(r, key+".mirror", wrong)
}

func (m *Match) check(key string, wrong report) {
	paths := map[string]string{"path": m.Path, "prefix": m.Prefix, "template": m.Template, "regex": m.Regex, "grpc": m.GRPC}
	if m.GRPC == "*" { // says nothing of the path
		if delete(paths, "grpc"); m.Path+m.Prefix+m.Template+m.Regex == "" {
			paths["grpc"] = m.GRPC
		}
	}
	var has []string
	for _, k := range []string{"path", "prefix", "template", "regex", "grpc"} {
		if paths[k] != "" {
			has = append(has, k)
		}
	}
	switch {
	case len(has) == 0:
		wrong(key, "must have path or prefix, or template, regex or grpc; prefix: / takes everything")
	case len(has) > 1:
		wrong(key, "has both %s; keep one", strings.Join(has, " and "))
	}
	for _, k := range []string{"path", "prefix"} {
		if p := paths[k]; p != "" && p[0] != '/' {
			wrong(key+"."+k, "%q is not valid; must begin with /", p)
		}
	}
	if m.Template != "" {
		if _, err := pathtemplate.Parse(m.Template); err != nil {
			wrong(key+".template", "%q is not valid: %v", m.Template, err)
		}
	}
	checkRegex(m.Regex, key+".regex", wrong)
	m.checkRest(key, wrong)
}

func (m *Match) checkRest(key string, wrong report) {
	if service, method, has := strings.Cut(m.GRPC, "/"); m.GRPC != "*" && m.GRPC != "" &&
		(service == "" || has && method == "" || strings.ContainsAny(method, "/ ") || strings.ContainsAny(service, "* ")) {
		wrong(key+".grpc", "%q is not valid; must be pkg.Service/Method, pkg.Service for all of its methods, or * for every call", m.GRPC)
	}
	checkHost(m.Host, key+".host", wrong)
	for i, h := range m.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", key, i)
		if h == "" {
			wrong(at, "is empty; must be as shop.example.com, *.example.com, shop.* or *")
		}
		checkHost(h, at, wrong)
	}
	for i, method := range m.Methods {
		if !token(method) {
			wrong(fmt.Sprintf("%s.methods[%d]", key, i), "%q is not valid; must be a method, as GET", method)
		}
	}
	for i := range m.Headers {
		m.Headers[i].check(fmt.Sprintf("%s.headers[%d]", key, i), true, wrong)
	}
	for i := range m.Query {
		m.Query[i].check(fmt.Sprintf("%s.query[%d]", key, i), false, wrong)
	}
}

func checkHost(h, key string, wrong report) {
	middle := strings.TrimSuffix(strings.TrimPrefix(h, "*"), "*")
	_, err := netip.ParseAddr(h)
	switch {
	case err == nil: // an IPv6 address has colons
	case strings.ContainsAny(h, ":/ "):
		wrong(key, "%q is not valid; must be a host name without port, as shop.example.com", h)
	case strings.Contains(middle, "*"), len(h)-len(middle) > 1:
		wrong(key, "%q is not valid; one * is possible, at the beginning or the end: *.example.com, shop.* or *", h)
	}
}

func checkRegex(s, key string, wrong report) (groups int) {
	re, err := regexp.Compile(s)
	if err != nil {
		wrong(key, "is no regular expression of RE2: %v", err)
		return -1
	}
	return re.NumSubexp()
}

func (f *FieldMatch) check(key string, header bool, wrong report) {
	switch {
	case f.Name == "":
		wrong(key+".name", "must be there")
	case header && !token(strings.TrimPrefix(f.Name, ":")):
		wrong(key+".name", "%q is no name of a field", f.Name)
	}
	conditions := 0
	for _, there := range []bool{f.Exact != "", f.Prefix != "", f.Suffix != "", f.Contains != "", f.Regex != "", f.Range != "", f.Present, f.Absent} {
		if there {
			conditions++
		}
	}
	if conditions != 1 {
		wrong(key, "has %d conditions; must have one of exact, prefix, suffix, contains, regex, range, present: true and absent: true", conditions)
	}
	checkRegex(f.Regex, key+".regex", wrong)
	if f.Range != "" {
		if _, _, err := ParseRange(f.Range); err != nil {
			wrong(key+".range", "%q is not valid; %v", f.Range, err)
		}
	}
}

func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

func (r *Route) checkRewrites(key string, wrong report) {
	m, x := &r.Match, &r.RegexRewrite
	switch {
	case r.PrefixRewrite == "":
	case m.Prefix == "" && m.Path == "":
		wrong(key+".prefix_rewrite", "needs match.prefix or match.path, which it replaces; use regex_rewrite")
	case r.PrefixRewrite[0] != '/':
		wrong(key+".prefix_rewrite", "%q is not valid; must begin with /", r.PrefixRewrite)
	case x.Pattern != "":
		wrong(key, "has both prefix_rewrite and regex_rewrite; keep one")
	}
	x.check(key+".regex_rewrite", wrong)
	r.HostRewrite.check(key+".host_rewrite", wrong)
	if !r.Forwards() && (r.PrefixRewrite != "" || *x != (RegexRewrite{}) || r.HostRewrite != (HostRewrite{})) {
		wrong(key, "rewrites a request that goes to no cluster; redirect has its own host, path and prefix")
	}
}

func (x *RegexRewrite) check(key string, wrong report) {
	if *x != (RegexRewrite{}) && x.Pattern == "" {
		wrong(key+".pattern", "must be there")
	}
	if groups := checkRegex(x.Pattern, key+".pattern", wrong); groups >= 0 {
		if err := CheckSubstitution(x.Substitution, groups); err != nil {
			wrong(key+".substitution", "%v", err)
		}
	}
}

// CheckSubstitution says what is wrong with the groups that a substitution names.
func CheckSubstitution(s string, groups int) error {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		i++
		switch {
		case i == len(s) || s[i] != '\\' && s[i]-'0' >= 10:
			return fmt.Errorf("%q: after a backslash must come a group's number, or another backslash", s)
		case s[i] != '\\' && int(s[i]-'0') > groups:
			return fmt.Errorf("%q names group %c, and the pattern has %d", s, s[i], groups)
		}
	}
	return nil
}

func (h *HostRewrite) check(key string, wrong report) {
	n := 0
	for _, there := range []bool{h.Literal != "", h.Header != "", h.Auto} {
		if there {
			n++
		}
	}
	switch {
	case n > 1:
		wrong(key, "has more than one of literal, header and auto; keep one")
	case strings.ContainsFunc(h.Literal, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/?#@\x7f", r) }):
		wrong(key+".literal", "%q is not valid; must be a host, as shop.internal or shop.internal:8080", h.Literal)
	case h.Header != "" && !token(h.Header):
		wrong(key+".header", "%q is no name of a field", h.Header)
	}
}

var redirects = []int{301, 302, 303, 307, 308}

func (d *Redirect) check(m *Match, key string, wrong report) {
	switch {
	case d.Path != "" && d.Prefix != "":
		wrong(key, "has both path and prefix; keep one")
	case d.Prefix != "" && m.Prefix == "" && m.Path == "":
		wrong(key+".prefix", "needs match.prefix or match.path, which it replaces")
	}
	for k, p := range map[string]string{"path": d.Path, "prefix": d.Prefix} {
		if p != "" && (p[0] != '/' || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f })) {
			wrong(key+"."+k, "%q is not valid; must begin with / and have no blanks", p)
		}
	}
	if d.Scheme != "" && d.Scheme != "http" && d.Scheme != "https" {
		wrong(key+".scheme", "%q is not valid; must be http or https", d.Scheme)
	}
	if strings.ContainsFunc(d.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("/?#@:", r) }) {
		wrong(key+".host", "%q is not valid; must be a host name; redirect.port is the port", d.Host)
	}
	if d.Port > 65535 {
		wrong(key+".port", "%d is not valid; must be from 1 to 65535", d.Port)
	}
	if !slices.Contains(redirects, d.Code) {
		wrong(key+".code", "%d is not valid; must be one of 301, 302, 303, 307, 308", d.Code)
	}
	if d.Scheme == "" && d.Host == "" && d.Port == 0 && d.Path == "" && d.Prefix == "" && !d.StripQuery {
		wrong(key, "leads where the client is already; set scheme, host, port, path, prefix or strip_query")
	}
}

// framing are the fields that pitot itself writes.
var framing = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Http2-Settings"}

func (e *HeaderEdits) check(key string, wrong report) {
	for i, name := range e.Remove {
		checkEdited(name, fmt.Sprintf("%s.remove[%d]", key, i), wrong)
	}
	for _, list := range []struct {
		key   string
		pairs Pairs
	}{{".set", e.Set}, {".add", e.Add}} {
		for _, p := range list.pairs {
			at := key + list.key + "." + p.Name
			checkEdited(p.Name, at, wrong)
			if strings.ContainsFunc(p.Value, control) {
				wrong(at, "has a control character in its value")
			}
			if _, err := operator.Parse(p.Value, operator.Fields()); err != nil {
				wrong(at, "%v", err)
			}
		}
	}
}

func checkEdited(name, key string, wrong report) {
	switch {
	case !token(name):
		wrong(key, "%q is no name of a field", name)
	case http.CanonicalHeaderKey(name) == "Host":
		wrong(key, "cannot be edited here; use a route's host_rewrite")
	case slices.Contains(framing, http.CanonicalHeaderKey(name)):
		wrong(key, "cannot be edited: it belongs to the connection, and pitot writes it itself")
	}
}

// checkForwarding looks at what a listener does to every request.
func (l *Listener) checkForwarding(key string, wrong report) {
	if l.Via != "" && !token(l.Via) {
		wrong(key+".via", "%q is not valid; must be a name without blanks, as pitot-eu1", l.Via)
	}
	if l.TrustedHops > 100 {
		wrong(key+".xff_num_trusted_hops", "%d is not valid; must be from 0 to 100", l.TrustedHops)
	}
	if l.RequestID != Keep && l.RequestID != Make {
		wrong(key+".request_id", "%q is not valid; must be one of keep, make", l.RequestID)
	}
	if s := l.Path.EscapedSlashes; s != Keep && s != Reject && s != Unescape {
		wrong(key+".path.escaped_slashes", "%q is not valid; must be one of keep, reject, unescape", s)
	}
	l.RequestHeaders.check(key+".request_headers", wrong)
	l.ResponseHeaders.check(key+".response_headers", wrong)
	l.checkLogs(key, wrong)
}

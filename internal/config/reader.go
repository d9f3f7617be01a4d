package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// reader fills structs from YAML nodes. It goes on after a problem, so that
// all of them are found, and keeps the line of every key for the checks that
// come later.
type reader struct {
	file     string
	lines    map[string]int
	problems Problems
}

// wrong adds a problem at key, on the line of the nearest key that has one.
func (r *reader) wrong(key, format string, a ...any) {
	if r.told(key) { // a value that could not be read is not judged again
		return
	}
	line := 0
	for k := key; k != "" && line == 0; k = parent(k) {
		line = r.lines[k]
	}
	r.problems = append(r.problems, Problem{r.file, line, key, fmt.Sprintf(format, a...)})
}

func (r *reader) told(key string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Key == key })
}

func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

func (r *reader) document(doc *yaml.Node, c *Config) {
	n := doc
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // nothing but comments
	}
	r.value(n, reflect.ValueOf(c).Elem(), "")
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
	servicesType = reflect.TypeFor[Services]()
	pairsType    = reflect.TypeFor[Pairs]()
)

type defaulter interface{ setDefaults() }

// shorthand is a section that may stand as text.
type shorthand interface{ short(text string) }

// shortened is v as a shorthand, where n is text.
func shortened(n *yaml.Node, v reflect.Value) (s shorthand, ok bool) {
	if n.Kind == yaml.ScalarNode && !isNull(n) && v.Kind() == reflect.Struct {
		s, ok = v.Addr().Interface().(shorthand)
	}
	return s, ok
}

// value fills v from n. v's type is one of those that Config is made of.
func (r *reader) value(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if key != "" && r.lines[key] == 0 {
		r.lines[key] = n.Line
	}
	if s, ok := shortened(n, v); ok {
		s.short(n.Value)
		return
	}
	switch {
	case v.Type() == servicesType:
		r.services(n, v.Addr().Interface().(*Services), key)
	case v.Kind() == reflect.Pointer: // a section that may be missing
		e := reflect.New(v.Type().Elem())
		if d, ok := e.Interface().(defaulter); ok {
			d.setDefaults()
		}
		r.value(n, e.Elem(), key)
		v.Set(e)
	case v.Type() == pairsType:
		r.pairs(n, v.Addr().Interface().(*Pairs), key)
	case v.Kind() == reflect.Struct:
		r.mapping(n, v, key)
	case v.Kind() == reflect.Slice:
		r.list(n, v, key)
	default:
		r.scalar(n, v, key)
	}
}

func (r *reader) mapping(n *yaml.Node, v reflect.Value, key string) {
	r.each(n, key, func(name string, k, val *yaml.Node) {
		at := join(key, name)
		i := fieldIndex(v.Type(), name)
		if i < 0 {
			r.lines[at] = k.Line
			r.wrong(at, "unknown key%s; valid here: %s", suggest(name, keysOf(v.Type())), strings.Join(keysOf(v.Type()), ", "))
			return
		}
		r.lines[at] = k.Line
		if !isNull(val) { // "key:" alone leaves the default
			r.value(val, v.Field(i), at)
		}
	})
}

// each calls f for every entry of a mapping; a key that comes twice is a problem.
func (r *reader) each(n *yaml.Node, key string, f func(name string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.wrong(key, "must be keys and values, one a line, not %s", describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if before, twice := seen[k.Value]; twice {
			r.problems = append(r.problems, Problem{r.file, k.Line, join(key, k.Value), fmt.Sprintf("stands here twice, first on line %d; remove one", before)})
			continue
		}
		seen[k.Value] = k.Line
		f(k.Value, k, n.Content[i+1])
	}
}

func (r *reader) list(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.ScalarNode && n.Value == OriginalDestination { // instead of a list of endpoints
		n = &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line, Content: []*yaml.Node{n}}
	}
	if n.Kind != yaml.SequenceNode {
		r.wrong(key, "must be a list, each entry after \"- \" or in [ ], not %s", describe(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(n.Content))) // in the place of a default
	for i, item := range n.Content {
		e := reflect.New(v.Type().Elem())
		if d, ok := e.Interface().(defaulter); ok {
			d.setDefaults()
		}
		r.value(item, e.Elem(), fmt.Sprintf("%s[%d]", key, i))
		v.Set(reflect.Append(v, e.Elem()))
	}
}

func (r *reader) scalar(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.ScalarNode {
		r.wrong(key, "must be %s, not %s", wanted(v), describe(n))
		return
	}
	if !setScalar(n.Value, v) {
		r.wrong(key, "%q is not valid; must be %s", n.Value, wanted(v))
	}
}

func setScalar(s string, v reflect.Value) bool {
	switch {
	case v.Type() == durationType:
		d, err := ParseDuration(s)
		v.SetInt(int64(d))
		return err == nil
	case v.Type() == sizeType:
		n, err := ParseSize(s)
		v.SetInt(int64(n))
		return err == nil
	case v.Kind() == reflect.String:
		v.SetString(s)
		return true
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(s)
		v.SetInt(int64(n))
		return err == nil && n >= 0
	case v.Kind() == reflect.Float64:
		n, err := strconv.ParseFloat(s, 64)
		v.SetFloat(n)
		return err == nil && n >= 0 && !math.IsInf(n, 0) // NaN is not at least 0
	case v.Kind() == reflect.Bool:
		v.SetBool(s == "true")
		return s == "true" || s == "false"
	}
	return false
}

func wanted(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return "a time such as 500ms, 5s, 1m30s, 2h or 7d; 0 for none"
	case v.Type() == sizeType:
		return "a size such as 4096, 60KiB or 10MiB"
	case v.Kind() == reflect.String:
		return "text"
	case v.Kind() == reflect.Int:
		return "a whole number from 0"
	case v.Kind() == reflect.Float64:
		return "a number from 0, as 1 or 0.5"
	}
	return "true or false"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func fieldIndex(t reflect.Type, name string) int { return slices.Index(keysOf(t), name) }

// keysOf are the keys of a struct, in order; every field has one.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i], _, _ = strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
	}
	return keys
}

package minimongo

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// missing is the value of a field that is not there.
type missing struct{}

// lookup returns the field of d named key.
func lookup(d bson.D, key string) (any, bool) {
	for i := range d {
		if d[i].Key == key {
			return d[i].Value, true
		}
	}
	return missing{}, false
}

// set gives d the field key, in its place if it had one.
func set(d bson.D, key string, v any) bson.D {
	for i := range d {
		if d[i].Key == key {
			d[i].Value = v
			return d
		}
	}
	return append(d, bson.E{Key: key, Value: v})
}

// clone copies v as deep as it goes, so that the copy can be changed in place.
func clone(v any) any {
	switch t := v.(type) {
	case bson.D:
		out := make(bson.D, len(t))
		for i, e := range t {
			out[i] = bson.E{Key: e.Key, Value: clone(e.Value)}
		}
		return out
	case bson.A:
		out := make(bson.A, len(t))
		for i, e := range t {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// rank orders the types as MongoDB sorts them; values of different rank never match a comparison.
func rank(v any) int {
	switch v.(type) {
	case bson.MinKey:
		return 0
	case missing, bson.Undefined:
		return 1
	case nil, bson.Null:
		return 2
	case int32, int64, int, float64, bson.Decimal128:
		return 3
	case string, bson.Symbol:
		return 4
	case bson.D:
		return 5
	case bson.A:
		return 6
	case bson.Binary:
		return 7
	case bson.ObjectID:
		return 8
	case bool:
		return 9
	case bson.DateTime:
		return 10
	case bson.Timestamp:
		return 11
	case bson.Regex:
		return 12
	case bson.MaxKey:
		return 14
	}
	return 13 // code, pointers
}

// compare orders any two values as MongoDB does. Decimals compare as doubles.
func compare(a, b any) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch x := a.(type) {
	case int32, int64, int, float64, bson.Decimal128:
		return compareNumbers(a, b)
	case string, bson.Symbol:
		return strings.Compare(text(a), text(b))
	case bson.D:
		return compareDocuments(x, b.(bson.D))
	case bson.A:
		return compareArrays(x, b.(bson.A))
	case bson.Binary:
		y := b.(bson.Binary)
		return cmp.Or(cmp.Compare(len(x.Data), len(y.Data)), cmp.Compare(x.Subtype, y.Subtype), bytes.Compare(x.Data, y.Data))
	case bson.ObjectID:
		y := b.(bson.ObjectID)
		return bytes.Compare(x[:], y[:])
	case bool:
		return compareBools(x, b.(bool))
	case bson.DateTime:
		return cmp.Compare(x, b.(bson.DateTime))
	case bson.Timestamp:
		return x.Compare(b.(bson.Timestamp))
	case bson.Regex:
		y := b.(bson.Regex)
		return cmp.Or(strings.Compare(x.Pattern, y.Pattern), strings.Compare(x.Options, y.Options))
	case nil, bson.Null, missing, bson.Undefined, bson.MinKey, bson.MaxKey:
		return 0
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// equal is equality as a filter sees it: null and missing are the same.
func equal(a, b any) bool { return compare(nullish(a), nullish(b)) == 0 }

func nullish(v any) any {
	switch v.(type) {
	case missing, bson.Undefined, bson.Null:
		return nil
	}
	return v
}

func compareDocuments(a, b bson.D) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if c := cmp.Or(cmp.Compare(rank(x.Value), rank(y.Value)), strings.Compare(x.Key, y.Key), compare(x.Value, y.Value)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareArrays(a, b bson.A) int {
	for i := range min(len(a), len(b)) {
		if c := compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func compareNumbers(a, b any) int {
	x, xInt := asInt(a)
	y, yInt := asInt(b)
	if xInt && yInt {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(asFloat(a), asFloat(b))
}

// asInt is v as an integer when v is a number without a fraction that fits.
func asInt(v any) (int64, bool) {
	switch n := v.(type) {
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<62 {
			return int64(n), true
		}
	}
	return 0, false
}

func asFloat(v any) float64 {
	switch n := v.(type) {
	case float64:
		return n
	case bson.Decimal128:
		f, _ := strconv.ParseFloat(n.String(), 64)
		return f
	}
	i, _ := asInt(v)
	return float64(i)
}

func isNumber(v any) bool { return rank(v) == 3 }

func text(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case bson.Symbol:
		return string(s)
	}
	return ""
}

// truthy is how an expression or an option reads v as a condition.
func truthy(v any) bool {
	switch x := v.(type) {
	case nil, missing, bson.Null, bson.Undefined:
		return false
	case bool:
		return x
	}
	return !isNumber(v) || asFloat(v) != 0
}

// key is a text equal for equal values and different for others, for maps: indexes, groups, distinct.
func key(v any) string {
	b, err := bson.Marshal(bson.D{{Key: "", Value: normal(v)}})
	if err != nil {
		return fmt.Sprintf("%T %v", v, v)
	}
	return string(b)
}

// normal gives numbers of equal value one type, and missing the form of null.
func normal(v any) any {
	switch t := nullish(v).(type) {
	case bson.D:
		out := make(bson.D, len(t))
		for i, e := range t {
			out[i] = bson.E{Key: e.Key, Value: normal(e.Value)}
		}
		return out
	case bson.A:
		out := make(bson.A, len(t))
		for i, e := range t {
			out[i] = normal(e)
		}
		return out
	case bson.Decimal128:
		return normal(asFloat(t))
	default:
		if n, ok := asInt(t); ok {
			return n
		}
		return t
	}
}

// typeNames are the names of BSON types in errors and in $type, by Go value.
func typeName(v any) string {
	switch v.(type) {
	case missing:
		return "missing"
	case nil, bson.Null:
		return "null"
	case bson.MinKey:
		return "minKey"
	case bson.MaxKey:
		return "maxKey"
	case bson.Undefined:
		return "undefined"
	case int32, int:
		return "int"
	case int64:
		return "long"
	case float64:
		return "double"
	case bson.Decimal128:
		return "decimal"
	case string:
		return "string"
	case bson.Symbol:
		return "symbol"
	case bson.D:
		return "object"
	case bson.A:
		return "array"
	case bson.Binary:
		return "binData"
	case bson.ObjectID:
		return "objectId"
	case bool:
		return "bool"
	case bson.DateTime:
		return "date"
	case bson.Timestamp:
		return "timestamp"
	case bson.Regex:
		return "regex"
	}
	return "javascript"
}

// typeNumber gives $type's numbers their names.
func typeNumber(n int64) string {
	names := map[int64]string{1: "double", 2: "string", 3: "object", 4: "array", 5: "binData", 6: "undefined", 7: "objectId", 8: "bool", 9: "date",
		10: "null", 11: "regex", 13: "javascript", 14: "symbol", 16: "int", 17: "timestamp", 18: "long", 19: "decimal", -1: "minKey", 127: "maxKey"}
	return names[n]
}

// show writes v as the shell does, for messages.
func show(v any) string {
	switch x := v.(type) {
	case missing, nil:
		return "null"
	case string:
		return strconv.Quote(x)
	case bson.ObjectID:
		return "ObjectId('" + x.Hex() + "')"
	case bson.D:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = e.Key + ": " + show(e.Value)
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case bson.A:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = show(e)
		}
		return "[ " + strings.Join(parts, ", ") + " ]"
	case bson.DateTime:
		return "new Date(" + strconv.FormatInt(int64(x), 10) + ")"
	}
	return fmt.Sprint(v)
}

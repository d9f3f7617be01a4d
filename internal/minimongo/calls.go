package minimongo

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// call computes an operator from its arguments' values.
type call func(args []any) (any, error)

// compileCall makes {$op: arguments} an expression.
func compileCall(op string, v any) (expr, error) {
	switch op {
	case "$literal":
		return func(*scope) (any, error) { return v, nil }, nil
	case "$cond", "$switch", "$ifNull", "$and", "$or":
		return compileBranch(op, v)
	case "$map", "$filter", "$reduce":
		return compileIteration(op, v)
	case "$dateToString":
		return compileDateToString(v)
	}
	f, arity := findCall(op)
	if f == nil {
		return nil, invalidOperator.errorf("Unrecognized expression '%s'", op)
	}
	list, isList := v.(bson.A)
	if !isList {
		list = bson.A{v}
	}
	if arity >= 0 && len(list) != arity {
		return nil, code{16020, "Location16020"}.errorf("Expression %s takes exactly %d arguments. %d were passed in.", op, arity, len(list))
	}
	items, err := compileAllExprs(list)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		args, err := evaluate(s, items)
		if err != nil {
			return nil, err
		}
		return f(args)
	}, nil
}

// findCall returns an operator and the number of its arguments, -1 for any.
func findCall(op string) (call, int) {
	switch op {
	case "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cmp":
		return func(a []any) (any, error) { return comparison(op, compare(a[0], a[1])), nil }, 2
	case "$add", "$multiply":
		return fold(op), -1
	case "$subtract", "$divide", "$mod":
		return func(a []any) (any, error) { return arithmetic(op, a[0], a[1]) }, 2
	case "$abs", "$ceil", "$floor", "$trunc", "$sqrt":
		return func(a []any) (any, error) { return rounding(op, a[0]) }, 1
	case "$round":
		return round, -1
	case "$not":
		return func(a []any) (any, error) { return !truthy(a[0]), nil }, 1
	case "$sum", "$avg", "$min", "$max":
		return func(a []any) (any, error) { return accumulateList(op, a) }, -1
	case "$concat", "$toLower", "$toUpper", "$strLenCP", "$toString", "$split", "$substrCP", "$substr":
		return findStringCall(op)
	case "$size", "$arrayElemAt", "$first", "$last", "$in", "$concatArrays", "$slice", "$isArray", "$setUnion", "$reverseArray":
		return findArrayCall(op)
	case "$toInt", "$toLong", "$toDouble":
		return func(a []any) (any, error) { return toNumber(op, a[0]) }, 1
	case "$type":
		return func(a []any) (any, error) { return typeName(a[0]), nil }, 1
	case "$mergeObjects":
		return mergeObjects, -1
	case "$year", "$month", "$dayOfMonth", "$hour", "$minute", "$second":
		return func(a []any) (any, error) { return datePart(op, a[0]) }, 1
	}
	return nil, 0
}

func comparison(op string, c int) any {
	switch op {
	case "$eq":
		return c == 0
	case "$ne":
		return c != 0
	case "$gt":
		return c > 0
	case "$gte":
		return c >= 0
	case "$lt":
		return c < 0
	case "$lte":
		return c <= 0
	}
	return int32(c)
}

func fold(op string) call {
	return func(args []any) (any, error) {
		var sum any = int32(0)
		if op == "$multiply" {
			sum = int32(1)
		}
		for _, a := range args {
			var err error
			if sum, err = arithmetic(op, sum, a); err != nil || sum == nil {
				return nil, err
			}
		}
		return sum, nil
	}
}

func rounding(op string, v any) (any, error) {
	if nullish(v) == nil {
		return nil, nil
	}
	if !isNumber(v) {
		return nil, code{28765, "Location28765"}.errorf("%s only supports numeric types, not %s", op, typeName(v))
	}
	f := map[string]func(float64) float64{"$abs": math.Abs, "$ceil": math.Ceil, "$floor": math.Floor, "$trunc": math.Trunc, "$sqrt": math.Sqrt}[op]
	r := f(asFloat(v))
	switch v.(type) {
	case int32:
		if op != "$sqrt" {
			return int32(r), nil
		}
	case int64:
		if op != "$sqrt" {
			return int64(r), nil
		}
	}
	return r, nil
}

func round(args []any) (any, error) {
	if len(args) == 0 || nullish(args[0]) == nil {
		return nil, nil
	}
	if _, isInt := wholeInt(args[0]); isInt || !isNumber(args[0]) {
		return rounding("$trunc", args[0])
	}
	places := int64(0)
	if len(args) > 1 {
		places, _ = asInt(args[1])
	}
	scale := math.Pow(10, float64(places))
	return math.RoundToEven(asFloat(args[0])*scale) / scale, nil
}

// accumulateList is $sum and its kin outside $group: over the arguments, or over the one array given.
func accumulateList(op string, args []any) (any, error) {
	if len(args) == 1 {
		if a, ok := args[0].(bson.A); ok {
			args = a
		}
	}
	acc := newAccumulator(op)
	for _, a := range args {
		if err := acc.add(a); err != nil {
			return nil, err
		}
	}
	return acc.value(), nil
}

func toNumber(op string, v any) (any, error) {
	f := asFloat(v)
	switch t := v.(type) {
	case nil, missing:
		return nil, nil
	case string:
		var err error
		if f, err = strconv.ParseFloat(t, 64); err != nil {
			return nil, code{241, "ConversionFailure"}.errorf("Failed to parse number '%s' in %s", t, op)
		}
	case bool:
		if t {
			f = 1
		}
	case bson.DateTime:
		f = float64(t)
	default:
		if !isNumber(v) {
			return nil, code{241, "ConversionFailure"}.errorf("Unsupported conversion from %s in %s", typeName(v), op)
		}
	}
	switch op {
	case "$toInt":
		return int32(f), nil
	case "$toLong":
		if n, ok := asInt(v); ok {
			return n, nil
		}
		return int64(f), nil
	}
	return f, nil
}

func mergeObjects(args []any) (any, error) {
	out := bson.D{}
	for _, a := range args {
		switch d := a.(type) {
		case bson.D:
			for _, e := range d {
				out = set(out, e.Key, e.Value)
			}
		case nil, missing:
		default:
			return nil, code{40400, "Location40400"}.errorf("$mergeObjects requires object inputs, but input is of type %s", typeName(a))
		}
	}
	return out, nil
}

func datePart(op string, v any) (any, error) {
	d, ok := v.(bson.DateTime)
	if !ok {
		if nullish(v) == nil {
			return nil, nil
		}
		return nil, code{16006, "Location16006"}.errorf("can't convert from BSON type %s to Date", typeName(v))
	}
	t := d.Time().UTC()
	return map[string]func() int32{
		"$year": func() int32 { return int32(t.Year()) }, "$month": func() int32 { return int32(t.Month()) },
		"$dayOfMonth": func() int32 { return int32(t.Day()) }, "$hour": func() int32 { return int32(t.Hour()) },
		"$minute": func() int32 { return int32(t.Minute()) }, "$second": func() int32 { return int32(t.Second()) },
	}[op](), nil
}

// compileDateToString reads {date, format}; the format's parts are %Y %m %d %H %M %S %L %%.
func compileDateToString(v any) (expr, error) {
	d, _ := v.(bson.D)
	date, ok := lookup(d, "date")
	if !ok {
		return nil, code{18628, "Location18628"}.errorf("Missing 'date' parameter to $dateToString")
	}
	x, err := compileExpr(date)
	format := "%Y-%m-%dT%H:%M:%S.%LZ"
	if f, ok := lookup(d, "format"); ok {
		format = text(f)
	}
	return func(s *scope) (any, error) {
		v, err := x(s)
		if err != nil {
			return nil, err
		}
		d, ok := v.(bson.DateTime)
		if !ok {
			return nil, nil
		}
		return formatDate(d.Time().UTC(), format), nil
	}, err
}

func formatDate(t time.Time, format string) string {
	return strings.NewReplacer("%Y", t.Format("2006"), "%m", t.Format("01"), "%d", t.Format("02"), "%H", t.Format("15"),
		"%M", t.Format("04"), "%S", t.Format("05"), "%L", t.Format(".000")[1:], "%%", "%").Replace(format)
}

func containsEqual(a bson.A, v any) bool {
	return slices.ContainsFunc(a, func(x any) bool { return compare(x, v) == 0 })
}

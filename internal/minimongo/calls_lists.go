package minimongo

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func findStringCall(op string) (call, int) {
	switch op {
	case "$concat":
		return concat, -1
	case "$toLower":
		return func(a []any) (any, error) { return strings.ToLower(asText(a[0])), nil }, 1
	case "$toUpper":
		return func(a []any) (any, error) { return strings.ToUpper(asText(a[0])), nil }, 1
	case "$toString":
		return func(a []any) (any, error) {
			if nullish(a[0]) == nil {
				return nil, nil
			}
			return asText(a[0]), nil
		}, 1
	case "$strLenCP":
		return func(a []any) (any, error) { return int32(utf8.RuneCountInString(asText(a[0]))), nil }, 1
	case "$split":
		return func(a []any) (any, error) {
			out := bson.A{}
			for _, s := range strings.Split(asText(a[0]), asText(a[1])) {
				out = append(out, s)
			}
			return out, nil
		}, 2
	}
	return substring, 3
}

// asText is v as $toString writes it.
func asText(v any) string {
	switch t := v.(type) {
	case nil, missing:
		return ""
	case bson.ObjectID:
		return t.Hex()
	case bson.DateTime:
		return t.Time().UTC().Format("2006-01-02T15:04:05.000Z")
	case string:
		return t
	case float64:
		return strconv.FormatFloat(t, 'g', -1, 64)
	}
	return show(v)
}

func concat(args []any) (any, error) {
	var b strings.Builder
	for _, a := range args {
		if nullish(a) == nil {
			return nil, nil
		}
		if typeName(a) != "string" {
			return nil, code{16702, "Location16702"}.errorf("$concat only supports strings, not %s", typeName(a))
		}
		b.WriteString(text(a))
	}
	return b.String(), nil
}

func substring(args []any) (any, error) {
	runes := []rune(asText(args[0]))
	from, _ := asInt(args[1])
	n, _ := asInt(args[2])
	size := int64(len(runes))
	from = min(max(from, 0), size)
	if n < 0 {
		n = size
	}
	return string(runes[from:min(from+min(n, size), size)]), nil
}

func findArrayCall(op string) (call, int) {
	switch op {
	case "$isArray":
		return func(a []any) (any, error) { return typeName(a[0]) == "array", nil }, 1
	case "$in":
		return func(a []any) (any, error) {
			list, ok := a[1].(bson.A)
			if !ok {
				return nil, code{40081, "Location40081"}.errorf("$in requires an array as a second argument, found: %s", typeName(a[1]))
			}
			return containsEqual(list, a[0]), nil
		}, 2
	case "$size":
		return func(a []any) (any, error) {
			list, ok := a[0].(bson.A)
			if !ok {
				return nil, code{17124, "Location17124"}.errorf("The argument to $size must be an array, but was of type: %s", typeName(a[0]))
			}
			return int32(len(list)), nil
		}, 1
	case "$arrayElemAt":
		return func(a []any) (any, error) { return elementAt(a[0], a[1]) }, 2
	case "$first":
		return func(a []any) (any, error) { return elementAt(a[0], int32(0)) }, 1
	case "$last":
		return func(a []any) (any, error) { return elementAt(a[0], int32(-1)) }, 1
	case "$slice":
		return sliceCall, -1
	case "$reverseArray":
		return func(a []any) (any, error) {
			list, _ := a[0].(bson.A)
			out := slices.Clone(list)
			slices.Reverse(out)
			return out, nil
		}, 1
	}
	return func(a []any) (any, error) { return joinArrays(op, a) }, -1
}

func elementAt(v, at any) (any, error) {
	if nullish(v) == nil {
		return nil, nil
	}
	list, ok := v.(bson.A)
	i, isInt := asInt(at)
	if !ok || !isInt {
		return nil, code{28689, "Location28689"}.errorf("$arrayElemAt's first argument must be an array, but is %s", typeName(v))
	}
	if i < 0 {
		i += int64(len(list))
	}
	if i < 0 || i >= int64(len(list)) {
		return missing{}, nil
	}
	return list[i], nil
}

func sliceCall(args []any) (any, error) {
	if len(args) < 2 {
		return nil, code{28667, "Location28667"}.errorf("Expression $slice takes at least 2 arguments, and at most 3, but %d were passed in.", len(args))
	}
	list, ok := args[0].(bson.A)
	n, _ := asInt(args[len(args)-1])
	if !ok {
		return nil, nil
	}
	if len(args) == 3 {
		from, _ := asInt(args[1])
		if from < 0 {
			from = max(from+int64(len(list)), 0)
		}
		list = list[min(from, int64(len(list))):]
	}
	return sliceArray(list, n), nil
}

// joinArrays is $concatArrays, and $setUnion, which keeps one of each.
func joinArrays(op string, args []any) (any, error) {
	out := bson.A{}
	for _, a := range args {
		list, ok := a.(bson.A)
		if !ok {
			if nullish(a) == nil {
				return nil, nil
			}
			return nil, code{28664, "Location28664"}.errorf("%s only supports arrays, not %s", op, typeName(a))
		}
		for _, v := range list {
			if op == "$concatArrays" || !containsEqual(out, v) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

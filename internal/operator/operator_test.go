package operator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	for s, want := range map[string][]Piece{
		"":            nil,
		"plain":       {{Text: "plain"}},
		"100%%":       {{Text: "100%"}},
		"%%a%%b":      {{Text: "%a%b"}},
		"%REQ(Host)%": {{Name: "REQ", Arg: "host"}},
		"[%START_TIME%] \"%REQ(:METHOD)%\"": {
			{Text: "["}, {Name: "START_TIME"}, {Text: "] \""}, {Name: "REQ", Arg: ":method"}, {Text: "\""}},
		"%REQ(X-A?:Authority):20%%DURATION%": {{Name: "REQ", Arg: "x-a", Alt: ":authority", Max: 20}, {Name: "DURATION"}},
		"%START_TIME(%Y-%m-%d %H:%M)%":       {{Name: "START_TIME", Arg: "%Y-%m-%d %H:%M"}},
		"%PROTOCOL:3%":                       {{Name: "PROTOCOL", Max: 3}},
		"%QUERY_PARAM(a)%":                   {{Name: "QUERY_PARAM", Arg: "a"}},
		"%PATH(NQ)%":                         {{Name: "PATH", Arg: "NQ"}},
	} {
		got, err := Parse(s, Log())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", s, err, diff)
		}
	}
}

func TestMistakes(t *testing.T) {
	for s, want := range map[string]string{
		"%":                         "begins no operator; write %% for a percent sign",
		"50% off, for everybody":    `"% off, for e..." begins no operator`,
		"%DURATON%":                 "is no operator here, did you mean DURATION?; there are: ACCESS_LOG_TYPE, BYTES_RECEIVED,",
		"%FILTER_STATE(x)%":         "%FILTER_STATE% is no operator here; there are:",
		"%REQ%":                     "takes the name of a field",
		"%REQ()%":                   "takes the name of a field",
		"%REQ(a b)%":                "takes the name of a field",
		"%REQ(a":                    "%REQ( has no )",
		"%REQ(a)":                   "%REQ is not closed",
		"%REQ(a):x%":                `"x" is no length`,
		"%REQ(a):0%":                `"0" is no length`,
		"%REQ(a):9":                 "%REQ is not closed",
		"%DURATION(x)%":             "takes nothing in parentheses",
		"%QUERY_PARAM()%":           "takes a name",
		"%START_TIME(%Q)%":          `"%Q" in a format of times is unknown`,
		"%START_TIME(%)%":           `"%" in a format of times is unknown`,
		"%COMMON_DURATION(a:b:ms)%": "is no interval; must be two of DS_RX_BEG",
		"%PATH(X)%":                 "must be WQ",
	} {
		if _, err := Parse(s, Log()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", s, err, want)
		}
	}
	if _, err := Parse("%RESPONSE_CODE%", Fields()); err == nil || strings.Contains(err.Error(), "BYTES_SENT") {
		t.Errorf("a status in a request's field: %v", err)
	}
	if _, err := Parse("%UPSTREAM_HOST% %REQ(a)%", Fields()); err != nil {
		t.Error(err)
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC).UnixNano()
	for s, want := range map[string]string{
		"":                       "2026-03-04T05:06:07.123Z",
		"%Y/%m/%dT%H:%M:%S%z %s": "2026/03/04T05:06:07+0000 1772600767",
		"%s%3f":                  "1772600767123",
		"%s.%6f %f":              "1772600767.123456 123456789",
		"%d/%b/%Y:%T 100%%":      "04/Mar/2026:05:06:07 100%",
		"%a %e %B %I%p %j":       "Wed  4 March 05AM 063",
	} {
		f, err := ParseTime(s)
		if got := string(f.Append(nil, at)); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", s, got, err, want)
		}
	}
	f, _ := ParseTime("%Y-%m-%d %T.%3f")
	b := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { f.Append(b, at) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

package store

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	cases := []struct {
		text string
		want statement
	}{
		{"SELECT 1;", statement{sql: "SELECT 1", verb: "SELECT"}},
		{"select 1 format JSON", statement{sql: "select 1 format JSON", verb: "SELECT", format: "JSON"}},
		{"SELECT 'FORMAT CSV', (SELECT 1 FORMAT)", statement{sql: "SELECT 'FORMAT CSV', (SELECT 1 FORMAT)", verb: "SELECT"}},
		{"/* INSERT */ SELECT 1 -- FORMAT CSV", statement{sql: "/* INSERT */ SELECT 1 -- FORMAT CSV", verb: "SELECT"}},
		{"INSERT INTO t (a) FORMAT Native", statement{sql: "INSERT INTO t (a) ", verb: "INSERT", insert: true, done: true, format: "Native"}},
		{"INSERT INTO t FORMAT TSV \n1\t2\n", statement{sql: "INSERT INTO t ", verb: "INSERT", insert: true, done: true, format: "TSV", data: "1\t2\n"}},
		{"INSERT INTO `a FORMAT b` VALUES (1)", statement{sql: "INSERT INTO `a FORMAT b` ", verb: "INSERT", insert: true, done: true, format: "Values", data: " (1)"}},
		{"insert into t (\"values\") values('it''s', 'a\\'b')", statement{sql: "insert into t (\"values\") ", verb: "INSERT", insert: true, done: true, format: "Values", data: "('it''s', 'a\\'b')"}},
		{"INSERT INTO t SELECT 1", statement{sql: "INSERT INTO t SELECT 1", verb: "INSERT"}},
		{"INSERT INTO t (a)", statement{sql: "INSERT INTO t (a)", verb: "INSERT", insert: true}},
		{"INSERT INTO t FROM INFILE 'x' FORMAT CSV", statement{sql: "INSERT INTO t FROM INFILE 'x' FORMAT CSV", verb: "INSERT", infile: true, format: "CSV"}},
		{"", statement{}},
		{"'unclosed", statement{sql: "'unclosed", verb: "'UNCLOSED"}},
		{"'unclosed\\", statement{sql: "'unclosed\\", verb: "'UNCLOSED\\"}},
	}
	for _, c := range cases {
		if got := parse(c.text); got != c.want {
			t.Errorf("parse(%q)\n got %+v\nwant %+v", c.text, got, c.want)
		}
	}
}

// The lexer must end on any text, and an INSERT's statement and data must be parts of it.
func FuzzParse(f *testing.F) {
	f.Add("INSERT INTO t FORMAT CSV\n1,2")
	f.Add("SELECT '\\'/*--`\"")
	f.Fuzz(func(t *testing.T, text string) {
		s := parse(text)
		if len(s.sql)+len(s.data) > len(text) {
			t.Fatalf("%+v from %q", s, text)
		}
	})
}

func TestExceptionReadsCodeAndName(t *testing.T) {
	e := newException("Code: 60. DB::Exception: Unknown table (x). (UNKNOWN_TABLE) (version 26.7.2.1)")
	if e.Code != 60 || e.Name != "UNKNOWN_TABLE" || e.status() != 404 {
		t.Fatalf("%+v", e)
	}
	if e := newException("boom"); e.Code != 1002 || e.status() != 500 {
		t.Fatalf("%+v", e)
	}
}

func TestSplit(t *testing.T) {
	statements, rest := Split("SELECT ';' ; -- a;b\nSELECT 2;;\n INSERT INTO t VALUES (';');SELECT")
	want := []string{"SELECT ';'", "-- a;b\nSELECT 2", "INSERT INTO t VALUES (';')"}
	if !slices.Equal(statements, want) || rest != "SELECT" {
		t.Errorf("%q, rest %q", statements, rest)
	}
	statements, rest = Split("SELECT 1; INSERT INTO t FORMAT CSV\n1;2\n")
	if len(statements) != 1 || rest != " INSERT INTO t FORMAT CSV\n1;2\n" {
		t.Errorf("%q, rest %q", statements, rest)
	}
}

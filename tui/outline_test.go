package tui

import "testing"

type named string

func (n named) id() string { return string(n) }

func settled(o *outline[named], rows ...named) string {
	o.rows = rows
	o.settle()
	return string(rows[o.cur])
}

func TestOutlineStaysAtTheTopOrOnItsRow(t *testing.T) {
	o := newOutline[named]("name")
	settled(&o, "a", "b", "c")
	if got := settled(&o, "b", "a", "c"); got != "b" {
		t.Errorf("the cursor left the top for %s", got)
	}
	o.detail = true
	o.note()
	if got := settled(&o, "a", "b", "c"); got != "b" {
		t.Errorf("the row that a pane tells of was b, and is %s", got)
	}
	o.window(3)
	o.Click(3)
	if got := settled(&o, "c", "a", "b"); got != "c" {
		t.Errorf("the row that was clicked was c, and is %s", got)
	}
	if o.resort("S"); o.turned(1) != -1 {
		t.Error("S does not reverse the order")
	}
}

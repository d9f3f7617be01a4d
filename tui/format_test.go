package tui

import "testing"

func TestPairsCutNoKeyWhereThereIsRoom(t *testing.T) {
	const long = "pitot.outlier.secs_since_last_action"
	got := pairs([]string{"a", long}, []string{"1", "2"}, 80)
	if want := long + " 2"; got[1] != want || len(got[0]) != len(want) {
		t.Errorf("pairs = %q, want the second %q", got, want)
	}
	if got := pairs([]string{long}, []string{"2"}, 40)[0]; len(got) != len("x")*34+2 {
		t.Errorf("in 40 cells: %q", got)
	}
}

func TestShortKeepsTheEndOfAMethod(t *testing.T) {
	for _, c := range []struct {
		s    string
		w    int
		want string
	}{
		{"    grpc.testing.TestService/UnaryCall", 22, "    ~Service/UnaryCall"},
		{"shop.Cart/Load", 14, "shop.Cart/Load"},
		{"shop.Cart/Load", 6, "~/Load"},
		{"shop.Cart/Load", 1, "shop.Cart/Load"}, // fit cuts what has no room at all
		{"GET /cart/{id}/pay", 8, "GET /cart/{id}/pay"},
		{"/only/a/path", 8, "/only/a/path"},
		{"    127.0.0.1:29001", 12, "    ~1:29001"},
		{"    [fd00::7]:8080", 12, "    ~7]:8080"},
		{"11:59:58", 6, "11:59:58"},
		{"no:port", 4, "no:port"},
	} {
		if got := short(c.s, c.w); got != c.want {
			t.Errorf("short(%q, %d) = %q, want %q", c.s, c.w, got, c.want)
		}
	}
}

package tui

import "testing"

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
	} {
		if got := short(c.s, c.w); got != c.want {
			t.Errorf("short(%q, %d) = %q, want %q", c.s, c.w, got, c.want)
		}
	}
}

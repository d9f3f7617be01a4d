package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/pitot-io/pitot/tui/store"
)

// Summary is the services and the MongoDB tables of everything that s has
// seen, as plain text width cells wide, each line ended. Tables without rows
// are left out.
func Summary(s *store.Store, width int) string {
	look := newLook(false, true, time.UTC)
	snap := s.Snapshot(store.Query{Parts: store.PartServices | store.PartMongo, Window: store.All})
	var b strings.Builder
	services, mongo := newServices(look), newMongo(look)
	services.cur, mongo.cur = -1, -1
	if services.Show(snap); len(services.rows) > 0 {
		services.cur = -1
		writeTable(&b, services.Render(width, len(services.rows)+1))
	}
	if mongo.Show(snap); len(mongo.rows) > 0 {
		mongo.cur = -1
		b.WriteByte('\n')
		writeTable(&b, mongo.Render(width, len(mongo.rows)+1))
	}
	return b.String()
}

func writeTable(b *strings.Builder, table string) {
	for line := range strings.SplitSeq(ansi.Strip(table), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

package config

import "github.com/pitot-io/pitot/internal/spelling"

// suggest names the one of known that name was probably meant to be.
func suggest(name string, known []string) string {
	best, at := "", 3 // more than two slips is another word
	for _, k := range known {
		if d := spelling.Distance(name, k); d < at && d < len(name) {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean \"" + best + "\"?"
}

package main

import (
	"errors"
	"strings"

	"github.com/pitot-io/pitot/internal/filter"
)

// parseFilter reads --filter; a mistake is pointed at.
func parseFilter(expression string) (*filter.Filter, error) {
	f, err := filter.Parse(expression)
	var wrong *filter.Error
	if errors.As(err, &wrong) {
		return nil, usagef("--filter: %w\n  %s", err, strings.ReplaceAll(wrong.Point(), "\n", "\n  "))
	}
	return f, err
}

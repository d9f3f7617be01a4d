package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds the size of a configuration file.
const maxFile = 4 << 20

// Load reads and checks a configuration file. When the file can be read but
// not used, the error is Problems.
func Load(file string) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; name an existing file with -c, or use --listen and --to", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("configuration: %s is larger than %d bytes", file, maxFile)
	}
	return parse(file, b, (*Config).checkFiles)
}

// Parse makes a configuration out of YAML; file is for messages only. The
// files that it names are not looked into.
func Parse(file string, b []byte) (*Config, error) {
	return parse(file, b, func(*Config, report) {})
}

func parse(file string, b []byte, further func(*Config, report)) (*Config, error) {
	c := Default()
	r := &reader{file: file, lines: map[string]int{}}
	var doc, second yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // an empty file
	case err != nil:
		return nil, Problems{{File: file, Text: "not YAML: " + err.Error()}}
	default:
		r.document(&doc, c)
	}
	if err := d.Decode(&second); err == nil {
		r.problems = append(r.problems, Problem{file, second.Line, "", "a second document begins here; keep one in a file"})
	}
	c.settle()
	c.check(r.wrong)
	further(c, r.wrong)
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, r.problems
	}
	return c, nil
}

// Validate is Config's for a command that has no configuration.
func (g *GRPC) Validate() error {
	r := &reader{}
	g.check(r.wrong)
	return r.problems.orNil()
}

// Validate checks a configuration that was made by hand, and fills in what
// follows from other keys. Its error is Problems.
func (c *Config) Validate() error {
	c.settle()
	r := &reader{}
	c.check(r.wrong)
	return r.problems.orNil()
}

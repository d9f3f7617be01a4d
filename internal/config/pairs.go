package config

import "go.yaml.in/yaml/v4"

// Pairs are names with values, in the order of the file.
type Pairs []Pair

// Pair is one of Pairs.
type Pair struct{ Name, Value string }

// MarshalYAML writes them as they were read.
func (p Pairs) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, e := range p {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.Name},
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.Value})
	}
	return n, nil
}

func (r *reader) pairs(n *yaml.Node, p *Pairs, key string) {
	r.each(n, key, func(name string, k, v *yaml.Node) {
		at := join(key, name)
		r.lines[at] = k.Line
		if v.Kind != yaml.ScalarNode {
			r.wrong(at, "must be text, not %s", describe(v))
			return
		}
		*p = append(*p, Pair{name, v.Value})
	})
}

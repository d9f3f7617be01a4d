package protoset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// list is the files in order of their paths, so that errors are the same each time.
func (s set) list() (all []*descriptorpb.FileDescriptorProto) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		all = append(all, s[name])
	}
	return all
}

// source compiles one .proto file. Its imports are looked for in the working
// folder, where the name is relative, then in the file's own folder and those
// above it.
func (s set) source(ctx context.Context, name string, limit int64) error {
	if _, err := read(name, limit); err != nil {
		return err
	}
	root, main := ".", filepath.ToSlash(filepath.Clean(name))
	if !filepath.IsLocal(name) {
		root, main = filepath.Split(filepath.Clean(name))
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: above(root, main)})}
	files, err := c.Compile(ctx, main)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; run pitot in the folder that imports begin from, or make a descriptor set", err)
	}
	if err != nil {
		return err
	}
	if err := s.add(protodesc.ToFileDescriptorProto(files[0])); err != nil {
		return err
	}
	return s.imports(files[0])
}

// above are the folders in which imports of root/main may begin.
func above(root, main string) []string {
	paths := []string{root}
	dir := filepath.Join(root, filepath.Dir(main))
	for !slices.Contains(paths, dir) && len(paths) < 32 {
		paths = append(paths, dir)
		dir = filepath.Dir(dir)
	}
	return paths
}

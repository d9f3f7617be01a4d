package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongFlagsOfGRPCAreNamed(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.protoset")
	if err := os.WriteFile(bad, []byte("no descriptors"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags, want string
		code        int
	}{
		{"--grpc-payload many", "--grpc-payload", exitUsage},
		{"--grpc-payload 0", "--grpc-payload: 0 is not valid; must be from 1 to 1MiB", exitUsage},
		{"--proto-reflect nowhere", "--proto-reflect: \"nowhere\" is not valid; must be host:port", exitUsage},
		{"--grpc-metadata x-a,Authorization", "\"Authorization\" is a secret", exitUsage},
		{"--proto " + bad, bad + ": is no descriptor set", exitFailed},
		{"--proto " + dir + "/none.proto", "none.proto: no such file", exitFailed},
		{"--proto-reflect 127.0.0.1:1", "reflection of 127.0.0.1:1", exitFailed},
	} {
		_, says, code := pitot(t, append([]string{"replay", testdata + "/http1-curl.pcap"}, strings.Fields(c.flags)...)...)
		if code != c.code || !strings.Contains(says, c.want) {
			t.Errorf("%s: exit %d, %q", c.flags, code, says)
		}
	}
}

func TestConfigurationOfGRPCIsChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pitot.yaml")
	text := "listeners: [{address: \"127.0.0.1:0\", cluster: a}]\nclusters: [{name: a, endpoints: [\"127.0.0.1:1\"]}]\ngrpc: {metadata: [cookie]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, says, code := pitot(t, "check", "-c", file); code == exitDone || !strings.Contains(says, "\"cookie\" is a secret") {
		t.Errorf("exit %d, %q", code, says)
	}
}

package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// runsRegistry runs `pitot registry` until stop is called.
func runsRegistry(t *testing.T, args ...string) (url string, log func(string) []string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stderr, log := lines(t)
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"registry", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), stderr, stderr)
		stderr.Close()
	}()
	url = log(`msg=registry address=(\S+)`)[1]
	return url, log, func() {
		cancel()
		if c := <-code; c != exitDone {
			t.Errorf("exit code %d", c)
		}
	}
}

func TestRegistryCommands(t *testing.T) {
	t.Setenv(registryToken, "secret")
	url, log, stop := runsRegistry(t, "--state", filepath.Join(t.TempDir(), "state"))
	defer stop()
	if _, stderr, code := pitot(t, "registry", "register", "shop", "10.0.0.8:80", "--once", "--url", url, "--tag", "az=7", "--tag", "canary=true", "--weight", "9", "--repo", "shop-repo"); code != exitDone {
		t.Fatal(stderr)
	}
	log(`msg="host registered" service=shop address=10.0.0.8:80`)
	stdout, stderr, code := pitot(t, "registry", "list", "shop", "--url", url)
	if fields := strings.Fields(stdout); code != exitDone || len(fields) < 18 || strings.Join(fields[10:15], " ") != "shop 10.0.0.8:80 9 7 true" {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	ctx, leave := context.WithCancel(t.Context())
	said, client := lines(t)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"registry", "register", "shop", "10.0.0.9:80", "--load", "--url", url}, strings.NewReader(""), said, said)
		said.Close()
	}()
	client(`msg=registered service=shop address=10.0.0.9:80`)
	stdout, _, _ = pitot(t, "registry", "list", "shop", "--url", url)
	if !strings.Contains(stdout, "10.0.0.9:80") || !strings.Contains(stdout, "%") {
		t.Errorf("no host with its load in\n%s", stdout)
	}
	leave()
	if c := <-done; c != exitDone {
		t.Errorf("exit code %d", c)
	}
	log(`msg="host deregistered" service=shop address=10.0.0.9:80`)
	t.Setenv(registryToken, "wrong")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"registry list --url " + url, exitFailed, "401 Unauthorized: this registry wants its token"},
		{"registry register shop here", exitUsage, `"here" is no address; must be as 10.0.0.7:8080`},
		{"registry register shop 10.0.0.1:1 --tag az", exitUsage, `--tag "az" is not valid`},
		{"registry register shop", exitUsage, "name a service and its host, as shop 10.0.0.7:8080"},
	} {
		if _, stderr, code := pitot(t, strings.Fields(c.args)...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("pitot %s: exit %d, says %q", c.args, code, stderr)
		}
	}
}

func TestRegistrySimulates(t *testing.T) {
	stdout, stderr, code := pitot(t, "registry", "--simulate", "--hosts", "5")
	if code != exitDone || strings.Count(stdout, "\n") != 11 || stderr != "" {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if _, stderr, code := pitot(t, "registry", "--simulate", "--hosts", "5", "--without-checks"); code != exitFailed || !strings.Contains(stderr, "hosts that work were taken away") {
		t.Errorf("exit %d, says %q", code, stderr)
	}
}

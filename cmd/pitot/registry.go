package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/proxy/registry"
	"github.com/pitot-io/pitot/proxy/registry/simulate"
)

// registryToken is the environment's place for a registry's token.
const registryToken = "PITOT_REGISTRY_TOKEN"

// registryCommand serves a registry until it is told to stop.
func registryCommand() *cobra.Command {
	var o registry.ServerOptions
	var played simulate.Options
	var simulation bool
	c := &cobra.Command{
		Use:   "registry",
		Short: "Serve a registry in which hosts tell which services they offer",
		Long: "Serve a registry in which hosts tell which services they offer, for clusters\n" +
			"with discovery {type: registry}. Hosts check in again and again, by POST or by\n" +
			"'pitot registry register'; who does not for --ttl is forgotten. Nothing depends\n" +
			"on it being right: a proxy whose health checks find a host healthy keeps it,\n" +
			"whatever the registry says. --simulate shows that, in simulated time: it fails\n" +
			"when a working host is taken away.\n" +
			"The token may also come from " + registryToken + "; an address that other\n" +
			"machines can reach needs one.",
		Example: "  pitot registry --state /var/lib/pitot/registry.json\n" +
			"  curl -d 'ip=10.0.0.7&port=8080' http://127.0.0.1:9700/v1/registration/shop\n" +
			"  curl -H 'Accept: text/plain' http://127.0.0.1:9700/v1/registration/shop",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if simulation {
				return runSimulation(c.Context(), played, c.OutOrStdout())
			}
			o.Token, o.Log = orToken(o.Token), slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			s, err := registry.Open(o)
			if err != nil {
				return err
			}
			o.Log.Info("registry", "address", "http://"+s.Addr().String())
			return s.Serve(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", registry.DefaultListen, "`address` to serve")
	f.StringVar(&o.Token, "token", "", "bearer `token` to ask for")
	f.StringVar(&o.State, "state", "", "`file` that keeps the hosts over a restart")
	f.DurationVar(&o.TTL, "ttl", registry.DefaultTTL, "after which a host is forgotten that does not check in")
	f.DurationVar(&o.LoadTTL, "load-ttl", registry.DefaultLoadTTL, "for which a load report holds")
	f.DurationVar(&o.Cache, "cache", registry.DefaultCache, "how old the check-in times of an answer may be")
	f.IntVar(&o.MaxHosts, "max-hosts", registry.DefaultMaxHosts, "hosts of all services")
	f.BoolVar(&simulation, "simulate", false, "play what can go wrong with a registry, print what becomes of hosts, and serve nothing")
	f.IntVar(&played.Hosts, "hosts", 100, "hosts of a simulation")
	f.DurationVar(&played.For, "for", 40*time.Minute, "simulated `time` of each scenario")
	f.Uint64Var(&played.Seed, "seed", 1, "of what happens by chance in a simulation")
	f.BoolVar(&played.Unchecked, "without-checks", false, "simulate a cluster without health checks, which is at the mercy of its registry")
	c.AddCommand(registerCommand(), registryListCommand())
	return c
}

// runSimulation prints what becomes of hosts, and fails when one that works was
// taken away.
func runSimulation(ctx context.Context, o simulate.Options, stdout io.Writer) error {
	all, err := simulate.Run(ctx, o)
	if err != nil {
		return err
	}
	if err := simulate.Print(stdout, all); err != nil {
		return err
	}
	if n := simulate.Taken(all); n > 0 {
		return fmt.Errorf("%d hosts that work were taken away", n)
	}
	return nil
}

func orToken(given string) string {
	if given == "" {
		return os.Getenv(registryToken)
	}
	return given
}

// registryClient adds the flags of a command that speaks with a registry.
func registryClient(c *cobra.Command) func() *registry.Client {
	r := &registry.Client{HTTP: &http.Client{Timeout: 5 * time.Second}}
	c.Flags().StringVar(&r.URL, "url", "http://"+registry.DefaultListen, "where the registry is")
	c.Flags().StringVar(&r.Token, "token", "", "the registry's `token`; or "+registryToken)
	return func() *registry.Client {
		r.Token = orToken(r.Token)
		return r
	}
}

func registryListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list [SERVICE]",
		Short:   "Print the hosts of a service, or all services",
		Example: "  pitot registry list shop",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
	}
	client := registryClient(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		text, err := client().Table(c.Context(), strings.Join(args, ""))
		if err == nil {
			fmt.Fprint(c.OutOrStdout(), text)
		}
		return nobodyThere(err)
	}
	return c
}

// serviceAndHost are what register takes.
func serviceAndHost(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("name a service and its host, as shop 10.0.0.7:8080")
	}
	return nil
}

// registerCommand checks a host in for as long as it runs.
func registerCommand() *cobra.Command {
	var a registry.Announcement
	var tags []string
	var weight int
	var load, once bool
	c := &cobra.Command{
		Use:   "register SERVICE IP:PORT",
		Short: "Tell a registry that a host offers a service, until this ends",
		Long: "Tell a registry that a host offers a service, again and again until SIGTERM or\n" +
			"Ctrl-C, which take it away. With --load each check-in tells how busy this\n" +
			"machine is, which a proxy may weigh its hosts by.",
		Example: "  pitot registry register shop 10.0.0.7:8080 --tag az=eu-1a --load\n  pitot registry register shop 10.0.0.8:8080 --once",
		Args:    usageArgs(serviceAndHost),
	}
	f := c.Flags()
	f.StringVar(&a.Revision, "revision", "", "version of what runs there")
	f.StringVar(&a.Repo, "repo", "", "repository that it is built from")
	f.StringArrayVar(&tags, "tag", nil, "something to say of the host, as `az=eu-1a` or canary=true; may be repeated")
	f.IntVar(&weight, "weight", 0, "share of the requests, from 1 to 100")
	f.DurationVar(&a.Every, "every", registry.DefaultEvery, "between two check-ins")
	f.BoolVar(&load, "load", false, "tell how busy this machine is")
	f.BoolVar(&once, "once", false, "check in once and leave it at that")
	client := registryClient(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		a.Service = args[0]
		if a.Address, err = netip.ParseAddrPort(args[1]); err != nil {
			return usagef("%q is no address; must be as 10.0.0.7:8080", args[1])
		}
		if a.Tags, err = parseTags(tags, weight); err != nil {
			return err
		}
		if load {
			a.Load = new(registry.Machine).Load
		}
		a.Log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
		return nobodyThere(announce(c.Context(), client(), a, once))
	}
	return c
}

// nobodyThere says what helps where nobody is at the registry's address.
func nobodyThere(err error) error {
	var asked *url.Error
	if !errors.As(err, &asked) || asked.Timeout() {
		return err
	}
	at, cause := asked.URL, asked.Err
	if u, err := url.Parse(at); err == nil {
		at = u.Scheme + "://" + u.Host
	}
	var refused *os.SyscallError
	if errors.As(cause, &refused) {
		cause = refused.Err
	}
	return fmt.Errorf("no registry answers at %s (%w); start one with 'pitot registry', or say with --url where it is", at, cause)
}

func announce(ctx context.Context, r *registry.Client, a registry.Announcement, once bool) error {
	if !once {
		return r.Announce(ctx, a)
	}
	var busy error
	if a.Load != nil {
		a.Registration.Load, busy = a.Load()
	}
	return errors.Join(busy, r.Register(ctx, a.Registration))
}

// parseTags makes tags of name=value; true, false and numbers are what they seem.
func parseTags(given []string, weight int) (registry.Tags, error) {
	tags := registry.Tags{}
	for _, g := range given {
		name, value, ok := strings.Cut(g, "=")
		if !ok {
			return nil, usagef("--tag %q is not valid; must be as az=eu-1a", g)
		}
		tags[name] = tagValue(name, value)
	}
	if weight != 0 {
		tags[registry.TagWeight] = float64(weight)
	}
	return tags, nil
}

func tagValue(name, value string) any {
	switch n, err := strconv.ParseFloat(value, 64); {
	case name == registry.TagZone || name == registry.TagRegion || name == registry.TagID: // are text, whatever it looks like
		return value
	case value == "true" || value == "false":
		return value == "true"
	case err == nil && n-n == 0: // neither infinite nor NaN
		return n
	}
	return value
}

package live

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/tap/pcapfilter"
)

// iface is an interface to read.
type iface struct {
	name  string
	index int
	kind  uint16 // ARPHRD_
}

// open makes a ring for every worker, bound to the interfaces and filtered.
func open(o *Options) (sources []source, about description, err error) {
	ifs, err := find(o.Interfaces)
	if err != nil {
		return nil, about, err
	}
	about = describe(ifs)
	program, err := program(o, ifs, about.cooked)
	if err != nil {
		return nil, about, err
	}
	var rings []*ring
	defer func() {
		for _, r := range rings {
			if err != nil {
				_ = r.close() // the error tells more
			}
		}
	}()
	group := noGroup
	for range o.Workers {
		r, err := newRing(about.cooked, o.Ring/o.Workers)
		if err != nil {
			return nil, about, explain(err)
		}
		rings = append(rings, r)
		if err := r.join(o, ifs, &group); err != nil {
			return nil, about, explain(err)
		}
	}
	for _, r := range rings { // all at once: until now each would have got the packets of all
		if err = r.setFilter(program); err != nil {
			return nil, about, err
		}
		sources = append(sources, r)
	}
	return sources, about, nil
}

// describe says what the packets of the interfaces look like: when any is
// neither Ethernet nor loopback, all are taken as cooked ones.
func describe(ifs []iface) description {
	if len(ifs) == 0 {
		return description{names: []string{Any}, indexes: []int{0}, cooked: true}
	}
	var d description
	for _, i := range ifs {
		d.names, d.indexes = append(d.names, i.name), append(d.indexes, i.index)
		d.cooked = d.cooked || i.kind != unix.ARPHRD_ETHER && i.kind != unix.ARPHRD_LOOPBACK
	}
	return d
}

// noGroup says that no ring has been given the number of their group yet.
const noGroup = -1

// join binds r and lets the kernel spread packets over it and its siblings.
func (r *ring) join(o *Options, ifs []iface, group *int) error {
	index := 0
	if len(ifs) == 1 {
		index = ifs[0].index
	}
	if err := r.bind(index); err != nil {
		return fmt.Errorf("binding to %s: %w", strings.Join(o.Interfaces, ", "), err)
	}
	if o.Promiscuous {
		if err := r.promiscuous(ifs); err != nil {
			return err
		}
	}
	if o.Workers == 1 {
		return nil
	}
	// The hash is the same for both directions of a connection. Fragments are put
	// together first: only the first one has ports.
	mode := unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_DEFRAG
	if *group == noGroup {
		mode |= unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, max(*group, 0)|mode<<16); err != nil {
		return fmt.Errorf("PACKET_FANOUT: %w; one worker can do without", err)
	}
	v, err := unix.GetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	*group = v & 0xffff
	return err
}

func (r *ring) promiscuous(ifs []iface) error {
	for _, i := range ifs {
		m := unix.PacketMreq{Ifindex: int32(i.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fmt.Errorf("%s: promiscuous mode: %w", i.name, err)
		}
	}
	return nil
}

// program is the filter behind what every capture does: a loopback interface
// shows each packet twice, of which the way out is left out, and of several
// interfaces only those that were named count.
func program(o *Options, ifs []iface, cooked bool) ([]bpf.Instruction, error) {
	snap := uint32(o.SnapLen)
	filter, err := o.Filter.Compile(pcapfilter.LinkEthernet, snap)
	if cooked {
		filter, err = o.Filter.CompileCooked(snap)
	}
	if err != nil {
		return nil, err
	}
	head := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipFalse: 3},
		bpf.LoadExtension{Num: bpf.ExtLinkLayerType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ARPHRD_LOOPBACK, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
	}
	if len(ifs) > 1 {
		head = append(head, bpf.LoadExtension{Num: bpf.ExtInterfaceIndex})
		for i, f := range ifs {
			head = append(head, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(f.index), SkipTrue: uint8(len(ifs) - i)})
		}
		head = append(head, bpf.RetConstant{Val: 0})
	}
	return append(head, filter...), nil
}

const maxInterfaces = 200 // named ones; a jump of the filter goes over them

// find looks the interfaces up; none are all of them.
func find(names []string) (ifs []iface, err error) {
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("%w; there are %s", ErrUnnamed, known())
	case slices.Contains(names, Any):
		if len(names) > 1 {
			return nil, errors.New("any stands for all interfaces; name no other beside it")
		}
		return nil, nil
	case len(names) > maxInterfaces:
		return nil, fmt.Errorf("more than %d interfaces; say any", maxInterfaces)
	}
	for _, name := range names {
		i, err := look(name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(ifs, func(o iface) bool { return o.index == i.index }) {
			ifs = append(ifs, i)
		}
	}
	return ifs, nil
}

func look(name string) (iface, error) {
	n, err := net.InterfaceByName(name)
	if err != nil {
		return iface{}, fmt.Errorf("there is no interface %q; there are %s", name, known())
	}
	if n.Flags&net.FlagUp == 0 {
		return iface{}, fmt.Errorf("interface %s is down; ip link set %s up brings it up", name, name)
	}
	kind, err := hardware(name)
	return iface{name: n.Name, index: n.Index, kind: kind}, err
}

// hardware is the ARPHRD_ number of an interface.
func hardware(name string) (uint16, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	defer unix.Close(fd)
	q, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, q)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: its link layer: %w", name, err)
	}
	return q.Uint16(), nil
}

// known lists the interfaces there are, those that are up first.
func known() string {
	all, err := net.Interfaces()
	if err != nil || len(all) == 0 {
		return "none that can be listed"
	}
	var up, down []string
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			up = append(up, i.Name)
		} else {
			down = append(down, i.Name+" (down)")
		}
	}
	return strings.Join(append(append(up, Any), down...), ", ")
}

// explain says what lacks and how to mend it.
func explain(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return err
	}
	program, e := os.Executable()
	if e != nil {
		program = "pitot"
	}
	return fmt.Errorf("capturing needs the capability CAP_NET_RAW, which this process lacks: run it with sudo, or once: sudo setcap cap_net_raw=ep %s", program)
}

package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/tap/pcapfile"
	"github.com/pitot-io/pitot/tap/pcapfilter"
)

const (
	// blockSize is in bytes; it must hold any packet. The kernel hands a block
	// over after blockWait however empty it is, so that it takes many of them to
	// outlast a time in which nobody reads.
	blockSize = 256 << 10
	minBlocks = 2
	// headRoom is kept free before every packet: for a VLAN tag that the kernel
	// took off, and the header of a cooked packet.
	headRoom = sll2Header + vlanTag

	sll2Header = 20
	vlanTag    = 4
)

// Offsets in a block and in the header of a packet (linux/if_packet.h:
// tpacket_block_desc with tpacket_hdr_v1, tpacket3_hdr, and sockaddr_ll behind
// it).
const (
	blockStatus  = 8
	blockPackets = 12
	blockFirst   = 16

	packetNext    = 0
	packetSeconds = 4
	packetNanos   = 8
	packetCaught  = 12
	packetWire    = 16
	packetStatus  = 20
	packetMAC     = 24
	packetTCI     = 32
	packetTPID    = 36
	packetAddress = 48

	addressProtocol = 2
	addressIndex    = 4
	addressHardware = 8
	addressKind     = 10
	addressLength   = 11
	addressBytes    = 12
)

// ring is an AF_PACKET socket with a TPACKET_V3 ring.
type ring struct {
	fd     int
	memory []byte
	blocks int
	next   int
	cooked bool // packets begin with the network layer
	frame  frame
}

// newRing makes a ring that takes no packet in yet.
func newRing(cooked bool, size int) (r *ring, err error) {
	kind := unix.SOCK_RAW
	if cooked {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	r = &ring{fd: fd, cooked: cooked, blocks: max(minBlocks, size/blockSize)}
	if err = r.map_(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) map_() error {
	if err := r.setFilter([]bpf.Instruction{bpf.RetConstant{Val: 0}}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3: %w", err)
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, headRoom); err != nil {
		return fmt.Errorf("PACKET_RESERVE: %w", err)
	}
	req := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: uint32(r.blocks), Frame_size: blockSize, Frame_nr: uint32(r.blocks),
		Retire_blk_tov: uint32(blockWait / time.Millisecond),
	}
	size := r.blocks * blockSize
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("a ring of %d MiB: %w; ask for a smaller one", size>>20, err)
	}
	m, err := unix.Mmap(r.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping a ring of %d MiB: %w; ask for a smaller one", size>>20, err)
	}
	r.memory = m
	return nil
}

// setFilter replaces the program that lets packets in.
func (r *ring) setFilter(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	filters := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filters[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err = unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]})
	if err != nil {
		return fmt.Errorf("the kernel does not take the filter: %w", err)
	}
	return nil
}

func (r *ring) quiesce() error {
	return r.setFilter([]bpf.Instruction{bpf.RetConstant{Val: 0}})
}

// bind begins to take packets of an interface; 0 is all.
func (r *ring) bind(ifindex int) error {
	return unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: ifindex})
}

func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

func (r *ring) close() error {
	var err error
	if r.memory != nil {
		err = unix.Munmap(r.memory)
		r.memory = nil
	}
	return errors.Join(err, unix.Close(r.fd))
}

// wait waits for a block.
func (r *ring) wait(d time.Duration) error {
	p := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR}}
	_, err := unix.Poll(p, int(d/time.Millisecond))
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("waiting for packets: %w", err)
	case p[0].Revents&unix.POLLERR != 0:
		return r.failure()
	}
	return nil
}

// failure is what the socket reports. An interface that is down may come back.
func (r *ring) failure() error {
	n, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = unix.Errno(n)
	}
	if err == nil || errors.Is(err, unix.ENETDOWN) {
		return r.gone()
	}
	return fmt.Errorf("waiting for packets: %w", err)
}

// gone tells that the interface does not exist any more: the kernel has taken
// the socket off it.
func (r *ring) gone() error {
	a, err := unix.Getsockname(r.fd)
	if l, ok := a.(*unix.SockaddrLinklayer); err == nil && ok && l.Ifindex == -1 {
		return errors.New("the interface was removed")
	}
	return nil
}

func (r *ring) drops() (packets, freezes uint64, err error) {
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, 0, err
	}
	return uint64(s.Drops), uint64(s.Freeze_q_cnt), nil
}

func (r *ring) block(fn func(*frame)) bool {
	b := r.memory[r.next*blockSize : (r.next+1)*blockSize : (r.next+1)*blockSize]
	status := (*uint32)(unsafe.Pointer(&b[blockStatus]))
	if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
		return false
	}
	n := binary.NativeEndian.Uint32(b[blockPackets:])
	at := binary.NativeEndian.Uint32(b[blockFirst:])
	for range n {
		h := b[at:]
		r.packet(b, h, int(at))
		fn(&r.frame)
		at += binary.NativeEndian.Uint32(h[packetNext:])
	}
	atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
	r.next = (r.next + 1) % r.blocks
	return true
}

// packet fills r.frame with the packet whose header h lies at offset at of the
// block b.
func (r *ring) packet(b, h []byte, at int) {
	f := &r.frame
	from := at + int(binary.NativeEndian.Uint16(h[packetMAC:]))
	f.data = b[from : from+int(binary.NativeEndian.Uint32(h[packetCaught:]))]
	f.wire = int(binary.NativeEndian.Uint32(h[packetWire:]))
	f.time = int64(binary.NativeEndian.Uint32(h[packetSeconds:]))*1e9 + int64(binary.NativeEndian.Uint32(h[packetNanos:]))
	a := h[packetAddress:]
	f.ifindex = int(int32(binary.NativeEndian.Uint32(a[addressIndex:])))
	f.direction = uint8(pcapfile.Inbound)
	if a[addressKind] == unix.PACKET_OUTGOING {
		f.direction = uint8(pcapfile.Outbound)
	}
	tag := r.tag(h)
	if r.cooked {
		f.link = pcapfilter.LinkSLL2
		r.cook(b, from, a, tag)
		return
	}
	f.link = pcapfilter.LinkEthernet
	if tag != 0 && len(f.data) >= 12 {
		from -= vlanTag
		b = b[from : from+vlanTag+len(f.data)]
		copy(b, b[vlanTag:vlanTag+12])
		binary.BigEndian.PutUint32(b[12:], tag)
		f.data, f.wire = b, f.wire+vlanTag
	}
}

// tag is the VLAN tag that the kernel took off: its type and its value; 0 when
// there was none.
func (r *ring) tag(h []byte) uint32 {
	status := binary.NativeEndian.Uint32(h[packetStatus:])
	if status&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0
	}
	kind := uint32(unix.ETH_P_8021Q)
	if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		kind = uint32(binary.NativeEndian.Uint16(h[packetTPID:]))
	}
	return kind<<16 | binary.NativeEndian.Uint32(h[packetTCI:])&0xffff
}

// cook puts the header of LINKTYPE_LINUX_SLL2, and the VLAN tag where there was
// one, before the network layer at offset from of b. a is the sockaddr_ll.
func (r *ring) cook(b []byte, from int, a []byte, tag uint32) {
	f := &r.frame
	end := from + len(f.data)
	protocol := [2]byte(a[addressProtocol:])
	if tag != 0 {
		from -= vlanTag
		binary.BigEndian.PutUint16(b[from:], uint16(tag))
		copy(b[from+2:], protocol[:])
		binary.BigEndian.PutUint16(protocol[:], uint16(tag>>16))
		f.wire += vlanTag
	}
	from -= sll2Header
	h := b[from : from+sll2Header]
	index, hardware := uint32(f.ifindex), binary.NativeEndian.Uint16(a[addressHardware:])
	kind, length, address := a[addressKind], a[addressLength], [8]byte(a[addressBytes:]) // before h is written
	copy(h, protocol[:])
	h[2], h[3] = 0, 0
	binary.BigEndian.PutUint32(h[4:], index)
	binary.BigEndian.PutUint16(h[8:], hardware)
	h[10], h[11] = kind, length
	copy(h[12:], address[:])
	f.data, f.wire = b[from:end], f.wire+sll2Header
}

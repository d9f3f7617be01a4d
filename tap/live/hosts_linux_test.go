package live

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/tap/pcapfile"
)

// namespace runs do in a network namespace of its own, on a thread that ends
// with it; it gives the number of that thread, whose namespace it is.
func namespace(t *testing.T, do func(thread int)) {
	t.Helper()
	done := make(chan struct{})
	go func() { // t.Fatal must not be called here
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread is of no more use
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		do(unix.Gettid())
	}()
	<-done
}

func ip(t *testing.T, args string) bool {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Errorf("ip %s: %v %s", args, err, out)
	}
	return err == nil
}

// answer answers HTTP requests on l until it is closed.
func answer(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
}

func ask(t *testing.T, address, path string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: far\r\nConnection: close\r\n\r\n", path)
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Errorf("%q %v", line, err)
	}
}

// TestTwoHosts captures on one end of a cable between two hosts, each of which
// asks the other. One packet comes with a VLAN tag, which the kernel takes off.
func TestTwoHosts(t *testing.T) {
	needRaw(t)
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool, " is not here")
		}
	}
	file := filepath.Join(t.TempDir(), "two.pcapng")
	s := newSink()
	namespace(t, func(near int) {
		if !ip(t, "link add v0 type veth peer name v1") {
			return
		}
		ready, over := make(chan net.Listener, 1), make(chan struct{})
		farDone := make(chan struct{})
		go namespaceFar(t, near, ready, over, farDone)
		far := <-ready
		if far == nil {
			<-farDone
			return
		}
		ip(t, "address add 10.99.0.1/24 dev v0")
		ip(t, "link set v0 up")
		o := options(s, "tcp and net 10.99.0.0/16", "v0")
		o.Record = NewRecorder(RecordOptions{File: file})
		c, err := Open(o)
		if err != nil {
			t.Error(err)
			return
		}
		stop := running(t, c)
		l, err := net.Listen("tcp", "10.99.0.1:8081")
		if err != nil {
			t.Error(err)
		} else {
			go answer(l)
		}
		ask(t, "10.99.0.2:8080", "/near-asks")
		close(over)
		<-farDone
		s.reach(t, 2)
		stop()
		l.Close()
		far.Close()
	})
	got := strings.Join(s.spans, "\n")
	for _, want := range []string{
		"GET /near-asks 10.99.0.1 > 10.99.0.2:8080", "GET /far-asks 10.99.0.2 > 10.99.0.1:8081",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not among\n%s", want, got)
		}
	}
	if n := tagged(t, file); n != 1 {
		t.Errorf("%d packets were written with a VLAN tag, not 1", n)
	}
}

// namespaceFar is the other host.
func namespaceFar(t *testing.T, near int, ready chan<- net.Listener, over <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	namespace(t, func(far int) {
		// From here the other namespace's end of the cable is pulled over.
		pull := exec.Command("nsenter", fmt.Sprintf("--net=/proc/%d/task/%d/ns/net", os.Getpid(), near), "ip", "link", "set", "v1", "netns", fmt.Sprint(far))
		if out, err := pull.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
			ready <- nil
			return
		}
		ip(t, "address add 10.99.0.2/24 dev v1")
		ip(t, "link set v1 up")
		l, err := net.Listen("tcp", "0.0.0.0:8080")
		if err != nil {
			t.Error(err)
			ready <- nil
			return
		}
		go answer(l)
		ready <- l
		<-over
		ask(t, "10.99.0.1:8081", "/far-asks")
		sendTagged(t, "v1")
	})
}

// sendTagged sends a TCP segment in VLAN 5.
func sendTagged(t *testing.T, name string) {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(fd)
	p := []byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x81\x00\x00\x05\x08\x00" +
		"\x45\x00\x00\x28\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x63\x05\x02\x0a\x63\x05\x01" + // 10.99.5.2 > 10.99.5.1
		"\x04\xd2\x00\x50\x00\x00\x00\x01\x00\x00\x00\x00\x50\x02\xff\xff\x00\x00\x00\x00")
	if err := unix.Sendto(fd, p, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
		t.Error(err)
	}
}

// tagged counts the packets of a file that have a VLAN tag.
func tagged(t *testing.T, name string) (n int) {
	t.Helper()
	r, err := pcapfile.Open(name, nil, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rec pcapfile.Record
	for r.Next(&rec) == nil {
		if len(rec.Data) > 18 && string(rec.Data[12:18]) == "\x81\x00\x00\x05\x08\x00" {
			n++
		}
	}
	return n
}

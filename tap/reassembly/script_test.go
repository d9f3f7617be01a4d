package reassembly

import (
	"testing"
)

// A script is one event a line:
//
//	> S 100            a segment from the client: flags (S F R A, or - for none), sequence number
//	> A 101 ack=501 "hello"     with an acknowledgment and bytes
//	> A 101 ack=501 "hello"+5   of whose bytes the last five were cut off
//	wait 300ms         the capture's clock goes on
//	flush              the capture is over
//
// What comes out is told in the same way: `>0 "hello"`, `<0 gap 5`, `>0 end`,
// `close 0`, with the number of the connection.
var scripts = []struct{ name, in, want string }{
	{"a connection from SYN to FIN", `
		> S 100
		< SA 500 ack=101
		> A 101 ack=501 "GET"
		< A 501 ack=104 "200"
		> FA 104 ack=504
		< FA 504 ack=105
		> A 105 ack=505`, `
		>0 "GET"
		<0 "200"
		>0 end
		<0 end
		close 0`},
	{"no byte, no stream", `
		> S 100
		< SA 500 ack=101
		> FA 101 ack=501
		< FA 501 ack=102
		flush`, ``},
	{"segments out of order", `
		> S 100
		> A 104 "def"
		> A 101 "abc"
		> A 107 "ghi"`, `
		>0 "abc"
		>0 "def"
		>0 "ghi"`},
	{"the same segment twice", `
		> S 100
		> A 101 "abc"
		> A 101 "abc"
		> A 104 "def"
		> A 101 "abcdef"`, `
		>0 "abc"
		>0 "def"`},
	{"a longer retransmission brings new bytes", `
		> S 100
		> A 101 "abc"
		> A 102 "bcdef"`, `
		>0 "abc"
		>0 "def"`},
	{"what came first wins: overlap of what waits, before and behind", `
		> S 100
		> A 104 "DEF"
		> A 102 "bcdefgh"
		> A 101 "a"`, `
		>0 overlap at 3 of 3: "DEF" "def" over=false last=false
		>0 "a"
		>0 "bc"
		>0 "DEF"
		>0 "gh"`},
	{"other bytes than those that were handed over", `
		> S 100
		> A 101 "GET /a"
		> A 101 "GET /b"
		> A 107 " HTTP"
		> A 103 "T /c HTTP/1"`, `
		>0 "GET /a"
		>0 overlap at 5 of 1: "a" "b" over=true last=false
		>0 " HTTP"
		>0 overlap at 5 of 1: "a" "c" over=true last=false
		>0 "/1"`},
	{"whatever a probe holds is no other byte", `
		> S 100
		> A 101 "abc"
		> A 103 "?"
		> A 104 "def"`, `
		>0 "abc"
		>0 "def"`},
	{"an equal overlap is not ambiguous", `
		> S 100
		> A 104 "def"
		> A 102 "bcdefgh"
		> A 101 "a"`, `
		>0 "a"
		>0 "bc"
		>0 "def"
		>0 "gh"`},
	{"one segment over several that wait", `
		> S 100
		> A 103 "c"
		> A 105 "e"
		> A 107 "g"
		> A 101 "abcdefgh"`, `
		>0 "ab"
		>0 "c"
		>0 "d"
		>0 "e"
		>0 "f"
		>0 "g"
		>0 "h"`},
	{"sequence numbers wrap", `
		> S 4294967290
		> A 4294967291 "abcd"
		> A 3 "ijkl"
		> A 4294967295 "efgh"
		> A 7 "mn"`, `
		>0 "abcd"
		>0 "efgh"
		>0 "ijkl"
		>0 "mn"`},
	{"overlap across the wrap", `
		> S 4294967290
		> A 4294967295 "efghij"
		> A 4294967293 "cdef"
		> A 4294967291 "abcdefgh"`, `
		>0 "ab"
		>0 "cd"
		>0 "efghij"`},
	{"a lost segment is a gap after 200 ms", `
		> S 100
		> A 101 "abc"
		> A 109 "ijk"
		wait 199ms
		> A 112 "lmn"
		wait 2ms
		> A 115 "opq"`, `
		>0 "abc"
		>0 gap 5
		>0 "ijk"
		>0 "lmn"
		>0 "opq"`},
	{"a late segment after its gap is too late", `
		> S 100
		> A 104 "def"
		wait 300ms
		> A 101 "abc"
		> A 107 "ghi"`, `
		>0 gap 3
		>0 "def"
		>0 "ghi"`},
	{"what its receiver lacks too will be sent again", `
		> S 100
		< SA 500 ack=101
		> A 104 "def"
		< A 501 ack=101
		wait 3s
		> A 107 "ghi"
		< A 501 ack=101
		wait 3s
		> A 101 "abc"`, `
		>0 "abc"
		>0 "def"
		>0 "ghi"`},
	{"but not for ever", `
		> S 100
		< SA 500 ack=101
		> A 104 "def"
		< A 501 ack=101
		wait 61s
		> A 107 "ghi"`, `
		>0 gap 3
		>0 "def"
		>0 "ghi"`},
	{"an answer waits for its request, however they were captured", `
		> S 100
		< SA 500 ack=101
		< A 501 ack=104 "200"
		> A 101 ack=501 "GET"`, `
		>0 "GET"
		<0 "200"`},
	{"an acknowledged hole is a gap after 20 ms, before the answer", `
		> S 100
		< SA 500 ack=101
		< A 501 ack=104 "200"
		wait 21ms
		> A 104 ack=504 "PUT"`, `
		>0 gap 3
		<0 "200"
		>0 "PUT"`},
	{"an acknowledged hole with data behind it", `
		> S 100
		< SA 500 ack=101
		> A 104 "def"
		< A 501 ack=107
		wait 21ms
		< A 501 ack=107`, `
		>0 gap 3
		>0 "def"`},
	{"each side waits for the other: both are told in the end", `
		> S 100
		< SA 500 ack=101
		> A 101 ack=504 "abc"
		< A 501 ack=104 "xyz"
		wait 300ms
		> A 104`, `
		>0 "abc"
		<0 "xyz"`},
	{"joined in the middle", `
		> A 777 ack=42 "abc"
		< A 42 ack=780 "xyz"
		> A 780 "def"`, `
		>0 "abc"
		<0 "xyz"
		>0 "def"`},
	{"joined in the middle by an acknowledgment, then older bytes", `
		> A 777 ack=42
		< A 40 ack=777 "xyz"
		> A 777 ack=43 "abc"`, `
		<0 "xyz"
		>0 "abc"`},
	{"keep-alive probes are nothing", `
		> S 100
		< SA 500 ack=101
		> A 101 "abc"
		> A 103 "c"
		> A 103
		< A 501 ack=104
		> A 104 "d"`, `
		>0 "abc"
		>0 "d"`},
	{"a keep-alive probe begins a capture", `
		< A 42 ack=780
		> A 779 ack=42 "z"
		> A 780 "abc"`, `
		>0 "abc"`},
	{"data in the SYN", `
		> S 100 "abc"
		< SA 500 ack=104 "xyz"
		> A 104 ack=504 "def"`, `
		>0 "abc"
		<0 "xyz"
		>0 "def"`},
	{"the SYN repeated, and everything else twice", `
		> S 100
		> S 100
		< SA 500 ack=101
		< SA 500 ack=101
		> A 101 "abc"
		> A 101 "abc"
		> FA 104
		> FA 104
		< FA 501 ack=105
		< FA 501 ack=105
		> A 105 ack=502`, `
		>0 "abc"
		>0 end
		<0 end
		close 0`},
	{"half closed: the other side goes on", `
		> S 100
		< SA 500 ack=101
		> FA 101 "abc"
		< A 501 ack=105 "xyz"
		wait 5s
		< A 504 ack=105 "uvw"
		< FA 507 ack=105`, `
		>0 "abc"
		>0 end
		<0 "xyz"
		<0 "uvw"
		<0 end
		close 0`},
	{"a FIN that came early waits", `
		> S 100
		> FA 104 "def"
		> A 101 "abc"`, `
		>0 "abc"
		>0 "def"
		>0 end`},
	{"a FIN behind a hole", `
		> S 100
		> A 101 "abc"
		> FA 110
		wait 300ms
		> A 111`, `
		>0 "abc"
		>0 gap 6
		>0 end`},
	{"a reset closes at once, with what waits", `
		> S 100
		< SA 500 ack=101
		> A 101 "abc"
		> A 106 "fgh"
		< RA 501 ack=104`, `
		>0 "abc"
		>0 gap 2
		>0 "fgh"
		<0 reset exact true
		close 0`},
	{"an old reset is not believed", `
		> S 100
		< SA 500 ack=101
		> A 101 "abc"
		> R 50
		> A 104 "def"`, `
		>0 "abc"
		>0 reset outside false
		>0 "def"`},
	{"a reset that its own sender did not send", `
		> S 100
		< SA 500 ack=101
		> A 101 "abc"
		> R 104
		> A 104 "def"`, `
		>0 "abc"
		>0 reset exact true
		close 0
		>0 "def"`},
	{"what was under way when the reset came is nothing new", `
		> S 100
		< SA 500 ack=101
		> A 101 ack=501 "abc"
		< A 501 ack=104 "xyz"
		> R 104
		< A 504 ack=104 "uvw"`, `
		>0 "abc"
		<0 "xyz"
		>0 reset exact true
		close 0`},
	{"the port used again", `
		> S 100
		< SA 500 ack=101
		> A 101 "abc"
		> FA 104
		> S 90000
		< SA 70000 ack=90001
		> A 90001 "def"
		flush`, `
		>0 "abc"
		>0 end
		close 0
		>1 "def"
		close 1`},
	{"the port used again though nothing closed", `
		> S 100
		> A 101 "abc"
		> S 5000
		> A 5001 "def"
		flush`, `
		>0 "abc"
		close 0
		>1 "def"
		close 1`},
	{"late segments of a closed connection begin none", `
		> S 100
		< SA 500 ack=101
		> FA 101 "abc"
		< FA 501 ack=105 "xyz"
		> A 105 ack=505
		< FA 501 ack=105 "xyz"
		wait 10s
		> R 105`, `
		>0 "abc"
		>0 end
		<0 "xyz"
		<0 end
		close 0`},
	{"packets cut by the snapshot length", `
		> S 100
		> A 101 "abc"+10
		> A 114 "def"`, `
		>0 "abc"
		>0 truncated
		>0 gap 10
		>0 "def"`},
	{"a cut packet that came early", `
		> S 100
		> A 104 "def"+3
		> A 101 "abc"
		> A 110 "ghi"`, `
		>0 "abc"
		>0 "def"
		>0 truncated
		>0 gap 3
		>0 "ghi"`},
	{"one wild sequence number is not believed", `
		> S 100
		> A 101 "abc"
		> A 900000000 "evil"
		> A 104 "def"`, `
		>0 "abc"
		>0 "def"`},
	{"two in a row are: the capture missed a lot", `
		> S 100
		> A 101 "abc"
		> A 900000000 "def"
		> A 900000003 "ghi"`, `
		>0 "abc"
		>0 gap 899999899
		>0 "ghi"`},
	{"one side only", `
		> A 100 ack=900 "GET 1"
		> A 105 ack=1900 "GET 2"
		> A 110 ack=2900 "GET 3"`, `
		>0 "GET 1"
		>0 "GET 2"
		>0 "GET 3"`},
	{"a SYN that the capture shows after its answer", `
		< SA 500 ack=101
		> S 100
		> A 101 ack=501 "abc"`, `
		>0 "abc"`},
	{"silence for an hour ends a connection", `
		> S 100
		> A 101 "abc"
		wait 3601s
		> A 104 "def"
		flush`, `
		>0 "abc"
		close 0
		>1 "def"
		close 1`},
	{"bytes after a FIN are none", `
		> S 100
		> FA 101 "abc"
		> A 105 "def"
		> A 104 "xdef"`, `
		>0 "abc"
		>0 end`},
	{"an acknowledgment of what never was changes nothing", `
		> S 100
		< SA 500 ack=101
		> A 101 "abc"
		< A 501 ack=2000000000 "xyz"
		> A 104 "def"`, `
		>0 "abc"
		<0 "xyz"
		>0 "def"`},
	{"the end of the capture tells all", `
		> S 100
		< SA 500 ack=101
		> A 101 "abc"
		> A 106 "fgh"
		> A 112 "lm"
		< A 501 ack=120
		flush`, `
		>0 "abc"
		>0 gap 2
		>0 "fgh"
		>0 gap 3
		>0 "lm"
		>0 gap 6
		close 0`},
}

func TestScripts(t *testing.T) {
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			got := play(t, DefaultLimits(), s.in)
			if want := tidy(s.want); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestLastWins holds the other policy: what waits is replaced, what was handed
// over cannot be.
func TestLastWins(t *testing.T) {
	l := DefaultLimits()
	l.LastWins = true
	got := play(t, l, `
		> S 100
		> A 104 "DEF"
		> A 109 "ijk"
		> A 102 "bcdefgh"
		> A 110 "J"
		> A 105 "?"
		> A 101 "aX"
		> A 101 "Y"`)
	want := tidy(`
		>0 overlap at 3 of 3: "DEF" "def" over=false last=true
		>0 overlap at 9 of 1: "j" "J" over=false last=true
		>0 overlap at 4 of 1: "e" "?" over=false last=true
		>0 overlap at 1 of 1: "b" "X" over=false last=true
		>0 "aX"
		>0 "cd"
		>0 "?"
		>0 "fgh"
		>0 "i"
		>0 "J"
		>0 "k"`)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var (
	clientEnd = endpoint("10.0.0.1:50000")
	serverEnd = endpoint("10.0.0.2:80")
)

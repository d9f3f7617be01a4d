package http2

import (
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

func TestConversations(t *testing.T) {
	for _, c := range conversations {
		if got := summaries(testkit.Play(fresh(), 0, c.talk.pieces...)); got != c.want {
			t.Errorf("%s:\ngot  %swant %s", c.name, got, c.want)
		}
	}
}

func TestEverySplit(t *testing.T) {
	for _, c := range conversations {
		testkit.EverySplit(fresh, func(cut int, want, got string) {
			t.Errorf("%s, cut at %d:\ngot  %swant %s", c.name, cut, got, want)
		}, c.talk.pieces...)
	}
}

// Sizes, times and counts that the summary leaves out.
func TestTimesAndSizes(t *testing.T) {
	talk := hello().post(1, "/a").data(event.ToServer, 1, true, "abc").answer(1, false, "200").data(event.ToClient, 1, true, "defg")
	x := testkit.Play(fresh(), 0, talk.pieces...).Exchanges[0]
	const start, tick = 1_000_000_000, 1_000_000
	if x.Start != start+2*tick || x.FirstByte != start+4*tick || x.End != start+5*tick {
		t.Errorf("start %d, first byte %d, end %d", x.Start, x.FirstByte, x.End)
	}
	request, answer := int64(len(talk.pieces[2].Bytes)+len(talk.pieces[3].Bytes)), int64(len(talk.pieces[4].Bytes)+len(talk.pieces[5].Bytes))
	if x.RequestBytes != request || x.ResponseBytes != answer {
		t.Errorf("bytes %d and %d, want %d and %d", x.RequestBytes, x.ResponseBytes, request, answer)
	}
	if x.Protocol != event.HTTP2 || x.HTTP.Version != "2" || x.Kind != event.Server {
		t.Errorf("protocol %v, version %s, kind %v", x.Protocol, x.HTTP.Version, x.Kind)
	}
}

// What is in flight when a stream is reset opens nothing.
func TestFramesAfterAReset(t *testing.T) {
	talk := hello().post(1, "/r").frame(event.ToClient, frameReset, 0, 1, "\x00\x00\x00\x01").data(event.ToServer, 1, false, "in flight").
		headers(event.ToServer, 1, true, "x-sum 1").frame(event.ToServer, frameReset, 0, 1, "\x00\x00\x00\x05").frame(event.ToServer, frameWindowUpdate, 0, 1, "\x00\x00\x00\x05")
	const want = "1 POST /r | POST http shop.example 81 /r 0 0/0 probe/1 reset=PROTOCOL_ERROR/server error=unanswered no_response\n"
	if got := summaries(testkit.Play(fresh(), 0, talk.pieces...)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

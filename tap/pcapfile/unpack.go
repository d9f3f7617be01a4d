package pcapfile

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// unpack looks through gzip and zstd.
func (r *Reader) unpack() error {
	head, _ := r.win.peek(4) // too short a file is told of by detect
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		packed := r.win
		z, err := gzip.NewReader(&packed)
		if err != nil {
			return r.corrupt(0, fmt.Sprintf("a gzip file that cannot be unpacked (%v)", err), "compare with gzip -t")
		}
		r.win, r.close = window{src: z}, append(r.close, z.Close)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		packed := r.win
		z, err := zstd.NewReader(&packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(r.limits.Window)))
		if err != nil {
			return r.corrupt(0, fmt.Sprintf("a zstd file that cannot be unpacked (%v)", err), "compare with zstd -t")
		}
		r.win, r.close = window{src: z}, append(r.close, func() error { z.Close(); return nil })
	}
	return nil
}

// foreign tells what to do with a file that is none of ours.
func foreign(head []byte) string {
	for _, f := range []struct{ magic, mend string }{
		{"\xfd7zX", "it is xz-compressed: xz -dc FILE | pitot replay -"},
		{"BZh", "it is bzip2-compressed: bzip2 -dc FILE | pitot replay -"},
		{"\x04\x22\x4d\x18", "it is lz4-compressed: lz4 -dc FILE | pitot replay -"},
		{"PK", "it is a zip archive: unzip -p FILE | pitot replay -"},
		{"snoo", "it is a snoop file: editcap -F pcapng FILE OUT converts it"},
		{"{", "it looks like JSON; pitot replay reads pcap and pcapng"},
	} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.mend
		}
	}
	return "pitot replay reads pcap and pcapng, also compressed by gzip or zstd; editcap -F pcapng FILE OUT converts many others"
}

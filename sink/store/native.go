package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// reencode turns Native blocks as the engine writes them (revision 0) into Native at the revision a client asked for with
// client_protocol_version, which puts block information and a serialization kind before the data.
func reencode(blocks []byte, revision uint64, out *chproto.Buffer) error {
	in := bytes.NewReader(blocks)
	r := chproto.NewReader(in)
	for {
		block := proto.NewBlock()
		err := block.Decode(r, 0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("re-encode Native for revision %d: %w", revision, err)
		}
		if err := block.Encode(out, revision); err != nil {
			return fmt.Errorf("re-encode Native for revision %d: %w", revision, err)
		}
	}
}

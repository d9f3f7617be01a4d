package tui

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// export writes the view as it stands to a new file, CSV when its name says
// so and NDJSON otherwise. Without a name it makes one of view and time.
func (m *model) export(name string) {
	v := m.views[m.at]
	if name == "" {
		name = "pitot-" + strings.ToLower(v.Name()) + "-" + m.opt.Now().Format("20060102-150405") + ".ndjson"
	}
	var content []byte
	rows := len(v.Export().Rows)
	switch liner, ok := v.(interface{ JSONLines() []byte }); {
	case strings.HasSuffix(name, ".csv"):
		content = v.Export().csv()
	case ok:
		content = liner.JSONLines()
	default:
		content = v.Export().ndjson()
	}
	if err := writeNew(name, content); err != nil {
		m.note = err.Error()
		return
	}
	m.note = fmt.Sprintf("%d rows written to %s", rows, name)
}

// writeNew never writes over a file that is there.
func writeNew(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists; choose another name with :export FILE", name)
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

func (t Table) csv() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write(t.Head) //nolint:errcheck // to memory
	for _, r := range t.Rows {
		fields := make([]string, len(r))
		for i, v := range r {
			fields[i] = fmt.Sprint(v)
		}
		w.Write(fields) //nolint:errcheck // to memory
	}
	w.Flush()
	return b.Bytes()
}

func (t Table) ndjson() []byte {
	var b bytes.Buffer
	for _, r := range t.Rows {
		for i, v := range r {
			b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
			value, _ := json.Marshal(v) // text and numbers always have a form
			fmt.Fprintf(&b, "%q:%s", t.Head[i], value)
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

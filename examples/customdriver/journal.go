package customdriver

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Transaction is one line of a journal: it is applied as a whole, Delete before
// Put.
type Transaction struct {
	Put    map[string][]byte `json:"put,omitempty"`
	Delete []string          `json:"delete,omitempty"`
}

// header is the first line. Each journal has a history of its own, so that a
// position in one is never taken for a position in another.
type header struct {
	History string `json:"history"`
}

// Create makes an empty journal, with a new history, in place of what is there.
func Create(path string) error {
	line, err := json.Marshal(header{History: rand.Text()})
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, append(line, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Append adds a transaction. A key is put or deleted, not both; of keys that are
// not UTF-8 JSON would lose bytes.
func Append(path string, tx Transaction) error {
	for _, key := range tx.Delete {
		if _, ok := tx.Put[key]; ok {
			return fmt.Errorf("key %q is both put and deleted", key)
		}
	}
	line, err := json.Marshal(tx)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// One write, so that two writers never mix their lines.
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

var errDamaged = errors.New("a line is no transaction")

// tail reads a journal line by line. It never sees half a line: what does not end
// with a newline is still being written.
type tail struct {
	file    *os.File
	history string
	offset  int64 // where the next line begins
	rest    []byte
}

// openTail opens a journal behind its header. Whoever opens it closes its file.
func openTail(path string) (*tail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &tail{file: f}
	line, ok, err := t.line()
	var h header
	if err == nil && (!ok || json.Unmarshal(line, &h) != nil || h.History == "") {
		err = errors.New("the journal has no header")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.history = h.History
	return t, nil
}

// seek goes to a position at which a line begins, and reports whether there is
// one.
func (t *tail) seek(offset int64) bool {
	var before [1]byte
	if _, err := t.file.ReadAt(before[:], offset-1); err != nil || before[0] != '\n' {
		return false
	}
	if _, err := t.file.Seek(offset, io.SeekStart); err != nil {
		return false
	}
	t.offset, t.rest = offset, nil
	return true
}

// next returns the next transaction, if there is one.
func (t *tail) next() (tx Transaction, ok bool, err error) {
	line, ok, err := t.line()
	if err != nil || !ok {
		return Transaction{}, false, err
	}
	if json.Unmarshal(line, &tx) != nil {
		// The decoder's own words might hold a part of a value.
		return Transaction{}, false, errDamaged
	}
	return tx, true, nil
}

func (t *tail) line() (line []byte, ok bool, err error) {
	for {
		if i := bytes.IndexByte(t.rest, '\n'); i >= 0 {
			line, t.rest = t.rest[:i], t.rest[i+1:]
			t.offset += int64(i) + 1
			return line, true, nil
		}
		t.rest = slices.Grow(t.rest, 64<<10)
		n, err := t.file.Read(t.rest[len(t.rest):cap(t.rest)])
		t.rest = t.rest[:len(t.rest)+n]
		if n == 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return nil, false, err
		}
	}
}

// replaced reports whether the path no longer leads to the file that is read.
func (t *tail) replaced(path string) (bool, error) {
	there, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	mine, err := t.file.Stat()
	if err != nil {
		return false, err
	}
	return !os.SameFile(there, mine) || mine.Size() < t.offset, nil
}

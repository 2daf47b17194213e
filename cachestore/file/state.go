package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/holdfast-go/holdfast/core"
)

// state is what a bucket's documents hold. It is never modified.
type state struct {
	records    map[string]core.Record
	generation uint64 // the greatest seen
	exists     bool
	// lost counts the records that are damaged; 0 if what is served is whole and
	// the newest.
	lost int
	// why says what was found and what is served instead, if lost is not 0.
	why string

	// What the documents looked like when they were read.
	current, previous fs.FileInfo
	// rotate says that the current document is worth keeping as the previous one.
	rotate bool
	// aside lists documents that must be kept under another name by a Write.
	aside []aside
	// plain lists documents that hold in plain text what must be encrypted.
	plain []string
}

type aside struct{ name, kind string }

// found is one generation as it was read.
type found struct {
	content
	name string
	info fs.FileInfo // nil if it is not there
	err  error       // nil, errDamaged, errNewer, errKey or one of the operating system
}

func (g found) there() bool { return g.info != nil }

// unusable reports whether the error, if any, says something of the document and
// not of the machine.
func (g found) unusable() bool {
	return errors.Is(g.err, errDamaged) || errors.Is(g.err, errNewer)
}

// loader reads buckets of a folder.
type loader struct {
	folder *folder
	sealer *sealer
	limit  int64
}

// load reads the state of a bucket. Damage is no error.
func (l loader) load(bucket string) (*state, error) {
	s, err := l.generations(stem(bucket, l.sealer != nil), bucket, l.sealer)
	if err != nil {
		return nil, err
	}
	if l.sealer == nil {
		// What a sealed document replaced may lie beside it still. It is outdated.
		if there, err := l.documents(stem(bucket, true)); err != nil || len(there) > 0 {
			return nil, errors.Join(err, errKey)
		}
		return s, nil
	}
	open := stem(bucket, false)
	plain, err := l.documents(open)
	if err != nil || len(plain) == 0 {
		return s, err
	}
	if !s.exists {
		if s, err = l.generations(open, bucket, nil); err != nil {
			return nil, err
		}
		s.rotate, s.aside = false, nil
		s.current, s.previous = nil, nil
	}
	s.plain = slices.DeleteFunc(plain, l.newer) // never destroyed, though it is not encrypted
	return s, nil
}

// newer reports whether a document was written by a newer version, whatever its
// size.
func (l loader) newer(name string) bool {
	info, err := l.folder.stat(name)
	if err != nil || info == nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := l.folder.root.Open(name)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // nothing was written
	start := make([]byte, longestHeader)
	n, err := io.ReadFull(file, start)
	return (err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && newer(start[:n])
}

// documents returns the names of the documents of a stem that are there.
func (l loader) documents(stem string) ([]string, error) {
	var there []string
	for _, name := range []string{stem + current, stem + previous} {
		info, err := l.folder.stat(name)
		if err != nil {
			return nil, err
		}
		if info != nil {
			there = append(there, name)
		}
	}
	return there, nil
}

// generations reads the current document and, only if that is not whole, the
// one before.
func (l loader) generations(stem, bucket string, s *sealer) (*state, error) {
	cur := l.generation(stem+current, bucket, s)
	if cur.err == nil && cur.there() {
		st := &state{records: cur.records, generation: cur.generation, exists: true, current: cur.info, rotate: true}
		// A Write will replace the previous document unread.
		name := stem + previous
		if l.newer(name) {
			st.aside = append(st.aside, aside{name, asideNewer})
		}
		var err error
		st.previous, err = l.folder.stat(name)
		return st, err
	}
	if cur.err != nil && !cur.unusable() {
		return nil, cur.err
	}
	prev := l.generation(stem+previous, bucket, s)
	if prev.err != nil && !prev.unusable() {
		return nil, prev.err
	}
	st := &state{
		generation: max(cur.generation, prev.generation),
		exists:     cur.there() || prev.there(),
		current:    cur.info, previous: prev.info,
	}
	for _, g := range []found{cur, prev} {
		if g.there() && g.err != nil {
			kind := asideCorrupt
			if errors.Is(g.err, errNewer) {
				kind = asideNewer
			}
			st.aside = append(st.aside, aside{g.name, kind})
			st.lost = max(st.lost, g.lost, 1)
		}
	}
	switch {
	case prev.there() && prev.err == nil && !cur.there():
		// A Write died between its two renames; nothing is lost.
		st.records = prev.records
	case prev.there() && prev.err == nil:
		st.records = prev.records
		st.why = cur.name + " " + cur.err.Error() + "; the generation before it is served"
	case st.exists:
		use := cur
		if len(cur.records) == 0 {
			use = prev
		}
		st.records = use.records
		if use.lost > 0 {
			st.lost = use.lost
		}
		bad := cur
		if !bad.there() {
			bad = prev
		}
		st.why = bad.name + " " + bad.err.Error() + "; what is whole of it is served"
	}
	return st, nil
}

func (l loader) generation(name, bucket string, s *sealer) found {
	doc, info, err := l.folder.read(name, l.limit)
	g := found{name: name, info: info, err: err}
	switch {
	case err == nil && info != nil:
		g.content, g.err = decode(bucket, doc, s)
	case errors.Is(err, errDamaged) && l.newer(name):
		g.err = errNewer
	}
	return g
}

// fresh reports whether the documents of a bucket are still those that s was
// read from.
func (s *state) fresh(f *folder, stem string) bool {
	if len(s.plain) > 0 {
		return false // it was read from under another stem
	}
	cur, err := f.stat(stem + current)
	if err != nil || !same(cur, s.current) {
		return false
	}
	prev, err := f.stat(stem + previous)
	return err == nil && same(prev, s.previous)
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

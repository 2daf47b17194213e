package file

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// state is what a bucket's files hold. Its records and what is said of the
// journal are changed by Write, under Store.mu; nothing else ever is.
type state struct {
	records    map[string]core.Record
	generation uint64 // the greatest seen
	exists     bool
	// lost counts the records, or batches of a journal, that are damaged; 0 if what
	// is served is whole and the newest.
	lost    int
	batches bool // lost counts batches
	// why says what was found and what is served instead, if lost is not 0.
	why string

	// What the files looked like when they were read.
	current, previous, continued fs.FileInfo
	// rotate says that the current document is worth keeping as the previous one.
	rotate bool
	// aside lists files that must be kept under another name by a Write.
	aside []aside
	// plain lists files that hold in plain text what must be encrypted.
	plain []string

	// base is the document that is served, without its records; baseSize is how long
	// it is, and previousSize how long the generation before it, with its journal.
	base                   content
	baseSize, previousSize int64
	// size is how long the document would be if it were written anew, about.
	size int64
	// journalName is the name of the journal that continues the document; "" if the
	// document stands alone.
	journalName string
	// journal is what Write appends to; nil while there is none.
	journal *journal
	// journals says that journals of documents that are gone may be there.
	journals bool
	// rewrite says that the next Write must make a new document.
	rewrite bool
}

// bytes is what the files of the bucket take, about.
func (s *state) bytes() int64 {
	sum := s.baseSize + s.previousSize
	if s.journal != nil {
		sum += s.journal.mark.end
	}
	return sum
}

// sorted returns the records in the order of their keys.
func (s *state) sorted() []core.Record {
	records := slices.Collect(maps.Values(s.records))
	slices.SortFunc(records, func(a, b core.Record) int { return strings.Compare(a.Key, b.Key) })
	return records
}

// saved is when the newest batch was written.
func (s *state) saved() time.Time {
	if s.journal != nil && s.journal.saved.After(s.base.saved) {
		return s.journal.saved
	}
	return s.base.saved
}

type aside struct{ name, kind string }

// found is one generation as it was read.
type found struct {
	content
	name string
	info fs.FileInfo // nil if it is not there
	err  error       // nil, errDamaged, errNewer, errKey or one of the operating system

	// Of a whole document: its journal.
	journalName string      // "" if it can have none
	journal     *journal    // nil if it has none, or not even its header is whole
	continued   fs.FileInfo // nil if it is not there
	journalLost int
	journalErr  error // nil, errDamaged or errNewer
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

// steadily is load where another process may write: it reads again if there was a
// new document meanwhile, since its files may not belong together then.
func (l loader) steadily(bucket string) (*state, error) {
	const tries = 4
	for try := 1; ; try++ {
		st, err := l.load(bucket)
		if try == tries || err != nil || len(st.plain) > 0 || st.fresh(l.folder, stem(bucket, l.sealer != nil)) {
			return st, err
		}
	}
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
		s.rotate, s.rewrite, s.aside = false, true, nil
		s.current, s.previous = nil, nil
	}
	plain = append(plain, l.folder.journals(open)...)
	s.plain = slices.DeleteFunc(plain, l.newer) // never destroyed, though it is not encrypted
	return s, nil
}

// newer reports whether a document was written by a newer version, whatever its
// size.
func (l loader) newer(name string) bool {
	start, err := l.folder.head(name)
	return err == nil && newer(start)
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
	cur := l.generation(stem, current, bucket, s)
	if cur.err == nil && cur.there() {
		st := &state{generation: cur.generation, exists: true, current: cur.info, rotate: true, journals: true}
		st.serve(cur)
		// A Write will replace the previous document unread.
		name := stem + previous
		if l.newer(name) {
			st.aside = append(st.aside, aside{name, asideNewer})
		}
		var err error
		st.previous, err = l.folder.stat(name)
		if st.previous != nil {
			st.previousSize = st.previous.Size()
		}
		return st, err
	}
	if cur.err != nil && !cur.unusable() {
		return nil, cur.err
	}
	prev := l.generation(stem, previous, bucket, s)
	if prev.err != nil && !prev.unusable() {
		return nil, prev.err
	}
	st := &state{
		generation: max(cur.generation, prev.generation),
		exists:     cur.there() || prev.there(),
		current:    cur.info, previous: prev.info, journals: true,
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
		st.serve(prev)
		st.rewrite = true
	case prev.there() && prev.err == nil:
		st.serve(prev)
		st.rewrite, st.batches = true, false
		st.why = cur.name + " " + cur.err.Error() + "; the generation before it is served"
	case st.exists:
		use := cur
		if len(cur.records) == 0 {
			use = prev
		}
		st.records, st.base = use.records, use.content
		st.base.records = nil
		for _, g := range []found{cur, prev} {
			if g.there() {
				st.baseSize += g.info.Size()
			}
		}
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

// serve makes what was found of a whole document, and its journal, what the
// state serves.
func (s *state) serve(g found) {
	s.records = g.records
	s.base, s.baseSize = g.content, g.info.Size()
	s.base.records = nil
	s.size = s.baseSize
	s.journalName, s.journal, s.continued = g.journalName, g.journal, g.continued
	if s.continued != nil {
		s.size += s.continued.Size()
	}
	s.rewrite = g.oldKey || g.version < continuedVersion
	if g.journalErr == nil {
		return
	}
	s.rewrite = true // an append needs what is missing
	s.lost, s.batches = max(s.lost, g.journalLost), true
	kind := asideCorrupt
	if errors.Is(g.journalErr, errNewer) {
		kind = asideNewer
	}
	s.aside = append(s.aside, aside{g.journalName, kind})
	s.why = g.journalName + " " + g.journalErr.Error() + "; what is whole before the damage is served"
}

func (l loader) generation(stem, end, bucket string, s *sealer) found {
	g := found{name: stem + end}
	var doc []byte
	doc, g.info, g.err = l.folder.read(g.name, l.limit)
	switch {
	case g.err == nil && g.info != nil:
		g.content, g.err = decode(bucket, doc, s)
	case errors.Is(g.err, errDamaged) && l.newer(g.name):
		g.err = errNewer
	}
	if g.err == nil && g.version >= continuedVersion {
		g.err = l.resume(&g, stem, bucket, s)
	}
	return g
}

// resume applies the journal of a whole document, as far as it is whole. The error
// is one of the operating system.
func (l loader) resume(g *found, stem, bucket string, s *sealer) error {
	g.journalName = journalName(stem, g.generation)
	text, info, err := l.folder.read(g.journalName, max(l.limit, journalRoom))
	g.continued = info
	switch {
	case errors.Is(err, errDamaged) && l.newer(g.journalName):
		g.journalErr, g.journalLost = errNewer, 1
		return nil
	case errors.Is(err, errDamaged):
		g.journalErr, g.journalLost = errDamaged, 1
		return nil
	case err != nil || info == nil:
		return err
	}
	g.journal, g.journalLost, g.journalErr = decodeJournal(bucket, text, g.content, s, func(changes []change) {
		for _, c := range changes {
			if c.deleted != "" {
				delete(g.records, c.deleted)
			} else {
				g.records[c.put.Key] = c.put
			}
		}
	})
	if g.journal != nil {
		g.journal.name = g.journalName
	}
	return nil
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
	if err != nil || !same(prev, s.previous) {
		return false
	}
	if s.journalName == "" {
		return true
	}
	continued, err := f.stat(s.journalName)
	return err == nil && same(continued, s.continued)
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

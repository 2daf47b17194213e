package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// A journal holds the batches that were written after a document, so that a
// large document is not written anew for each of them. It is a file of JSON
// lines: a header, which names the document by its checksum, two marks, then the
// batches. Each batch is one line per change and a commit line, whose checksum
// covers its lines and all batches before it.
//
// A mark says how many batches were acknowledged and where they end. The two are
// written over in turn, each after its batch was synced, so that one of them is
// whole whatever happens. That is what tells damage from a Write that died: up to
// the mark each batch must be whole, behind it anything may lie.

// journalHeadEnd closes the header of a journal, which is no part of a larger
// JSON value as that of a document is.
const journalHeadEnd = `}`

// mark is the end of what was acknowledged. Its line has always the same length.
type mark struct {
	batches uint64
	end     int64
}

const (
	markFormat = `{"end":"%012d","batches":"%012d","sum":"%s"}` + "\n"
	markSize   = len(markFormat) - len("%012d%012d%s") + 12 + 12 + 16 // of the line
)

func (m mark) line(h header) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", h.Sum, m.end, m.batches))
	return fmt.Appendf(nil, markFormat, m.end, m.batches, hex.EncodeToString(sum[:8]))
}

// parseMark returns the mark in a line that is one to the byte.
func parseMark(text []byte, h header) (m mark, ok bool) {
	var v struct{ End, Batches string }
	if json.Unmarshal(text, &v) != nil {
		return mark{}, false
	}
	end, errEnd := strconv.ParseInt(v.End, 10, 64)
	batches, errBatches := strconv.ParseUint(v.Batches, 10, 64)
	m = mark{batches, end}
	return m, errEnd == nil && errBatches == nil && bytes.Equal(m.line(h), text)
}

// A line that puts a record is the record's own between these.
const (
	putStart = `{"put":`
	putEnd   = "}\n"
)

// entry is any other line: a key that is deleted, the lines of a whole batch,
// encrypted, or the end of a batch.
type entry struct {
	Delete   *string `json:"delete,omitempty"`
	Delete64 []byte  `json:"delete64,omitempty"`
	Sealed   []byte  `json:"sealed,omitempty"`
	Commit   *commit `json:"commit,omitempty"`
}

// commit ends a batch.
type commit struct {
	Batch uint64 `json:"batch"`
	Lines int    `json:"lines"`
	Saved string `json:"saved"`
	Sum   string `json:"sum"`
}

// change is an entry as it is applied.
type change struct {
	put     core.Record
	deleted string // a key; "" for a put
}

// journal is one as it was read, or as it was written so far.
type journal struct {
	name   string
	header header
	seal   *box // nil if it is plain
	// start is the length of the header line: the marks follow it.
	start int64
	mark  mark
	slot  int64             // which of the two lines the next mark is written to: not the newest
	chain [sha256.Size]byte // the checksum of the last batch, at first of the header
	saved time.Time         // of the last batch
}

// newJournal returns the journal that is to continue a document.
func newJournal(name, bucket string, generation uint64, base string, at time.Time, s *sealer) (*journal, []byte, error) {
	h := header{Version: continuedVersion, Generation: generation, Saved: at.UTC().Format(time.RFC3339Nano), Base: base}
	seal, err := h.about(bucket, s)
	if err != nil {
		return nil, nil, err
	}
	var first bytes.Buffer
	first.WriteString(headStart)
	if err := appendJSON(&first, h); err != nil {
		return nil, nil, err
	}
	first.WriteString(journalHeadEnd + "\n")
	j := &journal{name: name, header: h, seal: seal, start: int64(first.Len()), chain: sha256.Sum256(first.Bytes())}
	j.mark.end = j.start + 2*int64(markSize)
	return j, first.Bytes(), nil
}

// encode returns the lines of the next batch, and the journal as it is with them.
// It does not change j.
func (j *journal) encode(bucket string, b core.Batch, at time.Time) ([]byte, *journal, error) {
	var lines bytes.Buffer
	c := codec{bucket: bucket}
	count := 0
	for _, key := range b.Delete {
		var e entry
		if text, raw := textOrBytes(key); raw == nil {
			e.Delete = &text
		} else {
			e.Delete64 = raw
		}
		if err := appendJSON(&lines, e); err != nil {
			return nil, nil, err
		}
		lines.WriteByte('\n')
		count++
	}
	for _, r := range b.Put {
		lines.WriteString(putStart)
		if err := c.encode(&lines, r); err != nil {
			return nil, nil, err
		}
		lines.WriteString(putEnd)
		count++
	}
	next := *j
	next.slot = 1 - j.slot
	next.mark.batches++
	if j.seal != nil {
		sealed := j.seal.sealBatch(next.mark.batches, lines.Bytes())
		lines.Reset()
		if err := appendJSON(&lines, entry{Sealed: sealed}); err != nil {
			return nil, nil, err
		}
		lines.WriteByte('\n')
		count = 1
	}
	end := commit{Batch: next.mark.batches, Lines: count, Saved: at.UTC().Format(time.RFC3339Nano)}
	next.chain = end.chain(j.chain, lines.Bytes())
	next.saved = at
	end.Sum = hex.EncodeToString(next.chain[:])
	if err := appendJSON(&lines, entry{Commit: &end}); err != nil {
		return nil, nil, err
	}
	lines.WriteByte('\n')
	next.mark.end += int64(lines.Len())
	return lines.Bytes(), &next, nil
}

// chain is the checksum of a batch with these lines, behind the batch before.
func (c commit) chain(before [sha256.Size]byte, lines []byte) [sha256.Size]byte {
	sum := sha256.New()
	sum.Write(before[:])
	sum.Write(lines)
	_, _ = fmt.Fprintf(sum, "%d %d %s", c.Batch, c.Lines, c.Saved) // a hash never fails
	return [sha256.Size]byte(sum.Sum(nil))
}

// marks returns both lines of marks, as they are in a new file.
func (j *journal) marks() []byte {
	line := j.mark.line(j.header)
	return append(line, line...)
}

// slotAt is where the line of the mark in j.slot begins.
func (j *journal) slotAt() int64 { return j.start + j.slot*int64(markSize) }

// decodeJournal reads the journal of a whole document, and calls apply for each
// batch that is whole, in order. The error is nil when nothing that was
// acknowledged is missing; else errDamaged, with the number of batches that are
// missing, at least 1; or errNewer. It holds nothing of what was read.
func decodeJournal(bucket string, text []byte, base content, s *sealer, apply func([]change)) (j *journal, lost int, err error) {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	h, sound := parseHeader(first, journalHeadEnd)
	switch {
	case h.Version > formatVersion:
		return nil, 1, errNewer
	case !sound || h.Generation != base.generation || h.Base != base.sum || (h.Cipher != "") != (s != nil):
		return nil, 1, errDamaged
	}
	j = &journal{header: h, start: int64(len(first)) + 1, chain: sha256.Sum256(text[:len(first)+1])}
	if s != nil {
		key := s.named(h.KeyID)
		if key == nil {
			return nil, 1, errDamaged // the document was opened, so it is no question of the key
		}
		if j.seal, err = key.box(h); err != nil {
			return nil, 1, errDamaged
		}
	}
	if !names(h, j.seal, bucket) {
		return nil, 1, errDamaged
	}
	last, slot := lastMark(rest, h)
	j.slot = 1 - max(slot, 0)
	j.mark.end = j.start + 2*int64(markSize)
	rest = rest[min(2*markSize, len(rest)):]
	decoder := codec{bucket: bucket}
	for len(rest) > 0 {
		changes, size, err := j.next(rest, &decoder)
		if err != nil {
			break
		}
		apply(changes)
		rest = rest[size:]
	}
	switch {
	case slot < 0:
		return j, 1, errDamaged
	case j.mark.batches < last.batches:
		return j, int(min(last.batches-j.mark.batches, 1<<31-1)), errDamaged
	}
	return j, 0, nil
}

// lastMark returns the newer of the two marks that text begins with, and which
// one it is; -1 if none is whole.
func lastMark(text []byte, h header) (last mark, slot int64) {
	slot = -1
	for i := range int64(2) {
		if len(text) < markSize {
			break
		}
		if m, whole := parseMark(text[:markSize], h); whole && (slot < 0 || m.batches > last.batches) {
			last, slot = m, i
		}
		text = text[markSize:]
	}
	return last, slot
}

// next reads the batch that text begins with, and moves on to its end.
func (j *journal) next(text []byte, decoder *codec) (changes []change, size int, err error) {
	var lines [][]byte
	for line := range bytes.Lines(text) {
		start := size
		size += len(line)
		if !bytes.HasPrefix(line, []byte(`{"commit":`)) {
			lines = append(lines, line)
			continue
		}
		var e entry
		if line[len(line)-1] != '\n' || json.Unmarshal(line, &e) != nil || e.Commit == nil ||
			e.Commit.Batch != j.mark.batches+1 || e.Commit.Lines != len(lines) {
			return nil, 0, errDamaged
		}
		chain := e.Commit.chain(j.chain, text[:start])
		if hex.EncodeToString(chain[:]) != e.Commit.Sum {
			return nil, 0, errDamaged
		}
		if changes, err = j.changes(lines, e.Commit.Batch, decoder); err != nil {
			return nil, 0, err
		}
		j.chain = chain
		j.mark.batches++
		j.mark.end += int64(size)
		j.saved, _ = time.Parse(time.RFC3339Nano, e.Commit.Saved) // it says when for people only
		return changes, size, nil
	}
	return nil, 0, errDamaged
}

func (j *journal) changes(lines [][]byte, batch uint64, decoder *codec) ([]change, error) {
	if j.seal != nil {
		var e entry
		if len(lines) != 1 || json.Unmarshal(lines[0], &e) != nil {
			return nil, errDamaged
		}
		plain, err := j.seal.openBatch(batch, e.Sealed)
		if err != nil {
			return nil, errDamaged
		}
		lines = lines[:0]
		for line := range bytes.Lines(plain) {
			lines = append(lines, line)
		}
	}
	all := make([]change, 0, len(lines))
	for _, line := range lines {
		c, err := decodeChange(line, decoder)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

var errChange = errors.New("is no change")

func decodeChange(text []byte, decoder *codec) (change, error) {
	if record, ok := bytes.CutPrefix(text, []byte(putStart)); ok {
		r, err := decoder.decode(bytes.TrimSuffix(record, []byte(putEnd)))
		return change{put: r}, err
	}
	var e entry
	if json.Unmarshal(text, &e) != nil {
		return change{}, errChange
	}
	switch {
	case e.Delete != nil && *e.Delete != "":
		return change{deleted: *e.Delete}, nil
	case len(e.Delete64) > 0:
		return change{deleted: string(e.Delete64)}, nil
	}
	return change{}, errChange
}

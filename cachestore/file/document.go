package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// The versions of the format. A document that is continued by a journal has a
// version of its own, so that programs that know of no journals don't take it for
// the whole.
const (
	aloneVersion     = 1
	continuedVersion = 2
	formatVersion    = continuedVersion // the newest that this package reads
)

// A document is these lines around one line per record. It is JSON as a whole,
// and each line stands alone, so that damage to one spares the others.
const (
	headStart = `{"holdfast":`
	headEnd   = `,`
	bodyStart = `"records":[`
	bodyEnd   = `],`
	footStart = `"sum":"`
	footEnd   = `"}`
)

// header is the first line of a document. A document of a newer version may say
// more.
type header struct {
	Version    int    `json:"version"`
	Bucket     string `json:"bucket,omitempty"`
	Bucket64   []byte `json:"bucket64,omitempty"`
	Generation uint64 `json:"generation"`
	Saved      string `json:"saved"`
	Count      int    `json:"count"`

	Base   string `json:"base,omitempty"`   // of a journal: the checksum of the document that it continues
	Cipher string `json:"cipher,omitempty"` // "AES-GCM", or none
	KeyID  string `json:"keyID,omitempty"`
	Salt   []byte `json:"salt,omitempty"`
	Sealed []byte `json:"sealedBucket,omitempty"`

	Sum string `json:"sum"` // of the header with an empty Sum
}

const (
	cipherName = "AES-GCM"
	// longestHeader is more than a header ever takes: a name of 1 KiB as base64 or
	// as escapes, and some numbers.
	longestHeader = 16 << 10
)

func (h header) sum() string {
	h.Sum = ""
	text, err := json.Marshal(h)
	if err != nil {
		return "" // no header holds what JSON can't
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// sealedLine is how an encrypted record stands in a document. N is the number
// that it was sealed with.
type sealedLine struct {
	N      uint64 `json:"n"`
	Sealed []byte `json:"sealed"`
}

const (
	sealedStart = `{"n":`
	sealedText  = `,"sealed":"`
	sealedEnd   = `"}`
)

// encode appends what encoding/json would.
func (l sealedLine) encode(b *bytes.Buffer) {
	room := strconv.AppendUint(append(b.AvailableBuffer(), sealedStart...), l.N, 10)
	room = base64.StdEncoding.AppendEncode(append(room, sealedText...), l.Sealed)
	b.Write(append(room, sealedEnd...))
}

// decode reads what encode wrote, or whatever else is JSON.
func (l *sealedLine) decode(text []byte) error {
	rest, ok := bytes.CutPrefix(text, []byte(sealedStart))
	number, rest, found := bytes.Cut(rest, []byte(sealedText))
	rest, whole := bytes.CutSuffix(rest, []byte(sealedEnd))
	n, err := strconv.ParseUint(string(number), 10, 64)
	if !ok || !found || !whole || err != nil {
		return json.Unmarshal(text, l)
	}
	l.N = n
	l.Sealed, err = base64.StdEncoding.AppendDecode(nil, rest)
	return err
}

// about names the bucket in the header, and returns what seals the parts of the
// document; nil without a sealer.
func (h *header) about(bucket string, s *sealer) (*box, error) {
	var seal *box
	if s == nil {
		h.Bucket, h.Bucket64 = textOrBytes(bucket)
	} else {
		h.Cipher, h.KeyID, h.Salt = cipherName, s.id, newSalt()
		var err error
		if seal, err = s.box(*h); err != nil {
			return nil, err
		}
		h.Sealed = seal.seal(0, []byte(bucket))
	}
	h.Sum = h.sum()
	return seal, nil
}

// encode returns the document of a bucket, and its checksum. With a sealer it is encrypted.
func encode(version int, bucket string, records map[string]core.Record, generation uint64, saved time.Time, s *sealer) (doc []byte, sum string, err error) {
	h := header{Version: version, Generation: generation, Saved: saved.UTC().Format(time.RFC3339Nano), Count: len(records)}
	seal, err := h.about(bucket, s)
	if err != nil {
		return nil, "", err
	}
	var b, one bytes.Buffer
	b.Grow(roughly(records))
	b.WriteString(headStart)
	if err := appendJSON(&b, h); err != nil {
		return nil, "", err
	}
	b.WriteString(headEnd + "\n" + bodyStart)
	c := codec{bucket: bucket}
	for n, key := range slices.Sorted(maps.Keys(records)) {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		if seal == nil {
			if err := c.encode(&b, records[key]); err != nil {
				return nil, "", err
			}
			continue
		}
		one.Reset()
		if err := c.encode(&one, records[key]); err != nil {
			return nil, "", err
		}
		number := uint64(n) + 1
		sealedLine{N: number, Sealed: seal.seal(number, one.Bytes())}.encode(&b)
	}
	b.WriteString("\n" + bodyEnd + "\n")
	digest := sha256.Sum256(b.Bytes())
	sum = hex.EncodeToString(digest[:])
	b.WriteString(footStart + sum + footEnd + "\n")
	return b.Bytes(), sum, nil
}

// roughly guesses the size of a document, so that its buffer seldom grows.
func roughly(records map[string]core.Record) int {
	size := 512
	for _, r := range records {
		size += len(r.Key) + len(r.Value) + len(r.Revision) + 128
	}
	return size
}

// content is what could be read of a document.
type content struct {
	records    map[string]core.Record
	generation uint64
	version    int
	sum        string // the last line's, "" if that is damaged
	saved      time.Time
	oldKey     bool // sealed with one of the older keys
	// lost counts the records that are damaged or missing, at least 1 if the
	// document is not whole.
	lost int
}

var (
	errDamaged = errors.New("does not match its checksum")
	errNewer   = errors.New("was written by a newer version of Holdfast")
	errKey     = errors.New("wrong key")
)

// decode reads a document. The error is nil when it is whole; errDamaged, with
// the records that could be saved; errNewer; or errKey, when a sound header says
// that it was sealed with another key, with any key if s is nil. It holds
// nothing of what was read.
func decode(bucket string, doc []byte, s *sealer) (content, error) {
	whole, rest, sum := false, doc, ""
	if body, foot, ok := footed(doc); ok {
		whole, rest, sum = true, body, foot
	}
	first, rest, _ := bytes.Cut(rest, []byte("\n"))
	h, sound := parseHeader(first, headEnd)
	switch {
	case h.Version > formatVersion:
		return content{lost: 1}, errNewer
	case !sound && s != nil:
		// Without the header's salt nothing can be opened.
		return content{lost: 1}, errDamaged
	case sound && h.Cipher != "" && s.named(h.KeyID) == nil:
		return content{}, errKey
	case sound && h.Cipher == "" && s != nil:
		// Whoever can write the folder must not be able to plant plain text where
		// sealed text is expected.
		return content{lost: max(h.Count, 1)}, errDamaged
	}
	var open *box
	key := s.named(h.KeyID)
	if key != nil && h.Cipher != "" {
		var err error
		if open, err = key.box(h); err != nil {
			return content{lost: 1}, errDamaged
		}
	}
	if sound && !names(h, open, bucket) {
		return content{lost: max(h.Count, 1)}, errDamaged
	}

	c := content{records: make(map[string]core.Record, min(max(h.Count, 0), len(doc)/64+1)), generation: h.Generation, version: h.Version, sum: sum, oldKey: open != nil && key != s}
	c.saved, _ = time.Parse(time.RFC3339Nano, h.Saved) // it says when for people only
	broken := 0
	decoder := codec{bucket: bucket}
	for text := range bytes.Lines(rest) {
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte(","))
		if string(text) == bodyStart || string(text) == "]" || bytes.HasPrefix(text, []byte(footStart)) {
			continue
		}
		r, err := decodeLine(text, open, &decoder)
		if err != nil {
			broken++
			continue
		}
		c.records[r.Key] = r
	}
	if whole && sound && broken == 0 && len(c.records) == h.Count {
		return c, nil
	}
	c.lost = max(1, broken)
	if sound {
		c.lost = max(1, h.Count-len(c.records))
	}
	return c, errDamaged
}

func decodeLine(text []byte, open *box, decoder *codec) (core.Record, error) {
	if open == nil {
		return decoder.decode(text)
	}
	var l sealedLine
	if l.decode(text) != nil {
		return core.Record{}, errRecord
	}
	plain, err := open.open(l.N, l.Sealed)
	if err != nil {
		return core.Record{}, errRecord
	}
	return decoder.decode(plain)
}

// footed cuts off the last line, and returns its checksum and whether that is
// right.
func footed(doc []byte) (body []byte, sum string, whole bool) {
	const size = len(footStart) + 2*sha256.Size + len(footEnd) + 1
	if len(doc) < size {
		return nil, "", false
	}
	body, foot := doc[:len(doc)-size], doc[len(doc)-size:]
	digest := sha256.Sum256(body)
	sum = hex.EncodeToString(digest[:])
	return body, sum, string(foot) == footStart+sum+footEnd+"\n"
}

// parseHeader reads the first line, which ends with end, as far as it can be read, and reports whether
// its checksum is right. Of a newer version's header only the version counts; all
// versions to come must leave it where it is.
func parseHeader(first []byte, end string) (h header, sound bool) {
	text, ok := bytes.CutPrefix(first, []byte(headStart))
	if !ok {
		return header{}, false
	}
	text = bytes.TrimSuffix(text, []byte(end))
	var v struct{ Version int }
	if json.Unmarshal(text, &v) != nil {
		return header{}, false
	}
	if v.Version > formatVersion || json.Unmarshal(text, &h) != nil {
		return header{Version: v.Version}, false
	}
	return h, h.Sum == h.sum()
}

// newer reports whether a document, or journal, with that first line was written
// by a newer version of this package.
func newer(first []byte) bool {
	end := headEnd
	if bytes.HasSuffix(first, []byte(journalHeadEnd)) {
		end = journalHeadEnd
	}
	h, _ := parseHeader(first, end)
	return h.Version > formatVersion
}

// names reports whether a sound header is that of the bucket.
func names(h header, open *box, bucket string) bool {
	if h.Cipher != "" {
		name, err := open.open(0, h.Sealed)
		return err == nil && string(name) == bucket
	}
	return h.name() == bucket
}

// name is the name of a bucket that is not encrypted.
func (h header) name() string {
	if h.Bucket64 != nil {
		return string(h.Bucket64)
	}
	return h.Bucket
}

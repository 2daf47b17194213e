package holdfast

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
)

// refreshEvery is how old the saved-at of an unchanged value may become while
// the backend confirms it, so that a cache tells a true age at the next start.
const refreshEvery = time.Hour

// configRecord is one binding's accepted raw keys.
type configRecord struct {
	keys     map[string][]byte
	revision core.Revision
	savedAt  time.Time
}

// storedRecord is its JSON form: text where that is exact, base64 elsewhere, so
// that people can read it.
type storedRecord struct {
	Path string      `json:"path"`
	Keys []storedKey `json:"keys"`
}

type storedKey struct {
	Key      string `json:"key,omitempty"`
	KeyBytes []byte `json:"key_base64,omitempty"`
	Text     string `json:"text,omitempty"`
	Bytes    []byte `json:"base64,omitempty"`
}

func (r *configRecord) seal(path string) ([]byte, error) {
	s := storedRecord{Path: path}
	for k, v := range r.keys {
		var e storedKey
		if utf8.ValidString(k) {
			e.Key = k
		} else {
			e.KeyBytes = []byte(k)
		}
		if utf8.Valid(v) {
			e.Text = string(v)
		} else {
			e.Bytes = v
		}
		s.Keys = append(s.Keys, e)
	}
	slices.SortFunc(s.Keys, func(a, b storedKey) int {
		return strings.Compare(a.Key+string(a.KeyBytes), b.Key+string(b.KeyBytes))
	})
	return seal(s)
}

// unsealConfig trusts nothing: a record under another's key is damaged too.
func unsealConfig(r core.Record) (*configRecord, error) {
	var s storedRecord
	if err := unseal(r.Value, &s); err != nil {
		return nil, err
	}
	if recordKey(s.Path) != r.Key {
		return nil, fmt.Errorf("%w: the cache record belongs to another binding", core.ErrCorrupt)
	}
	keys := make(map[string][]byte, len(s.Keys))
	for _, e := range s.Keys {
		k, v := e.Key+string(e.KeyBytes), append([]byte(e.Text), e.Bytes...)
		if !covers(s.Path, k) {
			return nil, fmt.Errorf("%w: the cache record holds a foreign key", core.ErrCorrupt)
		}
		keys[k] = v
	}
	return &configRecord{keys: keys, revision: r.Revision, savedAt: r.SavedAt}, nil
}

// recordKey names a binding's record: its path, and "/" for the whole source,
// because a store takes no empty key.
func recordKey(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func pathOfRecord(key string) string {
	if key == "/" {
		return ""
	}
	return key
}

// loadCache reads the accepted values of earlier runs, and tries again until the
// store could be read.
func (c *Config) loadCache() {
	if c.keeper == nil {
		close(c.looked)
		return
	}
	for first := true; ; first = false {
		records, err := c.keeper.load(c.ctx, c.bucket)
		c.takeRecords(records)
		if first {
			close(c.looked)
		}
		if err == nil || errors.Is(err, core.ErrCorrupt) || !pause(c.ctx, storeRetry) {
			return
		}
	}
}

func (c *Config) takeRecords(records []core.Record) {
	c.mu.Lock()
	defer c.unlock()
	for _, r := range records {
		rec, err := unsealConfig(r)
		if err != nil {
			c.note(Event{Kind: EventCache, Part: "config", Key: r.Key, Err: err, Detail: "the record is left out"})
			continue
		}
		if path := pathOfRecord(r.Key); c.cached[path] == nil {
			c.cached[path] = rec
		}
	}
	for _, b := range c.bindings {
		if b.from == core.None || b.from == core.Default {
			b.poke()
		}
	}
	c.relevelLocked(c.err)
}

// newestRecordLocked is when the newest of the cached records was saved.
func (c *Config) newestRecordLocked() time.Time {
	var newest time.Time
	for _, r := range c.cached {
		if r.savedAt.After(newest) {
			newest = r.savedAt
		}
	}
	return newest
}

// saveLocked has what a binding accepted written, if that is news.
func (c *Config) saveLocked(b *binding, at time.Time) {
	old := c.cached[b.path]
	if old != nil && sameKeys(old.keys, b.accepted) && (at.Sub(old.savedAt) < refreshEvery || b.heldLocked()) {
		return // nobody confirmed today what is held, so its age stays
	}
	rec := &configRecord{keys: b.accepted, revision: b.revision, savedAt: at}
	c.cached[b.path] = rec
	if c.keeper == nil {
		return
	}
	value, err := rec.seal(b.path)
	if err != nil {
		c.note(Event{Kind: EventCache, Part: "config", Key: b.path, Err: err, Detail: "the value is not kept for the next start"})
		return
	}
	c.keeper.save(c.bucket, core.Batch{Put: []core.Record{{Key: recordKey(b.path), Value: value, Revision: rec.revision, SavedAt: at}}})
}

// forgetLocked drops the record of a binding whose keys are gone.
func (c *Config) forgetLocked(b *binding) {
	delete(c.cached, b.path)
	c.keeper.save(c.bucket, core.Batch{Delete: []string{recordKey(b.path)}})
}

// refreshLocked gives old records of values that a list just confirmed a new
// saved-at.
func (c *Config) refreshLocked() {
	for _, b := range c.bindings {
		if b.from == core.Live && b.err == nil && !b.dirty && c.inSync && since(b.savedAt) >= refreshEvery {
			b.savedAt = time.Now()
			c.saveLocked(b, b.savedAt)
		}
	}
}

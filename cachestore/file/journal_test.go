package file

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
)

// journaling returns a store that continues documents of any size.
func journaling(dir string, opts Options) *Store {
	s := New(dir, opts)
	s.journalFrom = 1
	return s
}

// journals returns the text of each journal in a folder, by name.
func journals(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := snapshot(t, dir)
	maps.DeleteFunc(all, func(name, _ string) bool { return !strings.HasSuffix(name, journalEnd) })
	return all
}

// journaled leaves a bucket "b" in dir that consists of a document and a journal of
// three batches, and returns what it holds after the document and after each batch.
func journaled(t testing.TB, dir string, key []byte) []map[string]string {
	t.Helper()
	s := journaling(dir, Options{Key: key})
	write(t, s, "b", put(record("a", "old"), record("b/c", "old"), record("\xff", "old")))
	after := []map[string]string{{"a": "old", "b/c": "old", "\xff": "old"}}
	for _, b := range []core.Batch{
		put(record("a", "new"), record("d", "\xfe")),
		{Delete: []string{"b/c", "\xff", "unknown"}, Put: []core.Record{record("b/c", "again")}},
		put(record("e", "text")),
	} {
		write(t, s, "b", b)
		now := maps.Clone(after[len(after)-1])
		for _, k := range b.Delete {
			delete(now, k)
		}
		for _, r := range b.Put {
			now[r.Key] = string(r.Value)
		}
		after = append(after, now)
	}
	expect(t, s, "b", after[3])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(journals(t, dir)); n != 1 {
		t.Fatalf("%d journals, want 1: %q", n, files(t, dir, ""))
	}
	return after
}

// expectFolder opens a folder to see what a bucket holds, and closes it.
func expectFolder(t testing.TB, dir string, opts Options, bucket string, want map[string]string) {
	t.Helper()
	s := New(dir, opts)
	expect(t, s, bucket, want)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStore_ConformsWithJournals(t *testing.T) {
	for name, key := range map[string][]byte{"plain": nil, "encrypted": testKey} {
		t.Run(name, func(t *testing.T) {
			drivertest.TestCacheStore(t, drivertest.CacheHarness{Open: func(t testing.TB) drivertest.CacheArea {
				dir := filepath.Join(t.TempDir(), "cache")
				again := func(testing.TB) core.CacheStore { return journaling(dir, Options{Key: key}) }
				return drivertest.CacheArea{
					Store: again(t), Reopen: again,
					Damage: func(t testing.TB, bucket, key string) {
						damage(t, dir, bucket, key)
						for name, text := range journals(t, dir) {
							if strings.HasPrefix(name, stem(bucket, strings.HasPrefix(name, sealedSlug))) {
								spoiled := bytes.ReplaceAll([]byte(text), []byte(`"sum":"`), []byte(`"sum":"!`))
								if err := os.WriteFile(filepath.Join(dir, name), spoiled, 0o600); err != nil {
									t.Fatal(err)
								}
							}
						}
					},
				}
			}})
		})
	}
}

func TestJournal_IsForPeople(t *testing.T) {
	dir := t.TempDir()
	journaled(t, dir, nil)
	for _, text := range journals(t, dir) {
		for _, want := range []string{`{"put":{"key":"a","value":"new"`, `{"delete":"b/c"}`, `{"delete64":"/w=="}`, `"base64":"/g=="`, `{"commit":{"batch":2,"lines":4,`} {
			if !strings.Contains(text, want) {
				t.Errorf("the journal lacks %s:\n%s", want, text)
			}
		}
	}
}

func TestJournal_SealedShowsNoNamesOrValues(t *testing.T) {
	dir := t.TempDir()
	journaled(t, dir, testKey)
	for name, text := range journals(t, dir) {
		if strings.Contains(text, `"again"`) || strings.Contains(text, `"value"`) || strings.Contains(text, `"put"`) || !strings.HasPrefix(name, sealedSlug) {
			t.Errorf("%s shows what it should hide:\n%s", name, text)
		}
	}
}

// TestJournal_DamageNeverServesWhatWasNotAcknowledged spoils each byte of a
// journal, and cuts it off at each length: what is served is always the state
// after a whole batch, and one that is missing is reported.
func TestJournal_DamageNeverServesWhatWasNotAcknowledged(t *testing.T) {
	for title, key := range map[string][]byte{"plain": nil, "encrypted": testKey} {
		t.Run(title, func(t *testing.T) {
			dir := t.TempDir()
			after := journaled(t, dir, key)
			cases, silent := 0, 0
			for name, text := range journals(t, dir) {
				ruins([]byte(text), func(what string, ruined []byte) bool {
					if err := os.WriteFile(filepath.Join(dir, name), ruined, 0o600); err != nil {
						t.Fatal(err)
					}
					s := journaling(dir, Options{Key: key})
					got, err := contents(t.Context(), s, "b")
					state := -1
					for i, want := range after {
						if maps.Equal(got, want) {
							state = i
						}
					}
					if state < 0 || (err == nil && state != 3) {
						t.Errorf("%s: served %q with error %v", what, got, err)
					}
					if err == nil {
						silent++
					} else {
						expectKind(t, what, err, core.ErrCorrupt)
					}
					cases++
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					return !t.Failed()
				})
			}
			// What harms one mark alone harms nothing.
			if silent == 0 || silent > cases/4 {
				t.Errorf("%d of %d ruins were no loss; want some, because there are two marks", silent, cases)
			}
		})
	}
}

// ruins yields text with a bit of each byte flipped, each byte and each run of
// 16 zeroed, and cut off at each length.
func ruins(text []byte, yield func(what string, ruined []byte) bool) {
	for at := range text {
		flipped := bytes.Clone(text)
		flipped[at] ^= 1 << (at % 8)
		zeroed := bytes.Clone(text)
		zeroed[at] = 0
		hole := bytes.Clone(text)
		clear(hole[at:min(at+16, len(hole))])
		if !yield(fmt.Sprint("a bit flipped at ", at), flipped) || !yield(fmt.Sprint("zero at ", at), zeroed) ||
			!yield(fmt.Sprint("a hole at ", at), hole) || !yield(fmt.Sprint("cut off at ", at), text[:at:at]) {
			return
		}
	}
}

func TestJournal_DamageIsHealedByTheNextWriteAndKeptAside(t *testing.T) {
	dir := t.TempDir()
	after := journaled(t, dir, nil)
	var name, text string
	for name, text = range journals(t, dir) {
		spoiled := strings.Replace(text, `"again"`, `"agaim"`, 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(spoiled), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := journaling(dir, Options{})
	got, err := contents(t.Context(), s, "b")
	if !maps.Equal(got, after[1]) || !errors.Is(err, core.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), "2 damaged batches: ") {
		t.Errorf("served %q with %v; want the state before the damage, and the two batches behind counted", got, err)
	}
	write(t, s, "b", put(record("f", "healed")))
	want := maps.Clone(after[1])
	want["f"] = "healed"
	expect(t, s, "b", want)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	expectFolder(t, dir, Options{}, "b", want)
	if kept := files(t, dir, asideCorrupt); len(kept) != 1 || !strings.HasPrefix(kept[0], name) {
		t.Errorf("kept aside: %q", kept)
	}
}

func TestJournal_OfANewerVersionIsKept(t *testing.T) {
	dir := t.TempDir()
	after := journaled(t, dir, nil)
	newest := []byte(`{"holdfast":{"version":9}}` + "\n")
	for name := range journals(t, dir) {
		if err := os.WriteFile(filepath.Join(dir, name), newest, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, Options{})
	got, err := contents(t.Context(), s, "b")
	if !maps.Equal(got, after[0]) || !errors.Is(err, core.ErrCorrupt) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("served %q with %v", got, err)
	}
	for range keptCorrupt + 1 {
		write(t, s, "b", put(record("f", "v")))
	}
	// Once when it was in the way, and once when its document was gone.
	if n := len(files(t, dir, asideNewer)); n != 2 || len(journals(t, dir)) > 0 {
		t.Errorf("%d journals of a newer version are kept, want 2 copies: %q", n, files(t, dir, ""))
	}
}

func TestJournal_IsTakenInWhenItOutgrowsItsDocument(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, Options{})
	ballast := make([]core.Record, 400)
	for i := range ballast {
		ballast[i] = record(fmt.Sprint("ballast ", i), strings.Repeat("b", 200))
	}
	write(t, s, "b", put(ballast...))
	path := filepath.Join(dir, stem("b", false)+current)
	first, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	documents, longest := 1, int64(0)
	for n := range 500 {
		write(t, s, "b", put(record("k", fmt.Sprint(n)), record("large", strings.Repeat("x", 1000))))
		now, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(now, first) {
			documents++
			first = now
		}
		for name := range journals(t, dir) {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, info.Size())
		}
		if len(journals(t, dir)) > 2 {
			t.Fatalf("journals pile up: %q", files(t, dir, journalEnd))
		}
	}
	if documents < 4 || documents > 8 || longest > first.Size() {
		t.Errorf("%d documents were written for 500 batches of 1.6 KB beside 140 KB; the longest journal had %d bytes", documents, longest)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	got, err := contents(t.Context(), s, "b")
	if err != nil || len(got) != 402 || got["k"] != "499" {
		t.Errorf("%d records, k=%q, %v", len(got), got["k"], err)
	}
	// A bucket that became small stands alone again, and its journals go.
	for range 2 {
		write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("k", "v")}})
	}
	if left := journals(t, dir); len(left) > 0 {
		t.Errorf("left are %d journals of documents that are gone", len(left))
	}
}

func TestJournal_PreviousGenerationIsWholeWithIt(t *testing.T) {
	dir := t.TempDir()
	after := journaled(t, dir, nil)
	s := journaling(dir, Options{})
	write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("k", "newest")}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, stem("b", false)+current)
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc[len(doc)/2] ^= 1
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := contents(t.Context(), open(t, dir, Options{}), "b")
	if !maps.Equal(got, after[3]) || !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("served %q with %v; want the state before the damaged document", got, err)
	}
}

func TestJournal_OfAnotherDocumentIsDamage(t *testing.T) {
	dir := t.TempDir()
	journaled(t, dir, nil)
	foreign := journals(t, dir)
	other := t.TempDir()
	s := journaling(other, Options{})
	write(t, s, "b", put(record("x", "1")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range foreign {
		if err := os.WriteFile(filepath.Join(other, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = New(other, Options{})
	got, err := contents(t.Context(), s, "b")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, map[string]string{"x": "1"}) || !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("served %q with %v", got, err)
	}
	// Without its document it is nothing, and a new document never gets its name.
	if err := os.Remove(filepath.Join(other, stem("b", false)+current)); err != nil {
		t.Fatal(err)
	}
	s = journaling(other, Options{})
	expect(t, s, "b", map[string]string{})
	write(t, s, "b", put(record("y", "2")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	expectFolder(t, other, Options{}, "b", map[string]string{"y": "2"})
}

// TestJournal_RestOfAWriteThatDiedIsNoDamage leaves behind the last batch what a
// Write leaves that died before its mark.
func TestJournal_RestOfAWriteThatDiedIsNoDamage(t *testing.T) {
	for title, key := range map[string][]byte{"plain": nil, "encrypted": testKey} {
		t.Run(title, func(t *testing.T) {
			dir := t.TempDir()
			after := journaled(t, dir, key)
			sealer, err := newSealer(key)
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range journals(t, dir) {
				path := filepath.Join(dir, name)
				doc, err := os.ReadFile(strings.Replace(path, journalMark+"1"+journalEnd, current, 1))
				if err != nil {
					t.Fatal(err)
				}
				base, err := decode("b", doc, sealer)
				if err != nil {
					t.Fatal(err)
				}
				j, _, err := decodeJournal("b", []byte(text), base, sealer, func([]change) {})
				if err != nil {
					t.Fatal(err)
				}
				batch, _, err := j.encode("b", put(record("late", "1"), record("later", "2")), saved)
				if err != nil {
					t.Fatal(err)
				}
				for rest := range len(batch) + 1 {
					if err := os.WriteFile(path, append([]byte(text), batch[:rest]...), 0o600); err != nil {
						t.Fatal(err)
					}
					want := maps.Clone(after[3])
					if rest == len(batch) {
						want["late"], want["later"] = "1", "2" // whole: as good as acknowledged
					}
					if rest%16 != 0 && rest != len(batch) {
						expectFolder(t, dir, Options{Key: key}, "b", want)
						continue
					}
					s := journaling(dir, Options{Key: key})
					expect(t, s, "b", want)
					for n := range 3 { // each mark is written over
						write(t, s, "b", put(record("next", fmt.Sprint(n))))
					}
					want["next"] = "2"
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					expectFolder(t, dir, Options{Key: key}, "b", want)
				}
			}
		})
	}
}

func TestJournal_InPlainTextGoesWhenTheBucketIsEncrypted(t *testing.T) {
	dir := t.TempDir()
	after := journaled(t, dir, nil)
	s := journaling(dir, Options{Key: testKey})
	expect(t, s, "b", after[3])
	want := maps.Clone(after[3])
	for n := range 2 {
		write(t, s, "b", put(record("k", fmt.Sprint(n))))
	}
	want["k"] = "1"
	expect(t, s, "b", want)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range snapshot(t, dir) {
		if strings.Contains(text, `"again"`) || (name != lockName && !strings.HasPrefix(name, sealedSlug)) {
			t.Errorf("%s is still there:\n%s", name, text)
		}
	}
	expectFolder(t, dir, Options{Key: testKey}, "b", want)
}

func TestJournal_RotatesItsKey(t *testing.T) {
	dir := t.TempDir()
	after := journaled(t, dir, testKey)
	rotated := Options{Key: bytes.Repeat([]byte{8}, 32), OldKeys: [][]byte{bytes.Repeat([]byte{9}, 16), testKey}}
	s := journaling(dir, rotated)
	expect(t, s, "b", after[3])
	want := maps.Clone(after[3])
	for n := range 2 {
		write(t, s, "b", core.Batch{Put: []core.Record{record("k", fmt.Sprint(n))}})
	}
	want["k"] = "1"
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	expectFolder(t, dir, Options{Key: rotated.Key}, "b", want)
	_, err := open(t, dir, Options{Key: testKey}).Get(t.Context(), "b", "k")
	expectKind(t, "with the old key alone", err, core.ErrDenied)
}

func FuzzDecodeJournal(f *testing.F) {
	documents := map[bool][]byte{}
	for _, key := range [][]byte{nil, testKey} {
		dir := f.TempDir()
		journaled(f, dir, key)
		doc, err := os.ReadFile(filepath.Join(dir, stem("b", key != nil)+current))
		if err != nil {
			f.Fatal(err)
		}
		documents[key != nil] = doc
		for _, text := range journals(f, dir) {
			f.Add([]byte(text), key != nil)
			f.Add([]byte(text[:len(text)/2]), key != nil)
			f.Add([]byte(strings.ReplaceAll(text, `"batch":2`, `"batch":1`)), key != nil)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, sealed bool) {
		var s *sealer
		if sealed {
			var err error
			if s, err = newSealer(testKey); err != nil {
				t.Fatal(err)
			}
		}
		base, err := decode("b", documents[sealed], s)
		if err != nil {
			t.Fatal(err)
		}
		applied := 0
		j, lost, err := decodeJournal("b", text, base, s, func(changes []change) {
			applied++
			for _, c := range changes {
				if c.deleted == "" && c.put.Key == "" {
					t.Error("a change of nothing")
				}
			}
		})
		if (err == nil) != (lost == 0) || j == nil && applied > 0 || j != nil && uint64(applied) != j.mark.batches {
			t.Errorf("%d batches applied, %d lost, error %v", applied, lost, err)
		}
	})
}

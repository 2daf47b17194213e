package badger

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// TestStore_BatchesOfAnySizeAreWhole writes batches of all kinds over each other, and
// compares the bucket with a map after each, and after opening it again.
func TestStore_BatchesOfAnySizeAreWhole(t *testing.T) {
	for name, opts := range map[string]Options{"plain": {}, "encrypted": {Key: testKey}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			want := map[string]string{}
			for round, row := range []struct {
				from, to, size, remove int
				reset                  bool
			}{
				{0, 3000, 200, 0, false},      // anew: the bucket is empty
				{1000, 2200, 400, 300, false}, // in steps
				{0, 10, 10, 0, false},         // one transaction
				{5, 7, 200_000, 2, false},     // in parts
				{4, 6, 300_000, 1, false},     // and over those
				{0, 1200, 300, 0, false},      // in steps, over large values
				{100, 200, 100, 50, true},     // anew, and smaller
				{0, 4000, 50, 0, true},
				{0, 0, 0, 2500, false}, // nothing but deletes
				{0, 0, 0, 0, true},
				{0, 5, 50_000, 0, false},
			} {
				s := New(dir, opts)
				b := core.Batch{Reset: row.reset}
				for i := range row.remove {
					b.Delete = append(b.Delete, fmt.Sprint("k", i*2))
				}
				for i := row.from; i < row.to; i++ {
					b.Put = append(b.Put, record(fmt.Sprint("k", i), fmt.Sprint(round, strings.Repeat("v", row.size))))
				}
				if row.reset {
					want = map[string]string{}
				}
				for _, key := range b.Delete {
					delete(want, key)
				}
				for _, r := range b.Put {
					want[r.Key] = string(r.Value)
				}
				write(t, s, "b", b)
				expect(t, s, "b", want)
				shut(t, s)
				s = New(dir, opts)
				expect(t, s, "b", want)
				if st := s.Report(); st.Records != len(want) || st.Damage != "" {
					t.Errorf("round %d: stats %+v", round, st)
				}
				if left := leftovers(t, s); len(left) > 0 && round < 10 {
					t.Errorf("round %d: left are %v", round, left)
				}
				shut(t, s)
			}
		})
	}
}

// leftovers counts the keys in Badger that no head accounts for, by kind. The parts
// of large values are none.
func leftovers(t testing.TB, s *Store) map[string]int {
	t.Helper()
	found := map[string]int{}
	v, err := s.db.view()
	if err != nil {
		t.Fatal(err)
	}
	defer v.discard()
	err = v.keys(nil, func(key []byte) bool {
		found[string(key[:1])]++
		if key[0] == kindBlob {
			id, generation, _ := scopeOf(key)
			if s.buckets[id].head.generation == generation {
				found[string(key[:1])]--
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range s.buckets {
		found[string(rune(kindRecord))] -= int(b.head.count)
		found[string(rune(kindHead))]--
	}
	found[string(rune(kindStore))]--
	maps.DeleteFunc(found, func(_ string, n int) bool { return n == 0 })
	return found
}

// TestStore_MakesUpForADeathBetweenTheSteps dies, in effect, right after the moment
// that counts of a batch in steps.
func TestStore_MakesUpForADeathBetweenTheSteps(t *testing.T) {
	for done := range 4 {
		dir := t.TempDir()
		s := New(dir, Options{})
		want := map[string]string{}
		var first, second core.Batch
		for i := range 2000 {
			first.Put = append(first.Put, record(fmt.Sprint("k", i), "first"))
			want[fmt.Sprint("k", i)] = "first"
		}
		for i := range 900 {
			second.Put = append(second.Put, record(fmt.Sprint("k", i), strings.Repeat("second", 100)))
			want[fmt.Sprint("k", i)] = strings.Repeat("second", 100)
		}
		write(t, s, "b", first)
		w, err := s.newWriting("b", second)
		if err != nil {
			t.Fatal(err)
		}
		w.old = s.buckets[w.id]
		w.head = w.old.head
		c := &change{}
		seal := newSealer(w.id, w.head.generation)
		for _, r := range w.put {
			w.drop(c, r.Key, false)
			e := entry{revision: r.Revision, savedAt: r.SavedAt, value: r.Value}
			c.set(recordKey(w.id, w.head.generation, r.Key), seal.seal(r.Key, &e))
			w.add(r.Key, e)
		}
		steps := c.split()
		if len(steps) < 4 {
			t.Fatalf("%d steps", len(steps))
		}
		for n, step := range steps {
			one := &change{}
			one.set(redoKey(w.id, w.head.generation, uint32(n)), step.encode(w.id))
			if err := s.db.commit(one); err != nil {
				t.Fatal(err)
			}
		}
		w.head.redo = uint64(len(steps))
		if err := w.finish(t.Context(), &change{}, func(*bucket) error {
			for n, step := range steps[:done] {
				step.delete(redoKey(w.id, w.head.generation, uint32(n)))
				if err := s.db.commit(step); err != nil {
					return err
				}
			}
			s.garbage = false // nobody is left to tidy
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		shut(t, s)
		s = open(t, filepath.Clean(dir), Options{})
		expect(t, s, "b", want)
		if left := leftovers(t, s); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
	}
}

func TestStore_GivesMemoryBackOnceAfterLargeFlips(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("k", "small")}})
	write(t, s, "c", put(record("k", strings.Repeat("large ", largeFlip/6+1))))
	if s.gaveBack.Load() != 0 {
		t.Error("it was done after a small batch, or one that changed a bucket in place")
	}
	flip := core.Batch{Reset: true}
	for i := range 9 {
		flip.Put = append(flip.Put, record(fmt.Sprint(i), strings.Repeat("x", 1<<20)))
	}
	write(t, s, "b", flip)
	first := s.gaveBack.Load()
	if first == 0 {
		t.Error("it was not done after a large flip")
	}
	write(t, s, "b", flip)
	if s.gaveBack.Load() != first {
		t.Error("it was done twice in a minute")
	}
}

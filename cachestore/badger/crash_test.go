package badger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func number(ctx context.Context, s *Store) (int, error) {
	r, err := s.Get(ctx, "b", "number")
	if errors.Is(err, core.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(r.Value))
}

// step is batch n of the crash test: it replaces each record, and adds and
// deletes one. Some are larger than a transaction, some replace the whole bucket.
func step(n int) core.Batch {
	value := strconv.Itoa(n)
	ballast := strings.Repeat(value+" ", 200)
	b := core.Batch{
		Put:    []core.Record{record("number", value), record("copy", value), record("only "+value, value)},
		Delete: []string{"only " + strconv.Itoa(n-1)},
		Reset:  n%7 == 0,
	}
	if n%5 == 0 {
		ballast = strings.Repeat(value+" ", 20_000) // in parts
	}
	b.Put = append(b.Put, record("ballast", ballast))
	records, size := 20, 100
	switch {
	case n%11 == 0:
		records, size = 1500, 300 // more than a transaction, and more than there is
	case n%13 == 0 || n%9 == 0:
		records, size = 700, 600 // more than a transaction, less than there may be
	}
	for i := range records {
		b.Put = append(b.Put, record(fmt.Sprint("r", i), value+strings.Repeat("v", size)))
	}
	return b
}

// checkStep compares a bucket with what step n leaves.
func checkStep(got map[string]string, n int) error {
	want := map[string]string{}
	for m := max(1, n/7*7); m <= n; m++ { // each seventh begins anew
		b := step(m)
		for _, key := range b.Delete {
			delete(want, key)
		}
		for _, r := range b.Put {
			want[r.Key] = string(r.Value)
		}
	}
	for k, v := range want {
		if got[k] != v {
			return fmt.Errorf("record %q is not of step %d", k, n)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d records after step %d, want %d", len(got), n, len(want))
	}
	return nil
}

// playWriter writes steps for ever and says each one that was acknowledged.
func playWriter(ctx context.Context, _ string) error {
	s := New("store", Options{})
	n, err := number(ctx, s)
	if err != nil {
		return err
	}
	if err := say(strconv.Itoa(n)); err != nil {
		return err
	}
	for {
		n++
		if err := s.Write(ctx, "b", step(n)); err != nil {
			return err
		}
		if err := say(strconv.Itoa(n)); err != nil {
			return err
		}
	}
}

func TestStore_KilledWriterLosesNothing(t *testing.T) {
	dir := t.TempDir()
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	losses, acknowledgements, early := 0, 0, 0
	acknowledged := 0
	for round := range rounds {
		cmd, _, out := child(t, "writer", dir)
		// A quarter of the kills are likely to hit the opening.
		patience := time.Duration(rand.IntN(300)) * time.Millisecond
		if round%4 == 0 {
			patience = time.Duration(rand.IntN(60)) * time.Millisecond
		}
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		lines := 0
		for out.Scan() {
			n, err := strconv.Atoi(out.Text())
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if n < acknowledged {
				t.Fatalf("round %d: the writer began with %d after %d was acknowledged", round, n, acknowledged)
			}
			acknowledged = n
			lines++
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("round %d: the writer ended by itself: %v", round, err)
		}
		timer.Stop()
		if lines == 0 {
			early++
		}
		acknowledgements += max(0, lines-1)
		if round%2 == 1 && round < rounds-1 {
			continue // the next writer opens what this one left
		}

		s := New(dir+"/store", Options{})
		got, err := contents(t.Context(), s, "b")
		if err != nil {
			t.Fatalf("round %d: All: %v", round, err)
		}
		n, _ := strconv.Atoi(got["number"])
		if n < acknowledged {
			losses++
			t.Errorf("round %d: %d was acknowledged, %d is there", round, acknowledged, n)
		}
		acknowledged = n
		if err := checkStep(got, n); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		shut(t, s)
		if st := s.Stats(); st.Damage != "" || len(st.PutAside) > 0 {
			t.Fatalf("round %d: it was taken for damaged: %+v", round, st)
		}
	}
	t.Logf("rounds=%d acknowledged=%d killed before the first answer=%d losses=%d", rounds, acknowledgements, early, losses)
}

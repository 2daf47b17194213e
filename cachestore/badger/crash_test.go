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
	for i := range 1000 {
		if n%11 != 0 && i > 20 {
			break
		}
		b.Put = append(b.Put, record(fmt.Sprint("r", i), value+strings.Repeat("v", 500)))
	}
	return b
}

// checkStep compares a bucket with what step n leaves.
func checkStep(got map[string]string, n int) error {
	if n == 0 {
		return nil
	}
	want := map[string]string{}
	for _, r := range step(n).Put {
		want[r.Key] = string(r.Value)
	}
	for k, v := range want {
		if got[k] != v {
			return fmt.Errorf("record %q is not of step %d", k, n)
		}
	}
	for k, v := range got {
		if _, ok := want[k]; ok {
			continue
		}
		// What a large step left, and none replaced since.
		if of, _, _ := strings.Cut(v, "v"); k[0] != 'r' || large(n) != of {
			return fmt.Errorf("record %q is there after step %d", k, n)
		}
	}
	if of := large(n); of != "" && of != strconv.Itoa(n) && len(got) != 4+1000 {
		return fmt.Errorf("%d records after step %d", len(got), n)
	}
	return nil
}

// large is the last large step whose records step n left; "" if there is none.
func large(n int) string {
	last := n / 11 * 11
	if last == 0 || n/7*7 > last {
		return ""
	}
	return strconv.Itoa(last)
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
	losses, acknowledgements, early, unopened := 0, 0, 0, 0
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
			unopened++
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
	t.Logf("rounds=%d acknowledged=%d killed before the first answer=%d losses=%d unopened=%d", rounds, acknowledgements, early, losses, unopened)
}

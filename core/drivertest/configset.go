package drivertest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

func loadsSet(r *configRun) {
	c := r.open()
	if s := r.list(c); len(s.Items) != 0 || len(s.Bad) != 0 || s.Replica {
		r.Errorf("Load of an empty prefix: %d items, %d bad, replica %v; want nothing", len(s.Items), len(s.Bad), s.Replica)
	}
	want := map[string]int{"a": 1, "limits/max_items": 2, "limits/deep/er": 3, "limits.yaml": 4}
	r.put(want)
	r.wantSet("Load", r.list(c).Items, want)
	r.remove("limits/max_items", "no such key")
	delete(want, "limits/max_items")
	r.wantSet("Load after a key was deleted", r.list(c).Items, want)
	r.wantSet("Load of another client", r.list(r.open()).Items, want)
}

// loadsOneRevision writes the first and the last of many keys in one transaction,
// again and again, and loads meanwhile.
func loadsOneRevision(r *configRun) {
	c := r.open()
	want := map[string]int{}
	for n := range r.many {
		want[fmt.Sprintf("many/%06d", n)] = 1
	}
	want["a first"], want["z last"] = 0, 0
	r.put(want)

	const rounds = 200
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := range rounds {
			select {
			case <-stop:
				return
			default:
				r.txn(map[string]int{"a first": n, "z last": n, fmt.Sprintf("many/%06d", r.many/2): n})
			}
		}
	})
	defer writer.Wait()
	defer close(stop)
	for range 10 {
		s := r.list(c)
		if len(s.Items) != len(want) {
			r.Errorf("Load returned %d of %d keys", len(s.Items), len(want))
		}
		first, last := s.Items["a first"], s.Items["z last"]
		if !bytes.Equal(first, last) {
			r.Errorf("Load shows the first key as of one transaction (%s) and the last key as of another (%s)", first, last)
		}
	}
}

func configNeighbours(r *configRun) {
	c := r.open()
	tails := []string{"", "bar", "bar/a", "-old/a", "0", "/../beside", " /a"}
	for _, tail := range tails[:3] {
		r.area.PutBeside(r.base, tail, []byte("beside"))
	}
	r.put(map[string]int{"own": 1})
	from := r.list(c)
	r.wantSet("Load beside keys that begin with the same letters", from.Items, map[string]int{"own": 1})
	o := r.observe(c, from)
	for _, tail := range tails {
		if strings.HasPrefix(tail, "/") {
			continue // that one is below the prefix
		}
		r.area.PutBeside(r.base, tail, []byte("beside again"))
	}
	r.put(map[string]int{"own": 2})
	r.shows(o, map[string]int{"own": 2})
	for _, s := range o.recorded() {
		for k := range s.Put {
			if k != "own" {
				r.Errorf("watch showed key %s of another prefix", brief(k))
			}
		}
	}
}

func configMalformed(r *configRun) {
	const mark = "hunter2-in-a-malformed-value"
	c := r.open()
	r.put(map[string]int{"good": 1, "spoilt": 1})
	o := r.observe(c, r.list(c))
	r.inSync(o)
	r.area.PutMalformed(r.base, "spoilt", mark)
	r.area.PutMalformed(r.base, "bad from the start", mark)
	r.put(map[string]int{"good": 2})

	s := r.list(c)
	r.wantSet("Load beside a malformed entry", s.Items, map[string]int{"good": 2})
	r.wantBad(s.Bad, mark, "spoilt", "bad from the start")
	r.shows(o, map[string]int{"good": 2, "spoilt": 1})
	o.mu.Lock()
	defer o.mu.Unlock()
	r.wantBad(o.bad, mark, "spoilt", "bad from the start")
}

// wantBad reports keys that are missing in Bad, and errors that hold the mark.
func (r *run[V]) wantBad(bad map[string]error, mark string, keys ...string) {
	r.Helper()
	for _, k := range keys {
		if bad[k] == nil {
			r.Errorf("the malformed entry %s is not in Bad", brief(k))
		}
	}
	if len(bad) != len(keys) {
		r.Errorf("Bad has %d entries; want %d", len(bad), len(keys))
	}
	for _, err := range bad {
		r.noSecret(err, mark)
	}
}

// oddNames are names that a driver has to escape somewhere.
func oddNames(longest int) []string {
	return []string{
		"../up", "up", "..", ".", "a/../../b", "/leading", "leading", "trailing/", "trailing", "a//b", "a/b", "A/b", "%2F", "a%2Fb", "a%", "%00",
		"nul\x00inside", "line\nbreak", "tab\t", " ", "space inside ", "ünïcödé/键", "emoji 🐙", "quote\"s'`", "back\\slash",
		"a?b=c&d#e", "*", "[a-z]", "{x}", "$HOME", "a:b", "con", "\x7f", "\u202ereversed", strings.Repeat("long", longest/4),
	}
}

func configKeys(r *configRun) {
	c := r.open()
	o := r.observe(c, r.list(c))
	want := map[string]int{}
	for n, k := range oddNames(orDefault(r.h.MaxKey, 300)) {
		if r.h.Accepts == nil || r.h.Accepts(k) {
			want[k] = n
		}
	}
	for k, n := range want {
		r.put(map[string]int{k: n})
	}
	r.wantSet("Load of odd keys", r.list(c).Items, want)
	r.shows(o, want)
	for k := range want {
		r.remove(k)
	}
	r.wantSet("Load after odd keys were deleted", r.list(c).Items, nil)
	r.shows(o, nil)
}

func configValues(r *configRun) {
	c := r.open()
	o := r.observe(c, r.list(c))
	big := bytes.Repeat([]byte{0, 1, 2, 0xff}, orDefault(r.h.MaxValue, 1<<20)/4)
	for name, want := range map[string][]byte{
		"empty":    {},
		"nul":      {0},
		"no utf-8": {0xff, 0xfe, 0x80},
		"text":     []byte("line\r\nbreak \u2028 ünïcödé"),
		"json":     []byte(`{"a":[1,2,"</script>"]}`),
		"big":      big,
	} {
		r.area.Put(r.base, map[string][]byte{name: want})
		got, ok := r.list(c).Items[name]
		if !ok || !bytes.Equal(got, want) {
			r.Errorf("Load of the %s value: there: %v, %d bytes; want the %d bytes that were written", name, ok, len(got), len(want))
		}
		if !o.wait(r.patience, func() bool { got, ok := o.set[name]; return ok && bytes.Equal(got, want) }) {
			r.Errorf("watch did not show the %s value as it was written", name)
		}
	}
}

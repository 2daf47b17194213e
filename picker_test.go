package holdfast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// crowdOf returns a handle that knows these instances and has no engine.
func crowdOf(all ...core.Instance) *Endpoints {
	r := roster{level: core.Live}
	var edits []edit
	for i := range all {
		edits = append(edits, edit{id: all[i].ID, instance: &all[i]})
	}
	r.apply(edits)
	return newEndpoints("inventory", "crowd", &r)
}

func picker(t *testing.T, e *Endpoints, o PickerOptions) *Picker {
	t.Helper()
	p, err := e.Picker(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tally counts who is picked.
func tally(t *testing.T, picks int, pick func(i int) (Picked, error)) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for i := range picks {
		p, err := pick(i)
		if err != nil {
			t.Fatal(err)
		}
		counts[p.Instance().ID]++
		p.Done(nil)
	}
	return counts
}

// chiSquare is how far counts are from what is expected, over what chance alone
// exceeds once in a thousand times (Wilson and Hilferty).
func chiSquare(counts map[string]int, expected map[string]float64) float64 {
	sum := 0.0
	for id, want := range expected {
		d := float64(counts[id]) - want
		sum += d * d / want
	}
	k := float64(len(expected) - 1)
	limit := k * math.Pow(1-2/(9*k)+3.09*math.Sqrt(2/(9*k)), 3)
	return sum / limit
}

func TestWeighted_SharesAreThoseOfTheWeightsAndEvenlySpread(t *testing.T) {
	for _, weights := range [][]int{{1, 2}, {5, 1, 1}, {1, 1, 1, 100}, {7, 11, 13, 17, 19}, {0, 3, 0, 3}} {
		var all []core.Instance
		sum := 0
		for i, w := range weights {
			in := peer(fmt.Sprint("p", i))
			in.Weight = w
			sum += in.EffectiveWeight()
			all = append(all, in)
		}
		e := crowdOf(all...)
		p := picker(t, e, PickerOptions{Strategy: WeightedRoundRobin})
		const rounds = 1000
		last := make(map[string]int)
		longest := make(map[string]int)
		counts := tally(t, rounds*sum, func(i int) (Picked, error) {
			got, err := p.Pick(t.Context())
			if err == nil {
				id := got.Instance().ID
				longest[id] = max(longest[id], i-last[id])
				last[id] = i
			}
			return got, err
		})
		for _, in := range all {
			w := in.EffectiveWeight()
			// A Weyl sequence is off by at most about the logarithm of its length.
			if off := math.Abs(float64(counts[in.ID] - rounds*w)); off > 20 {
				t.Errorf("weights %v: %s was picked %d times of %d; want %d", weights, in.ID, counts[in.ID], rounds*sum, rounds*w)
			}
			// The gaps of a sector are at most its inverse times 1 + the golden ratio.
			if most := float64(sum)/float64(w)*2.7 + 1; float64(longest[in.ID]) > most {
				t.Errorf("weights %v: %d picks in a row left %s out; at most %.0f are fair", weights, longest[in.ID], in.ID, most)
			}
		}
	}
}

func TestByKey_SharesAreEvenAndAKeyStays(t *testing.T) {
	const n, keys = 50, 100_000
	var all []core.Instance
	for i := range n {
		all = append(all, peer(fmt.Sprintf("10.0.%d.%d:8080", i/7, i)))
	}
	p := picker(t, crowdOf(all...), PickerOptions{Strategy: ByKey})
	owner := make(map[string]string)
	counts := tally(t, keys, func(i int) (Picked, error) {
		key := fmt.Sprint("customer ", i)
		got, err := p.PickKey(key)
		if err == nil {
			owner[key] = got.Instance().ID
		}
		return got, err
	})
	most := 0
	for _, c := range counts {
		most = max(most, c)
	}
	if mean := keys / n; len(counts) != n || most > mean*14/10 {
		t.Errorf("%d of %d instances have keys, the largest share is %d; the mean is %d", len(counts), n, most, mean)
	}

	// The order in which instances were learned must not matter, nor the process.
	slices.Reverse(all)
	again := picker(t, crowdOf(all...), PickerOptions{Strategy: ByKey})
	left := picker(t, crowdOf(all[1:]...), PickerOptions{Strategy: ByKey})
	moved := 0
	for key, id := range owner {
		got, err := again.Pick(WithKey(t.Context(), key))
		if err != nil || got.Instance().ID != id {
			t.Fatalf("%s belongs to %s and to %v, %v", key, id, got.Instance(), err)
		}
		got, err = left.PickKey(key)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case got.Instance().ID == id:
		case id != all[0].ID:
			t.Fatalf("%s moved from %s to %s, although that stayed", key, id, got.Instance().ID)
		default:
			moved++
		}
	}
	if moved != counts[all[0].ID] {
		t.Errorf("%d keys moved when the owner of %d went", moved, counts[all[0].ID])
	}
}

func TestLeastLoaded_ASlowInstanceGetsAQuarterOfItsShareAtMost(t *testing.T) {
	const n, picks = 5, 20_000
	var all []core.Instance
	for i := range n {
		all = append(all, peer(fmt.Sprint("p", i)))
	}
	e := crowdOf(all...)
	p := picker(t, e, PickerOptions{Strategy: LeastLoaded})
	counts := make(map[string]int)
	for range picks {
		got, err := p.Pick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		counts[got.Instance().ID]++
		// It answers now, as if it had taken so long.
		took := int64(1e6)
		if got.Instance().ID == "p3" {
			took = 10e6
		}
		got.began = e.clock() - took
		got.Done(nil)
	}
	if slow := counts["p3"]; slow > picks/n/4 || slow == 0 {
		t.Errorf("the slow one of %d got %d of %d requests; at most %d are a quarter of its share, and it must get some", n, slow, picks, picks/n/4)
	}
	expected := make(map[string]float64)
	for id := range counts {
		if id != "p3" {
			expected[id] = float64(picks-counts["p3"]) / (n - 1)
		}
	}
	for id, want := range expected {
		if off := math.Abs(float64(counts[id])-want) / want; off > 1 {
			t.Errorf("%s got %d requests; its share is %.0f", id, counts[id], want)
		}
	}
}

func TestLeastLoaded_AnInstanceThatAnswersNothingGetsFewRequests(t *testing.T) {
	e := crowdOf(peers("a b c d")...)
	p := picker(t, e, PickerOptions{Strategy: LeastLoaded})
	counts := make(map[string]int)
	for range 1000 {
		got, err := p.Pick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		counts[got.Instance().ID]++
		if got.Instance().ID != "b" {
			got.Done(nil)
		}
	}
	if counts["b"] > 20 {
		t.Errorf("b, which never answers, got %d of 1000 requests", counts["b"])
	}
}

func TestLeastLoaded_FailingFastDoesNotLookFast(t *testing.T) {
	e := crowdOf(peers("a b c d")...)
	p := picker(t, e, PickerOptions{Strategy: LeastLoaded})
	counts := tally(t, 2000, func(int) (Picked, error) {
		got, err := p.Pick(t.Context())
		if err == nil && got.Instance().ID == "b" {
			got.Done(errAway)
			got.undone()
		}
		return got, err
	})
	if counts["b"] > 100 {
		t.Errorf("b, which fails at once, got %d of 2000 requests", counts["b"])
	}
}

// undone makes a further Done do nothing.
func (p *Picked) undone() {
	p.member.seen.running.Add(1)
	p.member = &member{in: p.member.in, seen: new(vitals), from: p.member.from}
}

func TestPicker_SharesGoToSubsets(t *testing.T) {
	var all []core.Instance
	for i := range 10 {
		in := peer(fmt.Sprint("p", i))
		in.Version = "1"
		if i >= 8 {
			in.Version = "2"
		}
		if i == 0 {
			in.Metadata = map[string]string{"gpu": "yes", "more": "too"}
		}
		all = append(all, in)
	}
	canary := Share{Subset{Version: "2"}, 5}
	gpu := Share{Subset{Metadata: map[string]string{"gpu": "yes"}}, 20}
	for _, strategy := range []Strategy{RoundRobin, WeightedRoundRobin, LeastLoaded, ByKey} {
		p := picker(t, crowdOf(all...), PickerOptions{Strategy: strategy, Shares: []Share{canary, gpu}})
		const picks = 100_000
		counts := tally(t, picks, func(i int) (Picked, error) { return p.Pick(WithKey(t.Context(), fmt.Sprint("key ", i))) })
		two := counts["p8"] + counts["p9"]
		if math.Abs(float64(two)-0.05*picks) > 300 || math.Abs(float64(counts["p0"])-0.2*picks) > 500 {
			t.Errorf("strategy %d: %d of %d requests to version 2, %d to gpu; want 5 %% and 20 %%", strategy, two, picks, counts["p0"])
		}
		if strategy == RoundRobin {
			expected := make(map[string]float64)
			for i := 1; i < 8; i++ {
				expected[fmt.Sprint("p", i)] = float64(picks-two-counts["p0"]) / 7
			}
			if x := chiSquare(counts, expected); x > 1 {
				t.Errorf("within the rest the shares differ: %v (chi-square %.2f of its limit)", counts, x)
			}
		}
	}
	// With nobody in a subset its share is everybody's.
	p := picker(t, crowdOf(all[1:8]...), PickerOptions{Shares: []Share{canary, gpu}})
	if counts := tally(t, 700, func(int) (Picked, error) { return p.Pick(t.Context()) }); len(counts) != 7 {
		t.Errorf("without a canary: %v", counts)
	}
	// With nobody but the canary it gets all, even if it wants nothing.
	p = picker(t, crowdOf(all[8:]...), PickerOptions{Shares: []Share{{Subset{Version: "2"}, 0}}})
	if counts := tally(t, 100, func(int) (Picked, error) { return p.Pick(t.Context()) }); len(counts) != 2 {
		t.Errorf("with the canary alone: %v", counts)
	}
}

func TestPicker_SameZoneFirst(t *testing.T) {
	var all []core.Instance
	for i := range 10 {
		in := peer(fmt.Sprint("p", i))
		in.Zone = []string{"a", "b"}[i%2]
		all = append(all, in)
	}
	inZone := func(counts map[string]int, zone string) (n int) {
		for _, in := range all {
			if in.Zone == zone {
				n += counts[in.ID]
			}
		}
		return n
	}
	pick := func(p *Picker) func(int) (Picked, error) {
		return func(int) (Picked, error) { return p.Pick(t.Context()) }
	}
	e := crowdOf(all...)
	e.outliers.opts.MostPercent = 50
	p := picker(t, e, PickerOptions{Zone: "a"})
	if got := inZone(tally(t, 1000, pick(p)), "a"); got != 1000 {
		t.Errorf("with the zone healthy, %d of 1000 requests stay in it", got)
	}
	// Three of five ejected: 2/5 * 1.4 = 56 % stay.
	e.outliers.byID = make(map[string]*outlier)
	for _, id := range []string{"p0", "p2", "p4"} {
		e.outliers.byID[id] = &outlier{seen: e.roster.Load().up.find(id).seen}
	}
	e.outliers.changed = true
	e.publish(*e.roster.Load())
	if got := inZone(tally(t, 10_000, pick(p)), "a"); math.Abs(float64(got)-5600) > 200 {
		t.Errorf("with three of five ejected, %d of 10000 requests stay in the zone; want 56 %%", got)
	}
	for _, o := range []PickerOptions{{Zone: "c"}, {Zone: "a", ZoneMin: 6}, {}} {
		if got := tally(t, 1000, pick(picker(t, crowdOf(all...), o))); len(got) != 10 {
			t.Errorf("%+v: only %d instances are picked", o, len(got))
		}
	}
	if got := tally(t, 1000, pick(picker(t, crowdOf(all...), PickerOptions{Only: Subset{Zone: "b"}}))); inZone(got, "b") != 1000 {
		t.Errorf("only b: %v", got)
	}
}

func TestPicker_FollowsTheInstances(t *testing.T) {
	for name, strategy := range strategies {
		m, all := engine(t, 20)
		p := picker(t, m.endpoints, PickerOptions{Strategy: strategy, Shares: []Share{{Subset{Version: "2"}, 50}}})
		// Whatever changes, only who is up is picked, and everybody is.
		for i := range 60 {
			in := all[i*7%20]
			in.Weight, in.Version, in.Status = i%5, []string{"1", "2"}[i%2], core.Status(i%3)
			all[i*7%20] = in
			m.updated(core.Update[core.Instance]{Put: map[string]core.Instance{in.ID: in}, Revision: "2"})
			counts := tally(t, 600, func(j int) (Picked, error) { return p.Pick(WithKey(t.Context(), fmt.Sprint(i, " ", j))) })
			for _, in := range all {
				up, picked := in.Status == core.StatusUp, counts[in.ID] > 0
				if picked && !up || up && !picked && strategy != LeastLoaded { // that may find somebody slow
					t.Fatalf("%s, step %d: %s with status %v was picked %d times", name, i, in.ID, in.Status, counts[in.ID])
				}
			}
		}
	}
}

func TestPicker_ExceptThoseThatWereTried(t *testing.T) {
	for name, strategy := range strategies {
		p := picker(t, crowdOf(peers("a b c d")...), PickerOptions{Strategy: strategy})
		var tried []Picked
		seen := make(map[string]bool)
		for range 4 {
			got, err := p.PickExcept(WithKey(t.Context(), "k"), tried...)
			if err != nil || seen[got.Instance().ID] {
				t.Fatalf("%s: after %d tries: %v, %v", name, len(tried), got.Instance(), err)
			}
			seen[got.Instance().ID] = true
			tried = append(tried, got)
		}
		if _, err := p.PickExcept(t.Context(), tried...); !errors.Is(err, ErrNoInstance) || !strings.Contains(err.Error(), "after 4 were tried") {
			t.Errorf("%s: with all tried: %v", name, err)
		}
		for _, got := range tried {
			if n := got.member.seen.running.Load(); strategy == LeastLoaded && n != 1 {
				t.Errorf("%s counts %d requests under way; want the one", got.Instance().ID, n)
			}
		}
	}
}

func TestPicker_RefusesMistakes(t *testing.T) {
	e := crowdOf(peers("a")...)
	for _, o := range []PickerOptions{
		{Strategy: 9},
		{Shares: []Share{{Percent: -1}}},
		{Shares: []Share{{Percent: math.NaN()}}},
		{Shares: []Share{{Percent: 60}, {Percent: 60}}},
		{Shares: make([]Share, 17)},
	} {
		if _, err := e.Picker(o); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestPicker_SaysWhyThereIsNobody(t *testing.T) {
	p := picker(t, crowdOf(peers("a b")...), PickerOptions{Only: Subset{Version: "3"}})
	if _, err := p.Pick(t.Context()); !errors.Is(err, ErrNoInstance) || !errors.Is(err, core.ErrNotFound) || !strings.Contains(err.Error(), "none of 2 instances is up and will do") {
		t.Errorf("got %v", err)
	}
	p = picker(t, crowdOf(), PickerOptions{})
	if _, err := p.Pick(t.Context()); !errors.Is(err, ErrNoInstance) {
		t.Errorf("got %v", err)
	}
}

func TestPicker_AllocatesNothing(t *testing.T) {
	ctx := WithKey(context.Background(), "key")
	for name, strategy := range strategies {
		p := picker(t, uneven(1000), PickerOptions{Strategy: strategy, Zone: "a", Shares: []Share{{Subset{Version: "2"}, 5}}})
		if got := testing.AllocsPerRun(1000, func() {
			one, _ := p.Pick(ctx)
			one.Done(nil)
		}); got != 0 {
			t.Errorf("%s makes %v allocations", name, got)
		}
	}
}

func TestLatency_IsNotForgottenByAClockThatLags(t *testing.T) {
	var v vitals
	at := int64(time.Minute)
	v.took(time.Second, at)
	if now := v.load(at - int64(50*time.Microsecond)); now < float32(time.Second)*9/10 {
		t.Errorf("the load by a clock 50 us behind is %v; want 1 s", time.Duration(now))
	}
	v.took(time.Millisecond, at-int64(50*time.Microsecond))
	if now := v.load(at); now < float32(time.Second)*9/10 {
		t.Errorf("after a request that ended 50 us before, the load is %v; want 1 s", time.Duration(now))
	}
}

func TestPicker_WhoIsTriedInTheZoneLeavesOtherZones(t *testing.T) {
	for _, s := range []Strategy{RoundRobin, WeightedRoundRobin, LeastLoaded, ByKey} {
		p := picker(t, crowdOf(core.Instance{ID: "a", Zone: "x"}, core.Instance{ID: "b", Zone: "y"}), PickerOptions{Strategy: s, Zone: "x"})
		one, err := p.Pick(t.Context())
		if err != nil || one.Instance().ID != "a" {
			t.Fatal(one.Instance(), err)
		}
		other, err := p.PickExcept(t.Context(), one)
		if err != nil || other.Instance().ID != "b" {
			t.Errorf("strategy %d: after all of the zone were tried: %v, %v; want b", s, other.Instance(), err)
		}
		if other, err := p.PickExcept(t.Context(), one, other); err == nil {
			t.Errorf("strategy %d: after all were tried: %v", s, other.Instance())
		}
	}
}

func TestPicker_NobodyInOldTablesIsNoAnswer(t *testing.T) {
	e := crowdOf()
	p := picker(t, e, PickerOptions{})
	if _, err := p.Pick(t.Context()); err == nil {
		t.Fatal("somebody is picked of nobody")
	}
	r := roster{level: core.Live, from: e}
	r.apply([]edit{{id: "a", instance: &core.Instance{ID: "a"}}})
	e.publish(r)
	p.building.Lock() // as another goroutine does that makes the tables
	answer := make(chan error, 1)
	go func() {
		_, err := p.Pick(context.WithoutCancel(t.Context()))
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("while tables are made: %v", err)
		p.building.Unlock()
	case <-time.After(50 * time.Millisecond):
		p.building.Unlock()
		if err := <-answer; err != nil {
			t.Error(err)
		}
	}
}

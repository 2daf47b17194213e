package holdfast

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeepCopy_SharesNothingThatDecodeWritesInto(t *testing.T) {
	type inner struct {
		N    *int
		List []int
		Map  map[string]int
		In   map[string]*int
	}
	type outer struct {
		In    *inner
		Twice [2]*inner
		Self  *outer
		Kept  *int `mapstructure:"-"`
		own   *int
	}
	fresh := func() *outer {
		one := &inner{N: new(1), List: []int{1, 2, 3}, Map: map[string]int{"a": 1}, In: map[string]*int{"a": new(1)}}
		o := &outer{In: one, Twice: [2]*inner{{N: new(2)}, one}, Kept: new(3), own: new(4)}
		o.Self = o
		return o
	}
	def := fresh()
	c := deepCopy(reflect.ValueOf(&def).Elem()).Interface().(*outer)
	if c == def || c.In == def.In || c.In.N == def.In.N || c.Twice[0] == def.Twice[0] || c.Twice[1] != c.In || c.Self != c {
		t.Error("the copy shares a pointee that it must not share, or lost that two pointers are one")
	}
	if c.Kept != def.Kept || c.own != def.own {
		t.Error("the copy does not share what decode never writes into")
	}
	raw := map[string][]byte{
		"t/in/n": []byte("7"), "t/in/list": []byte("9,9"), "t/in/map/a": []byte("7"), "t/in/in/a": []byte("7"), "t/self/in/n": []byte("8"),
	}
	if found, err := decode("t", raw, &c); err != nil || !found {
		t.Fatalf("decode: %v, %v", found, err)
	}
	c = nil
	def.Self, def.Kept, def.own = nil, nil, nil
	want := fresh()
	want.Self, want.Kept, want.own = nil, nil, nil
	if diff := cmp.Diff(want, def, cmp.AllowUnexported(outer{})); diff != "" {
		t.Errorf("decoding into the copy changed what it was copied from (-want +got):\n%s", diff)
	}
}

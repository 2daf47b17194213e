package core_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func full() core.Instance {
	return core.Instance{
		ID: "orders-1", Service: "orders", Version: "1.4.2", Zone: "eu-1", Weight: 3, Status: core.StatusDraining,
		Endpoints: []string{"http://192.0.2.1:8080", "grpc://192.0.2.1:9090", "http://192.0.2.1:8081"},
		Metadata:  map[string]string{"team": "a"},
	}
}

func TestInstance_Endpoint(t *testing.T) {
	for scheme, want := range map[string]string{
		"": "http://192.0.2.1:8080", "http": "http://192.0.2.1:8080", "grpc": "grpc://192.0.2.1:9090", "htt": "", "https": "",
	} {
		got, ok := full().Endpoint(scheme)
		if got != want || ok != (want != "") {
			t.Errorf("Endpoint(%q) = %q, %v; want %q", scheme, got, ok, want)
		}
	}
	if got, ok := (core.Instance{}).Endpoint(""); ok {
		t.Errorf("Endpoint of an instance without any = %q", got)
	}
}

func TestInstance_CloneSharesNothing(t *testing.T) {
	i := full()
	c := i.Clone()
	c.Endpoints[0], c.Metadata["team"] = "spoilt", "spoilt"
	if !i.Equal(full()) {
		t.Errorf("changing a clone changed the original: %+v", i)
	}
}

func TestInstance_EqualSeesEachField(t *testing.T) {
	// Each field is spoilt in turn, so that a field added later can't be forgotten.
	typ := reflect.TypeFor[core.Instance]()
	for f := range typ.NumField() {
		other := full()
		switch v := reflect.ValueOf(&other).Elem().Field(f); v.Kind() {
		case reflect.String:
			v.SetString("other")
		case reflect.Int:
			v.SetInt(9)
		case reflect.Uint8:
			v.SetUint(uint64(core.StatusDown))
		default:
			v.SetZero()
		}
		if full().Equal(other) {
			t.Errorf("Equal does not see the field %s", typ.Field(f).Name)
		}
	}
	if !(core.Instance{Weight: 1, Endpoints: []string{}, Metadata: map[string]string{}}).Equal(core.Instance{}) {
		t.Errorf("empty and nil, or the weights 0 and 1, are not equal")
	}
}

func TestInstance_JSONRoundTrips(t *testing.T) {
	for _, want := range []core.Instance{full(), {ID: "a", Service: "b"}} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got core.Instance
		if err := json.Unmarshal(text, &got); err != nil || !got.Equal(want) {
			t.Errorf("%s reads as %+v, %v; want %+v", text, got, err, want)
		}
	}
	var later core.Instance
	if err := json.Unmarshal([]byte(`{"id":"a","service":"b","shoe_size":43}`), &later); err != nil || later.ID != "a" {
		t.Errorf("a field that is not known: %+v, %v", later, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"a","service":"b","status":"asleep"}`), &later); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("a status that is not known: %v; want %v", err, core.ErrInvalid)
	}
}

func TestRegistration_ValidateRefuses(t *testing.T) {
	good := core.Registration{Instance: full(), Owner: "o", TTL: time.Second}
	if err := good.Validate(); err != nil {
		t.Fatalf("a valid registration is refused: %v", err)
	}
	for what, spoil := range map[string]func(*core.Registration){
		"no ID":           func(r *core.Registration) { r.Instance.ID = "" },
		"no Service":      func(r *core.Registration) { r.Instance.Service = "" },
		"negative Weight": func(r *core.Registration) { r.Instance.Weight = -1 },
		"unknown Status":  func(r *core.Registration) { r.Instance.Status = 3 },
		"no Owner":        func(r *core.Registration) { r.Owner = "" },
		"no TTL":          func(r *core.Registration) { r.TTL = 0 },
		"negative TTL":    func(r *core.Registration) { r.TTL = -time.Second },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Validate(); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: got error %v; want %v", what, err, core.ErrInvalid)
		}
	}
}

func TestStatus_TextRoundTrips(t *testing.T) {
	for s, want := range map[core.Status]string{core.StatusUp: "up", core.StatusDraining: "draining", core.StatusDown: "down"} {
		text, err := s.MarshalText()
		var got core.Status
		if err != nil || string(text) != want || got.UnmarshalText(text) != nil || got != s {
			t.Errorf("status %q: text %q (%v) reads as %v", want, text, err, got)
		}
	}
	if _, err := core.Status(7).MarshalText(); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("an unknown status has a text: %v", err)
	}
	if got := core.Status(7).String(); got != "status(7)" {
		t.Errorf("String of an unknown status = %q", got)
	}
	s := core.StatusDown
	if err := s.UnmarshalText(nil); err != nil || s != core.StatusUp {
		t.Errorf("the empty text reads as %v, %v; want up", s, err)
	}
}

func ExampleInstance_Endpoint() {
	i := core.Instance{Endpoints: []string{"http://192.0.2.1:8080", "grpc://192.0.2.1:9090"}}
	fmt.Println(i.Endpoint("grpc"))
	fmt.Println(i.Endpoint(""))
	// Output:
	// grpc://192.0.2.1:9090 true
	// http://192.0.2.1:8080 true
}

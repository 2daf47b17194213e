package etcd

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func TestEntry_IsReadableAndComesBack(t *testing.T) {
	r := core.Registration{Owner: "o1", Instance: core.Instance{
		ID: "a<b>", Service: "orders", Version: "1.4.2", Zone: "eu", Endpoints: []string{"http://10.0.0.1:80"},
		Weight: 3, Status: core.StatusDraining, Metadata: map[string]string{"k": "v&w"},
	}}
	value, err := encodeEntry(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":"1.4.2","zone":"eu","endpoints":["http://10.0.0.1:80"],"weight":3,"status":"draining","metadata":{"k":"v&w"},"owner":"o1"}`
	if string(value) != want {
		t.Errorf("got  %s\nwant %s", value, want)
	}
	e, err := decodeEntry("orders", "a<b>", value)
	if err != nil || !e.Equal(r.Instance) || e.Owner != "o1" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestEntry_IgnoresFieldsOfLaterVersions(t *testing.T) {
	e, err := decodeEntry("s", "a", []byte(`{"id":"a","service":"s","owner":"o","format":1,"tomorrow":{"x":[1]}}`))
	if err != nil || e.Owner != "o" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestEntry_IsCorruptWithoutItsValue(t *testing.T) {
	for name, value := range map[string]string{
		"empty":            ``,
		"no JSON":          `hunter2`,
		"cut":              `{"id":"a","service":"s","owner":"hunter2`,
		"array":            `["hunter2"]`,
		"wrong type":       `{"id":"a","service":"s","weight":"hunter2"}`,
		"other ID":         `{"id":"hunter2","service":"s"}`,
		"other service":    `{"id":"a","service":"hunter2"}`,
		"nobody's":         `{"service":"s"}`,
		"negative weight":  `{"id":"a","service":"s","weight":-1}`,
		"unknown status":   `{"id":"a","service":"s","status":"hunter2"}`,
		"later format":     `{"id":"a","service":"s","format":2}`,
		"wrong type below": `{"id":"a","service":"s","metadata":{"hunter2":5}}`,
	} {
		_, err := decodeEntry("s", "a", []byte(value))
		if !errors.Is(err, core.ErrCorrupt) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEntry_KeepsNamesThatAreNoUTF8(t *testing.T) {
	r := core.Registration{Owner: "o", Instance: core.Instance{ID: "\xff", Service: "s\xfe"}}
	value, err := encodeEntry(r)
	if err != nil {
		t.Fatal(err)
	}
	e, err := decodeEntry("s\xfe", "\xff", value)
	if err != nil || e.ID != "\xff" || e.Service != "s\xfe" {
		t.Errorf("got %+v, %v", e, err)
	}
	r.Instance.Metadata = map[string]string{"k": "\xff"}
	if _, err := encodeEntry(r); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("metadata that JSON would change: got %v", err)
	}
}

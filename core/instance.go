package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Status says whether an instance wants requests.
type Status uint8

// The statuses of an instance. The zero value is StatusUp, so that an Instance
// that says nothing about it takes requests.
const (
	StatusUp       Status = iota // takes requests
	StatusDraining               // finishes what it has, wants nothing new
	StatusDown                   // takes no requests
)

// String returns "up", "draining" or "down".
func (s Status) String() string {
	switch s {
	case StatusUp:
		return "up"
	case StatusDraining:
		return "draining"
	case StatusDown:
		return "down"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// MarshalText writes the status as String does; it fails with [ErrInvalid] for
// a value that is none of the three.
func (s Status) MarshalText() ([]byte, error) {
	if s > StatusDown {
		return nil, fmt.Errorf("status %d: %w", uint8(s), ErrInvalid)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText wrote; the empty text is StatusUp. Any
// other text fails with [ErrInvalid].
func (s *Status) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "up":
		*s = StatusUp
	case "draining":
		*s = StatusDraining
	case "down":
		*s = StatusDown
	default:
		return fmt.Errorf("status is none of up, draining, down: %w", ErrInvalid)
	}
	return nil
}

// Instance is one running copy of a service, as its peers see it. Its JSON form
// is what drivers store and people read; fields may be added, so readers ignore
// what they don't know.
type Instance struct {
	// ID is unique within Service. Any text will do: a driver escapes it.
	ID string `json:"id"`
	// Service is the name that peers look for.
	Service string `json:"service"`
	// Version of the program, "" if it has none.
	Version string `json:"version,omitempty"`
	// Zone is where the instance runs, "" if unknown.
	Zone string `json:"zone,omitempty"`
	// Endpoints are URLs of the form scheme://host:port. The first is the main
	// one.
	Endpoints []string `json:"endpoints,omitempty"`
	// Weight is the share of requests that the instance wants, in proportion to
	// its peers' weights. 0 reads as 1; it is never negative.
	Weight int `json:"weight,omitempty"`
	// Status says whether the instance wants requests.
	Status Status `json:"status,omitempty"`
	// Metadata is the user's own.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Endpoint returns the first endpoint with the given scheme ("http", "grpc"),
// and whether there is one. The empty scheme finds the main endpoint.
func (i Instance) Endpoint(scheme string) (string, bool) {
	for _, e := range i.Endpoints {
		if scheme == "" || strings.HasPrefix(e, scheme+"://") {
			return e, true
		}
	}
	return "", false
}

// EffectiveWeight returns Weight, or 1 where Weight is 0.
func (i Instance) EffectiveWeight() int {
	if i.Weight == 0 {
		return 1
	}
	return i.Weight
}

// Clone returns a copy that shares no memory with i.
func (i Instance) Clone() Instance {
	i.Endpoints = slices.Clone(i.Endpoints)
	i.Metadata = maps.Clone(i.Metadata)
	return i
}

// Equal reports whether i and o say the same; a nil map or slice equals an empty
// one, and a Weight of 0 equals 1.
func (i Instance) Equal(o Instance) bool {
	return i.ID == o.ID && i.Service == o.Service && i.Version == o.Version && i.Zone == o.Zone &&
		i.EffectiveWeight() == o.EffectiveWeight() && i.Status == o.Status &&
		slices.Equal(i.Endpoints, o.Endpoints) && maps.Equal(i.Metadata, o.Metadata)
}

// Validate reports what every backend refuses: an instance without ID or
// Service, a negative Weight, an unknown Status. The error is of kind
// [ErrInvalid].
func (i Instance) Validate() error {
	var errs []error
	if i.ID == "" {
		errs = append(errs, errors.New("instance has no ID"))
	}
	if i.Service == "" {
		errs = append(errs, errors.New("instance has no Service"))
	}
	if i.Weight < 0 {
		errs = append(errs, fmt.Errorf("instance weight is %d; use 0 (reads as 1) or more", i.Weight))
	}
	if i.Status > StatusDown {
		errs = append(errs, fmt.Errorf("instance status is %d; use up, draining or down", uint8(i.Status)))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalid, errors.Join(errs...))
}

package holdfast

import (
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// State says how an [Announcement] stands with its backend.
type State uint8

// The states of an announcement. All but closed go on trying, for ever.
const (
	// StatePending: it was never registered yet.
	StatePending State = iota
	// StateRegistered: a backend confirmed it less than a TTL ago, and has not said
	// since that it is gone.
	StateRegistered
	// StateLost: it was registered, and is gone or was not confirmed for a TTL. The
	// same tries go on as in StatePending.
	StateLost
	// StateConflict: a newer incarnation holds the instance's ID. It is tried again
	// about once a TTL, and succeeds when the ID is free.
	StateConflict
	// StateClosed: Close was called.
	StateClosed
)

// String returns "pending", "registered", "lost", "conflict" or "closed".
func (s State) String() string {
	switch s {
	case StatePending:
		return "pending"
	case StateRegistered:
		return "registered"
	case StateLost:
		return "lost"
	case StateConflict:
		return "conflict"
	case StateClosed:
		return "closed"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the state as String does. It never fails.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// AnnouncementStatus is a picture of an [Announcement] at one moment. It belongs
// to whoever asked for it.
type AnnouncementStatus struct {
	// Instance is what is announced now, or will be as soon as a backend answers:
	// its Status is the worse of the instance's own and the gate's.
	Instance core.Instance
	// State is how it stands, and Since the moment it began.
	State State
	Since time.Time
	// Owner names this incarnation to the backend: of two the greater string
	// started later.
	Owner string
	// TTL is how long peers see the instance after its process died. A backend may
	// round it up.
	TTL time.Duration
	// Origin names the backend, without secrets.
	Origin string
	// Registrations counts how often it became registered, Losses how often that
	// ended (StateLost or StateConflict), and Beats the requests that a backend
	// confirmed.
	Registrations, Losses, Beats uint64
	// Err is why the last request failed, nil once one succeeded.
	Err error
	// RegisteredAt is when it became registered last, ConfirmedAt when a backend
	// confirmed that last. Both are zero before the first time.
	RegisteredAt, ConfirmedAt time.Time
}

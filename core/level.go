package core

import "fmt"

// Level says where an answer comes from, and so how far it can be trusted.
// Compare levels with AtLeast, never with <.
type Level uint8

// The levels, best first after None.
const (
	None    Level = iota // there is no answer yet
	Live                 // from the backend, in sync with it
	Memory               // the last good state, held in memory while the backend is away
	Replica              // from a member of the backend without quorum; may lag
	Cached               // the last good state of an earlier run, from the cache store
	Default              // given in code
	Empty                // the zero value: nothing is known
)

// String returns the level's name in lower case: "none", "live", "memory",
// "replica", "cached", "default", "empty".
func (l Level) String() string {
	switch l {
	case None:
		return "none"
	case Live:
		return "live"
	case Memory:
		return "memory"
	case Replica:
		return "replica"
	case Cached:
		return "cached"
	case Default:
		return "default"
	case Empty:
		return "empty"
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// MarshalText writes the level as String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText wrote; anything else fails with
// [ErrInvalid].
func (l *Level) UnmarshalText(text []byte) error {
	for k := None; k <= Empty; k++ {
		if k.String() == string(text) {
			*l = k
			return nil
		}
	}
	return fmt.Errorf("level is none of none, live, memory, replica, cached, default, empty: %w", ErrInvalid)
}

// AtLeast reports whether l is as good as min or better. Every level is at least
// None, and None is at least no other.
func (l Level) AtLeast(min Level) bool {
	if min == None {
		return true
	}
	return l != None && l <= min
}

// Worse returns the worse of two levels; None is the worst.
func (l Level) Worse(o Level) Level {
	if l.AtLeast(o) {
		return o
	}
	return l
}

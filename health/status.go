package health

import "fmt"

// Status says whether a check, or a group of checks, is well.
type Status uint8

// The statuses. The zero value is Unknown.
const (
	Unknown Status = iota // there is no answer yet
	Up                    // it works, if only just: see Degraded of State and Report
	Down                  // it does not work
)

// String returns "UNKNOWN", "UP" or "DOWN".
func (s Status) String() string {
	switch s {
	case Unknown:
		return "UNKNOWN"
	case Up:
		return "UP"
	case Down:
		return "DOWN"
	}
	return fmt.Sprintf("STATUS(%d)", uint8(s))
}

// MarshalText writes the status as String does. It never fails.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

package holdfast

import (
	"maps"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// EndpointsStatus says what is known of one service, and how well.
type EndpointsStatus struct {
	// Service is the name of the service.
	Service string
	// Origin is where its instances are read: [core.Registry].Origin.
	Origin string
	// Level says where the instances come from; Empty while nothing is known.
	Level core.Level
	// Revision is the state of the backend that was last seen; "" if none was.
	Revision core.Revision
	// Since is when Level was reached.
	Since time.Time
	// Age is how long ago the backend was last known to hold these instances, for
	// how long nothing has been known if Level is Empty, and for Cached since when
	// the newest instance was saved. It is never negative.
	Age time.Duration
	// Err is why Level is not Live; nil when it is, and before anything failed.
	Err error
	// Instances is how many are known, and Up how many of them take requests.
	Instances, Up int
	// Ejected lists, by ID, the instances that are up but get no requests, because
	// too many failed in a row. They count as up.
	Ejected []Ejected
	// Held lists, by ID, the instances that the backend no longer shows and that
	// are held all the same. They count as known.
	Held []Suspect
	// Bad says, by key, which entries of the backend can't be used, and why; the
	// last good instance of such a key stays. The errors never hold the value.
	Bad map[string]error
	// Lists counts the full lists that the backend answered, Changes the steps that
	// changed the instances.
	Lists, Changes uint64
}

// Status returns what is known now. The maps and slices in it are the caller's.
func (e *Endpoints) Status() EndpointsStatus {
	r := e.roster.Load()
	asOf := r.asOf
	if asOf.IsZero() {
		asOf = r.since
	}
	return EndpointsStatus{
		Service: e.service, Origin: e.origin,
		Level: r.level, Revision: r.revision, Since: r.since, Age: since(asOf), Err: r.err,
		Instances: r.whole.len(), Up: r.up.len(), Ejected: e.outliers.list(),
		Held: e.hold.list(), Bad: maps.Clone(r.bad),
		Lists: r.lists, Changes: r.changes,
	}
}

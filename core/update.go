package core

// Snapshot is a whole set at one revision, as a list of a backend found it.
type Snapshot[V any] struct {
	// Items holds the entries by key. The map belongs to whoever received the
	// Snapshot; what is in it is shared and never modified by anybody.
	Items map[string]V
	// Bad holds, by key, the entries that are there but could not be read. The
	// error says why and never holds the value. A key is in Items or in Bad,
	// never in both.
	Bad map[string]error
	// Revision is the state that was read; a watch continues from it.
	Revision Revision
	// Replica is true when the answer came without quorum (an etcd serializable
	// read, a Consul stale read) and so may lag behind the backend.
	Replica bool
}

// Update is one atomic step of a watched set. Its maps and slices belong to
// whoever received it; the values in them are shared and never modified.
//
// Apply it in this order: if Reset, forget every key that is in neither Put nor
// Bad; remove the keys of Delete; store those of Put; keep the last good value
// of those of Bad. No key stands in more than one of Put, Bad and Delete.
type Update[V any] struct {
	// Put holds new and changed entries.
	Put map[string]V
	// Bad holds entries that are there but can't be read now: the last good
	// value stays, across a Reset too. The error never holds the value.
	Bad map[string]error
	// Delete lists keys that are gone. Deleting an unknown key is no error.
	Delete []string
	// Reset says that Put and Bad are the whole set.
	Reset bool
	// Revision is the state after this step.
	Revision Revision
}

// Heartbeat reports whether u changes nothing and only says that the watch is
// in sync: everything up to u.Revision was yielded before.
func (u Update[V]) Heartbeat() bool {
	return !u.Reset && len(u.Put) == 0 && len(u.Bad) == 0 && len(u.Delete) == 0
}

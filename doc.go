// Package holdfast keeps a service alive while its etcd or Consul is not: it
// starts within its budget, stays configured, stays registered, keeps finding its
// peers, and tells the truth about each of these.
//
// [Start] composes the three engines into a [Service]: [Config] with the values
// that [Bind] makes of it, [Discovery] with its [Endpoints], and an [Announcement]
// per announced instance. Each also works on its own: [OpenConfig],
// [OpenDiscovery], [Announce]. Backends and cache stores come from the packages
// below drivers and cachestore, or are the user's own (see package core).
//
// Reads never touch the network: they are one atomic load, whatever the backend
// does. Every answer can say its [core.Level], since when it has it, and how old
// it is. Nothing is kept for the next start that was not accepted first, and
// nothing that a backend pushes, loses or forgets takes a good value away.
package holdfast

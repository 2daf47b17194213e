// Package holdfastgin puts a [holdfast.Service] around a Gin engine: a life that
// loses no request, and health endpoints that tell the truth.
//
// [Run] is all that most programs need. It listens, serves, announces the
// service in the background, and on SIGTERM leaves in the order in which no peer
// notices: readiness first, then the registry, then the requests.
//
// [Mount] adds /health, /livez, /readyz and what lies below /health. A backend that
// is down never makes them fail while an allowed level still serves; it makes them
// say so. Checks of the program's own come from package health.
//
// A program with a main of its own uses the pieces: a [Lifecycle] for its
// http.Server, [Advertise] for its address, and [Stream] for routes that never end by
// themselves.
//
// [Provenance] tells handlers, and clients by headers, how fresh an answer is.
//
// Nothing here reads the environment or catches a signal before Run is called,
// and nothing is registered globally.
package holdfastgin

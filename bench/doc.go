// Package bench compares Holdfast with what others offer for the same work, in one
// run. It is a module of its own, so that the others stay out of Holdfast's.
package bench

//go:build race

package badger

// raced says that the race detector is on, whose memory is not the store's.
const raced = true

package holdfast

// deafWatches is how many watches in a row may end without a step before lists
// alone no longer count as being in sync.
const deafWatches = 3

// hearing tells a backend that can be listed and watched from one that answers
// lists but refuses watches: counting the latter as live after each list would
// change the level twice per retry.
type hearing struct {
	listening bool // a list was answered and the watch after it told nothing yet
	deaf      int  // watches in a row that ended without a step
}

// listed reports whether this list counts as being in sync.
func (h *hearing) listed() bool {
	h.listening = true
	return h.deaf < deafWatches
}

// stepped notes that a watch told something.
func (h *hearing) stepped() { h.listening, h.deaf = false, 0 }

// failed notes that a list failed or a watch ended.
func (h *hearing) failed() {
	if h.listening {
		h.deaf++
	} else {
		h.deaf = 0
	}
	h.listening = false
}

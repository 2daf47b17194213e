package drivertest

import (
	"runtime"
	"strings"
	"time"
)

// goroutines returns the stacks of all goroutines by their number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if id, _, ok := strings.Cut(stack, " ["); ok {
			all[id] = stack
		}
	}
	return all
}

// left returns the stack of a goroutine that was not there before and stays for
// longer than the bound; "" if there is none. Those that come and go meanwhile,
// as a client library's do that tries to reconnect, don't count.
func left(before map[string]string, within time.Duration, foreign func(stack string) bool) string {
	suspects := goroutines()
	for id, stack := range suspects {
		if _, old := before[id]; old || (foreign != nil && foreign(stack)) {
			delete(suspects, id)
		}
	}
	poll(within, func() bool {
		now := goroutines()
		for id := range suspects {
			if stack, ok := now[id]; ok {
				suspects[id] = stack
			} else {
				delete(suspects, id)
			}
		}
		return len(suspects) == 0
	})
	for _, stack := range suspects {
		return stack
	}
	return ""
}

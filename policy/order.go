package policy

import "reflect"

// rightOrder is what errors about an order say.
const rightOrder = "the right order, outermost first, is Timeout (the call as a whole), Retry, Hedge, Breaker, RateLimit, Bulkhead, Timeout (one try)"

// isNil reports whether v is nil or holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// checkOrder refuses layers that cannot work in their order.
func checkOrder(layers []Layer) error {
	at := map[string]int{} // the place of each kind
	for i, l := range layers {
		if isNil(l) {
			return refuse("layer %d is nil; it must be a layer", i+1)
		}
		kind := l.kind()
		if kind == "failsafe" || kind == "timeout" {
			continue
		}
		if first, ok := at[kind]; ok {
			return refuse("layers %d and %d are both %s; there must be at most one", first+1, i+1, names[kind])
		}
		at[kind] = i
	}
	for _, rule := range [...]struct{ outer, inner, why string }{
		{"retry", "breaker", "it would count a call whose tries all failed as one failure, and not stop the retries"},
		{"retry", "hedge", "each hedge would retry by itself"},
	} {
		outer, hasOuter := at[rule.outer]
		inner, hasInner := at[rule.inner]
		if hasOuter && hasInner && inner < outer {
			return refuse("%s stands outside of %s: %s; %s", names[rule.inner], names[rule.outer], rule.why, rightOrder)
		}
	}
	return nil
}

// names are the kinds as they are written.
var names = map[string]string{
	"retry": "Retry", "breaker": "Breaker", "bulkhead": "Bulkhead", "ratelimit": "RateLimit", "hedge": "Hedge",
}

// checkTimes refuses timeouts that can't work together.
func checkTimes(layers []Layer) error {
	repeats := false // Retry or Hedge was met
	breaker, abandons := -1, -1
	var whole, each *Timeout // outside and inside of what repeats
	for i, l := range layers {
		switch l.kind() {
		case "retry", "hedge":
			repeats = true
		case "breaker":
			breaker = i
		case "timeout":
			t := timeoutOf(l)
			place := &whole
			if repeats {
				place = &each
			}
			if *place != nil {
				return refuse("there are two Timeouts on the same side of Retry and Hedge; there must be at most one; %s", rightOrder)
			}
			*place = &t
			if t.Abandon {
				abandons = i // the innermost
			}
		}
	}
	if whole != nil && each != nil && whole.after() < each.after() {
		return refuse("Timeout.After of the call as a whole is %v; it must be at least that of one try, which is %v", whole.after(), each.after())
	}
	if abandons >= 0 && abandons < breaker {
		return refuse("Timeout with Abandon stands outside of Breaker: the breaker would wait for the functions that were abandoned, and never count them; %s", rightOrder)
	}
	return nil
}

func timeoutOf(l Layer) Timeout {
	if p, ok := l.(*Timeout); ok {
		return *p
	}
	return l.(Timeout)
}

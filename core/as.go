package core

// As finds an optional ability T of v, such as [LossAwaiter] or [Comparer]. It
// returns v itself if that has the ability, and otherwise walks down wrappers
// through their method Unwrap() any, as http.ResponseController does. A wrapper
// that must guard an ability implements it and forwards.
func As[T any](v any) (T, bool) {
	for v != nil {
		if t, ok := v.(T); ok {
			return t, true
		}
		w, ok := v.(interface{ Unwrap() any })
		if !ok {
			break
		}
		v = w.Unwrap()
	}
	var zero T
	return zero, false
}

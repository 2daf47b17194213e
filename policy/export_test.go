package policy

import "time"

// SetDraw replaces the random source of the chain's retry: f returns a duration
// in [0, d].
func (c *Chain) SetDraw(f func(d time.Duration) time.Duration) {
	for _, s := range c.steps {
		if r, ok := s.(*retryStep); ok {
			r.draw = f
		}
	}
}

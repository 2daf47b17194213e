package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// CheckOptions say how a check is run and what its outcome means. The zero value
// is a critical check of readiness that is run when somebody asks.
type CheckOptions struct {
	// Timeout is the limit of one run. Default: what the check brings (Ping 500 ms,
	// PingCache 300 ms, HTTP 1 s), else 1 s.
	Timeout time.Duration
	// Optional is for what has a fallback: while it is DOWN its groups are degraded
	// and do not fail. Default false: it is critical.
	Optional bool
	// Groups are those that the check belongs to: [Live], [Ready], [Startup] and names
	// of the program's own. A check of nothing but groups of its own is left out of
	// those three, and counts in [Set.All]. Default [Ready] alone.
	Groups []string
	// Every makes the check run in the background at this interval, beginning at once;
	// whoever asks gets the last outcome, without waiting. Default 0: it runs when
	// somebody asks.
	Every time.Duration
	// CacheFor is how long an outcome serves those who ask before the next run. With
	// Every it has no meaning. Default 1 s; negative is not at all.
	CacheFor time.Duration
	// Failures is how many runs in a row must fail before a check that was UP is
	// DOWN; before that it is UP and degraded. A run that hangs counts once more each
	// time its limit passes. A check that was never UP is DOWN at once. Default 1.
	Failures int
	// Grace is how long, from Register on, failures count for nothing as long as the
	// check was never UP: it is UP and degraded then. The group [Startup] waits for
	// the first UP all the same. Default 0.
	Grace time.Duration
}

// normalize fills in defaults.
func (o CheckOptions) normalize(c Checker, name string) (CheckOptions, error) {
	switch {
	case name == "" || strings.ContainsFunc(name, unicode.IsControl):
		return o, fmt.Errorf("its name is %q; give one without control characters", name)
	case reserved(name):
		return o, fmt.Errorf("its name is that of a group; %q, %q and %q are taken", Live, Ready, Startup)
	case o.Timeout < 0:
		return o, fmt.Errorf("CheckOptions.Timeout is %v; give a positive one, or 0 for the default", o.Timeout)
	case o.Every < 0:
		return o, fmt.Errorf("CheckOptions.Every is %v; give a positive interval, or 0 for none", o.Every)
	case o.Failures < 0:
		return o, fmt.Errorf("CheckOptions.Failures is %d; give a positive number, or 0 for the default", o.Failures)
	case o.Grace < 0:
		return o, fmt.Errorf("CheckOptions.Grace is %v; give a positive time, or 0 for none", o.Grace)
	case slices.Contains(o.Groups, ""):
		return o, errors.New("CheckOptions.Groups holds an empty name")
	}
	if m, ok := c.(mistaken); ok {
		if err := m.mistake(); err != nil {
			return o, err
		}
	}
	if _, ok := c.(outside); ok && slices.Contains(o.Groups, Live) {
		return o, fmt.Errorf("it asks something outside of the process, and a process in group %q that fails is restarted; use %q", Live, Ready)
	}
	if o.Timeout == 0 {
		o.Timeout = limitOf(c)
	}
	if o.CacheFor == 0 {
		o.CacheFor = time.Second
	}
	o.Failures = max(o.Failures, 1)
	o.Groups = slices.Clone(o.Groups)
	slices.Sort(o.Groups)
	o.Groups = slices.Compact(o.Groups)
	if len(o.Groups) == 0 {
		o.Groups = []string{Ready}
	}
	return o, nil
}

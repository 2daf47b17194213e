package holdfastgin

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// The headers of [Level].
const (
	HeaderLevel = "Holdfast-Level" // "live", "memory", "replica", "cached", "default", "empty"
	HeaderAge   = "Holdfast-Age"   // whole seconds, where the level is below live
)

// LevelOptions refine [Level]. The zero value works.
type LevelOptions struct {
	// Refresh is how old the answer may be that the header gives. Default 100 ms.
	Refresh time.Duration
}

// Level tells each client how fresh the service is that answers it: the header
// Holdfast-Level holds the worst level of the configuration and the endpoints in
// use, and Holdfast-Age, where that is below live, the age in whole seconds of the
// oldest of them. It reads memory only. The handler is safe for concurrent use.
func Level(svc *holdfast.Service, opts LevelOptions) gin.HandlerFunc {
	if opts.Refresh <= 0 {
		opts.Refresh = 100 * time.Millisecond
	}
	var last atomic.Pointer[freshness]
	return func(c *gin.Context) {
		f := last.Load()
		if f == nil || time.Since(f.at) > opts.Refresh {
			f = freshnessOf(svc.Status())
			last.Store(f)
		}
		c.Header(HeaderLevel, f.level)
		if f.age != "" {
			c.Header(HeaderAge, f.age)
		}
	}
}

// freshness is what the headers say for a while.
type freshness struct {
	at         time.Time
	level, age string
}

func freshnessOf(st holdfast.Status) *freshness {
	f := &freshness{at: time.Now(), level: st.Level.String()}
	if st.Level.AtLeast(core.Live) {
		return f
	}
	age := st.Config.Age
	for _, e := range st.Endpoints {
		age = max(age, e.Age)
	}
	f.age = strconv.FormatInt(int64(age/time.Second), 10)
	return f
}

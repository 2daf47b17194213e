package holdfastgin

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/health"
)

// condition is the status of a whole or of a part.
type condition string

const (
	up   condition = "UP"
	down condition = "DOWN"
	// unknown: nobody of that name, or nothing is known yet.
	unknown condition = "UNKNOWN"
)

// report is the body of every health endpoint.
type report struct {
	Status   condition         `json:"status"`
	Degraded bool              `json:"degraded,omitempty"`
	Reasons  []string          `json:"reasons,omitempty"`
	Details  map[string]detail `json:"details,omitempty"`
}

// detail is one part of a report.
type detail struct {
	Status   condition  `json:"status"`
	Degraded bool       `json:"degraded,omitempty"`
	Level    string     `json:"level,omitempty"`
	State    string     `json:"state,omitempty"`
	Age      *float64   `json:"age,omitempty"` // seconds
	Since    *time.Time `json:"since,omitempty"`
	Reasons  []string   `json:"reasons,omitempty"`
	// Instances and Up count those of endpoints.
	Instances *int `json:"instances,omitempty"`
	Up        *int `json:"up,omitempty"`
	// What follows is of checks alone. Took is in seconds.
	Optional bool            `json:"optional,omitempty"`
	Groups   []string        `json:"groups,omitempty"`
	Checked  *time.Time      `json:"checked,omitempty"`
	Took     *float64        `json:"took,omitempty"`
	Details  json.RawMessage `json:"details,omitempty"`
}

// describe adds each part of a service. It never holds a configuration value, and
// texts of errors only for who is authorized.
func (o MountOptions) describe(all map[string]detail, st holdfast.Status, authorized bool) {
	if c := st.Config; c.Origin != "" {
		d := levelled(c.Level, c.Age, c.Since, o.against("config", c.Level, c.Age))
		d.explain(authorized, c.Err)
		if c.Held > 0 {
			d.note(fmt.Sprintf("%d keys are held that a list lacked", c.Held))
		}
		if len(c.Bad) > 0 {
			d.note(fmt.Sprintf("%d keys can't be read", len(c.Bad)))
		}
		all["config"] = d
		for _, v := range c.Values {
			d := levelled(v.Level, v.Age, v.Since, nil)
			if v.Level == core.Default && c.Level.AtLeast(core.Live) {
				d.Degraded = false // nobody wanted anything else
			}
			if v.Err != nil {
				d.note("the newest value was refused")
				d.explain(authorized, v.Err)
			}
			all["config:"+v.Path] = d
		}
	}
	for _, e := range st.Endpoints {
		d := levelled(e.Level, e.Age, e.Since, o.against(endpointsName(e), e.Level, e.Age))
		d.explain(authorized, e.Err)
		if len(e.Held) > 0 {
			d.note(fmt.Sprintf("%d instances are held that the backend lacks", len(e.Held)))
		}
		if len(e.Ejected) > 0 {
			d.note(fmt.Sprintf("%d instances get no requests for now, because they failed", len(e.Ejected)))
		}
		if len(e.Bad) > 0 {
			d.note(fmt.Sprintf("%d instances can't be read", len(e.Bad)))
		}
		d.Instances, d.Up = &e.Instances, &e.Up
		all[endpointsName(e)] = d
	}
	for _, a := range st.Announcements {
		name := announcementName(st.Name, a.Instance)
		if _, another := all[name]; another && a.State == holdfast.StateClosed {
			continue
		}
		d := detail{Status: up, State: a.State.String(), Since: moment(a.Since)}
		if a.State != holdfast.StateRegistered && a.State != holdfast.StateClosed {
			d.note("peers may not see it")
		}
		d.explain(authorized, a.Err)
		all[name] = d
	}
	if c := st.Cache; c.Err != nil || !c.LastWrite.IsZero() || c.Pending > 0 {
		d := detail{Status: up, Since: moment(c.Since)}
		if c.Err != nil {
			d.note("the cache store fails; memory alone serves")
			d.explain(authorized, c.Err)
		}
		all["cache"] = d
	}
}

// announcementName tells instances of several services at one address apart, which is
// the ID of all of them.
func announcementName(own string, in core.Instance) string {
	if in.Service == own {
		return "announcement:" + in.ID
	}
	return "announcement:" + in.Service + ":" + in.ID
}

// levelled is the detail of a part that has a level.
func levelled(level core.Level, age time.Duration, since time.Time, against []string) detail {
	seconds := math.Round(age.Seconds()*1000) / 1000
	d := detail{
		Status: up, Degraded: !level.AtLeast(core.Live), Level: level.String(),
		Age: &seconds, Since: moment(since), Reasons: against,
	}
	if len(against) > 0 {
		d.Status = down
	}
	return d
}

// note says why a part is degraded.
func (d *detail) note(reason string) {
	d.Degraded = true
	d.Reasons = append(d.Reasons, reason)
}

// explain adds an error, as its kind for strangers.
func (d *detail) explain(authorized bool, err error) {
	if err == nil {
		return
	}
	if authorized {
		d.Reasons = append(d.Reasons, err.Error())
		return
	}
	if k := health.Kind(err); !slices.Contains(d.Reasons, k) {
		d.Reasons = append(d.Reasons, k)
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// checkDetail describes one check of the program.
func checkDetail(st *health.State, authorized bool) detail {
	took := math.Round(st.Took.Seconds()*1e6) / 1e6
	d := detail{
		Status: condition(st.Status.String()), Degraded: st.Degraded, Optional: st.Optional, Groups: st.Groups,
		Since: moment(st.Since), Checked: moment(st.At), Took: &took, Reasons: st.Reasons, Details: st.Details,
	}
	if authorized && st.Err != nil {
		d.Reasons = append(slices.Clone(d.Reasons), st.Err.Error())
	}
	return d
}

func lifecycleDetail(st LifecycleStatus) detail {
	d := detail{Status: up, State: st.Phase.String(), Since: moment(st.Since)}
	if st.Phase != PhaseReady {
		d.Status = down
	}
	return d
}

package health

import (
	"errors"
	"runtime"
	"testing"
)

func TestDisk_DegradesAndOnlyFailsWhenAsked(t *testing.T) {
	full := func(s space, err error) func(string) (space, error) {
		return func(string) (space, error) { return s, err }
	}
	for name, row := range map[string]struct {
		opts     DiskOptions
		space    space
		err      error
		down     bool
		degraded bool
	}{
		"half":             {DiskOptions{}, space{total: 100, free: 50}, nil, false, false},
		"ninety":           {DiskOptions{}, space{total: 100, free: 10}, nil, false, false},
		"ninety-one":       {DiskOptions{}, space{total: 100, free: 9}, nil, false, true},
		"full":             {DiskOptions{}, space{total: 100}, nil, false, true},
		"full is down":     {DiskOptions{Down: 0.95}, space{total: 100}, nil, true, false},
		"no inodes":        {DiskOptions{}, space{total: 100, free: 50, inodes: 100}, nil, false, true},
		"counts no inodes": {DiskOptions{}, space{total: 100, free: 50}, nil, false, false},
		"more free":        {DiskOptions{}, space{total: 100, free: 101}, nil, false, false},
		"unsupported":      {DiskOptions{}, space{}, errUnsupported, false, false},
		"fails":            {DiskOptions{}, space{}, errors.New("no such file"), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := Disk("disk", "/", row.opts).(disk)
			d.space = full(row.space, row.err)
			r := d.Check(t.Context())
			if (r.Err != nil) != row.down || r.Degraded != row.degraded {
				t.Errorf("got %+v", r)
			}
			if row.err == nil && r.Details["total"] != row.space.total {
				t.Errorf("details are %v", r.Details)
			}
		})
	}
}

func TestDisk_AsksThisMachine(t *testing.T) {
	r := Disk("disk", t.TempDir(), DiskOptions{}).Check(t.Context())
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		if r.Err != nil || r.Details["unsupported"] != true {
			t.Errorf("got %+v", r)
		}
		return
	}
	if used, ok := r.Details["used"].(float64); r.Err != nil || !ok || used < 0 || used > 1 {
		t.Errorf("got %+v", r)
	}
	if r := Disk("disk", t.TempDir()+"/none", DiskOptions{}).Check(t.Context()); r.Err == nil {
		t.Error("a folder that is not there is well")
	}
}

package system

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"
)

// cgroup reads what concerns the group of this process.
type cgroup struct {
	file
	where  *hierarchy
	before *times
}

// times are the CPU times of a group since it was made.
type times struct {
	at                       time.Time
	group                    string // a process that was moved begins anew
	used, throttled          time.Duration
	periods, throttledInThem uint64
}

// cpu compares the CPU time with that of the last call. The host has so many cores;
// 0 is unknown.
func (c *cgroup) cpu(hostCores int) (*CPU, error) {
	before := c.before
	c.before = nil
	now, err := c.times()
	if err != nil {
		return nil, err
	}
	c.before = &now
	limit, err := c.cores()
	if err != nil {
		return nil, err
	}
	switch {
	case before == nil || before.group != now.group:
		return nil, errNotYet
	case now.used < before.used || now.throttled < before.throttled || now.periods < before.periods || now.throttledInThem < before.throttledInThem:
		return nil, errBackward
	}
	passed := now.at.Sub(before.at)
	if passed <= 0 {
		return nil, errNoTime
	}
	one := &CPU{UsedCores: float64(now.used-before.used) / float64(passed), LimitCores: limit, Throttled: now.throttled}
	one.Limited = limit > 0 && (hostCores == 0 || limit < float64(hostCores))
	if !one.Limited {
		one.LimitCores = float64(hostCores)
	}
	if periods := now.periods - before.periods; periods > 0 {
		one.ThrottledRatio = min(1, float64(now.throttledInThem-before.throttledInThem)/float64(periods))
	}
	return one, nil
}

func (c *cgroup) times() (times, error) {
	usage := c.where.usage
	switch {
	case usage.err != nil:
		return times{}, usage.err
	case usage.v2:
		return c.timesOfV2(usage.dirs[0])
	}
	return c.timesOfV1(usage.dirs[0])
}

func (c *cgroup) timesOfV2(dir string) (times, error) {
	t, path := times{group: dir, at: time.Now()}, filepath.Join(dir, "cpu.stat")
	data, err := c.read(path)
	if err != nil {
		return t, err
	}
	used, found, err := field(data, "usage_usec")
	if err == nil && !found {
		err = errors.New("it has no usage_usec")
	}
	if err != nil {
		return t, malformed(path, err)
	}
	t.used = duration(used, time.Microsecond)
	return t, t.throttle(data, path, "throttled_usec", time.Microsecond)
}

func (c *cgroup) timesOfV1(dir string) (times, error) {
	t := times{group: dir, at: time.Now()}
	used, err := c.number(filepath.Join(dir, "cpuacct.usage"))
	if err != nil {
		return t, err
	}
	t.used = duration(used, time.Nanosecond)
	if c.where.quota.err != nil {
		return t, nil
	}
	path := filepath.Join(c.where.quota.dirs[0], "cpu.stat")
	data, err := c.read(path)
	if errors.Is(err, fs.ErrNotExist) { // a kernel without quotas
		return t, nil
	}
	if err != nil {
		return t, err
	}
	return t, t.throttle(data, path, "throttled_time", time.Nanosecond)
}

// throttle reads how a group was held back, of which there is nothing without a
// quota.
func (t *times) throttle(data []byte, path, key string, unit time.Duration) error {
	total, _, err := field(data, key)
	if err != nil {
		return malformed(path, err)
	}
	t.throttled = duration(total, unit)
	if t.periods, _, err = field(data, "nr_periods"); err != nil {
		return malformed(path, err)
	}
	if t.throttledInThem, _, err = field(data, "nr_throttled"); err != nil {
		return malformed(path, err)
	}
	return nil
}

// duration converts a count of units; what is beyond 292 years is that.
func duration(n uint64, unit time.Duration) time.Duration {
	const most = 1<<63 - 1
	if n > most/uint64(unit) {
		return most
	}
	return time.Duration(n) * unit
}

// pressure reads what the group waits for, which version 2 alone counts.
func (c *cgroup) pressure() (*Pressure, error) {
	if c.where.unified.err != nil {
		return nil, c.where.unified.err
	}
	dir := c.where.unified.dirs[0]
	return c.pressureOf(filepath.Join(dir, "cpu.pressure"), filepath.Join(dir, "memory.pressure"), filepath.Join(dir, "io.pressure"))
}

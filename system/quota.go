package system

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// cores returns the smallest number of processors that the quotas along the path
// and the CPU set allow; 0 is no limit.
func (c *cgroup) cores() (float64, error) {
	limit := 0.0
	lower := func(cores float64) {
		if cores > 0 && (limit == 0 || cores < limit) {
			limit = cores
		}
	}
	if c.where.quota.err == nil {
		for _, dir := range c.where.quota.dirs {
			cores, err := c.quotaOf(dir, c.where.quota.v2)
			if err != nil {
				return 0, err
			}
			lower(cores)
		}
	}
	if c.where.set.err == nil {
		n, err := c.setOf(c.where.set)
		if err != nil {
			return 0, err
		}
		lower(float64(n))
	}
	return limit, nil
}

// quotaOf returns the quota of one group; 0 is none.
func (c *cgroup) quotaOf(dir string, v2 bool) (float64, error) {
	if v2 {
		path := filepath.Join(dir, "cpu.max")
		data, err := c.read(path)
		if errors.Is(err, fs.ErrNotExist) { // the root has none, nor has a group without the controller
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		cores, err := parseQuota(data)
		if err != nil {
			return 0, malformed(path, err)
		}
		return cores, nil
	}
	path := filepath.Join(dir, "cpu.cfs_quota_us")
	data, err := c.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	quota, err := strconv.ParseInt(string(bytes.TrimSpace(data)), 10, 64)
	if err != nil {
		return 0, malformed(path, err)
	}
	if quota <= 0 { // -1 is none
		return 0, nil
	}
	path = filepath.Join(dir, "cpu.cfs_period_us")
	period, err := c.number(path)
	if err != nil {
		return 0, err
	}
	if period == 0 {
		return 0, malformed(path, errors.New("the period is 0"))
	}
	return float64(quota) / float64(period), nil
}

// parseQuota reads cpu.max: "max 100000" or "150000 100000".
func parseQuota(data []byte) (float64, error) {
	fields := bytes.Fields(data)
	if len(fields) == 0 || len(fields) > 2 {
		return 0, fmt.Errorf("it has %d fields", len(fields))
	}
	if string(fields[0]) == "max" {
		return 0, nil
	}
	quota, err := strconv.ParseUint(string(fields[0]), 10, 64)
	if err != nil {
		return 0, err
	}
	period := uint64(100000) // the kernel's default
	if len(fields) == 2 {
		if period, err = strconv.ParseUint(string(fields[1]), 10, 64); err != nil {
			return 0, err
		}
	}
	if quota == 0 || period == 0 {
		return 0, errors.New("the quota or the period is 0")
	}
	return float64(quota) / float64(period), nil
}

// setOf returns the number of processors in the set that holds for a group; 0 is
// all.
func (c *cgroup) setOf(where place) (int, error) {
	names := []string{"cpuset.effective_cpus", "cpuset.cpus"}
	if where.v2 {
		names = []string{"cpuset.cpus.effective"}
	}
	for _, dir := range where.dirs {
		for _, name := range names {
			path := filepath.Join(dir, name)
			data, err := c.read(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return 0, err
			}
			n, err := parseSet(string(data))
			if err != nil {
				return 0, malformed(path, err)
			}
			return n, nil
		}
	}
	return 0, nil
}

// parseSet counts the processors of a list such as "0-3,7".
func parseSet(list string) (int, error) {
	list = strings.TrimSpace(list)
	if list == "" {
		return 0, nil
	}
	count := uint64(0)
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return 0, err
		}
		to := from
		if isRange {
			if to, err = strconv.ParseUint(last, 10, 16); err != nil {
				return 0, err
			}
		}
		if to < from {
			return 0, fmt.Errorf("the range %q goes backwards", part)
		}
		count += to - from + 1
	}
	return int(count), nil
}

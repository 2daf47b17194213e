package system

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
)

// noLimit is from where on a limit of memory is none: version 1 has no word for it
// and shows the greatest number of whole pages.
const noLimit = 1 << 62

// memory reads the working set and its limit. The host has so many bytes; 0 is
// unknown.
func (c *cgroup) memory(hostBytes uint64) (*Memory, error) {
	where := c.where.memory
	if where.err != nil {
		return nil, where.err
	}
	usage, inactive := "memory.usage_in_bytes", []string{"total_inactive_file", "inactive_file"}
	if where.v2 {
		usage, inactive = "memory.current", inactive[1:]
	}
	// A group that does not count memory is counted with the next parent that does.
	var (
		dir  string
		used uint64
		err  error
	)
	for _, dir = range where.dirs {
		if used, err = c.number(filepath.Join(dir, usage)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "memory.stat")
	data, err := c.read(path)
	if err != nil {
		return nil, err
	}
	cache, err := cacheIn(data, inactive)
	if err != nil {
		return nil, malformed(path, err)
	}
	used -= min(cache, used)
	limit, found, err := field(data, "hierarchical_memory_limit") // version 1 knows what the parents allow
	if err != nil {
		return nil, malformed(path, err)
	}
	if !found {
		limit = noLimit
	}
	for _, dir := range where.dirs {
		one, err := c.limitOf(dir, where.v2)
		if err != nil {
			return nil, err
		}
		limit = min(limit, one)
	}
	m := &Memory{UsedBytes: used, LimitBytes: limit, Limited: limit < noLimit && (hostBytes == 0 || limit < hostBytes)}
	if !m.Limited {
		m.LimitBytes = hostBytes
	}
	return m, nil
}

// cacheIn returns the file cache that was not used lately, by the first key that is
// there.
func cacheIn(data []byte, keys []string) (uint64, error) {
	for _, key := range keys {
		if n, found, err := field(data, key); found || err != nil {
			return n, err
		}
	}
	return 0, fmt.Errorf("it has no %s", keys[0])
}

// limitOf returns the limit of one group; noLimit or more is none.
func (c *cgroup) limitOf(dir string, v2 bool) (uint64, error) {
	name := "memory.limit_in_bytes"
	if v2 {
		name = "memory.max"
	}
	path := filepath.Join(dir, name)
	data, err := c.read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the root has none
		return noLimit, nil
	case err != nil:
		return 0, err
	}
	limit, err := parseLimit(data)
	if err != nil {
		return 0, malformed(path, err)
	}
	return limit, nil
}

// parseLimit reads memory.max or memory.limit_in_bytes.
func parseLimit(data []byte) (uint64, error) {
	text := string(bytes.TrimSpace(data))
	if text == "max" || text == "-1" {
		return noLimit, nil
	}
	return strconv.ParseUint(text, 10, 64)
}

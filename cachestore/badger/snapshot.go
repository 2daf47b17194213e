package badger

import (
	"bytes"
	"context"
	"slices"
	"strings"
)

// snapshot is the newest version of all that the files of a folder hold, read
// without Badger. It is not safe for concurrent use while it is made, and then is.
type snapshot struct {
	values map[string][]byte
	sorted []string
}

var _ reader = (*snapshot)(nil)

// takeSnapshot reads the files of a folder that was surveyed, in the way in which
// salvage copies them: what is damaged is missing, and the heads tell.
func takeSnapshot(ctx context.Context, from *survey, orphans bool) (*snapshot, error) {
	s := &snapshot{values: make(map[string][]byte)}
	newest := make(map[string]uint64)
	err := from.each(orphans, func(it item) bool {
		if at, there := newest[string(it.key)]; there && it.at < at {
			return ctx.Err() == nil
		} else if !there || it.at > at {
			delete(s.values, string(it.key))
			newest[string(it.key)] = it.at
		}
		if it.meta&^inTransaction == 0 && known(it.key) && len(it.value) <= valueThreshold {
			s.values[string(it.key)] = bytes.Clone(it.value)
		}
		return ctx.Err() == nil
	})
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.sort()
	return s, nil
}

func (s *snapshot) sort() {
	s.sorted = s.sorted[:0]
	for key := range s.values {
		s.sorted = append(s.sorted, key)
	}
	slices.Sort(s.sorted)
}

// apply does what a start would do that finds a change half done.
func (s *snapshot) apply(c *change) {
	for _, p := range c.sets {
		s.values[string(p.key)] = p.value
	}
	for _, key := range c.deletes {
		delete(s.values, string(key))
	}
}

// get implements reader.
func (s *snapshot) get(key []byte) ([]byte, error) {
	value, there := s.values[string(key)]
	if !there {
		return nil, nil
	}
	return append([]byte{}, value...), nil
}

// scan implements reader.
func (s *snapshot) scan(prefix, from []byte, do func(key, value []byte) bool) error {
	start := string(prefix)
	if from != nil {
		start = string(from) + "\x00"
	}
	at, _ := slices.BinarySearch(s.sorted, start)
	for _, key := range s.sorted[at:] {
		if !strings.HasPrefix(key, string(prefix)) || !do([]byte(key), s.values[key]) {
			break
		}
	}
	return nil
}

// stored is how many bytes keys and values with a prefix have.
func (s *snapshot) stored(prefix []byte) (size int64) {
	_ = s.scan(prefix, nil, func(key, value []byte) bool { // a snapshot has no error
		size += int64(len(key) + len(value))
		return true
	})
	return size
}

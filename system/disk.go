package system

import (
	"context"
	"errors"
	"time"
)

// diskTimeout bounds how long a sample waits for one disk.
const diskTimeout = time.Second

// space is how much room there is on a file system: in bytes, and in inodes where
// it has a number of those.
type space struct{ total, free, inodes, freeInodes uint64 }

// disk asks one file system. A dead network file system answers never and can't be
// interrupted, so each question has a goroutine of its own, and there is no second
// one while the first is not answered.
type disk struct {
	path  string
	space func(path string) (space, error)
	open  *question // that was not answered in time
}

type question struct {
	answered chan struct{}
	space    space
	err      error
}

var errHangs = errors.New("the file system does not answer")

// read asks, and waits for 1 s at most; not at all where the last question is open.
func (d *disk) read(ctx context.Context) (Disk, error) {
	if d.open != nil {
		select {
		case <-d.open.answered: // too late to be told
			d.open = nil
		default:
			return Disk{}, errHangs
		}
	}
	q := &question{answered: make(chan struct{})}
	go func() {
		defer close(q.answered)
		q.space, q.err = d.space(d.path)
	}()
	limit := time.NewTimer(diskTimeout)
	defer limit.Stop()
	select {
	case <-q.answered:
		if q.err != nil {
			return Disk{}, q.err
		}
		return Disk{Path: d.path, UsedRatio: q.space.used(), UsedBytes: q.space.total - min(q.space.free, q.space.total), SizeBytes: q.space.total}, nil
	case <-limit.C:
		d.open = q
		return Disk{}, errHangs
	case <-ctx.Done():
		d.open = q
		return Disk{}, context.Cause(ctx)
	}
}

// await waits for the answer to an open question, once no more are asked.
func (d *disk) await(ctx context.Context) error {
	if d.open == nil {
		return nil
	}
	select {
	case <-d.open.answered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// used is the greater of the shares of bytes and of inodes.
func (s space) used() float64 {
	share := func(total, free uint64) float64 {
		if total == 0 {
			return 0
		}
		return 1 - float64(min(free, total))/float64(total)
	}
	return max(share(s.total, s.free), share(s.inodes, s.freeInodes))
}

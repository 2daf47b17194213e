package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// tour is what the steps share.
type tour struct {
	*timeline
	folder string
	etcd   *etcdProcess
	orders *orders
	front  *node    // the orders service that the load goes to
	back   [2]*node // two instances of inventory
	load   *load
}

// step is one station.
type step struct {
	name, expected string
	take           func(ctx context.Context) (seen string, took time.Duration, err error)
}

// takeTour goes through all steps and reports whether everything held. An error
// means that it could not be told. A step that did not hold ends the tour.
func takeTour(ctx context.Context, w io.Writer) (held bool, err error) {
	folder, err := os.MkdirTemp("", "holdfast-outage-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	t := &tour{timeline: newTimeline(w), folder: folder, orders: new(orders)}
	if t.etcd, err = newEtcdProcess(ctx, filepath.Join(folder, "etcd")); err != nil {
		return false, err
	}
	defer t.etcd.kill()
	defer t.leave()

	var findings []finding
	for _, s := range t.steps() {
		seen, took, err := s.take(ctx)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err != nil {
			seen = err.Error()
		}
		findings = append(findings, finding{s.name, s.expected, seen, took, err == nil})
		if err != nil {
			t.say("this did not hold: %v", err)
			break
		}
	}
	findings = append(findings, t.verdict())
	return summarize(w, findings), nil
}

// verdict is what the customers say.
func (t *tour) verdict() finding {
	f := finding{step: "HTTP requests", expected: "none failed", took: time.Since(t.began)}
	if t.load == nil {
		f.seen = "none made"
		return f
	}
	t.load.end()
	requests, failed := t.load.requests.Load(), t.load.failed.Load()
	f.seen = fmt.Sprintf("%d made, %d failed, slowest %.2f s", requests, failed, time.Duration(t.load.slowest.Load()).Seconds())
	if t.load.first != nil {
		f.seen += ": " + t.load.first.Error()
	}
	f.held = failed == 0 && requests > 0
	return f
}

// leave ends what runs.
func (t *tour) leave() {
	if t.load != nil {
		t.load.end()
	}
	for _, n := range []*node{t.front, t.back[0], t.back[1]} {
		if n != nil {
			_ = n.end()
		}
	}
	if t.orders.client != nil {
		t.orders.client.CloseIdleConnections()
	}
}

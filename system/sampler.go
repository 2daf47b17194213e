package system

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Sampler takes samples in one goroutine, and has a second one if it pushes them to
// a collector. All methods are safe for concurrent use; none but Close waits for
// anything.
type Sampler struct {
	opts   Options
	log    *slog.Logger
	last   atomic.Pointer[Sample] // nil before the first
	reader *reader
	alarms *alarms
	pusher *pusher // nil if it does not push
	ctx    context.Context
	stop   context.CancelCauseFunc
	over   chan struct{} // closed once sampling has ended

	mu              sync.Mutex
	started, closed bool
}

// New makes a sampler; it starts nothing and reads nothing.
//
// Errors: [core.ErrInvalid] for a mistake in the options.
func New(opts Options) (*Sampler, error) {
	opts, err := opts.normalize()
	if err != nil {
		return nil, fmt.Errorf("system: %w: %w", core.ErrInvalid, err)
	}
	s := &Sampler{opts: opts, log: opts.Logger, reader: newReader(opts), alarms: newAlarms(opts), over: make(chan struct{})}
	if opts.Push.URL != "" {
		s.pusher = newPusher(opts.Push, opts.Logger)
	}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	return s, nil
}

// Supported reports whether there is anything to read: on Linux, and elsewhere with
// Options.Root alone.
func (s *Sampler) Supported() bool { return runtime.GOOS == "linux" || s.opts.Root != "/" }

// Start begins to sample, at once, and goes on until Close. Starting again, or after
// Close, or on a system that is not supported, does nothing.
func (s *Sampler) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.closed || !s.Supported() {
		return
	}
	s.started = true
	go s.run()
	if s.pusher != nil {
		go s.pusher.run(s.ctx, s.last.Load)
	}
}

// Sample returns the newest sample, and false before there is one.
func (s *Sampler) Sample() (Sample, bool) {
	last := s.last.Load()
	if last == nil {
		return Sample{}, false
	}
	return *last, true
}

// Pushes tells how pushing goes, and false if there is no collector.
func (s *Sampler) Pushes() (PushStats, bool) {
	if s.pusher == nil {
		return PushStats{}, false
	}
	return *s.pusher.stats.Load(), true
}

// Close ends sampling and pushing, a request under way included, and waits until
// ctx ends at most. Sample keeps returning the newest one. A second Close waits as
// the first one.
//
// Its error says what has not ended, a file system that does not answer say, and
// wraps context.Cause(ctx).
func (s *Sampler) Close(ctx context.Context) error {
	s.mu.Lock()
	started := s.started
	s.closed = true
	s.mu.Unlock()
	s.stop(core.ErrClosed)
	if !started {
		return nil
	}
	ends := []<-chan struct{}{s.over}
	if s.pusher != nil {
		ends = append(ends, s.pusher.over)
	}
	for _, end := range ends {
		select {
		case <-end:
		case <-ctx.Done():
			return fmt.Errorf("system: close: a goroutine has not ended: %w", context.Cause(ctx))
		}
	}
	for _, d := range s.reader.disks {
		if err := d.await(ctx); err != nil {
			return fmt.Errorf("system: close: disk %s does not answer: %w", d.path, err)
		}
	}
	return nil
}

// run takes samples until Close.
func (s *Sampler) run() {
	defer close(s.over)
	began := time.Now()
	due := time.NewTimer(0)
	defer due.Stop()
	for first := true; ; first = false {
		select {
		case <-due.C:
		case <-s.ctx.Done():
			return
		}
		s.take()
		passed := time.Since(began)
		wait := s.opts.Interval - passed%s.opts.Interval
		if first && s.opts.Interval >= 2*firstInterval {
			wait = firstInterval
		}
		due.Reset(wait)
	}
}

// take takes one sample and hands it on.
func (s *Sampler) take() {
	one := s.reader.read(s.ctx)
	if s.ctx.Err() != nil {
		return // what was interrupted is no reading
	}
	one.Reasons = s.alarms.judge(one)
	before := s.last.Swap(one)
	if s.pusher != nil {
		s.pusher.wake()
	}
	s.tell(before, one)
}

// tell logs what has changed.
func (s *Sampler) tell(before, now *Sample) {
	if before == nil {
		s.log.Debug("holdfast: system", "missing", now.Missing)
		before = &Sample{Missing: now.Missing}
	}
	switch {
	case now.Degraded() && !before.Degraded():
		s.log.Warn("holdfast: system is degraded", "reasons", now.Reasons)
	case !now.Degraded() && before.Degraded():
		s.log.Info("holdfast: system is well again")
	}
	was, is := before.missing(), now.missing()
	for part, why := range is {
		if _, known := was[part]; !known {
			s.log.Warn("holdfast: system: a part can't be read", "part", part, "reason", why)
		}
	}
	for part := range was {
		if _, still := is[part]; !still {
			s.log.Info("holdfast: system: a part can be read again", "part", part)
		}
	}
}

// missing are the parts that are worth telling of.
func (s *Sample) missing() map[string]string {
	parts := make(map[string]string)
	for _, m := range s.Missing {
		if !m.passing {
			parts[m.Part] = m.Reason
		}
	}
	return parts
}

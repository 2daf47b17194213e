package system

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/procfs"
)

// reader reads samples. It belongs to the goroutine of a sampler.
type reader struct {
	host   host
	cgroup cgroup
	disks  []*disk
}

func newReader(opts Options) *reader {
	r := &reader{host: host{proc: filepath.Join(opts.Root, "proc")}}
	r.cgroup.where = &hierarchy{root: opts.Root}
	for _, path := range opts.Disks {
		r.disks = append(r.disks, &disk{path: path, space: spaceOf})
	}
	return r
}

// read takes a sample. Whatever can't be read is missing from it.
func (r *reader) read(ctx context.Context) *Sample {
	s := &Sample{TakenAt: time.Now()}
	fs, err := procfs.NewFS(r.host.proc)
	if err != nil {
		s.lack("host", err)
	} else {
		r.readHost(s, fs)
		r.readCgroup(s, fs)
	}
	for _, d := range r.disks {
		s.part("disk:"+d.path, func() error {
			one, err := d.read(ctx)
			if err == nil {
				s.Disks = append(s.Disks, one)
			}
			return err
		})
	}
	s.Took = time.Since(s.TakenAt)
	return s
}

func (r *reader) readHost(s *Sample, fs procfs.FS) {
	s.part("host.cpu", func() (err error) { s.Host.CPU, err = r.host.cpu(); return err })
	s.part("host.memory", func() (err error) { s.Host.Memory, err = r.host.memoryInUse(fs); return err })
	s.part("host.pressure", func() (err error) { s.Host.Pressure, err = r.host.pressure(); return err })
	s.part("load", func() (err error) { s.Load, err = r.host.load(fs); return err })
}

func (r *reader) readCgroup(s *Sample, fs procfs.FS) {
	found := false
	s.part("cgroup", func() error {
		if err := r.cgroup.where.locate(fs); err != nil {
			r.cgroup.before = nil
			return err
		}
		found = true
		return nil
	})
	if !found {
		return
	}
	s.CgroupVersion = r.cgroup.where.version()
	s.part("cgroup.cpu", func() (err error) { s.Cgroup.CPU, err = r.cgroup.cpu(r.host.cores); return err })
	s.part("cgroup.memory", func() (err error) { s.Cgroup.Memory, err = r.cgroup.memory(r.host.memory); return err })
	s.part("cgroup.pressure", func() (err error) { s.Cgroup.Pressure, err = r.cgroup.pressure(); return err })
}

// part reads one part. What a kernel writes that nobody expected must not end the
// program.
func (s *Sample) part(name string, read func() error) {
	defer func() {
		if p := recover(); p != nil {
			s.lack(name, fmt.Errorf("panic: %T", p))
		}
	}()
	if err := read(); err != nil {
		s.lack(name, err)
	}
}

func (s *Sample) lack(name string, err error) {
	s.Missing = append(s.Missing, Missing{Part: name, Reason: reason(err), passing: passing(err)})
}

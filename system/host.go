package system

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/prometheus/procfs"
)

// The reasons that pass by themselves.
var (
	errNotYet   = errors.New("not yet: it takes two samples")
	errBackward = errors.New("a counter went backwards; it takes another sample")
	errNoTime   = errors.New("no time was counted since the last sample")
)

// passing reports whether an error is nothing to tell of.
func passing(err error) bool {
	return errors.Is(err, errNotYet) || errors.Is(err, errBackward) || errors.Is(err, errNoTime)
}

// host reads what concerns the whole machine.
type host struct {
	file
	proc   string
	before *ticks
	cores  int    // online; 0 is unknown
	memory uint64 // bytes; 0 is unknown
}

// ticks are the CPU times of a machine, in ticks of the kernel.
type ticks struct {
	busy, idle uint64
	cores      int
}

// cpu compares the CPU times with those of the last call.
func (h *host) cpu() (*CPU, error) {
	before := h.before
	h.before, h.cores = nil, 0
	data, err := h.read(filepath.Join(h.proc, "stat"))
	if err != nil {
		return nil, err
	}
	now, err := parseTicks(data)
	if err != nil {
		return nil, malformed(filepath.Join(h.proc, "stat"), err)
	}
	h.before, h.cores = &now, now.cores
	switch {
	case before == nil:
		return nil, errNotYet
	case now.busy < before.busy || now.idle < before.idle:
		return nil, errBackward // a processor went offline, or the machine was restored
	}
	busy, idle := float64(now.busy-before.busy), float64(now.idle-before.idle)
	if busy+idle == 0 {
		return nil, errNoTime
	}
	cores := float64(now.cores)
	return &CPU{UsedCores: cores * busy / (busy + idle), LimitCores: cores}, nil
}

// parseTicks reads the first lines of /proc/stat. The parser of procfs reads them
// all, with a count of each interrupt, which takes 2 ms and more on a large machine (docs/benchmarks.md).
func parseTicks(data []byte) (ticks, error) {
	var t ticks
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	fields := bytes.Fields(first)
	if len(fields) < 5 || string(fields[0]) != "cpu" {
		return t, errors.New("it does not begin with the times of all processors")
	}
	// user, nice, system, idle, iowait, irq, softirq, steal; guest times, behind them,
	// are in user and nice already.
	for i, f := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil {
			return t, err
		}
		sum := &t.busy
		if i == 3 || i == 4 {
			sum = &t.idle
		}
		if *sum+n < *sum {
			return t, fmt.Errorf("%d is beyond all bounds", n)
		}
		*sum += n
	}
	for line := range bytes.Lines(rest) {
		if !bytes.HasPrefix(line, []byte("cpu")) {
			break
		}
		t.cores++
	}
	if t.cores == 0 {
		return t, errors.New("it lists no processor")
	}
	return t, nil
}

// memoryInUse reads how much memory is in use.
func (h *host) memoryInUse(fs procfs.FS) (*Memory, error) {
	h.memory = 0
	m, err := fs.Meminfo()
	switch {
	case err != nil:
		return nil, err
	case m.MemTotalBytes == nil || *m.MemTotalBytes == 0 || m.MemAvailableBytes == nil:
		return nil, malformed(filepath.Join(h.proc, "meminfo"), errors.New("it lacks MemTotal or MemAvailable"))
	}
	h.memory = *m.MemTotalBytes
	return &Memory{UsedBytes: h.memory - min(*m.MemAvailableBytes, h.memory), LimitBytes: h.memory}, nil
}

// load reads the averages of the run queue.
func (h *host) load(fs procfs.FS) (*Load, error) {
	l, err := fs.LoadAvg()
	if err != nil {
		return nil, err
	}
	for _, v := range []float64{l.Load1, l.Load5, l.Load15} {
		if !(v >= 0 && v < 1e9) { // NaN too
			return nil, malformed(filepath.Join(h.proc, "loadavg"), fmt.Errorf("%v is no load", v))
		}
	}
	return &Load{l.Load1, l.Load5, l.Load15}, nil
}

// pressure reads what the whole machine waits for.
func (h *host) pressure() (*Pressure, error) {
	return h.pressureOf(
		filepath.Join(h.proc, "pressure", "cpu"), filepath.Join(h.proc, "pressure", "memory"), filepath.Join(h.proc, "pressure", "io"))
}

package system

import "time"

// Sample is what was read at one moment. It is shared and never modified, by
// anybody. What could not be read is nil, and Missing says why.
type Sample struct {
	// TakenAt is when reading began, and Took how long it took.
	TakenAt time.Time
	Took    time.Duration
	// Host is the machine, or what /proc shows of it.
	Host Scope
	// Cgroup is the group that the process is in: its container, say. It is a part of
	// the host.
	Cgroup Scope
	// CgroupVersion is "v1", "v2", "hybrid" where the CPU is of one and the memory of
	// the other, and "" where there is none.
	CgroupVersion string
	// Load is the load of the host.
	Load *Load
	// Disks are those that could be read, in the order of Options.Disks.
	Disks []Disk
	// Missing are the parts that could not be read.
	Missing []Missing
	// Reasons say what is beyond its threshold, for people; the sample is degraded if
	// there are any.
	Reasons []string
}

// Degraded reports whether anything is beyond its threshold.
func (s Sample) Degraded() bool { return len(s.Reasons) > 0 }

// Scope is what a machine or a cgroup uses.
type Scope struct {
	CPU      *CPU
	Memory   *Memory
	Pressure *Pressure
}

// CPU is what was used of the processors between this sample and the one before.
// There is none in the first sample, nor in one where a counter went backwards.
type CPU struct {
	// UsedCores is how many processors were busy on average. On the host, time that a
	// hypervisor took away counts as busy, and waiting for a disk does not.
	UsedCores float64
	// LimitCores is how many there are: on the host, those that are online; in a cgroup,
	// the smallest of those, of its CPU set, and of the quotas of it and its parents. 0
	// is unknown.
	LimitCores float64
	// Limited reports whether a cgroup may use less than the whole host.
	Limited bool
	// Throttled is how long a cgroup was held back by its quota since it was made, and
	// ThrottledRatio the share (0 to 1) of the periods since the last sample in which
	// it was. Both are 0 for the host.
	Throttled      time.Duration
	ThrottledRatio float64
}

// Ratio is used by limit, from 0 on; above 1 for a moment where a cgroup may burst.
// It reports false where the limit is unknown.
func (c CPU) Ratio() (ratio float64, known bool) { return ratioOf(c.UsedCores, c.LimitCores) }

// Memory is how much memory is in use.
type Memory struct {
	// UsedBytes is what can't be had without swapping or killing: on the host, all but
	// MemAvailable; in a cgroup, its working set, which is all but the file cache that
	// was not used lately. What other groups below the same limit use is not in it.
	UsedBytes uint64
	// LimitBytes is how much there is: on the host, its memory; in a cgroup, the
	// smallest of that and of the limits of it and its parents. 0 is unknown.
	LimitBytes uint64
	// Limited reports whether a cgroup may use less than the whole host.
	Limited bool
}

// Ratio is used by limit, 0 to 1. It reports false where the limit is unknown.
func (m Memory) Ratio() (ratio float64, known bool) {
	return ratioOf(float64(m.UsedBytes), float64(m.LimitBytes))
}

// Load is the number of tasks of the host that run, or wait for a processor or a
// disk, averaged over 1, 5 and 15 minutes.
type Load struct{ One, Five, Fifteen float64 }

// Pressure is the share of the last 60 s, 0 to 1, in which some task waited for what
// was scarce: "some avg60" of the kernel's pressure stall information.
type Pressure struct{ CPU, Memory, IO float64 }

// Disk is how full a file system is.
type Disk struct {
	// Path is as in Options.Disks.
	Path string
	// UsedRatio is the greater of the shares, 0 to 1, of its bytes and of its inodes
	// that the program can't use; what is kept back for root counts as used.
	UsedRatio float64
	// UsedBytes and SizeBytes are the bytes.
	UsedBytes, SizeBytes uint64
}

// Missing is a part of a sample that could not be read.
type Missing struct {
	// Part is "host", "host.cpu", "host.memory", "host.pressure", "load", "cgroup", "cgroup.cpu",
	// "cgroup.memory", "cgroup.pressure", or "disk:" and a path.
	Part string
	// Reason is for people.
	Reason string

	passing bool // it is nothing to tell of: the next sample has it
}

func ratioOf(used, limit float64) (float64, bool) {
	if limit <= 0 {
		return 0, false
	}
	return used / limit, true
}

// Package system samples what the machine and the cgroup of the process have left:
// CPU, memory, load, pressure and disks, from /proc and /sys/fs/cgroup, every 15 s
// and in one goroutine.
//
//	sampler, err := system.New(system.Options{Disks: []string{"/var/lib/orders"}})
//	if err != nil { ... }
//	sampler.Start()
//	defer sampler.Close(ctx)
//	err = checks.Register(sampler, health.CheckOptions{}) // a detail of /health
//	c, err := metrics.New(svc, metrics.Options{System: sampler})
//
// A busy machine is degraded and never DOWN: taking an instance out because its CPU
// is busy makes the others busier. What can't be read is missing with a reason, and
// all else goes on. Systems other than Linux are "unsupported", which breaks nothing.
//
// Both cgroup versions are read, and machines where some controllers are of one and
// some of the other. A limit that a parent sets holds, and the smallest one counts.
//
// [PushOptions] make it send each sample to a collector besides.
package system

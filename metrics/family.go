package metrics

import "github.com/prometheus/client_golang/prometheus"

// family is one metric: a name, its help, and the names of its labels in
// alphabetical order.
type family struct {
	desc    *prometheus.Desc
	counter bool
}

// families are all metrics of the collector.
type families struct {
	all []*family

	build, started, level, degraded, backendUp, events *family

	configLevel, configAge, configKeys, configHeld, configBad, configRefused, configLists, configChanges *family
	valueLevel, valueAge, valueRefused                                                                   *family

	endpointsLevel, endpointsAge, endpointsInstances, endpointsUp, endpointsHeld, endpointsEjected *family

	registered, registrations, losses, beats *family

	cacheUp, cachePending, cacheLastWrite, cacheWrites, cacheErrors *family

	calls, inFlight, retries, hedges, rejected, timeouts, abandoned *family
	breakerState, breakerFailures                                   *family

	answers, failures, unanswered, remembered, rememberedBytes, rememberErrors *family

	phase, checkUp, checkDuration *family

	systemSupported, systemSampled, systemDuration, systemDegraded, systemMissing                 *family
	systemCPURatio, systemCoresUsed, systemCoresLimit, systemThrottled                            *family
	systemMemoryRatio, systemMemoryUsed, systemMemoryLimit, systemPressure, systemLoad            *family
	systemDiskRatio, systemDiskUsed, systemDiskSize, systemPushUp, systemPushes, systemPushErrors *family
}

func (f *families) gauge(name, help string, labels ...string) *family {
	return f.add(false, name, help, labels)
}

func (f *families) counter(name, help string, labels ...string) *family {
	return f.add(true, name, help, labels)
}

func (f *families) add(counter bool, name, help string, labels []string) *family {
	one := &family{desc: prometheus.NewDesc("holdfast_"+name, help, labels, nil), counter: counter}
	f.all = append(f.all, one)
	return one
}

// Levels as numbers: the greater, the worse.
const levels = "1 live, 2 memory, 3 replica, 4 cached, 5 default, 6 empty, 7 none."

func newFamilies() *families {
	f := &families{}
	f.build = f.gauge("build_info", "Versions of the service, of Holdfast and of Go; always 1.", "go_version", "holdfast_version", "service", "service_version")
	f.started = f.gauge("start_time_seconds", "When the service was started, since the Unix epoch.")
	f.level = f.gauge("level", "Worst level of the configuration and of the endpoints in use: "+levels)
	f.degraded = f.gauge("degraded", "1 while anything is not as it should be: a level below live, a refused value, an instance that is not registered, a failing cache.")
	f.backendUp = f.gauge("backend_up", "1 while the backend answers and is in sync, by what it is used for: config, registry.", "backend")
	f.events = f.counter("events_total", "Changes that the timeline told of, by kind.", "kind")

	f.configLevel = f.gauge("config_level", "Level of the configuration as a whole: "+levels)
	f.configAge = f.gauge("config_age_seconds", "How long ago the backend last confirmed the configuration; 0 if it never did.")
	f.configKeys = f.gauge("config_keys", "Keys of the configuration in memory.")
	f.configHeld = f.gauge("config_keys_held", "Keys that the backend lacks but that are held, because a list after trouble lacked too many.")
	f.configBad = f.gauge("config_keys_unreadable", "Keys that can't be read now; their last good value stays.")
	f.configRefused = f.gauge("config_values_refused", "Bound values whose newest version is refused now; the last good one is served.")
	f.configLists = f.counter("config_lists_total", "Full lists of the configuration that the backend answered.")
	f.configChanges = f.counter("config_changes_total", "Steps of watches that changed the configuration.")
	f.valueLevel = f.gauge("config_value_level", "Level of a bound value: "+levels, "path")
	f.valueAge = f.gauge("config_value_age_seconds", "How long ago a bound value was last known to be what the backend holds; 0 at level default.", "path")
	f.valueRefused = f.counter("config_value_refused_total", "Versions of a bound value that were refused; shown from the first on.", "path")

	f.endpointsLevel = f.gauge("endpoints_level", "Level of the instances of a service that this one calls: "+levels, "peer_service")
	f.endpointsAge = f.gauge("endpoints_age_seconds", "How long ago the backend was last known to hold these instances.", "peer_service")
	f.endpointsInstances = f.gauge("endpoints_instances", "Known instances of a service that this one calls.", "peer_service")
	f.endpointsUp = f.gauge("endpoints_instances_up", "Known instances that take requests.", "peer_service")
	f.endpointsHeld = f.gauge("endpoints_instances_held", "Known instances that the backend no longer shows but that are held; shown while there are any.", "peer_service")
	f.endpointsEjected = f.gauge("endpoints_instances_ejected", "Instances that are up and get no requests for a while, because requests or a probe failed; shown while there are any.", "peer_service")

	f.registered = f.gauge("announcement_registered", "1 while peers can see the announced instance.", "announced_service", "instance_id")
	f.registrations = f.counter("announcement_registrations_total", "How often the instance became registered.", "announced_service", "instance_id")
	f.losses = f.counter("announcement_losses_total", "How often the registration was lost or taken.", "announced_service", "instance_id")
	f.beats = f.counter("announcement_beats_total", "Requests to register that the backend confirmed.", "announced_service", "instance_id")

	f.cacheUp = f.gauge("cache_up", "1 while the last write or read of the cache store worked.")
	f.cachePending = f.gauge("cache_pending_records", "Records that wait to be written to the cache store.")
	f.cacheLastWrite = f.gauge("cache_last_write_timestamp_seconds", "When the cache store last took a batch, since the Unix epoch.")
	f.cacheWrites = f.counter("cache_writes_total", "Batches that the cache store took.")
	f.cacheErrors = f.counter("cache_write_errors_total", "Batches that could not be written to the cache store.")

	f.calls = f.counter("policy_calls_total", "Calls through a chain.", "chain")
	f.inFlight = f.gauge("policy_calls_in_flight", "Calls through a chain that have not returned.", "chain")
	f.retries = f.counter("policy_retries_total", "Tries beyond the first of each call.", "chain", "layer")
	f.hedges = f.counter("policy_hedges_total", "Tries that were begun beside a slow one.", "chain", "layer")
	f.rejected = f.counter("policy_rejected_total", "Tries that a layer refused.", "chain", "layer")
	f.timeouts = f.counter("policy_timeouts_total", "Calls or tries whose time was up.", "chain", "layer")
	f.abandoned = f.gauge("policy_abandoned", "Functions that still run although their caller was freed.", "chain", "layer")
	f.breakerState = f.gauge("policy_breaker_state", "1 for the state that the breaker is in, 0 for the others: closed, open, half-open.", "chain", "layer", "state")
	f.breakerFailures = f.gauge("policy_breaker_failure_ratio", "Failures within the breaker's window, 0 to 1.", "chain", "layer")

	f.answers = f.counter("fallback_answers_total", "Answers of a fallback, by the level that answered.", "fallback", "level")
	f.failures = f.counter("fallback_errors_total", "How often a level of a fallback was asked and did not answer.", "fallback", "level")
	f.unanswered = f.counter("fallback_unanswered_total", "Calls of a fallback that no level answered.", "fallback")
	f.remembered = f.gauge("fallback_cache_entries", "Answers that a fallback remembers.", "fallback")
	f.rememberedBytes = f.gauge("fallback_cache_bytes", "Size of the keys and answers that a fallback remembers.", "fallback")
	f.rememberErrors = f.counter("fallback_cache_write_errors_total", "Batches of a fallback that could not be written to its store.", "fallback")

	f.phase = f.gauge("lifecycle_phase", "1 for the phase that the process is in, 0 for the others.", "phase")
	f.checkUp = f.gauge("check_up", "1 if a health check is UP.", "check")
	f.checkDuration = f.gauge("check_duration_seconds", "How long the last run of a health check took.", "check")

	f.systemSupported = f.gauge("system_supported", "1 if the system can be sampled: on Linux.")
	f.systemSampled = f.gauge("system_sample_timestamp_seconds", "When the newest sample of the system was taken, since the Unix epoch.")
	f.systemDuration = f.gauge("system_sample_duration_seconds", "How long it took to take the newest sample.")
	f.systemDegraded = f.gauge("system_degraded", "1 while a figure of the system is beyond its threshold.")
	f.systemMissing = f.gauge("system_parts_missing", "Parts that the newest sample lacks because they could not be read.")
	f.systemCPURatio = f.gauge("system_cpu_ratio", "Used share of the processors that the host has or the cgroup may use, between the newest two samples.", "scope")
	f.systemCoresUsed = f.gauge("system_cpu_used_cores", "Processors that were busy on average between the newest two samples.", "scope")
	f.systemCoresLimit = f.gauge("system_cpu_limit_cores", "Processors that the host has or the cgroup may use.", "scope")
	f.systemThrottled = f.counter("system_cpu_throttled_seconds_total", "How long the cgroup was held back by its CPU quota since it was made.", "scope")
	f.systemMemoryRatio = f.gauge("system_memory_ratio", "Used share of the memory that the host has or the cgroup may use.", "scope")
	f.systemMemoryUsed = f.gauge("system_memory_used_bytes", "Memory in use: on the host all that is not available, in the cgroup its working set.", "scope")
	f.systemMemoryLimit = f.gauge("system_memory_limit_bytes", "Memory that the host has or the cgroup may use.", "scope")
	f.systemPressure = f.gauge("system_pressure_ratio", "Share of the last minute in which some task waited for the resource: cpu, memory, io.", "resource", "scope")
	f.systemLoad = f.gauge("system_load_average", "Tasks of the host that run or wait, averaged over the window: 1m, 5m, 15m.", "window")
	f.systemDiskRatio = f.gauge("system_disk_used_ratio", "Used share of a file system, of its bytes or of its inodes, whichever is greater.", "path")
	f.systemDiskUsed = f.gauge("system_disk_used_bytes", "Bytes of a file system that the program can't use.", "path")
	f.systemDiskSize = f.gauge("system_disk_size_bytes", "Size of a file system.", "path")
	f.systemPushUp = f.gauge("system_push_up", "1 while the collector takes samples.")
	f.systemPushes = f.counter("system_pushes_total", "Samples that the collector took.")
	f.systemPushErrors = f.counter("system_push_errors_total", "Requests to the collector that failed.")
	return f
}

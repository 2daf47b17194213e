package etcdtest

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Metrics are the values of /metrics by series, as printed there:
// `etcd_server_has_leader`, `grpc_server_started_total{grpc_method="Range",...}`.
type Metrics map[string]float64

// Usage is what a server's process uses.
type Usage struct {
	RSS int64         // resident memory in bytes
	CPU time.Duration // since its start, in steps of 10 ms
}

// Metrics asks a running server for its metrics. It starts no RPC.
func (s *Server) Metrics() Metrics {
	s.t.Helper()
	text, err := s.probe.get(s.t.Context(), "/metrics")
	if err != nil {
		s.t.Fatalf("etcdtest: metrics of %s: %v", s.name, err)
	}
	metrics := Metrics{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, probeBytes)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			metrics[line[:at]] = value
		}
	}
	return metrics
}

// RPCs returns how often clients have started each method since the server's
// start, by name: "KV/Range", "Watch/Watch", "Lease/LeaseKeepAlive".
func (m Metrics) RPCs() map[string]int64 { return m.byMethod("grpc_server_started_total") }

// Received returns how many messages of clients each method has received since
// the server's start; for a stream that is more than one per RPC.
func (m Metrics) Received() map[string]int64 { return m.byMethod("grpc_server_msg_received_total") }

// Usage returns memory and processor time; zeros where etcd doesn't know them.
func (m Metrics) Usage() Usage {
	return Usage{
		RSS: int64(m["process_resident_memory_bytes"]),
		CPU: time.Duration(m["process_cpu_seconds_total"] * float64(time.Second)),
	}
}

// byMethod leaves out methods that were never called.
func (m Metrics) byMethod(name string) map[string]int64 {
	counts := map[string]int64{}
	for series, value := range m {
		labels, ok := strings.CutPrefix(series, name+"{")
		if !ok || value == 0 {
			continue
		}
		service := label(labels, "grpc_service")
		service = service[strings.LastIndexByte(service, '.')+1:]
		counts[service+"/"+label(labels, "grpc_method")] += int64(value)
	}
	return counts
}

func label(labels, name string) string {
	_, rest, _ := strings.Cut(labels, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

package holdfastgin

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestStream_IsRecognisedByWhatARequestAsksFor: who takes an ordinary answer as well
// (clients of the Model Context Protocol do, with each request) gets it.
func TestStream_IsRecognisedByWhatARequestAsksFor(t *testing.T) {
	for _, row := range []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"nothing", http.Header{}, false},
		{"anything", http.Header{"Accept": {"*/*"}}, false},
		{"events, as browsers ask", http.Header{"Accept": {"text/event-stream"}}, true},
		{"with parameters", http.Header{"Accept": {"Text/Event-Stream; charset=utf-8;q=0.9"}}, true},
		{"said twice", http.Header{"Accept": {"text/event-stream, text/event-stream"}}, true},
		{"or JSON", http.Header{"Accept": {"application/json, text/event-stream"}}, false},
		{"or JSON, in another line", http.Header{"Accept": {"text/event-stream", "application/json"}}, false},
		{"or anything", http.Header{"Accept": {"text/event-stream, */*;q=0.1"}}, false},
		{"an empty one", http.Header{"Accept": {""}}, false},
		{"empty parts", http.Header{"Accept": {"text/event-stream, "}}, true},
		{"the beginning of a longer name", http.Header{"Accept": {"text/event-streams"}}, false},
		{"WebSocket", http.Header{"Upgrade": {"websocket"}, "Accept": {"application/json"}}, true},
		{"an offer of HTTP/2", http.Header{"Upgrade": {"H2C"}}, false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header = row.header
		if got := streams(r); got != row.want {
			t.Errorf("%s (%v): a stream: %v; want %v", row.name, row.header, got, row.want)
		}
	}
}

package holdfast_test

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// answering is a transport that answers at once, so that what is measured is what
// stands above it.
type answering struct{}

func (answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(new(empty))}, nil
}

type empty struct{}

func (*empty) Read([]byte) (int, error) { return 0, io.EOF }

// BenchmarkTransport is a request through the transport, and through what it stands
// on alone.
func BenchmarkTransport(b *testing.B) {
	store := memory.New(memory.Options{})
	defer store.Close()
	registry := store.Registry()
	for _, id := range []string{"a", "b", "c"} {
		if err := registry.Register(b.Context(), core.Registration{
			Instance: core.Instance{ID: id, Service: "inventory", Endpoints: []string{"http://127.0.0.1:1"}}, Owner: "bench", TTL: time.Hour,
		}); err != nil {
			b.Fatal(err)
		}
	}
	svc, err := holdfast.Start(b.Context(), holdfast.Options{Name: "orders", Registry: registry, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = svc.Close(b.Context()) }()
	if err := svc.Endpoints("inventory").WaitLevel(b.Context(), core.Live); err != nil {
		b.Fatal(err)
	}
	for name, rt := range map[string]http.RoundTripper{"plain": answering{}, "holdfast": holdfast.Transport(svc, answering{})} {
		b.Run(name, func(b *testing.B) {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://inventory/items", nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				resp, err := rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}

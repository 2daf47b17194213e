package policy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/policy"
)

// The client of an application that repeats what is safe to repeat.
func ExampleRoundTripper() {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	defer server.Close()

	chain := policy.Must(policy.Retry{Delay: time.Millisecond}, policy.Breaker{}, policy.Timeout{After: 2 * time.Second})
	client := &http.Client{Transport: policy.RoundTripper(chain, server.Client().Transport)}

	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(text), err, requests.Load())
	// Output: 200 hello <nil> 3
}

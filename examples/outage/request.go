package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
)

// response is what a request came to.
type response struct {
	code  int
	level string // as the header says, if there is one
	err   error
}

// get makes one request over a connection of its own.
func get(ctx context.Context, url string) response {
	return getWith(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, url, nil)
}

// getWith makes one request and decodes the body of an answer, if into is not
// nil.
func getWith(ctx context.Context, client *http.Client, url string, into any) response {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return response{err: err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return response{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && into != nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, into)
	}
	return response{code: resp.StatusCode, level: resp.Header.Get("Holdfast-Level"), err: err}
}

package outagetest

import (
	"context"
	"io"
	"net/http"
)

// fetch makes one request.
func fetch(ctx context.Context, client *http.Client, method, url string) (code int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

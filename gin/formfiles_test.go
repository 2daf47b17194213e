package holdfastgin

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/gin-gonic/gin"
)

// upload is a request with a file that is too large for memory.
func upload(t *testing.T, url string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "large")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return req
}

// leavesNoFile sends an upload and looks for what is left of it on disk.
func leavesNoFile(t *testing.T, server *httptest.Server, req *http.Request) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir) // Windows
	client := server.Client()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: the form was not in a file", resp.StatusCode)
	}
	client.CloseIdleConnections()
	server.Close() // awaits the request
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 0 {
		t.Errorf("%d files are left (%v)", len(files), err)
	}
}

// readsForm answers 200 if the form of a request is in a file.
func readsForm(c *gin.Context) {
	if err := c.Request.ParseMultipartForm(1 << 10); err != nil {
		c.AbortWithStatus(http.StatusBadRequest)
		return
	}
	file, err := c.Request.MultipartForm.File["file"][0].Open()
	if err != nil {
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	defer func() { _ = file.Close() }()
	if _, ok := file.(*os.File); !ok {
		c.AbortWithStatus(http.StatusConflict)
	}
}

// TestProvenance_LeavesNoFilesOfForms: net/http removes the files of the form that
// is in the request which it made, not those of a copy.
func TestProvenance_LeavesNoFilesOfForms(t *testing.T) {
	engine := answering(ProvenanceOptions{})
	engine.POST("/", readsForm)
	server := httptest.NewServer(engine)
	defer server.Close()
	leavesNoFile(t, server, upload(t, server.URL))
}

// TestStream_LeavesNoFilesOfForms is about the two that give a request another ctx:
// the middleware, and the server for requests that are for streams.
func TestStream_LeavesNoFilesOfForms(t *testing.T) {
	for name, row := range map[string]struct {
		middleware []gin.HandlerFunc
		accept     string
	}{
		"middleware": {middleware: []gin.HandlerFunc{Stream()}},
		"server":     {accept: "text/event-stream"},
	} {
		t.Run(name, func(t *testing.T) {
			engine := gin.New()
			engine.Use(row.middleware...)
			engine.POST("/", readsForm)
			server := httptest.NewUnstartedServer(engine)
			life := NewLifecycle(startService(t, newBackend(t), nil), fast())
			life.Attach(server.Config)
			server.Start()
			defer server.Close()
			req := upload(t, server.URL)
			req.Header.Set("Accept", row.accept)
			leavesNoFile(t, server, req)
		})
	}
}

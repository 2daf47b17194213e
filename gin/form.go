package holdfastgin

import "net/http"

// keepForm leaves the form that was read from a copy of a request where net/http
// looks for it, in the request that it made: it removes the files of what was too
// large for memory.
func keepForm(read, given *http.Request) {
	if given.MultipartForm == nil {
		given.MultipartForm = read.MultipartForm
	}
}

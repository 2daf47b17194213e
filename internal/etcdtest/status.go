package etcdtest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// status is a member's answer to Maintenance/Status; numbers are strings in the
// JSON of protobuf.
type status struct {
	Header struct {
		MemberID string `json:"member_id"`
		RaftTerm string `json:"raft_term"`
	} `json:"header"`
	Leader string `json:"leader"`
}

func (s *Server) status(ctx context.Context) (status, error) {
	body, err := s.probe.do(ctx, http.MethodPost, "/v3/maintenance/status", strings.NewReader("{}"))
	if err != nil {
		return status{}, err
	}
	var answer status
	err = json.Unmarshal(body, &answer)
	return answer, err
}

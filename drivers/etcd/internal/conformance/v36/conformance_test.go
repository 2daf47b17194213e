package v36_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/drivers/etcd/internal/conformance"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 140 s; v37 runs the same kits")
	}
	conformance.Run(t, etcdtest.V36, conformance.Guard{})
}

package v37_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/drivers/etcd/internal/conformance"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) { conformance.Run(t, etcdtest.V37, conformance.Guard{}) }

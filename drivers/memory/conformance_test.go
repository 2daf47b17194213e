package memory_test

import (
	"testing"

	"github.com/holdfast-go/holdfast/core/drivertest"
	"github.com/holdfast-go/holdfast/internal/memorykit"
)

func TestRegistry_Conforms(t *testing.T) {
	drivertest.TestRegistry(t, memorykit.Registry(false))
}

func TestConfigSource_Conforms(t *testing.T) {
	drivertest.TestConfigSource(t, memorykit.Config(false))
}

func TestConfigSource_ConformsWithPlainRevisions(t *testing.T) {
	drivertest.TestConfigSource(t, memorykit.Config(true))
}

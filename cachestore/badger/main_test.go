package badger

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary play a part in another process.
const roleVariable = "HOLDFAST_BADGER_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}

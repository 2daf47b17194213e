package holdfast

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestTryTimer_DecidesOnce(t *testing.T) {
	for _, inTime := range []bool{true, false} {
		ctx, cancel := context.WithCancelCause(t.Context())
		timer := &tryTimer{timer: time.NewTimer(time.Hour), cancel: cancel}
		if !inTime {
			timer.expire()
		}
		if err := timer.header(); (err == nil) != inTime {
			t.Errorf("in time: %v; header says %v", inTime, err)
		}
		timer.expire() // a timer that fired while the header came, and runs only now
		if err := ctx.Err(); (err == nil) != inTime {
			t.Errorf("in time: %v; the ctx of the body says %v", inTime, err)
		}
		timer.end()
		if cause := context.Cause(ctx); errors.Is(cause, errTryTimeout) == inTime {
			t.Errorf("in time: %v; the cause is %v", inTime, cause)
		}
	}
}

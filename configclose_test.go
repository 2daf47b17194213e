package holdfast_test

import (
	"errors"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func TestConfig_IsNotLiveAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		v := bind(t, svc, "limits", defaultLimits)
		closeService(t, svc)
		want := defaultLimits
		want.MaxItems = 7
		wantValue(t, v, want, core.Memory)
		if st := svc.Status().Config; st.Level != core.Memory || !errors.Is(st.Err, core.ErrClosed) {
			t.Errorf("level %v, Err %v; want memory and that it is closed", st.Level, st.Err)
		}
		if n := len(svc.Status().Timeline); n == 0 || svc.Status().Timeline[n-1].To == core.Memory {
			t.Error("Close is told as a loss of the backend")
		}
	})
}

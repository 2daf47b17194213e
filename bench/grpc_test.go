package bench

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/balancer"
	_ "google.golang.org/grpc/balancer/roundrobin" // by its name
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/resolver"
)

// roundRobinOfGRPC returns the picker that grpc-go's round_robin makes of n addresses
// that are all connected.
func roundRobinOfGRPC(b testing.TB, n int) balancer.Picker {
	b.Helper()
	cc := &clientConn{}
	lb := balancer.Get("round_robin").Build(cc, balancer.BuildOptions{})
	defer lb.Close()
	var state resolver.State
	for i := range n {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address(i)}}})
	}
	if err := lb.UpdateClientConnState(balancer.ClientConnState{ResolverState: state}); err != nil {
		b.Fatal(err)
	}
	for len(cc.todo) > 0 {
		next := cc.todo[0]
		cc.todo = cc.todo[1:]
		next()
	}
	if cc.state.ConnectivityState != connectivity.Ready {
		b.Fatalf("round_robin is %v", cc.state.ConnectivityState)
	}
	return cc.state.Picker
}

func address(i int) string { return fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&0xff, i&0xff) }

// clientConn is the channel of a balancer, without connections.
type clientConn struct {
	balancer.ClientConn
	state balancer.State
	todo  []func()
}

func (c *clientConn) UpdateState(s balancer.State) { c.state = s }

func (*clientConn) ResolveNow(resolver.ResolveNowOptions) {}

func (*clientConn) Target() string { return "bench" }

func (*clientConn) MetricsRecorder() stats.MetricsRecorder { return recorder{} }

// recorder drops what a balancer counts while it connects.
type recorder struct{ stats.MetricsRecorder }

func (recorder) RecordInt64Count(*stats.Int64CountHandle, int64, ...string) {}

func (c *clientConn) NewSubConn(_ []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	return &subConn{cc: c, tell: o.StateListener}, nil
}

// subConn is connected as soon as it shall be.
type subConn struct {
	balancer.SubConn
	cc   *clientConn
	tell func(balancer.SubConnState)
}

func (s *subConn) Connect() {
	for _, state := range []connectivity.State{connectivity.Connecting, connectivity.Ready} {
		s.cc.todo = append(s.cc.todo, func() { s.tell(balancer.SubConnState{ConnectivityState: state}) })
	}
}

func (s *subConn) RegisterHealthListener(listen func(balancer.SubConnState)) {
	s.cc.todo = append(s.cc.todo, func() { listen(balancer.SubConnState{ConnectivityState: connectivity.Ready}) })
}

func (*subConn) Shutdown() {}

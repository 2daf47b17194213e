package etcd

import (
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// auth adds a token to every call, and fetches one with the user's password when
// it has none. clientv3 can do that too, but then its constructor waits for the
// cluster, and each new stream, a lease's renewal included, costs the server one
// more hash of the password.
type auth struct {
	user, password string
	static         string // a token given by the user; nothing is fetched then

	mu       sync.Mutex
	token    string
	have     bool          // token may be used; it is "" while the cluster has no authentication
	fetching chan struct{} // closed when the fetch in flight ends; nil if none is
}

// unary is a grpc.UnaryClientInterceptor.
func (a *auth) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if method == pb.Auth_Authenticate_FullMethodName {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	token, err := a.get(ctx, cc)
	if err != nil {
		return err
	}
	err = invoke(withToken(ctx, token), method, req, reply, cc, opts...)
	if !a.refused(token, err) {
		return err
	}
	// The server did nothing but refuse the token, so even a write may be repeated.
	if token, err = a.get(ctx, cc); err != nil {
		return err
	}
	return invoke(withToken(ctx, token), method, req, reply, cc, opts...)
}

// stream is a grpc.StreamClientInterceptor. That a token is refused shows in the
// stream's answers; whoever reads them calls refused.
func (a *auth) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	token, err := a.get(ctx, cc)
	if err != nil {
		return nil, err
	}
	return open(withToken(ctx, token), desc, cc, method, opts...)
}

// refused reports whether err says that the token is not valid (any more), and
// then forgets it.
func (a *auth) refused(token string, err error) bool {
	if !a.expired(err) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == token {
		a.have = false
	}
	return true
}

// expired reports whether err says that a token fetched is not valid (any more).
func (a *auth) expired(err error) bool {
	return a != nil && a.static == "" && err != nil &&
		oneOf(etcdError(err), rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty)
}

// hopeless reports whether err refuses a token for which no other can be fetched.
func (a *auth) hopeless(err error) bool {
	return a != nil && a.static != "" && oneOf(err, rpctypes.ErrInvalidAuthToken)
}

// forget drops the token if err says that it is not valid (any more).
func (a *auth) forget(err error) bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	token := a.token
	a.mu.Unlock()
	return a.refused(token, err)
}

// get returns the token. One caller fetches it, within its own ctx; the others
// wait within theirs, and fetch it themselves if that failed.
func (a *auth) get(ctx context.Context, cc *grpc.ClientConn) (string, error) {
	if a.static != "" {
		return a.static, nil
	}
	for {
		a.mu.Lock()
		if a.have {
			token := a.token
			a.mu.Unlock()
			return token, nil
		}
		wait := a.fetching
		if wait == nil {
			a.fetching = make(chan struct{})
			a.mu.Unlock()
			return a.fetch(ctx, cc)
		}
		a.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

func (a *auth) fetch(ctx context.Context, cc *grpc.ClientConn) (string, error) {
	request := &pb.AuthenticateRequest{Name: a.user, Password: a.password}
	response, err := pb.NewAuthClient(cc).Authenticate(ctx, request, callOptions()...)
	token := response.GetToken()
	if oneOf(rpctypes.Error(err), rpctypes.ErrAuthNotEnabled) {
		err = nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.fetching)
	a.fetching = nil
	if err != nil {
		return "", err
	}
	a.token, a.have = token, true
	return token, nil
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, token)
}

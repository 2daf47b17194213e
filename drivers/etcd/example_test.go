package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
)

// Dial never waits for the cluster. What asks a cluster that is down fails, soon
// and with a kind that says so.
func ExampleDial() {
	client, err := etcd.Dial(etcd.DialOptions{Endpoints: []string{"http://127.0.0.1:1"}})
	if err != nil {
		panic(err) // a programmer's mistake
	}
	defer func() { _ = client.Close() }()
	config := client.ConfigSource("/config/orders", etcd.ConfigOptions{})
	fmt.Println(config.Origin())

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = config.Load(ctx)
	fmt.Println(errors.Is(err, core.ErrUnavailable))
	// Output:
	// etcd /config/orders/
	// true
}

func ExampleDial_mutualTLS() {
	_, err := etcd.Dial(etcd.DialOptions{
		Endpoints: []string{"https://etcd-1:2379", "https://etcd-2:2379", "https://etcd-3:2379"},
		TLS:       &etcd.TLSOptions{CAFile: "ca.pem", CertFile: "client.pem", KeyFile: "client.key"},
	})
	fmt.Println(errors.Is(err, core.ErrInvalid)) // no such files
	// Output:
	// true
}

// A client that the program has already can be shared.
func ExampleWrap() {
	raw, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://127.0.0.1:1"}})
	if err != nil {
		panic(err)
	}
	defer func() { _ = raw.Close() }()
	client := etcd.Wrap(raw)
	defer func() { _ = client.Close() }()
	fmt.Println(client.Registry(etcd.RegistryOptions{Prefix: "/staging/services"}).Origin())
	// Output:
	// etcd /staging/services/
}

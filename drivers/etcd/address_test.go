package etcd

import (
	"slices"
	"testing"
)

func TestAddresses_AreThoseOfEndpointsThatHaveOne(t *testing.T) {
	t.Parallel()
	client, err := Dial(DialOptions{Endpoints: []string{"http://127.0.0.1:2379", "127.0.0.2:2380", "http://[::1]:2381", "unix:///socket:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	want := []string{"127.0.0.1:2379", "127.0.0.2:2380", "[::1]:2381"}
	for _, got := range [][]string{client.Registry(RegistryOptions{}).Addresses(), client.ConfigSource("/c/", ConfigOptions{}).Addresses()} {
		if !slices.Equal(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

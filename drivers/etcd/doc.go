// Package etcd is the primary driver of Holdfast: registration, discovery and
// configuration on an etcd cluster (3.6 or later; 3.5.23 or later works, with
// heartbeats that prove a little less).
//
// [Dial] never blocks, whatever the cluster does, and the [Client] it returns
// serves any number of registries and sources of configuration over one
// connection and one watch stream:
//
//	client, err := etcd.Dial(etcd.DialOptions{Endpoints: []string{"http://127.0.0.1:2379"}})
//	if err != nil {
//		return err // a programmer's mistake, never a cluster that is down
//	}
//	defer client.Close()
//	registry := client.Registry(etcd.RegistryOptions{})
//	config := client.ConfigSource("/config/orders/", etcd.ConfigOptions{})
//
// # What is stored
//
// An instance lies below /services/{service}/{instance}, as one line of JSON
// that people can read with etcdctl. In both segments "%", "/", control
// characters and bytes that are no UTF-8 are written as % and two hexadecimal
// digits; everything else stands for itself. Configuration is stored as the user
// wrote it: one key, one value.
//
// All registrations of one client with the same TTL share one lease.
package etcd

package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// etcdCommand is the first argument with which this program is the etcd server.
const etcdCommand = "etcd"

// serveEtcd runs an embedded etcd server until standard input ends, which it does
// when the tour does, in whatever way: the server never outlives it. Its
// arguments are the data directory and the URLs for clients and for peers.
func serveEtcd(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%d arguments; want a directory and two URLs", len(args))
	}
	clients, err := url.Parse(args[1])
	if err != nil {
		return err
	}
	peers, err := url.Parse(args[2])
	if err != nil {
		return err
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "tour", args[0]
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*clients}, []url.URL{*clients}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peers}, []url.URL{*peers}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	// One member has nobody to wait for: it may elect itself at once.
	cfg.TickMs, cfg.ElectionMs = 20, 200
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer etcd.Close()
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		return err
	case <-time.After(20 * time.Second):
		return errors.New("the server is not ready after 20 s")
	}
	if _, err := fmt.Println(ready); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// ready is what the server says once it serves.
const ready = "ready"

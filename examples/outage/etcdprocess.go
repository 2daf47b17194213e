package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdProcess is the etcd server in a process of its own: always at the same
// addresses, with the same data.
type etcdProcess struct {
	dir, clients, peers string
	command             *exec.Cmd
	stdin               io.WriteCloser
}

// newEtcdProcess chooses addresses; start starts it.
func newEtcdProcess(ctx context.Context, dir string) (*etcdProcess, error) {
	var urls [2]string
	for i := range urls {
		ln, err := listen(ctx)
		if err != nil {
			return nil, err
		}
		urls[i] = "http://" + ln.Addr().String()
		if err := ln.Close(); err != nil {
			return nil, err
		}
	}
	return &etcdProcess{dir: dir, clients: urls[0], peers: urls[1]}, nil
}

// start returns when the server serves.
func (e *etcdProcess) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Not by ctx: its end would kill the server before the services have left it.
	e.command = exec.CommandContext(context.WithoutCancel(ctx), self, etcdCommand, e.dir, e.clients, e.peers) //nolint:gosec // it is this very program.
	e.command.Stderr = os.Stderr
	stdout, err := e.command.StdoutPipe()
	if err != nil {
		return err
	}
	if e.stdin, err = e.command.StdinPipe(); err != nil {
		return err
	}
	if err := e.command.Start(); err != nil {
		return err
	}
	said := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err == nil && strings.TrimSpace(line) != ready {
			err = fmt.Errorf("it said %q", line)
		}
		said <- err
	}()
	select {
	case err = <-said:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		e.kill()
		return fmt.Errorf("etcd did not start: %w", err)
	}
	return nil
}

// kill ends the server as SIGKILL does: nothing is said, nothing is written, every
// connection breaks. It may be called twice.
func (e *etcdProcess) kill() {
	if e.command == nil || e.command.Process == nil {
		return
	}
	_ = e.command.Process.Kill()
	// That it was killed is no news.
	_ = e.command.Wait()
	_ = e.stdin.Close()
	e.command = nil
}

// wipe loses the data of a server that is not running.
func (e *etcdProcess) wipe() error { return os.RemoveAll(e.dir) }

// operator is a person with etcdctl: each call connects anew.
func (e *etcdProcess) operator(ctx context.Context, act func(ctx context.Context, c *clientv3.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{e.clients}, Logger: zap.NewNop(), Context: ctx})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return act(ctx, c)
}

// put writes one key.
func (e *etcdProcess) put(ctx context.Context, key, value string) error {
	return e.operator(ctx, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Put(ctx, key, value)
		return err
	})
}

// keys lists the keys below a prefix, without it.
func (e *etcdProcess) keys(ctx context.Context, prefix string) (found []string, err error) {
	err = e.operator(ctx, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return err
		}
		for _, kv := range resp.Kvs {
			found = append(found, strings.TrimPrefix(string(kv.Key), prefix))
		}
		return nil
	})
	return found, err
}

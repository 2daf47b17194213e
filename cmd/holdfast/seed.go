package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

const seedUsage = `Usage: holdfast cache seed [options] <dir> <file>

Writes a last good state for a service that has never seen its backend, for example
into an image. The file is YAML or JSON; "-" is the standard input.

A configuration: keys as the source would hold them, without its prefix. A value that
is no text is written as JSON.

  holdfast cache seed -origin "etcd /config/orders/" -bind limits,db/main cache seed.yaml

    limits/max_items: 100
    db/main.yaml: |
      host: db.internal

The instances of a service, with -service: a list of objects with id and endpoints.

  holdfast cache seed -origin "etcd /services/" -service inventory cache inventory.yaml

    - id: inventory-1
      endpoints: ["http://10.0.0.7:8080"]

The origin is what the status of the service calls so: the driver, a space and the
prefix. It must be the same, or the service will not find what is written here.

The folder and its files can be read by their owner alone. In an image, give them to
the user that the service runs as. docs/caches.md says more.

Options:
`

// seed writes a bucket.
func seed(ctx context.Context, i *invocation, args []string) (err error) {
	var (
		origin  = i.flags.String("origin", "", "the `origin` of the source or registry, such as \"etcd /config/orders/\"")
		scope   = i.flags.String("scope", "", "the service's CacheScope")
		paths   = i.flags.String("bind", "", "the `paths` that the service binds, separated by commas (default: the first element of each key)")
		service = i.flags.String("service", "", "the `name` of the service whose instances the file holds")
		raw     = i.flags.String("bucket", "", "write keys and values, as they are, to this `bucket` of the application's own")
		saved   = i.flags.String("saved", "", "the `time` at which the values were good, as 2026-11-21T15:04:05Z (default: now)")
		replace = i.flags.Bool("replace", false, "replace what is there already")
	)
	i.flags.Usage = func() {
		_, _ = io.WriteString(i.err, seedUsage)
		i.flags.PrintDefaults()
	}
	if err := i.parse(args, 1, 1); err != nil {
		return err
	}
	at := time.Now()
	if *saved != "" {
		if at, err = time.Parse(time.RFC3339, *saved); err != nil {
			return mistake{"-saved is no time such as 2026-11-21T15:04:05Z"}
		}
	}
	switch {
	case *raw == "" && *origin == "":
		return mistake{"give -origin, such as \"etcd /config/orders/\""}
	case *raw != "" && (*origin != "" || *scope != "" || *paths != "" || *service != ""):
		return mistake{"-bucket goes with -saved and -replace alone"}
	case strings.HasPrefix(*raw, "holdfast/"):
		return mistake{"buckets that begin with holdfast/ belong to the engines: give -origin instead"}
	case *service != "" && *paths != "":
		return mistake{"-bind is for a configuration, -service for instances"}
	}
	text, err := i.input()
	if err != nil {
		return err
	}
	k, err := i.kind()
	if err != nil {
		return err
	}
	store := k.store(i.dir, i.key)
	defer func() { err = errors.Join(err, store.Close()) }()

	var name, written string
	if *service != "" {
		instances, err := parseInstances(text)
		if err != nil {
			return err
		}
		written = count(len(instances), "instance")
		name, err = holdfast.SeedEndpoints(ctx, store, holdfast.EndpointsSeed{
			Origin: *origin, CacheScope: *scope, Service: *service, Instances: instances, SavedAt: at, Replace: *replace,
		})
		if err != nil {
			return err
		}
	} else {
		keys, err := parseKeys(text)
		if err != nil {
			return err
		}
		written = count(len(keys), "key")
		if *raw != "" {
			name, err = *raw, writeRaw(ctx, store, *raw, keys, at, *replace)
		} else {
			name, err = holdfast.SeedConfig(ctx, store, holdfast.ConfigSeed{
				Origin: *origin, CacheScope: *scope, Keys: keys, Paths: split(*paths), SavedAt: at, Replace: *replace,
			})
		}
		if err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(i.out, "%s written to bucket %s\n", written, printable(name))
	return err
}

// input is the content of the file.
func (i *invocation) input() ([]byte, error) {
	if i.rest[0] == "-" {
		return io.ReadAll(i.in)
	}
	return os.ReadFile(i.rest[0])
}

func split(paths string) []string {
	if paths == "" {
		return nil
	}
	return strings.Split(paths, ",")
}

// errParse stands for the parser's own error, which quotes what it read.
var errParse = errors.New("the file is neither valid YAML nor JSON, or not of the form that \"holdfast cache seed -h\" shows")

// parseKeys reads a mapping of keys to values.
func parseKeys(text []byte) (map[string][]byte, error) {
	var read map[string]any
	if err := yaml.Unmarshal(text, &read); err != nil {
		return nil, errParse
	}
	if len(read) == 0 {
		return nil, errors.New("the file holds no keys")
	}
	keys := make(map[string][]byte, len(read))
	for key, value := range read {
		switch v := value.(type) {
		case nil:
			return nil, fmt.Errorf("key %s has no value", printable(key))
		case string:
			keys[key] = []byte(v)
		case float64:
			// 1.10 would become 1.1, which the source never said.
			return nil, fmt.Errorf("key %s: put the number into quotes, so that it is written as it stands", printable(key))
		default:
			if strings.HasSuffix(key, ".toml") {
				return nil, fmt.Errorf("key %s must hold its document as text", printable(key))
			}
			b, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("key %s holds what JSON can't", printable(key))
			}
			keys[key] = b
		}
	}
	return keys, nil
}

// parseInstances reads a list of instances.
func parseInstances(text []byte) ([]core.Instance, error) {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, errParse
	}
	var instances []core.Instance
	d := json.NewDecoder(bytes.NewReader(asJSON))
	d.DisallowUnknownFields() // a person wrote it, so it is a slip
	if err := d.Decode(&instances); err != nil {
		return nil, errParse
	}
	return instances, nil
}

// writeRaw writes a bucket that is not the engines'.
func writeRaw(ctx context.Context, store core.CacheStore, bucket string, keys map[string][]byte, at time.Time, replace bool) error {
	if !replace {
		for _, err := range store.All(ctx, bucket) {
			if err != nil && !errors.Is(err, core.ErrCorrupt) {
				return err
			}
			return fmt.Errorf("bucket %s is there already; -replace replaces it", printable(bucket))
		}
	}
	b := core.Batch{Reset: true}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		b.Put = append(b.Put, core.Record{Key: key, Value: keys[key], SavedAt: at})
	}
	return store.Write(ctx, bucket, b)
}

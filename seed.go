package holdfast

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// ConfigSeed is a configuration to be found in a cache by a service that starts
// without its source: the last good state of an image, say.
type ConfigSeed struct {
	// Origin is that of the source, as [ConfigStatus] shows it: "etcd /config/orders/".
	// Required.
	Origin string
	// CacheScope is the service's Options.CacheScope. Default "".
	CacheScope string
	// Keys are what the source would hold, prefix removed: "limits/max_items" or
	// "limits.yaml". At least one is required. They are read only.
	Keys map[string][]byte
	// Paths are those that the service binds. Each key must belong to one at least,
	// and each path must have a key. Default: the first element of each key, without
	// the ending of a document.
	Paths []string
	// SavedAt is how old the values are said to be. Default: now.
	SavedAt time.Time
	// Replace allows to replace what the cache holds of this configuration already.
	Replace bool
}

// SeedConfig writes a configuration into a cache store as if a service had accepted
// it, and returns the name of the bucket. A service that starts with the store, the
// same origin and scope, and no answer from its source serves it at level cached,
// after it was validated; what the source says replaces it.
//
// Errors: [core.ErrInvalid] for a seed that can't be served; [core.ErrConflict] if
// there is a cached configuration already, and Replace is not set; and those of the
// store.
func SeedConfig(ctx context.Context, store core.CacheStore, seed ConfigSeed) (bucket string, err error) {
	const op = "holdfast: seed configuration"
	if err := seed.normalize(); err != nil {
		return "", fmt.Errorf("%s: %w: %w", op, core.ErrInvalid, err)
	}
	b := core.Batch{Reset: true}
	for _, path := range seed.Paths {
		rec := configRecord{keys: maps.Clone(seed.Keys)}
		maps.DeleteFunc(rec.keys, func(key string, _ []byte) bool { return !covers(path, key) })
		value, err := rec.seal(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w: %w", op, core.ErrInvalid, err)
		}
		b.Put = append(b.Put, core.Record{Key: recordKey(path), Value: value, SavedAt: seed.SavedAt})
	}
	bucket = bucketName("config", seed.Origin, seed.CacheScope)
	if err := writeSeed(ctx, store, bucket, b, seed.Replace); err != nil {
		return "", fmt.Errorf("%s: %w", op, err)
	}
	return bucket, nil
}

func (s *ConfigSeed) normalize() error {
	switch {
	case s.Origin == "":
		return errors.New("the origin is empty; give that of the source, such as \"etcd /config/orders/\"")
	case len(s.Keys) == 0:
		return errors.New("there are no keys")
	}
	if s.SavedAt.IsZero() {
		s.SavedAt = time.Now()
	}
	keys := slices.Sorted(maps.Keys(s.Keys))
	if len(s.Paths) == 0 {
		for _, key := range keys {
			s.Paths = append(s.Paths, firstPath(key))
		}
	}
	s.Paths = slices.Compact(slices.Sorted(slices.Values(s.Paths)))
	for _, key := range keys {
		if !slices.ContainsFunc(s.Paths, func(path string) bool { return covers(path, key) }) {
			return fmt.Errorf("key %q belongs to none of the paths %q", key, s.Paths)
		}
	}
	for _, path := range s.Paths {
		if !slices.ContainsFunc(keys, func(key string) bool { return covers(path, key) }) {
			return fmt.Errorf("path %q has no key", path)
		}
	}
	return nil
}

// firstPath is the first element of a key, without the ending of a document.
func firstPath(key string) string {
	first, _, below := strings.Cut(key, "/")
	if below {
		return first
	}
	for _, f := range documentFormats {
		if path, ok := strings.CutSuffix(key, f.ending); ok && f.ending != "" && path != "" {
			return path
		}
	}
	return key
}

// EndpointsSeed is the instances of one service, to be found in a cache by a
// service that starts without its registry.
type EndpointsSeed struct {
	// Origin is that of the registry, as [EndpointsStatus] shows it: "etcd /services/".
	// Required.
	Origin string
	// CacheScope is the Options.CacheScope of the service that looks for them. Default "".
	CacheScope string
	// Service is the name that is looked for. Required.
	Service string
	// Instances are what the registry would hold; at least one. An empty Service is
	// filled in.
	Instances []core.Instance
	// SavedAt is how old they are said to be. Default: now.
	SavedAt time.Time
	// Replace allows to replace what the cache holds of this service already.
	Replace bool
}

// SeedEndpoints writes instances into a cache store, as [SeedConfig] does with a
// configuration. Its errors are the same.
func SeedEndpoints(ctx context.Context, store core.CacheStore, seed EndpointsSeed) (bucket string, err error) {
	const op = "holdfast: seed endpoints"
	switch {
	case seed.Origin == "":
		return "", fmt.Errorf("%s: %w: the origin is empty; give that of the registry, such as \"etcd /services/\"", op, core.ErrInvalid)
	case seed.Service == "":
		return "", fmt.Errorf("%s: %w: the name of the service is empty", op, core.ErrInvalid)
	case len(seed.Instances) == 0:
		return "", fmt.Errorf("%s: %w: there are no instances", op, core.ErrInvalid)
	}
	if seed.SavedAt.IsZero() {
		seed.SavedAt = time.Now()
	}
	b := core.Batch{Reset: true}
	ids := make(map[string]bool)
	for _, in := range seed.Instances {
		if in.Service == "" {
			in.Service = seed.Service
		}
		if err := admit(seed.Service, in.ID, &in); err != nil {
			return "", fmt.Errorf("%s: %w", op, err)
		}
		if ids[in.ID] {
			return "", fmt.Errorf("%s: %w: there are two instances with the ID %q", op, core.ErrInvalid, in.ID)
		}
		ids[in.ID] = true
		if b.Put = appendRecord(b.Put, &in, "", seed.SavedAt); len(b.Put) != len(ids) {
			return "", fmt.Errorf("%s: %w: instance %q can't be written as JSON", op, core.ErrInvalid, in.ID)
		}
	}
	bucket = bucketName("instances/"+seed.Service, seed.Origin, seed.CacheScope)
	if err := writeSeed(ctx, store, bucket, b, seed.Replace); err != nil {
		return "", fmt.Errorf("%s: %w", op, err)
	}
	return bucket, nil
}

func writeSeed(ctx context.Context, store core.CacheStore, bucket string, b core.Batch, replace bool) error {
	if !replace {
		for _, err := range store.All(ctx, bucket) {
			if err != nil && !errors.Is(err, core.ErrCorrupt) {
				return err
			}
			return fmt.Errorf("%w: bucket %s is there already", core.ErrConflict, bucket)
		}
	}
	return store.Write(ctx, bucket, b)
}

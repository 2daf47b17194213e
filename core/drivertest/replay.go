package drivertest

import (
	"maps"

	"github.com/holdfast-go/holdfast/core"
)

// replay is a set that follows from a Snapshot and the Updates after it.
type replay[V any] struct {
	set   map[string]V
	bad   map[string]error
	wrong []string // what no watch may do
}

func newReplay[V any](from core.Snapshot[V]) replay[V] {
	p := replay[V]{set: maps.Clone(from.Items), bad: maps.Clone(from.Bad)}
	if p.set == nil {
		p.set = map[string]V{}
	}
	if p.bad == nil {
		p.bad = map[string]error{}
	}
	return p
}

func (p *replay[V]) apply(u core.Update[V]) {
	if u.Reset {
		maps.DeleteFunc(p.set, func(k string, _ V) bool {
			_, bad := u.Bad[k]
			return !bad
		})
		clear(p.bad)
	}
	for _, k := range u.Delete {
		_, put := u.Put[k]
		_, bad := u.Bad[k]
		if put || bad {
			p.wrong = append(p.wrong, "key "+brief(k)+" is in Delete and also in Put or Bad of one Update")
		}
		delete(p.set, k)
		delete(p.bad, k)
	}
	for k, v := range u.Put {
		if _, bad := u.Bad[k]; bad {
			p.wrong = append(p.wrong, "key "+brief(k)+" is in both Put and Bad of one Update")
		}
		p.set[k] = v
		delete(p.bad, k)
	}
	maps.Copy(p.bad, u.Bad)
}

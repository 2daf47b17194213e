package system

import (
	"bytes"
	"errors"
)

// pressureOf reads the three files of a machine or of a cgroup.
func (f *file) pressureOf(cpu, memory, io string) (*Pressure, error) {
	p := &Pressure{}
	for _, one := range []struct {
		path  string
		share *float64
	}{{cpu, &p.CPU}, {memory, &p.Memory}, {io, &p.IO}} {
		data, err := f.read(one.path)
		if err != nil {
			return nil, err
		}
		if *one.share, err = parsePressure(data); err != nil {
			return nil, malformed(one.path, err)
		}
	}
	return p, nil
}

// parsePressure returns the share of the last minute in which some task waited.
func parsePressure(data []byte) (float64, error) {
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "some" {
			continue
		}
		for _, f := range fields[1:] {
			text, found := bytes.CutPrefix(f, []byte("avg60="))
			if !found {
				continue
			}
			percent, err := float(string(text))
			if err != nil {
				return 0, err
			}
			if percent > 100 {
				return 0, errors.New("a share is above 100 %")
			}
			return percent / 100, nil
		}
	}
	return 0, errors.New("it has no average of 60 s")
}

package holdfast

import "reflect"

// deepCopy returns a copy of v in which nothing that [decode] writes into is
// shared with v: what pointers lead to, through exported fields and arrays. Maps
// and slices stay shared, because decode replaces them as a whole. Fields with
// the tag `mapstructure:"-"` keep what they point at.
func deepCopy(v reflect.Value) reflect.Value {
	return copyBelow(v, make(map[pointee]reflect.Value))
}

// pointee names what was copied already, so that a cycle ends. The type tells a
// struct from its first field.
type pointee struct {
	at uintptr
	of reflect.Type
}

func copyBelow(v reflect.Value, done map[pointee]reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return c
		}
		key := pointee{v.Pointer(), v.Type()}
		if known, ok := done[key]; ok {
			return known
		}
		to := reflect.New(v.Type().Elem())
		c.Set(to.Convert(v.Type()))
		done[key] = c
		to.Elem().Set(copyBelow(v.Elem(), done))
	case reflect.Array:
		for i := range v.Len() {
			c.Index(i).Set(copyBelow(v.Index(i), done))
		}
	case reflect.Struct:
		for f := range v.Type().Fields() {
			if f.IsExported() && f.Tag.Get("mapstructure") != "-" {
				c.FieldByIndex(f.Index).Set(copyBelow(v.FieldByIndex(f.Index), done))
			}
		}
	}
	return c
}

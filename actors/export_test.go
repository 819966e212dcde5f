package actors

import (
	"reflect"
	"time"
)

// AddedStats returns numbers that are all one, and what becomes of them when such numbers are added.
func AddedStats() (one, two reflect.Value) { return added((*Stats).addCounters) }

// AddedCacheInfo does the same.
func AddedCacheInfo() (one, two reflect.Value) { return added((*CacheInfo).addCounters) }

func added[T any](add func(sum, more *T)) (one, two reflect.Value) {
	fill := func() *T {
		v := new(T)
		for i := range reflect.ValueOf(v).Elem().NumField() {
			switch f := reflect.ValueOf(v).Elem().Field(i); f.Interface().(type) {
			case int, int64, time.Duration:
				f.SetInt(1)
			case uint64:
				f.SetUint(1)
			case float64:
				f.SetFloat(1)
			case []uint64:
				f.Set(reflect.ValueOf([]uint64{1, 1}))
			}
		}
		return v
	}
	a, b := fill(), fill()
	add(b, fill())
	return reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
}

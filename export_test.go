package holdfast

import "reflect"

// BucketName lets black-box tests look into a cache store.
var BucketName = bucketName

func reflectType[T any]() reflect.Type { return reflect.TypeFor[T]() }

func deref(p any) any { return reflect.ValueOf(p).Elem().Interface() }

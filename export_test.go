package holdfast

// BucketName lets black-box tests look into a cache store.
var BucketName = bucketName

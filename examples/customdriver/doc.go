// Package customdriver shows what it takes to write a driver of one's own: a
// source of configuration that is a journal, a file to which somebody appends
// one transaction per line and which any number of services follow.
//
//	{"history":"b2d1..."}
//	{"put":{"limits/max_items":"MTAw"}}
//	{"delete":["limits/max_items"]}
//
// The driver is [Source]; [Create] and [Append] are the tool that an operator
// would have. The test file is the point: the conformance kit of package
// drivertest is one call on a harness of a few functions, and whoever passes it
// gets all the rest, retries, levels, caching, validation, from the engines.
package customdriver

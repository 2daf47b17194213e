// Package outagetest holds the end-to-end tests of outages: whole services with
// the etcd driver and the file cache, on real etcd servers that are killed,
// stopped, wiped, restored and cut off.
//
// Each test is named after what happens, and after the rows of the table of
// failure cases that it covers (Row25). Each time that has a limit is logged as
// one line "measured: clause: what 1.23s (limit 3.00s)", and is an error of the
// test when it is over the limit.
package outagetest

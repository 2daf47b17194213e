// Package badger is a [core.CacheStore] on Badger, for large sets of records and
// many small updates: a batch costs what it is large, not what the bucket is.
// Package file is the one for people.
//
// # What is in the folder
//
//	db                               Badger's own files
//	witness                          the newest acknowledged writes, by bucket
//	opening                          there while a start is at what may end the process
//	.lock                            held by the one process that uses the folder
//	db.corrupt-20261121T110000...Z   damaged, and copied or given up; the newest 2 are kept
//	db.newer-20261121T110000...Z     written by a newer version of this package; never deleted
//
// # What is stored
//
// Each record stands in an envelope with a checksum over its bucket, its key and
// all else of it. Each bucket has a head: how many records there are, and a mix
// of their checksums. The store has a head that vouches in the same way for the
// heads of the buckets and counts writes. All of it changes in one transaction.
// The witness, a small file outside Badger, knows of each acknowledged write.
//
// A bucket is compared with its head when it is used first; from then on what
// each record must be is known, at some 25 bytes of memory for each. So a wrong
// record is noticed, a missing one, and one that is older than it should be: it
// is never served, and reported as [core.ErrCorrupt]. If all damaged records of a
// bucket can be told, the others are served. If not, any of them may be an older
// one, and none is.
//
// A key that is not found in a bucket with damage is ErrCorrupt too, because it
// may be among what was lost. A Write of what is damaged, or with Reset, heals.
//
// # What a start does
//
// Badger ends the process over a damaged file. So this package reads all files
// first, with a reader of its own: tables, logs, manifest and keys. If anything
// is wrong, or the process died when the folder was opened last, Badger never
// opens that folder. What is whole of it is copied into a new one, and the old
// one is put aside. A folder whose reading ended the process twice is put aside
// unread, and the service starts without it. Either is said in the log and in
// [Report], and a bucket that was lost with all else is ErrCorrupt, not empty,
// until this process ends or it is written.
//
// # A full disk
//
// Badger writes through memory maps, where a full disk is no error but the end of
// the process. A Write looks for room first, for each file that Badger may let
// grow, and is [core.ErrUnavailable] if there is too little; reading goes on. A
// process beside this one that fills the disk between the look and the write can
// still end it: give the cache a volume with some room to spare.
//
// A store that is opened without that room is read into memory, all of it, without
// Badger and without changing a file, and served from there. Each Write looks for
// room again, and opens the store when there is some; until then it is
// [core.ErrUnavailable], and [Report].ReadOnly is set.
//
// # Several processes
//
// One process uses a folder. The calls of another one are ErrUnavailable until
// the first is gone. Locks on network file systems are as reliable as the server
// makes them, and memory maps are not: use a local disk.
//
// [Inspect] reads a folder without any lock and without Badger, beside a process
// that uses it, and changes nothing in it; the command holdfast ("holdfast cache ls",
// "show", "verify") is made of it.
package badger

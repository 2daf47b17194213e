// Package file is a [core.CacheStore] for people: one readable JSON document
// per bucket in a folder of its own, to be read with a pager, searched with jq
// and compared with diff.
//
// # What is in the folder
//
//	orders-3k5j2c7q4tq5w6zv2mha.json             the newest document of bucket "orders"
//	orders-3k5j2c7q4tq5w6zv2mha.journal-7.jsonl  what was written after document 7, if that is a large one
//	orders-3k5j2c7q4tq5w6zv2mha.prev.json        the document before the newest
//	....corrupt-20261121T110000.123456789Z       damaged, replaced by a later Write; the newest 4 per bucket are kept
//	....newer-20261121T110000.123456789Z         written by a newer version of this package; never deleted
//	....tmp-1f0c9a77d2b34e51                     a Write in progress, or one that died (removed by the next writer)
//	.lock                                        held by the one process that may write
//
// A document holds one record per line, ordered by key, each with a checksum;
// text stands as text, everything else as base64. A header names the bucket,
// the format version, the generation and the number of records, and the last
// line is the checksum of all lines before it. Editing a document by hand
// damages it; to forget a bucket, delete its files while no process uses the
// folder.
//
// # What a Write does
//
// It writes a new document beside the old one, syncs it, makes the newest
// generation the previous one and the new document the newest by rename, and
// syncs the folder. A process that dies in between leaves the old state or the
// new one.
//
// A document of 64 KiB or more is not written anew for each Write: the changes are
// appended to a journal, one JSON line each, with a commit line for each Write whose
// checksum covers all before it. When the journal outgrows its document, a new
// document takes in both; the journal stays with its document while that is the
// previous generation. So 100,000 records take a few hundred kilobytes of writing
// per second and not gigabytes, and a start reads at most twice what they take.
// Everything that was used is held in memory, though: use badger for sets that are
// too large for that.
//
// # Damage
//
// A document whose checksum is wrong is never trusted as a whole. The generation
// before it is served instead, and where that is missing or damaged too, the
// records whose own checksums are right. Either way All ends with an
// [core.ErrCorrupt], and a key that is not found is ErrCorrupt too, because it
// may be among what was lost. A damaged journal counts up to the damage. Reading
// changes nothing on disk: it is the next Write to the bucket that puts the damaged
// document aside and heals the bucket. A journal that is missing as a whole is not
// noticed: nothing in a document says that it was continued. Only a person can
// have deleted it.
//
// # Several processes
//
// The first process to open the folder may write. Another one reads what the
// first wrote, its Writes fail with [core.ErrUnavailable], and it becomes the
// writer with the first Write after the other is gone. Give each process its own
// folder if each is to have a cache. Locks on network file systems are as
// reliable as the server makes them; a folder on a local disk is the better
// choice.
//
// [Inspect] reads a folder without any lock, and changes nothing in it; the command
// holdfast ("holdfast cache ls", "show", "verify") is made of it.
package file

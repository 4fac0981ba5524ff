// Package embedded runs a Temporal server on a SQLite file, and the Temporal Web UI beside it, inside this process.
//
// It is meant for one machine: the demo, practice, and a small real tenant. Everything the server knows is in one
// directory, which one process at a time holds by a lock that the kernel frees when the process dies. The database
// is in WAL mode with synchronous FULL: what a client was told is on disk, whatever happens to the process. All
// ports are on loopback. Nothing here is for a cluster.
package embedded

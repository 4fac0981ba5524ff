// Package servertest drives package operator against a real Temporal server. It is a package of its own so that the
// operator's other tests need not build the server.
package servertest

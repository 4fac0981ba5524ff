// Package servertest carries whole tenants through their migrations on a real Temporal server, over a world that only
// pretends: it shows what the SDK's test environment can't, such as workflows that go on as new runs with children and
// signals in flight, and the sizes of histories and payloads. It is a package of its own so that the other tests of the
// workflows need not build the server.
package servertest

# make demo   runs the whole thing on this machine; ARGS="--approve auto --exit" runs it through unattended
# make test   everything that must hold before a change lands; installs what it needs with apt-get when it is root

SHELL := bash
ARGS ?=

GOFUMPT      := go run mvdan.cc/gofumpt@v0.12.0
STATICCHECK  := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
WORKFLOWCHECK := go run go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0
DEPGUARD     := go run github.com/OpenPeeDeeP/depguard/v2/cmd/depguard@v2.3.0
GOVULNCHECK  := go run golang.org/x/vuln/cmd/govulncheck@latest


.PHONY: demo build test tools lint unit race histories govulncheck

demo: build
	@bin/standalone demo $(ARGS)

build:
	@scripts/build standalone

test: tools lint race unit

tools:
	@scripts/tools

# With an empty cache the first linter compiles everything there is, the Temporal server and the Graph SDK too.
lint:
	@echo "Linting. With an empty Go cache this first compiles everything: about 10 minutes on two cores, without a word."
	@test -z "$$($(GOFUMPT) -l . | tee /dev/stderr)" || { echo "not formatted: run $(GOFUMPT) -w ."; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	$(DEPGUARD) ./...
	$(WORKFLOWCHECK) ./workflows/...

# race tests, with the race detector, every package that links neither the Temporal server nor the Graph SDK.
race:
	@echo "Testing with the race detector: two to five minutes."
	go test -race $$(scripts/packages light)

# unit tests the packages that do.
unit:
	@echo "Testing what links the Temporal server or the Graph SDK: a few minutes more; linking is silent."
	go test -timeout 30m $$(scripts/packages heavy)

# histories records what the replay test of the workflows replays: for a release that changes what they do
histories:
	go run ./workflows/replaytest

govulncheck:
	$(GOVULNCHECK) ./...

# `make` lists the targets. All of them work on a fresh clone with Go and make;
# test and check install PostgreSQL and Redis when they are missing and may.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X github.com/oubli/oubli/internal/app.release=$(VERSION)

# What to test, and further flags for go test: make test PACKAGES=./worker TESTFLAGS=-v
PACKAGES  ?= ./...
TESTFLAGS ?=

# Packages without goroutines gain nothing from the race detector and cost time.
RACELESS := /(config|jobs|cmd/oubli|internal/erasuremap|internal/generated|internal/pgfault|internal/plan|internal/schema|internal/local/withservers)$$

SERVERS := go run ./internal/local/withservers -install --

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## build bin/oubli, a static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/oubli ./cmd/oubli

.PHONY: demo
demo: build ## show everything at once on this machine; ARGS="--once --clients 5000"
	bin/oubli demo $(ARGS)

.PHONY: test
test: ## run the tests on real servers of their own
	$(SERVERS) go test -shuffle=on -timeout 30m $(TESTFLAGS) $(PACKAGES)

.PHONY: race
race: ## run the tests of the concurrent packages under the race detector
	@command -v "$$(go env CC)" >/dev/null || { echo "race: needs a C compiler ($$(go env CC))" >&2; exit 1; }
	$(SERVERS) go test -race -short -shuffle=on -timeout 30m $(TESTFLAGS) $$(go list $(PACKAGES) | grep -vE '$(RACELESS)')

FUZZTIME ?= 1m

.PHONY: fuzz
fuzz: ## run every fuzz target in turn; FUZZTIME=10m for each
	@$(SERVERS) sh -c 'for at in $$(grep -ro --include="*_test.go" "^func Fuzz[A-Za-z]*" . | sed "s|/[^/]*:func |:|" | sort); do \
		echo "== $${at#*:} in $${at%:*}"; \
		go test $${at%:*} -run "^$$" -fuzz "^$${at#*:}\$$" -fuzztime $(FUZZTIME) || exit 1; \
	done'

# CLIENTS is of one studio. At full size it takes about four minutes.
CLIENTS ?= $(if $(QUICK),50000,1000000)

# What make bench measures. RUNS=3 gives medians; ERASE is at most 100000.
BENCH_CLIENTS ?= $(if $(QUICK),100000,1000000)
RUNS  ?= 1
ONLY  ?=

.PHONY: bench
bench: build ## measure erasing against what one would write by hand; QUICK=1, RUNS=3, ONLY=regexp
	go run ./internal/bench/erasing -clients $(BENCH_CLIENTS) -runs $(RUNS) -only '$(ONLY)' $(if $(ERASE),-erase $(ERASE)) \
		-json bin/bench.json -svg bin/bench.svg $(BENCHFLAGS)

.PHONY: bench-flat
bench-flat: build ## measure one job of 10,000, 100,000 and a million clients; wants 40 GB of disk
	go run ./internal/bench/erasing -flat -clients $(if $(QUICK),300000,3000000) -erase $(if $(QUICK),30000,100000) -json bin/bench-flat.json

.PHONY: bench-single
bench-single: build ## measure erasures of one client each; PROFILE=1 for what each statement costs
	go run ./internal/bench/erasing -single -clients $(if $(QUICK),10000,40000) -runs $(RUNS) -only '$(ONLY)' -json bin/bench-single.json $(if $(PROFILE),-profile) $(BENCHFLAGS)

.PHONY: bench-select
bench-select: ## measure selecting, previewing and confirming; QUICK=1 for a small one
	@mkdir -p bin
	go run ./internal/bench/selecting -clients $(CLIENTS) -json bin/bench-select.json

SEEDS ?= 1000

.PHONY: generated
generated: ## erase in made-up databases and see what is left; SEEDS=1000 SEED=7 for the first
	@mkdir -p bin/generated
	$(SERVERS) go test -timeout 0 ./internal/generated $(TESTFLAGS) -args -seeds $(SEEDS) -seed $(SEED) -dump $(CURDIR)/bin/generated

# How long faults come, and the seed that decides which; each has a default.
DURATION ?= 2m
SEED     ?= 0

.PHONY: chaos
chaos: ## break everything around oubli and see what holds; DURATION=10m SEED=7
	@mkdir -p bin
	go build -o bin/chaos ./internal/chaos/run
	$(SERVERS) bin/chaos -duration $(DURATION) -seed $(SEED) -long $(ARGS)

.PHONY: model
model: ## explore the model of the protocol at large size; ten minutes, 5 GB of memory
	go test ./internal/model -count=1 -timeout 90m -v -args -large

# How many interleavings of each scenario; SEED decides which.
INTERLEAVINGS ?= 2000

.PHONY: interleavings
interleavings: ## let an application's transactions happen between the statements of jobs; INTERLEAVINGS=2000 SEED=7
	$(SERVERS) go test -count=1 -timeout 0 ./internal/interleaving $(TESTFLAGS) -args -interleavings $(INTERLEAVINGS) -seed $(SEED)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck and the checks of .ci/lint
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "make fmt would change:" $$unformatted >&2; exit 1; }
	go vet ./...
	go vet -tags chaos ./internal/cli ./internal/chaos/... ./repository
	@mkdir -p bin
	go build -C .ci/lint -o "$(CURDIR)/bin/lint" .
	go vet -vettool="$(CURDIR)/bin/lint" ./...
	go tool -modfile=.ci/tools.mod staticcheck ./...
	go tool -modfile=.ci/tools.mod staticcheck -tags chaos ./internal/cli ./internal/chaos/... ./repository

.PHONY: dead
dead: ## list functions that nothing calls, neither the program nor a test
	go tool -modfile=.ci/tools.mod deadcode -test -tags chaos ./...

.PHONY: mod
mod: ## see that go.mod and go.sum are complete, tidy and genuine
	go mod verify
	go mod tidy -diff
	go mod tidy -C .ci/lint -diff

.PHONY: licences
licences: ## see that every licence is allowed and docs/licences.md is current
	@mkdir -p bin
	@.ci/licences bin/licences.md
	@diff -u docs/licences.md bin/licences.md || { echo "docs/licences.md is not current: make licences-write" >&2; exit 1; }

.PHONY: licences-write
licences-write: ## write docs/licences.md
	.ci/licences docs/licences.md

.PHONY: vuln
vuln: ## look for known vulnerabilities; VULN=required when the database must be reached
	@.ci/vuln

.PHONY: sbom
sbom: build ## write bin/oubli.cdx.json, what is in the binary, as CycloneDX
	go tool -modfile=.ci/tools.mod cyclonedx-gomod bin -json -licenses -version $(VERSION) -output bin/oubli.cdx.json bin/oubli

.PHONY: check
check: lint mod licences vuln test race ## everything that must pass before a change lands

.PHONY: fmt
fmt: ## format the code
	gofmt -w .

.PHONY: secrets
secrets: ## make the secrets that docker-compose.yml names, those that are missing
	@mkdir -p -m 700 secrets && printf '*\n' >secrets/.gitignore
	@random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }; \
	umask 022; cd secrets; \
	for name in postgres_password auth_secret ops_password; do \
		[ -s $$name ] || random >$$name; \
	done; \
	printf 'postgres://booking:%s@postgres:5432/booking?sslmode=disable' "$$(cat postgres_password)" >database_url
	@echo "secrets: $$(ls secrets | tr '\n' ' ')"

.PHONY: clean
clean: ## remove what building left
	rm -rf bin

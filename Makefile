# fsmon: see README.md. Debian 12 as root with make and Go 1.26 is all that `make demo` and `make test` need.
.POSIX:
.SUFFIXES:

VERSION = $$(git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS = -s -w -X fsmon/cmd/internal/cli.version=$(VERSION) -X main.version=$(VERSION)
# Without a tag the number of commits orders the packages.
PACKAGE_VERSION = $$(git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/; s/-/./' | grep . || echo "0.1.0~git$$(git rev-list --count HEAD 2>/dev/null || echo 0)")
# Without cgo names are resolved in Go, where a deadline is a deadline.
GOBUILD = CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "$(LDFLAGS)"
DESTDIR =
SBINDIR = /usr/sbin

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

build: ## build the commands into bin/
	$(GOBUILD) -o bin/ ./cmd/clp_sambamon ./cmd/clp_nfsmon ./cmd/kitrunner
	GOOS=windows GOARCH=amd64 $(GOBUILD) -o bin/ ./cmd/kitrunner

# One package after the other: some tests measure seconds.
test: samba lint ## install what is missing and run every test
	go test -p 1 -timeout 10m ./...

race: samba ## run every test with the race detector (needs gcc)
	go test -race -timeout 20m ./...

demo: samba build ## watch a private Samba, freeze it, and see the alerts
	go run ./cmd/internal/demo bin/clp_sambamon

bench: samba build ## measure a probe and a settled watch against smbclient
	go run ./cmd/internal/bench bin/clp_sambamon

lint: shellcheck ## gofmt, go vet, staticcheck, shellcheck, also for Windows
	@unformatted=$$(gofmt -l cmd kitrunner nfsprobe smbprobe templates watchreg); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	GOOS=windows go vet $(PORTABLE)
	staticcheck=$$(go tool -n staticcheck) && GOOS=windows $$staticcheck $(PORTABLE)
	shellcheck .ci/run .ci/packages templates/cluster/*/*.sh

# What is not bound to Linux, as the registry and what stands on it are.
PORTABLE = ./smbprobe/... ./cmd/internal/watch

windows: ## build everything that is meant for Windows
	GOOS=windows GOARCH=amd64 go build $(PORTABLE)

install: build ## install the commands to /usr/sbin
	install -d $(DESTDIR)$(SBINDIR)
	install -m 0755 bin/clp_sambamon $(DESTDIR)$(SBINDIR)

clean: ## remove what was built
	rm -rf bin dist

samba:
	@.ci/packages samba smbclient

shellcheck:
	@.ci/packages shellcheck

.PHONY: help build test race demo bench lint windows install clean samba shellcheck

# fsmon: see README.md. `make demo` and `make test` need Debian 12 or 13, root, make
# and Go 1.26; they install the rest.
.POSIX:
.SUFFIXES:

VERSION = $$(git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS = -s -w -X fsmon/cmd/internal/cli.version=$(VERSION) -X main.version=$(VERSION)
# Without a tag the number of commits orders the packages.
PACKAGE_VERSION = $$(git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/; s/-/./' | grep . || echo "0.1.0~git$$(git rev-list --count HEAD 2>/dev/null || echo 0)")
# Without cgo names are resolved in Go, where a deadline is a deadline.
GOBUILD = CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "$(LDFLAGS)"
# Ganesha 6 exports nothing that is in memory, as /tmp is on Debian 13.
export TMPDIR ?= /var/tmp
DESTDIR =
SBINDIR = /usr/sbin
BINDIR = /usr/bin

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

build: ## build the commands into bin/
	$(GOBUILD) -o bin/ ./cmd/clp_sambamon ./cmd/clp_nfsmon ./cmd/fsmon_exporter ./cmd/kitrunner
	GOOS=windows GOARCH=amd64 $(GOBUILD) -o bin/ ./cmd/kitrunner

# One package after the other: some tests measure seconds. Nothing is taken from
# the cache, which does not know the commands that tests build.
test: servers tools cluster-packages monitoring lint ## install what is missing and run every test
	go test -count=1 -p 2 -timeout 60m ./...

# A loop ends when the shell that has started it does, however that ends.
test-busy: ## run make test beside four busy loops
	@for n in 1 2 3 4; do (while kill -0 $$$$ 2>/dev/null; do :; done) & done; $(MAKE) test

race: servers tools cluster-packages monitoring ## run every test with the race detector (needs gcc)
	go test -race -timeout 30m ./...

demo: servers build ## watch a private Samba and an NFS export, freeze them, and see the alerts
	go run ./cmd/internal/lab/demo bin

bench: servers plugins build ## measure the commands next to the tools of today, and 1,000 watches (8 minutes); draw .assets/bench.svg
	mkdir -p .assets
	go run ./cmd/internal/lab/bench -svg .assets/bench.svg bin
	go run ./cmd/internal/lab/soak many

exporter-demo: servers monitoring build ## freeze one of three servers, and see fsmon_exporter, prometheus and alertmanager notice
	go run ./cmd/internal/lab/exporter demo bin templates

exporter-bench: servers monitoring build ## measure fsmon_exporter with 500 targets, next to blackbox_exporter
	go run ./cmd/internal/lab/exporter bench bin

soak: servers ## spoil answers, fight over the registry, and starve watches (20 minutes)
	go run ./cmd/internal/lab/soak mutate
	go run ./cmd/internal/lab/soak registry
	go run ./cmd/internal/lab/soak starve

smb-matrix: servers ## compare the SMB probe with smbclient on every configuration of Samba
	go test -count=1 -timeout 60m -v -run TestDifferential ./smbprobe -matrix

cluster-demo: servers cluster-packages build ## break two Pacemaker nodes in many ways, and time when a client has its files back
	go run ./cmd/internal/lab/cluster bin templates

cluster-test: servers cluster-packages ## run cluster-demo as a test
	go test -count=1 -timeout 10m ./cmd/internal/lab/cluster

cluster-soak: servers cluster-packages build ## load healthy clusters of all protocols at once (10 minutes)
	go run ./cmd/internal/lab/cluster bin templates 10m

system-test: tools packages ## boot Debian 12 and 13 with systemd, install the package there, and run the units
	@.ci/packages mmdebstrap systemd-container
	go test -tags system -count=1 -timeout 30m -v ./cmd/internal/lab/system

kernel-test: servers ## boot a Linux kernel in a virtual machine, and watch its NFS server with and without Kerberos
	@.ci/packages qemu-system-x86 busybox-static cpio
	go test -tags kernel -count=1 -timeout 10m -v ./cmd/internal/lab/kernel

FUZZTIME = 30s
fuzz: ## fuzz every decoder, each for FUZZTIME (30s)
	.ci/fuzz $(FUZZTIME)

packages: tools build ## make .deb, .rpm and the Windows zip in dist/
	.packages/build "$(PACKAGE_VERSION)"

man: ## render the manual pages in dist/man; man -l dist/man/fsmon.7 shows one
	.packages/manuals dist/man

lint: shellcheck ## gofmt, go vet, staticcheck, shellcheck, also for Windows
	@unformatted=$$(gofmt -l .ci cmd kitrunner nfsprobe smbprobe templates watchreg); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	go vet -tags system,kernel ./...
	go tool staticcheck -tags system,kernel ./...
	GOOS=windows go vet $(PORTABLE)
	staticcheck=$$(go tool -n staticcheck) && GOOS=windows $$staticcheck $(PORTABLE)
	shellcheck $(SCRIPTS)

SCRIPTS = .ci/run .ci/packages .ci/fuzz .packages/build .packages/manuals .packages/test .packages/postinst .packages/prerm .packages/postrm .packages/exporter-* .packages/completion.bash \
	templates/cluster/*/*.sh templates/ocf/fsmon cmd/internal/lab/cluster/lab/*.sh cmd/internal/lab/cluster/lab/proc cmd/internal/lab/cluster/lab/fence_lab cmd/internal/lab/system/*.sh \
	cmd/internal/lab/kernel/*.sh

# These packages also run on Windows. The others need the registry, and so Linux.
PORTABLE = ./smbprobe/... ./nfsprobe/... ./cmd/internal/watch ./kitrunner/... ./cmd/kitrunner

windows: ## build everything that runs on Windows
	GOOS=windows GOARCH=amd64 go build $(PORTABLE)

install: build ## install the watches to /usr/sbin and the exporter to /usr/bin
	install -d $(DESTDIR)$(SBINDIR)
	install -m 0755 bin/clp_sambamon bin/clp_nfsmon $(DESTDIR)$(SBINDIR)
	install -d $(DESTDIR)$(BINDIR)
	install -m 0755 bin/fsmon_exporter $(DESTDIR)$(BINDIR)

clean: ## remove what was built
	rm -rf bin dist

servers:
	@.ci/packages samba samba-vfs-modules smbclient python3-impacket nfs-ganesha nfs-ganesha-vfs rpcbind nfs-common libnfs-utils krb5-kdc krb5-admin-server krb5-user faketime samba-ad-dc samba-ad-provision iptables iproute2

plugins:
	@.ci/packages monitoring-plugins-standard

monitoring:
	@.ci/packages prometheus prometheus-alertmanager prometheus-node-exporter prometheus-blackbox-exporter

tools:
	@.ci/packages prometheus systemd rpm zip wine64 chromium

cluster-packages:
	@.ci/packages pacemaker pacemaker-cli-utils corosync resource-agents libxml2-utils keepalived crmsh pcs

shellcheck:
	@.ci/packages shellcheck

.PHONY: help build test test-busy race demo bench smb-matrix cluster-demo cluster-test cluster-soak system-test kernel-test fuzz packages man lint windows install clean soak exporter-demo exporter-bench servers plugins monitoring tools cluster-packages shellcheck

# SPDX-License-Identifier: Apache-2.0

# Everything that is done to this tree is a target here; make help lists them.

GO      ?= go
PREFIX  ?= /usr
LDFLAGS ?= -s -w
# Where the programs find each other.
PLACES  := -X zones/internal/control.program=$(PREFIX)/lib/zones/zoneadmd \
	-X zones/internal/spec.zonestart=$(PREFIX)/lib/zones/zonestart \
	-X zones/internal/lifecycle.zonename=$(PREFIX)/bin/zonename
# Short-lived programs of a few hundred kilobytes: to clear huge pages for them
# is most of what their start takes, and to size them by a control group is some.
RUNTIME := -X runtime.godebugDefault=disablethp=1,containermaxprocs=0,updatemaxprocs=0
TOOL    := $(GO) tool -modfile=tests/tools/go.mod

export CGO_ENABLED = 0
# Where releases of the Go project, and tools for root, are when nobody said so.
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: build
build: ## the commands, into bin/
	@tests/need build
	$(GO) build -trimpath -ldflags '$(LDFLAGS) $(PLACES) $(RUNTIME)' -o bin/ ./cmd/...

.PHONY: kmod
kmod: ## the modules, for the running kernel (KVER=... for another)
	$(MAKE) -C kmod

# A module's version is that of its package.
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' kmod/dkms.conf 2>/dev/null)
SRC      = $(DESTDIR)$(PREFIX)/src/delegns-$(VERSION)

.PHONY: version
version:
	@echo $(VERSION)

# As a package would: nothing outside DESTDIR is touched, and the module is
# built where it runs, by DKMS or by make kmod.
.PHONY: install
install: build ## the commands, the pages and the module's source, under DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/zones
	install -m 755 bin/zonecfg bin/zoneadm bin/zlogin bin/delegns $(DESTDIR)$(PREFIX)/sbin
	install -m 755 bin/zonename $(DESTDIR)$(PREFIX)/bin
	install -m 755 bin/zoneadmd bin/zonestart bin/zoneunpack cmd/zoneadm/units/zones-service $(DESTDIR)$(PREFIX)/lib/zones
	@# Under this name zoneadm is the service for administrators of zones.
	ln -sf ../../sbin/zoneadm $(DESTDIR)$(PREFIX)/lib/zones/zones-admin
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system $(wildcard cmd/zoneadm/units/zones*.*)
	sed -i 's,/usr/lib/zones/,$(PREFIX)/lib/zones/,' $(DESTDIR)$(PREFIX)/lib/systemd/system/zones*.service
	[ $(PREFIX) = /usr ] || sed -i 's,^PATH=,PATH=$(PREFIX)/sbin:,' $(DESTDIR)$(PREFIX)/lib/zones/zones-service
	@# A system whose /bin is not /usr/bin; clients call /bin/zonename.
	[ -L $(DESTDIR)/bin ] || [ ! -d $(DESTDIR)/bin ] || ln -sf ../usr/bin/zonename $(DESTDIR)/bin/zonename
	for brand in internal/brand/definitions/*.xml; do \
		install -D -m 644 $$brand $(DESTDIR)$(PREFIX)/lib/brand/$$(basename $$brand .xml)/config.xml || exit; done
	@# An administrator may have changed the templates; those are his.
	install -d $(DESTDIR)/etc/zones
	for template in internal/store/templates/*.xml; do \
		[ -e $(DESTDIR)/etc/zones/$${template##*/} ] || install -m 644 -t $(DESTDIR)/etc/zones $$template || exit; done
	@# The names of illumos.
	for t in default blank; do [ -e $(DESTDIR)/etc/zones/SUNW$$t.xml ] || \
		ln -s SYS$$t.xml $(DESTDIR)/etc/zones/SUNW$$t.xml || exit; done
	for page in man/*.[1-8]; do \
		install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page || exit; done
	install -D -m 644 cmd/zoneadm/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/zoneadm
	ln -sf zoneadm $(DESTDIR)$(PREFIX)/share/bash-completion/completions/zonecfg
	ln -sf zoneadm $(DESTDIR)$(PREFIX)/share/bash-completion/completions/zlogin
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/linux kmod/include/uapi/linux/delegns.h
	cd kmod && find . -type f ! -name '.*' ! -name '*.o' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' \
		! -name Module.symvers ! -name modules.order -exec install -D -m 644 '{}' '$(abspath $(SRC))/{}' \;

# --- tests -------------------------------------------------------------------

# One line a check, the cheap ones first. What each finds is printed by the
# recipe of that name below; tests/stages times and counts them.
CHECKS += check-tree
CHECKS += check-vet
CHECKS += check-shell
CHECKS += check-man
CHECKS += check-go
CHECKS += check-static

.PHONY: check
check: ## all that needs neither root nor the VM
	@tests/need build check
	@tests/stages $(CHECKS)

.PHONY: test
test: ## everything: the checks, then the module and the zones in the VM
	@tests/need build check vm
	@tests/stages build $(CHECKS) test-kmod,test-zones

.PHONY: demo
demo: ## a zone with a delegated dataset, played in the VM
	@tests/need build vm
	@$(MAKE) -s build
	@tests/vm/demo

.PHONY: vm
vm: ## a shell in the VM
	@tests/need build vm
	@$(MAKE) -s build
	@tests/vm/shell

.PHONY: test-kernels
test-kernels: ## the module on every kernel that is supported
	@tests/vm/kernels

.PHONY: test-clients
test-clients: ## programs of others that manage zones (Ansible, Puppet), in the VM
	@tests/clients/run

.PHONY: test-debug
test-debug: ## the module on a kernel that checks itself
	@tests/vm/debug

.PHONY: test-races
test-races: ## the module on a kernel that watches for data races
	@tests/vm/races

.PHONY: bench
bench: ## what is measured, beside others (BENCH=name for one; tests/bench/run -l lists)
	@tests/need build vm
	@tests/bench/run $(BENCH)

.PHONY: check-tree
check-tree:
	@tests/gotest ./tests/tree

.PHONY: check-vet
check-vet:
	@$(GO) vet ./...

.PHONY: check-static
check-static:
	@$(TOOL) staticcheck ./...

.PHONY: check-go
check-go:
	@tests/gotest $$($(GO) list ./... | grep -v /tests/tree)

.PHONY: check-shell
check-shell:
	@find $(wildcard .ci cmd internal kmod man tests) -type f -exec awk 'FNR == 1 && /^#!.*sh/ { print FILENAME } { nextfile }' {} + | \
		xargs -r shellcheck

# Whether a page that another package brings is installed here says nothing
# about ours.
.PHONY: check-man
check-man:
	@! mandoc -Tlint $(wildcard man/*.[1-8]) </dev/null 2>&1 | \
		grep -v -e 'STYLE: referenced manual not found' -e 'outdated mandoc.db'

.PHONY: test-kmod
test-kmod:
	@tests/kmod/run

.PHONY: test-zones
test-zones:
	@tests/zones/run

.PHONY: clean
clean: ## remove what was built here (not the VM's cache)
	rm -rf bin
	@[ ! -f kmod/Makefile ] || $(MAKE) -C kmod clean

# SPDX-License-Identifier: ISC
#
# Makefile - builds, tests and installs guichet; `make help` lists the targets
#
# One make for the whole tree. A source file joins its program by standing in
# the right directory. What `make` was told last (CC, CFLAGS, SAN, ...) is kept
# in $(BUILD)/flags, and a change of it builds everything again; give BUILD to
# keep several builds side by side:
#
#     make CC=clang BUILD=build-clang
#     make SAN=address,undefined check        (in build-san-address-undefined)

comma := ,

CC      ?= cc
CFLAGS  ?= -O2 -g
SAN     ?=
WERROR  ?=
JOBS    ?= $(shell echo $$((2 * $$(nproc))))
BUILD   ?= build$(if $(SAN),-san-$(subst $(comma),-,$(SAN)))

DESTDIR        ?=
PREFIX         ?= /usr/local
SYSCONFDIR     ?= /etc
SYSTEMDUNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR    ?= $(PREFIX)/lib/sysusers.d
SBINDIR        := $(PREFIX)/sbin
BINDIR         := $(PREFIX)/bin
MANDIR         := $(PREFIX)/share/man
INCLUDEDIR     := $(PREFIX)/include

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 -Wundef \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough \
	-Wconversion -Wno-sign-conversion -Wdouble-promotion \
	-Wnull-dereference $(if $(filter 1,$(WERROR)),-Werror)

LANGUAGE := -std=gnu11 -D_GNU_SOURCE -I.

# A sanitizer and the fortified libc would each hide what the other sees.
HARDENING := -fstack-protector-strong -fPIE \
	$(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
SANITIZERS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer)

COMPILE = $(CC) $(LANGUAGE) $(WARNINGS) $(CFLAGS) $(HARDENING) $(SANITIZERS) \
	$(CPPFLAGS)
LINK = $(CC) $(CFLAGS) $(SANITIZERS) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# A line for a file; the whole command with V=1.
SAY        = $(if $(filter 1,$(V)),,@echo "  $(1) $@" &&)
COMPILE_IT = $(call SAY,CC  ) mkdir -p $(@D) && \
	$(COMPILE) -MMD -MP -c -o $@ $<
LINK_IT    = $(call SAY,LINK) mkdir -p $(@D) && $(LINK) -o $@ $^ $(LDLIBS)

# --- what is built of what ---------------------------------------------------

OBJ      := $(BUILD)/obj
TEST_OBJ := $(BUILD)/test/obj

COMMON := $(wildcard common/*.c)
SERVER := $(wildcard server/*.c server/services/*.c)
CLIENT := $(wildcard client/guichet/*.c)
STAT   := $(wildcard client/stat/*.c)
HOOKS  := $(wildcard tests/services/*.c)
TOOLS  := $(wildcard tests/tools/*.c)
UNITS  := $(wildcard tests/unit/*.c)
BENCH  := $(wildcard tests/bench/*.c)
# Services that are loaded; they see the installed header and nothing else.
MODULE := $(wildcard conf/modules/*.c)

SOURCES := $(COMMON) $(SERVER) $(CLIENT) $(STAT) $(HOOKS) $(TOOLS) $(UNITS) \
	$(BENCH)
HEADERS := $(foreach d,common server server/services client client/guichet \
	client/stat tests tests/services tests/tools tests/unit tests/bench,\
	$(wildcard $(d)/*.h))
SCRIPTS := $(wildcard .ci/run tests/*.bash tests/*.bats tests/*/*.sh)

PROGRAMS := $(if $(SERVER),$(BUILD)/guichetd) \
	$(if $(CLIENT),$(BUILD)/guichet) $(if $(STAT),$(BUILD)/guichet-stat)
TEST_PROGRAMS := $(if $(SERVER),$(BUILD)/test/guichetd \
	$(BUILD)/test/guichetd-next) \
	$(TOOLS:tests/tools/%.c=$(BUILD)/test/%) \
	$(UNITS:tests/unit/%.c=$(BUILD)/unit/%)
BENCH_PROGRAMS := $(BENCH:tests/bench/%.c=$(BUILD)/bench/%)
MODULES := $(MODULE:conf/modules/%.c=$(BUILD)/modules/%.so)

all: $(PROGRAMS) modules ## build the three programs into build/ (the default)
modules: $(MODULES) ## build the example modules into build/modules/
tests: all $(TEST_PROGRAMS) ## build what the tests run, too

$(BUILD)/guichetd: $(SERVER:%.c=$(OBJ)/%.o) $(BUILD)/common.a
$(BUILD)/guichet: $(CLIENT:%.c=$(OBJ)/%.o) $(BUILD)/common.a
$(BUILD)/guichet-stat: $(STAT:%.c=$(OBJ)/%.o) $(BUILD)/common.a

# The server that tests can tell to die; the released one knows no such thing.
$(BUILD)/test/guichetd: $(patsubst %.c,$(TEST_OBJ)/%.o,\
	$(SERVER) $(HOOKS) $(COMMON))

# A server of another day, whose ledger has another layout.
NEXT := $(shell grep -l LEDGER_VERSION $(SERVER) $(COMMON))
$(BUILD)/test/guichetd-next: $(NEXT:%.c=$(BUILD)/test/next/%.o) \
	$(patsubst %.c,$(TEST_OBJ)/%.o,$(filter-out $(NEXT),\
	$(SERVER) $(HOOKS) $(COMMON)))

$(PROGRAMS) $(BUILD)/test/guichetd $(BUILD)/test/guichetd-next:
	$(LINK_IT)

# Of these two a program takes only the objects that it calls.
$(BUILD)/common.a: $(COMMON:%.c=$(OBJ)/%.o)
$(BUILD)/server.a: $(patsubst %.c,$(OBJ)/%.o,$(filter-out %/main.c,$(SERVER)))
$(BUILD)/common.a $(BUILD)/server.a:
	@rm -f $@
	@$(AR) rcs $@ $^

ARCHIVES := $(BUILD)/server.a $(BUILD)/common.a
$(TOOLS:tests/tools/%.c=$(BUILD)/test/%): \
$(BUILD)/test/%: $(OBJ)/tests/tools/%.o $(BUILD)/common.a
	$(LINK_IT)
$(UNITS:tests/unit/%.c=$(BUILD)/unit/%): \
$(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(ARCHIVES)
	$(LINK_IT)
$(BENCH_PROGRAMS): $(BUILD)/bench/%: $(OBJ)/tests/bench/%.o $(BUILD)/common.a
	$(LINK_IT)

$(OBJ)/%.o: %.c $(BUILD)/flags
	$(COMPILE_IT)

$(TEST_OBJ)/%.o: %.c $(BUILD)/flags
	$(COMPILE_IT) -DGUICHET_TEST

$(BUILD)/test/next/%.o: %.c $(BUILD)/flags
	$(COMPILE_IT) -DGUICHET_TEST -DLEDGER_VERSION=99

# A copy, so that <guichet/service.h> is found where no other of ours is.
$(BUILD)/include/guichet/service.h: server/service.h
	@mkdir -p $(@D) && cp $< $@

$(BUILD)/modules/%.so: conf/modules/%.c $(BUILD)/include/guichet/service.h \
		$(BUILD)/flags
	$(call SAY,CC  ) mkdir -p $(@D) && $(CC) -std=gnu11 \
		-I$(BUILD)/include $(WARNINGS) $(CFLAGS) $(SANITIZERS) \
		-shared -fPIC -o $@ $<

$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMPILE) | $(LINK)' | cmp -s - $@ || \
		echo '$(COMPILE) | $(LINK)' >$@

-include $(SOURCES:%.c=$(OBJ)/%.d) $(SOURCES:%.c=$(TEST_OBJ)/%.d) \
	$(NEXT:%.c=$(BUILD)/test/next/%.d)

# --- trying it ---------------------------------------------------------------

run: all ## start the demonstration server, echo on 127.0.0.1:7007
	@dir=$${XDG_RUNTIME_DIR:+$$XDG_RUNTIME_DIR/guichet}; \
	dir=$${dir:-/tmp/guichet-$$(id -u)}; \
	echo "In another terminal, try:"; \
	echo; \
	echo "    $(BUILD)/guichet talk 127.0.0.1 7007"; \
	echo "    $(BUILD)/guichet-stat -r $$dir -n dev connections"; \
	echo; \
	exec $(BUILD)/guichetd -c conf/guichet-dev.conf -r "$$dir"

# GNU parallel lets Bats run JOBS files at a time; there are few enough.
PARALLEL = $(if $(filter-out 1,$(JOBS)),$(shell parallel --version \
	2>/dev/null | grep -q GNU && echo --jobs $(JOBS)))

# That one runs its tests one by one, so it is the first to begin.
ONE_BY_ONE := tests/systemd.bats
TEST_FILES := $(ONE_BY_ONE) $(filter-out $(ONE_BY_ONE),$(wildcard tests/*.bats))

# Four minutes: no test takes one, and one that hangs must not take the others
# along. (Bats needs ps for that.)
check: tests bats ## run every test; TESTS='FILE...' runs these
	@BUILD='$(abspath $(BUILD))' BATS_TEST_TIMEOUT=240 \
		bats $(PARALLEL) $(or $(TESTS),$(TEST_FILES))

bats:
	@{ command -v bats && command -v ps; } >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ] && \
	apt-get update -q && apt-get install -q -y bats procps; } >&2 || \
	{ echo "make check: Bats or ps is missing;" \
		"get them with: sudo apt-get install bats procps" >&2; exit 1; }

bench: all $(BENCH_PROGRAMS) ## measure against the floor, side by side
	BUILD='$(abspath $(BUILD))' tests/bench/run.sh

# --- reading it --------------------------------------------------------------

lint: lint-scripts lint-manuals lint-format lint-sources ## run the linters

lint-scripts:
	@shellcheck $(SCRIPTS)
lint-manuals:
	@$(if $(MANUALS),mandoc -T lint -W warning $(MANUALS))
lint-format:
	@clang-format --dry-run --Werror $(SOURCES) $(MODULE) $(HEADERS)
# One process a file: given several, clang-tidy 14 sees va_lists that are not.
lint-sources: $(BUILD)/include/guichet/service.h
	@printf '%s\n' $(SOURCES) | xargs -P "$$(nproc)" -I FILE \
		clang-tidy --quiet FILE -- $(LANGUAGE) -DGUICHET_TEST
	@$(if $(MODULE),clang-tidy --quiet $(MODULE) -- \
		-std=gnu11 -I$(BUILD)/include)

format: ## settle the layout of all C sources
	@clang-format -i $(SOURCES) $(MODULE) $(HEADERS)

# --- installing it -----------------------------------------------------------

MAN1 := $(wildcard client/*.1)
MAN3 := $(wildcard server/*.3)
MAN5 := $(wildcard conf/*.5)
MAN8 := $(wildcard server/*.8)
SYSTEMD_UNITS := $(notdir $(wildcard systemd/*.service systemd/*.socket))
MANUALS := $(strip $(MAN1) $(MAN3) $(MAN5) $(MAN8))

install: all ## install below $(DESTDIR)$(PREFIX); keeps a configuration
	install -D -m 755 -t $(DESTDIR)$(SBINDIR) $(BUILD)/guichetd
	install -D -m 755 -t $(DESTDIR)$(BINDIR) \
		$(BUILD)/guichet $(BUILD)/guichet-stat
	install -D -m 644 -t $(DESTDIR)$(INCLUDEDIR)/guichet server/service.h
	$(if $(MAN1),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man1 $(MAN1))
	$(if $(MAN3),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man3 $(MAN3))
	$(if $(MAN5),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man5 $(MAN5))
	$(if $(MAN8),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man8 $(MAN8))
	test -e $(DESTDIR)$(SYSCONFDIR)/guichet/guichetd.conf || \
		install -D -m 644 conf/guichetd.conf \
		$(DESTDIR)$(SYSCONFDIR)/guichet/guichetd.conf
	mkdir -p $(BUILD)/systemd
	for unit in $(SYSTEMD_UNITS); do \
		sed 's|@sbindir@|$(SBINDIR)|g' "systemd/$$unit" \
			>"$(BUILD)/systemd/$$unit" || exit; \
	done
	install -D -m 644 -t $(DESTDIR)$(SYSTEMDUNITDIR) \
		$(addprefix $(BUILD)/systemd/,$(SYSTEMD_UNITS))
	install -D -m 644 systemd/guichet.sysusers \
		$(DESTDIR)$(SYSUSERSDIR)/guichet.conf

uninstall: ## remove what install put there, but for the configuration
	rm -f $(DESTDIR)$(SBINDIR)/guichetd $(DESTDIR)$(BINDIR)/guichet \
		$(DESTDIR)$(BINDIR)/guichet-stat \
		$(DESTDIR)$(INCLUDEDIR)/guichet/service.h \
		$(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(MAN1))) \
		$(addprefix $(DESTDIR)$(MANDIR)/man3/,$(notdir $(MAN3))) \
		$(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(MAN5))) \
		$(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(MAN8))) \
		$(addprefix $(DESTDIR)$(SYSTEMDUNITDIR)/,$(SYSTEMD_UNITS)) \
		$(DESTDIR)$(SYSUSERSDIR)/guichet.conf

clean: ## remove everything that was built
	rm -rf build build-*

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' \
		Makefile

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all modules tests run check bats bench lint lint-scripts lint-manuals \
	lint-format lint-sources format install uninstall clean help FORCE

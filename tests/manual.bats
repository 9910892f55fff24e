#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# manual.bats - the manual pages say what the programs say of themselves

load helpers

setup() {
	server_setup
	ROOT=$BATS_TEST_DIRNAME/..
	PAGES=("$ROOT"/*/*.[1-8])
	command -v mandoc >/dev/null || command -v man >/dev/null ||
		skip "needs mandoc or man"
}

teardown() { server_teardown; }

# page NAME: as it is read, in lines too long to be broken
page() {
	if command -v mandoc >/dev/null; then
		mandoc -T ascii -O width=500 "$ROOT/$1" | col -b
	else
		MANWIDTH=500 man --no-hyphenation -l "$ROOT/$1" | col -b
	fi
}

# page_has TEXT WORD: not as part of a longer word
page_has() {
	grep -q -E -e "(^|[^[:alnum:]-])${2//./\\.}([^[:alnum:]-]|\$)" \
		<<<"$1" || { echo "not in the page: $2"; return 1; }
}

# page_has_all TEXT: every line of standard input
page_has_all() {
	local word n=0 n_missing=0

	while read -r word; do
		n=$((n + 1))
		page_has "$1" "$word" || n_missing=$((n_missing + 1))
	done
	[ "$n" -gt 0 ] || { echo "nothing was to be looked for"; return 1; }
	is "missing" 0 "$n_missing"
}

# options_of COMMAND...: "-x, --long" or "--long", as its --help has them
options_of() {
	"$@" --help |
		sed -n -E 's/^  +((-., )?--[a-z0-9-]+)( .*)?$/\1/p'
}

@test "there are the five pages, each beside what it documents" {
	is "pages" "client/guichet-stat.1 client/guichet.1 \
conf/guichetd.conf.5 server/guichet-service.3 server/guichetd.8" \
		"$(cd "$ROOT" && echo */*.[1-8])"
}

@test "mandoc lints every page without a warning" {
	command -v mandoc >/dev/null || skip "needs mandoc"
	run mandoc -T lint -W warning "${PAGES[@]}"
	is "what mandoc says" "" "$output"
}

@test "man shows every page without a warning" {
	local file

	command -v man >/dev/null || skip "needs man"
	for file in "${PAGES[@]}"; do
		run bash -c 'man --warnings -l "$1" 2>&1 >/dev/null' - "$file"
		is "what man says of $file" "" "$output"
		is "status for $file" 0 "$status"
	done
}

@test "every option of guichetd --help stands in guichetd(8)" {
	page_has_all "$(page server/guichetd.8)" < <(options_of "$GUICHETD")
}

@test "every option of guichet-stat --help stands in guichet-stat(1)" {
	page_has_all "$(page client/guichet-stat.1)" < <(options_of "$STAT")
}

# commands: as guichet --help lists them
commands() {
	"$GUICHET" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

@test "every command of guichet, with each option, stands in guichet(1)" {
	local text command

	text=$(page client/guichet.1)
	page_has_all "$text" < <(commands)
	for command in $(commands); do
		page_has_all "$text" < <(options_of "$GUICHET" "$command")
	done
}

@test "guichetd.conf(5) has the directives of guichetd --help, and no others" {
	local text directives

	text=$(page conf/guichetd.conf.5)
	directives=$("$GUICHETD" --help |
		sed -n 's/^  \([a-z-]*\) = .*/\1/p' | sort -u)
	page_has_all "$text" <<<"$directives"
	is "directives" "$directives" "$(sed -n \
		's/^\.It Ic \([a-z-]*\) No = .*/\1/p' \
		"$ROOT/conf/guichetd.conf.5" | sort -u)"
}

@test "every service stands in guichetd.conf(5) and guichetd(8)" {
	local services

	services=$("$GUICHETD" --help | tr '\n' ' ' |
		sed 's/.*SERVICE: \([^.]*\)\..*/\1/; s/, /\n/g')
	page_has_all "$(page conf/guichetd.conf.5)" <<<"$services"
	page_has_all "$(page server/guichetd.8)" <<<"$services"
}

# metrics: by name; those by reason as "connections.closed.reason"
metrics() {
	"$STAT" -f "$DIR/t.ledger" |
		sed -n 's/^guichet\.[^.]*\.\([^:]*\):.*/\1/p' |
		grep -v '^listener\.' |
		sed 's/^\(connections\.\(closed\|refused\)\)\..*/\1.reason/' |
		sort -u
}

@test "every metric and every reason stands in guichet-stat(1)" {
	local text

	"$TOOLS/forge" "$DIR/t.ledger" good
	text=$(page client/guichet-stat.1)
	page_has_all "$text" < <(metrics)
	page_has_all "$text" < <("$STAT" -f "$DIR/t.ledger" |
		sed -n 's/.*\.\(closed\|refused\)\.\([a-z]*\):.*/\2/p' |
		sort -u)
}

@test "what only prometheus has stands in guichet-stat(1), too" {
	"$TOOLS/forge" "$DIR/t.ledger" good
	page_has_all "$(page client/guichet-stat.1)" < <(
		"$STAT" -f "$DIR/t.ledger" -o prometheus |
		sed -n -E 's/^# TYPE (guichet_(up|worker_[a-z_]*)) .*/\1/p')
}

@test "every view and every field of it stands in guichet-stat(1)" {
	local text view

	"$TOOLS/forge" "$DIR/t.ledger" good
	text=$(page client/guichet-stat.1)
	page_has_all "$text" < <("$STAT" --help |
		sed -n '/^Views/,$s/^  \([a-z]*\) .*/\1/p')
	for view in workers listeners connections closed; do
		page_has_all "$text" < <("$STAT" -f "$DIR/t.ledger" \
			-o tsv "$view" | head -n 1 | tr '\t' '\n')
	done
}

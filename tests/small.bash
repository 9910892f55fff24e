# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# small.bash - what the small services say, as their RFCs have it
#
# These return by hand, for they are called where errexit does not see, too.

# is_now SECONDS: within two of the clock
is_now() {
	local off=$(($(date +%s) - $1))

	[ "${off#-}" -le 2 ] || { echo "off by $off seconds"; return 1; }
}

# is_time FILE: 32 bits of seconds since 1900 (RFC 868)
is_time() {
	local -a byte

	is "bytes" 4 "$(stat -c %s "$1")" || return
	read -r -a byte < <(od -An -tu1 "$1")
	is_now $(((byte[0] << 24 | byte[1] << 16 | byte[2] << 8 | byte[3]) - \
		2208988800))
}

# is_daytime FILE: "Tuesday, February 22, 1982 17:37:43-UTC" (RFC 867)
is_daytime() {
	local line

	is "the line's end" '-UTC\r\n' "$(tail -c 6 "$1" | od -An -c |
		tr -d ' ')" || return
	line=$(tr -d '\r' <"$1")
	[[ $line =~ ^[A-Z][a-z]+,\ [A-Z][a-z]+\ [0-9]+,\ 20[0-9][0-9]\ \
[0-9:]{8}-UTC$ ]] || { echo "not as in RFC 867: $line"; return 1; }
	is_now "$(LC_ALL=C date -d "${line%-UTC} UTC" +%s)" || return
	is "the weekday" "$(LC_ALL=C date -u -d "${line%-UTC} UTC" +%A)" \
		"${line%%,*}"
}

# is_qotd FILE: the quotation that is built in
is_qotd() {
	[ "$(stat -c %s "$1")" -le 512 ] || return
	is "the last line" $'\t\t-- Leslie Lamport\r' "$(tail -n 1 "$1")"
}

# reference BYTES: the pattern of RFC 864
reference() {
	[ -e "$DIR/pattern" ] || LC_ALL=C awk 'BEGIN {
		for (n = 0; n < 9500; n++) {
			line = ""
			for (i = 0; i < 72; i++)
				line = line sprintf("%c", 32 + (n + i) % 95)
			printf "%s\r\n", line
		}
	}' >"$DIR/pattern"
	while cat "$DIR/pattern"; do :; done 2>/dev/null | head -c "$1"
}

# is_pattern BYTES: what comes first on standard input
is_pattern() {
	cmp -n "$1" - <(reference "$1")
}

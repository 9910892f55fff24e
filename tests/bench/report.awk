# SPDX-License-Identifier: ISC
#
# report.awk - the tables and the verdict from what run.sh has measured
#
#     awk -F '\t' -v format=text|markdown -v n_idle=N -f report.awk RESULTS IDLE
#
# A line of RESULTS is load, aim (of the ratio of CPU; "rate": no less requests a
# second, for CPU says nothing there), server, requests, requests a
# second, CPU in ns, p50 and p99 in us. Lines come in pairs: the two servers of
# one round. A line of IDLE is server and bytes of each idle connection.

# The value at @fraction (0 to 1) of series[key, 1..n], sorted, between two of
# them where need be.
function quantile(series, key, n, fraction,    i, j, v, sorted, at) {
	for (i = 1; i <= n; i++) {
		v = series[key, i]
		for (j = i - 1; j > 0 && sorted[j] > v; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = v
	}
	at = 1 + fraction * (n - 1)
	i = int(at)
	return i == n ? sorted[n] : \
		sorted[i] + (at - i) * (sorted[i + 1] - sorted[i])
}

function median(series, key) {
	return quantile(series, key, n_rounds[key], 0.5)
}

# Shared pages of the C library make a few bytes of difference, either way.
function at_least_0(n) {
	return n > 0 ? n : 0
}

# 12345 as 12,345
function thousands(n,    text) {
	text = sprintf("%.0f", n)
	while (match(text, /^[0-9]+[0-9][0-9][0-9]($|,)/))
		text = substr(text, 1, RLENGTH - (text ~ /,/ ? 4 : 3)) "," \
			substr(text, RLENGTH - (text ~ /,/ ? 3 : 2))
	return text
}

function row(a, b, c, d, e, f, g) {
	if (format == "markdown")
		printf "| %s | %s | %s | %s | %s | %s | %s |\n", \
			a, b, c, d, e, f, g
	else
		printf "%-39s %-9s %10s %8s %8s %8s  %s\n", a, b, c, d, e, f, g
}

function head() {
	row("load", "server", "requests/s", "CPU us", "p50 us", "p99 us", \
	    "ratio (middle half)")
	if (format == "markdown")
		print "| --- | --- | --: | --: | --: | --: | --- |"
}

function spread(series, key) {
	return sprintf("%.3f (%.3f to %.3f)", median(series, key), \
		       quantile(series, key, n_rounds[key], 0.25), \
		       quantile(series, key, n_rounds[key], 0.75))
}

function server_row(title, key, with_cpu, last) {
	row(title, server[key], thousands(median(rate, key)), \
	    with_cpu ? sprintf("%.2f", median(cpu_us, key)) : "-", \
	    thousands(median(p50, key)), thousands(median(p99, key)), last)
}

function load_rows(l,    a, b, is_echo) {
	a = l SUBSEP 1
	b = l SUBSEP 2
	is_echo = aim[l] != "rate"
	server_row(load[l], a, is_echo, "")
	server_row("", b, is_echo, is_echo ? spread(cpu_ratio, b) : \
		   spread(rate_ratio, b) ", of requests/s")
}

function verdict(l,    reached, is_met, text) {
	if (aim[l] == "rate") {
		reached = median(rate_ratio, l SUBSEP 2)
		is_met = reached >= 1
		text = sprintf("%.2f times the requests/s of %s (aim 1.00)", \
			       reached, server[l, 1])
	} else {
		reached = median(cpu_ratio, l SUBSEP 2)
		is_met = reached <= aim[l]
		text = sprintf("CPU %+.1f %% (aim %+.0f %%)", \
			       (reached - 1) * 100, (aim[l] - 1) * 100)
	}
	printf "%s%s: %s: %s\n", format == "markdown" ? "- " : "", load[l], \
		text, is_met ? "met" : "not met"
}

FILENAME == ARGV[2] {
	idle[$1] = $2
	next
}

!($1 in number) {
	number[$1] = ++n_loads
	load[n_loads] = $1
	aim[n_loads] = $2
}

# Of a round's pair the second is guichetd, whichever came first.
{
	key = number[$1] SUBSEP ($3 == "guichetd" ? 2 : 1)
	n = ++n_rounds[key]
	server[key] = $3
	rate[key, n] = $5
	cpu_us[key, n] = $4 ? $6 / 1000 / $4 : 0
	p50[key, n] = $7
	p99[key, n] = $8
	other = number[$1] SUBSEP ($3 == "guichetd" ? 1 : 2)
	if (n_rounds[other] != n)
		next
	pair = number[$1] SUBSEP 2
	other = number[$1] SUBSEP 1
	if (cpu_us[other, n])
		cpu_ratio[pair, n] = cpu_us[pair, n] / cpu_us[other, n]
	if (rate[other, n])
		rate_ratio[pair, n] = rate[pair, n] / rate[other, n]
}

END {
	head()
	for (l = 1; l <= n_loads; l++)
		load_rows(l)
	print ""
	if (n_idle && ("floor" in idle))
		printf "An idle connection, of %s: %d bytes in the floor, " \
			"%d in guichetd.\n\n", thousands(n_idle), \
			at_least_0(idle["floor"]), at_least_0(idle["guichetd"])
	print "Against the aims:"
	if (format == "markdown")
		print ""
	for (l = 1; l <= n_loads; l++)
		verdict(l)
}

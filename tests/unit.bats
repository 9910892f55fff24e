#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# unit.bats - the pure modules, each by its small C program in tests/unit

setup() {
	UNIT="${BUILD:-$BATS_TEST_DIRNAME/../build}/unit"
}

# Runs one program; it prints every check that failed, both sides.
unit() {
	timeout 60 "$UNIT/$1"
}

@test "addresses are parsed, resolved and shown as typed, others refused" {
	unit addr
}

@test "a bag gives back what was packed, and its descriptors, over an exec" {
	unit bag
}

@test "time and daytime are right in any year, and time begins again in 2036" {
	unit clocks
}

@test "the configuration in force reads back, and hands its entries on" {
	unit config
}

@test "histogram buckets join without a gap and give percentiles" {
	unit histogram
}

@test "sockets given by somebody else are known for what they are, or closed" {
	unit inherit
}

@test "the ledger's arrays never overlap and parts are whole pages" {
	unit ledger
}

@test "the log writes one harmless line an event and never blocks" {
	unit log
}

@test "an operator meets the master, is told, and hears the answer" {
	unit operator
}

@test "a service manager hears what we say, and keeps what it is given" {
	unit notify
}

@test "options are read from one table and wrong ones named" {
	unit options
}

@test "programs that run go over to the next keeper, and none runs twice" {
	unit programs
}

@test "the runtime directory follows the environment and the user" {
	unit runtime
}

@test "every built-in service is whole, as a module's must be" {
	unit service
}

@test "durations and sizes are read back as they were written" {
	unit units
}

@test "a vault's states grow in place, and nothing else in it moves" {
	unit vault
}

@test "the nearest word is the one that was meant" {
	unit words
}

@test "every unit program has a test here" {
	local missing=0 file name

	for file in "$BATS_TEST_DIRNAME"/unit/*.c; do
		name=$(basename "$file" .c)
		grep -q "^	unit $name\$" "$BATS_TEST_FILENAME" && continue
		echo "tests/unit/$name.c is run by no test of unit.bats"
		missing=1
	done
	[ "$missing" = 0 ]
}

@test "a worker is due by its limits, once, not all at the same time; and busy" {
	unit recycling
}

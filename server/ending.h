/* SPDX-License-Identifier: ISC */
/*
 * ending.h - how a child process ended, in words
 */
#ifndef GUICHET_ENDING_H
#define GUICHET_ENDING_H

#include <stdbool.h>
#include <stddef.h>

#define ENDING_BYTES 48

/* The same of one that we ended ourselves, for it took too long. */
#define ENDING_HUNG "hung, and was killed for it"

/*
 * "killed by SIGKILL" or "left with status 1", for @status of waitpid(2);
 * "gone" for -1, an end that was not ours to wait for. Returns @out
 * (ENDING_BYTES).
 */
const char *ending_describe(int status, char *out);

/* It left by itself, with status 0. */
bool ending_is_success(int status);

/* Somebody killed it: neither its own fault nor its own will. */
bool ending_is_from_outside(int status);

#endif

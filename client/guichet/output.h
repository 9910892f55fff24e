/* SPDX-License-Identifier: ISC */
/*
 * output.h - standard output, and what to do when it will take no more
 */
#ifndef GUICHET_OUTPUT_H
#define GUICHET_OUTPUT_H

#include <stdbool.h>

/*
 * Writes out what was printed. False when standard output takes no more:
 * quietly when its reader has gone, else with an error that says why.
 */
bool output_flush(void);

/*
 * For the end of a program that would return @code: writes out what was
 * printed, and returns @code, or EXIT_FAILED when something could not be.
 */
int output_finish(int code);

/*
 * Says that writing failed with @err (negative), unless the reader has just
 * gone. Returns the exit code: a reader who has seen enough is no failure.
 */
int output_failed(int err);

#endif

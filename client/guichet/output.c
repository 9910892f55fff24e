/* SPDX-License-Identifier: ISC */
/*
 * output.c - standard output, and what to do when it will take no more
 */
#include "client/guichet/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base.h"
#include "common/log.h"

/* What the first write that failed said, -errno; it is told only once. */
static int first_err;

int output_failed(int err)
{
	if (err == -EPIPE)
		return EXIT_DONE;
	log_error("standard output: %s", strerror(-err));
	return EXIT_FAILED;
}

bool output_flush(void)
{
	if (first_err)
		return false;
	errno = EIO; /* when an earlier write failed, its reason is gone */
	if (!fflush(stdout) && !ferror(stdout))
		return true;
	first_err = -errno;
	(void)output_failed(first_err);
	return false;
}

int output_finish(int code)
{
	(void)output_flush();
	return first_err && first_err != -EPIPE ? EXIT_FAILED : code;
}

/* SPDX-License-Identifier: ISC */
/*
 * runtime.c - where an instance's files live
 */
#include "common/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ledger.h"

/* What @name is set to in the environment; NULL when it is empty, too. */
static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

const char *runtime_dir(char *out, size_t out_bytes)
{
	const char *dir;

	if ((dir = environment("RUNTIME_DIRECTORY")))
		/* systemd.exec(5): several are separated by colons */
		(void)snprintf(out, out_bytes, "%.*s", (int)strcspn(dir, ":"),
			       dir);
	else if (geteuid() == 0)
		(void)snprintf(out, out_bytes, "/run/guichet");
	else if ((dir = environment("XDG_RUNTIME_DIR")))
		(void)snprintf(out, out_bytes, "%s/guichet", dir);
	else
		(void)snprintf(out, out_bytes, "/tmp/guichet-%u",
			       (unsigned)geteuid());
	return out;
}

int runtime_path(const char *dir, const char *name, const char *suffix,
		 char *out, size_t out_bytes)
{
	int n = snprintf(out, out_bytes, "%s/%s%s", dir, name, suffix);

	return n < 0 || (size_t)n >= out_bytes ? -ENAMETOOLONG : 0;
}

int runtime_ledger_path(const char *dir, const char *name, char *out,
			size_t out_bytes)
{
	return runtime_path(dir, name, LEDGER_SUFFIX, out, out_bytes);
}

bool runtime_name_is_valid(const char *name)
{
	/* spelt out: isalnum(3) would follow the locale */
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	size_t len = strlen(name);

	return len > 0 && len < LEDGER_NAME_BYTES &&
	       strspn(name, allowed) == len;
}

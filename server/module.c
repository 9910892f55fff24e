/* SPDX-License-Identifier: ISC */
/*
 * module.c - a service that comes in a shared object
 */
#include "server/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base.h"
#include "common/complain.h"
#include "server/service_table.h"

#define SYMBOL "guichet_module"

struct module {
	struct module *next;
	const struct service *service;
	char *path;
};

static struct module *modules;

bool module_is_path(const char *word)
{
	return strchr(word, '/');
}

const char *module_path(const struct service *service)
{
	for (const struct module *m = modules; m; m = m->next)
		if (m->service == service)
			return m->path;
	return NULL;
}

static const struct service *find_loaded(const char *path)
{
	for (const struct module *m = modules; m; m = m->next)
		if (!strcmp(m->path, path))
			return m->service;
	return NULL;
}

static bool is_elf(const ElfW(Ehdr) * header, ssize_t n)
{
	return n == sizeof(*header) &&
	       memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_phentsize == sizeof(ElfW(Phdr));
}

/*
 * Whether the file ends before what its program headers want of it: dlopen(3)
 * maps such a file, and dies of a SIGBUS. What else is wrong it tells itself.
 */
static bool is_cut(int fd, uint64_t file_bytes)
{
	ElfW(Ehdr) header;
	ElfW(Phdr) segment;

	if (!is_elf(&header, pread(fd, &header, sizeof(header), 0)))
		return false;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		uint64_t at = header.e_phoff + i * sizeof(segment);

		if (pread(fd, &segment, sizeof(segment), (off_t)at) !=
		    sizeof(segment))
			return true;
		if (segment.p_type == PT_LOAD &&
		    (segment.p_offset > file_bytes ||
		     segment.p_filesz > file_bytes - segment.p_offset))
			return true;
	}
	return false;
}

/* What dlopen(3) would say less clearly, or not at all. */
static const char *fault_of_file(const char *path)
{
	const char *wrong = NULL;
	struct stat st;
	/* nonblocking: a FIFO has nobody at its other end */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		wrong = complain("cannot be loaded: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		wrong = "is not a module: not a regular file";
	else if (is_cut(fd, (uint64_t)st.st_size))
		wrong = "cannot be loaded: file cut short";
	if (fd >= 0)
		close(fd);
	return wrong;
}

/* dlerror(3) begins with the path, which our caller has said already. */
static const char *fault_of_dlopen(const char *path)
{
	const char *text = dlerror();
	size_t n = strlen(path);

	if (!text)
		return "cannot be loaded";
	if (!strncmp(text, path, n) && !strncmp(text + n, ": ", 2))
		text += n + 2;
	return complain("cannot be loaded: %s", text);
}

static const char *fault_of_module(const struct guichet_module *module)
{
	const char *wrong;

	if (!module)
		return "is not a module: it has no symbol " SYMBOL
		       " (see guichet-service(3))";
	if (module->magic != GUICHET_MODULE_MAGIC)
		return "is not a module: its symbol " SYMBOL
		       " is something else";
	if (module->version != GUICHET_SERVICE_VERSION)
		return complain("was built for version %u of the service "
				"interface; this server has %d",
				module->version, GUICHET_SERVICE_VERSION);
	if (!module->service)
		return "is a module without a service";
	wrong = service_fault(module->service);
	return wrong ? complain("is a module whose service %s", wrong) : NULL;
}

static const char *keep(const char *path, const struct service *service)
{
	struct module *module = malloc(sizeof(*module));

	if (!module)
		return "cannot be loaded: out of memory";
	*module = (struct module){
		.next = modules,
		.service = service,
		.path = strdup(path),
	};
	if (!module->path) {
		free(module);
		return "cannot be loaded: out of memory";
	}
	modules = module;
	return NULL;
}

const struct service *module_load(const char *path, const char **wrong)
{
	const struct service *service = find_loaded(path);
	const struct guichet_module *module;
	void *handle;

	*wrong = NULL;
	if (service)
		return service;
	*wrong = fault_of_file(path);
	if (*wrong)
		return NULL;
	/* now: what it lacks is to be told now, not in the first handler */
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		*wrong = fault_of_dlopen(path);
		return NULL;
	}
	module = dlsym(handle, SYMBOL);
	*wrong = fault_of_module(module);
	if (!*wrong)
		*wrong = keep(path, module->service);
	/* a module that was refused stays, too: its threads, if it has made
	   any, would not live through its unloading */
	return *wrong ? NULL : module->service;
}

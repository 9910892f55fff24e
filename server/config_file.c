/* SPDX-License-Identifier: ISC */
/*
 * config_file.c - NAME.config: the configuration in force, for who begins later
 */
#include "server/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/runtime.h"
#include "server/crash.h"

#define SUFFIX ".config"

/* Beside its place first, so that it is there whole, or as it was. */
struct paths {
	char place[512], building[512 + 8];
};

static int find_paths(const char *dir, const char *name, struct paths *paths)
{
	int err = runtime_path(dir, name, SUFFIX, paths->place,
			       sizeof(paths->place));

	if (err)
		return err;
	(void)snprintf(paths->building, sizeof(paths->building), "%s.new",
		       paths->place);
	return 0;
}

static int paths_of(const struct config *config, struct paths *paths)
{
	return find_paths(config->runtime_dir, config->name, paths);
}

static int say_not_kept(const struct config *config, int err)
{
	log_error("%s: cannot keep the configuration in force: %s",
		  config->runtime_dir, strerror(-err));
	return err;
}

/* ---- writing ---- */

static int write_file(const struct config *config, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *out;
	int err;

	if (fd < 0)
		return -errno;
	out = fdopen(fd, "w");
	if (!out) {
		err = -errno;
		close(fd);
		return err;
	}
	err = config_write_running(config, out);
	if (fclose(out) && !err)
		err = -errno;
	return err;
}

int config_file_prepare(const struct config *config)
{
	struct paths paths;
	int err = paths_of(config, &paths);

	if (err)
		return say_not_kept(config, err);
	(void)unlink(paths.building); /* of a master that died here */
	err = write_file(config, paths.building);
	CRASH_POINT(CONFIG_WRITTEN);
	if (!err)
		return 0;
	(void)unlink(paths.building);
	return say_not_kept(config, err);
}

void config_file_drop(const struct config *config)
{
	struct paths paths;

	if (!paths_of(config, &paths))
		(void)unlink(paths.building);
}

static int open_file(const struct paths *paths)
{
	int fd = open(paths->place,
		      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int replace(const struct paths *paths)
{
	int err;

	if (rename(paths->building, paths->place) < 0) {
		err = -errno;
		(void)unlink(paths->building);
		return err;
	}
	CRASH_POINT(CONFIG_PUT);
	return open_file(paths);
}

int config_file_put(const struct config *config)
{
	struct paths paths;
	int fd = paths_of(config, &paths);

	if (!fd)
		fd = replace(&paths);
	return fd < 0 ? say_not_kept(config, fd) : fd;
}

int config_file_open(const struct config *config)
{
	struct paths paths;
	int err = paths_of(config, &paths);

	return err ? err : open_file(&paths);
}

void config_file_remove(const struct config *config)
{
	struct paths paths;

	if (!paths_of(config, &paths))
		(void)unlink(paths.place);
}

/* ---- reading ---- */

typedef unsigned read_running_fn(struct config *config, int fd, FILE *errors);

static int read_by(read_running_fn *read, const char *dir, const char *name,
		   struct config *config)
{
	struct paths paths;
	unsigned n;
	int fd, err = find_paths(dir, name, &paths);

	if (err)
		return err;
	fd = open_file(&paths);
	if (fd < 0)
		return fd;
	n = read(config, fd, stderr);
	close(fd);
	return n ? -EINVAL : 0;
}

int config_file_read(const char *dir, const char *name, struct config *config)
{
	return read_by(config_read_running, dir, name, config);
}

int config_file_read_server(const char *dir, const char *name,
			    struct config *config)
{
	return read_by(config_read_running_server, dir, name, config);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation of ZFS - names of datasets, and versions of OpenZFS.
 */
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif
#include "name.h"

#define DATASET_MAX	255	/* the longest name of a dataset in bytes */

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool component_char(char c)
{
	return letter(c) || (c >= '0' && c <= '9') || (c && strchr("-_.: ", c));
}

/**
 * zfs_dataset_ok() - is this the name of a file system or volume?
 * @name: the name.
 *
 * A pool begins with a letter; components are not empty, "." or "..".  The
 * characters that make snapshots, bookmarks and OpenZFS's own temporary names
 * are not among those allowed.
 */
bool zfs_dataset_ok(const char *name)
{
	const char *p = name, *start;
	size_t len;

	if (!letter(*p) || strlen(name) > DATASET_MAX)
		return false;
	for (;; p++) {
		for (start = p; component_char(*p); p++)
			;
		len = p - start;
		if (!len || (len == 1 && start[0] == '.') ||
		    (len == 2 && start[0] == '.' && start[1] == '.'))
			return false;
		if (*p != '/')
			return !*p;
	}
}

/* '/' comes before all other characters, so that what is below a dataset
 * follows it at once: tank/a, tank/a/b, tank/a-b.
 */
static int rank(char c)
{
	if (!c)
		return 0;
	return c == '/' ? 1 : 2 + (unsigned char)c;
}

int zfs_dataset_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}

bool zfs_dataset_covers(const char *wide, const char *narrow)
{
	size_t n = strlen(wide);

	return !strncmp(wide, narrow, n) && (!narrow[n] || narrow[n] == '/');
}

/* Reads a number and what follows it, if that is @sep. */
static bool number(const char **p, unsigned int *n, char sep)
{
	const char *s = *p;

	*n = 0;
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (*n < 100000)
			*n = *n * 10 + (*s - '0');
	if (sep && *s++ != sep)
		return false;
	*p = s;
	return true;
}

/**
 * zfs_version_safe() - can this version of OpenZFS be trusted to delegate?
 * @version: as in /sys/module/zfs/version, "2.3.9-1".
 *
 * From 2.2.0 on root in any user namespace could pass OpenZFS's own checks of
 * privilege (CVE-2026-79619); mended in 2.3.9 and in 2.4.4.
 */
bool zfs_version_safe(const char *version)
{
	unsigned int major, minor, patch;

	if (!version || !number(&version, &major, '.') || !number(&version, &minor, '.') ||
	    !number(&version, &patch, '\0'))
		return false;
	if (major != 2)
		return major > 2;
	if (minor == 3)
		return patch >= 9;
	if (minor == 4)
		return patch >= 4;
	return minor > 4;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - what names are well formed.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/delegns.h>
#else
#include <errno.h>
#include <string.h>
#include <linux/delegns.h>
#endif
#include "name.h"

static bool lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool letter_or_digit(char c)
{
	return lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/**
 * dn_name_ok() - is this the name of a namespace?
 * @s:   the name; need not end in a NUL.
 * @len: its length in bytes.
 */
bool dn_name_ok(const char *s, size_t len)
{
	size_t i;

	if (!len || len > DELEGNS_NAME_MAX || !letter_or_digit(s[0]))
		return false;
	for (i = 1; i < len; i++)
		if (!letter_or_digit(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
			return false;
	return len != 6 || memcmp(s, "global", 6);
}

/**
 * dn_consumer_name_ok() - is this the name of a consumer?
 * @s:    the name, filled up with NUL.
 * @size: the size of the array.
 */
bool dn_consumer_name_ok(const char *s, size_t size)
{
	size_t i, len = strnlen(s, size);

	if (!len || len > DELEGNS_CONSUMER_MAX || !(s[0] >= 'a' && s[0] <= 'z'))
		return false;
	for (i = 1; i < len; i++)
		if (!lower_or_digit(s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	for (; i < size; i++)
		if (s[i])
			return false;
	return true;
}

/**
 * dn_path_next() - take the first name off a path of names.
 * @path: in: the path; out: what follows the name and its '/'.
 * @left: in: the length of @path; out: what is left of it.
 * @name: out: the name, within the path.
 * @len:  out: its length.
 *
 * Return: 0; -EINVAL when there is no name, or one that cannot be; -E2BIG when
 * it is too long.
 */
int dn_path_next(const char **path, size_t *left, const char **name, size_t *len)
{
	const char *p = *path, *slash = memchr(p, '/', *left);
	size_t n = slash ? (size_t)(slash - p) : *left;

	if (n > DELEGNS_NAME_MAX)
		return -E2BIG;
	if (!dn_name_ok(p, n))
		return -EINVAL;
	if (slash && n + 1 == *left)
		return -EINVAL;
	*name = p;
	*len = n;
	*path = p + n + (slash ? 1 : 0);
	*left -= n + (slash ? 1 : 0);
	return 0;
}

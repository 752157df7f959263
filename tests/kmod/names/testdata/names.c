// SPDX-License-Identifier: GPL-2.0-only
/*
 * The modules' pure logic in user space: what names are well formed, what
 * covers what, which versions are safe.  Checked by tables, then by random
 * strings against the properties that the core relies on.  names_test.go
 * compiles it with the sanitizers and runs it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/delegns.h>

#include "../../../../kmod/name.h"
#include "../../../../kmod/zfs/name.h"

static int failures;

#define CHECK(what) \
	do { \
		if (!(what)) { \
			printf("%d: %s\n", __LINE__, #what); \
			failures++; \
		} \
	} while (0)

static void namespaces(void)
{
	static const char *const good[] = { "a", "9", "web", "web-1", "w_e.b", "Global", "globa", "globals" };
	static const char *const bad[] = { "", ".", "..", "-a", "_a", "a/b", "a b", "global", "a\n", "\xc3\xa4", "a:b" };
	char longest[66];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		CHECK(dn_name_ok(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(!dn_name_ok(bad[i], strlen(bad[i])));
	memset(longest, 'a', sizeof(longest));
	CHECK(dn_name_ok(longest, 63));
	CHECK(!dn_name_ok(longest, 64));
	CHECK(!dn_name_ok("a\0b", 3));
}

static void consumers(void)
{
	CHECK(dn_consumer_name_ok("zfs\0\0", 5));
	CHECK(dn_consumer_name_ok("a-_9", 5));
	CHECK(!dn_consumer_name_ok("", 1));
	CHECK(!dn_consumer_name_ok("zfs\0x", 6));
	CHECK(!dn_consumer_name_ok("Zfs", 4));
	CHECK(!dn_consumer_name_ok("9fs", 4));
	CHECK(!dn_consumer_name_ok("z fs", 5));
	CHECK(!dn_consumer_name_ok("aaaaaaaaaaaaaaaa", 16));
	CHECK(dn_consumer_name_ok("aaaaaaaaaaaaaaa", 16));
}

/* The whole of a path: the number of names, or what dn_path_next() says. */
static int path(const char *p, size_t left)
{
	const char *name;
	size_t len;
	int n = 0, err;

	do {
		err = dn_path_next(&p, &left, &name, &len);
		if (err)
			return err;
		n++;
	} while (left);
	return n;
}

static void paths(void)
{
	CHECK(path("a", 1) == 1);
	CHECK(path("a/b/c", 5) == 3);
	CHECK(path("", 0) < 0);
	CHECK(path("/a", 2) < 0);
	CHECK(path("a/", 2) < 0);
	CHECK(path("a//b", 4) < 0);
	CHECK(path("a/../b", 6) < 0);
	CHECK(path("a/global", 8) < 0);
}

static void datasets(void)
{
	static const char *const good[] = { "tank", "tank/a", "t/a b", "t/a:b", "t/a.b", "t/-", "t/..a", "t/...", "T9/x_y" };
	static const char *const bad[] = {
		"", "/", "/t", "t/", "t//a", "t/.", "t/..", "t/./a", "t@s", "t/a@s", "t#b", "t/%r", "9t", " t", "t\n",
		"t/\x7f", "t/\xc3\xa4", "t/a*", "t/a\\b", ".", "..",
	};
	char name[300] = "t/";

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		CHECK(zfs_dataset_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(!zfs_dataset_ok(bad[i]));
	memset(name + 2, 'a', 253);
	CHECK(zfs_dataset_ok(name));
	name[255] = 'a';
	CHECK(!zfs_dataset_ok(name));
	CHECK(zfs_dataset_covers("t", "t") && zfs_dataset_covers("t", "t/a"));
	CHECK(!zfs_dataset_covers("t/a", "t") && !zfs_dataset_covers("t", "tt"));
	CHECK(!zfs_dataset_covers("t/a", "t/a-b") && !zfs_dataset_covers("t/a", "t/ab/c"));
	CHECK(zfs_dataset_compare("t/a", "t/a/b") < 0 && zfs_dataset_compare("t/a/b", "t/a-b") < 0);
	CHECK(zfs_dataset_compare("t/a b", "t/a/b") > 0);
}

static void versions(void)
{
	static const char *const safe[] = { "2.3.9", "2.3.9-1", "2.3.10-0+deb13u1", "2.4.4-1", "2.4.12", "2.5.0-rc1", "3.0.0" };
	static const char *const unsafe[] = {
		"2.3.8", "2.3.8-1", "2.2.9", "2.1.11", "2.4.0-1", "2.4.3", "2.4.0-rc1", "0.8.6", "1.9.9", "", "2", "2.3",
		"2.3.", "x", "-1.0.0", "2.3.x",
	};

	for (size_t i = 0; i < sizeof(safe) / sizeof(*safe); i++)
		CHECK(zfs_version_safe(safe[i]));
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(*unsafe); i++)
		CHECK(!zfs_version_safe(unsafe[i]));
	CHECK(!zfs_version_safe(NULL));
}

static uint64_t seed;

static unsigned int rnd(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static char *random_name(void)
{
	static const char letters[] = "aab/./-: @#\xff\x01t";
	size_t len = rnd(12);
	char *s = malloc(len + 1);	/* exact, for the sanitizer */

	for (size_t i = 0; i < len; i++)
		s[i] = letters[rnd(sizeof(letters) - 1)];
	s[len] = '\0';
	return s;
}

/* What the core relies on, for any three strings. */
static void properties(int rounds)
{
	while (rounds--) {
		char *a = random_name(), *b = random_name(), *c = random_name();
		int ab = zfs_dataset_compare(a, b), bc = zfs_dataset_compare(b, c);

		CHECK((ab == 0) == !strcmp(a, b));
		CHECK((ab < 0) == (zfs_dataset_compare(b, a) > 0));
		if (ab <= 0 && bc <= 0)
			CHECK(zfs_dataset_compare(a, c) <= 0);
		CHECK(zfs_dataset_covers(a, a));
		if (zfs_dataset_covers(a, b)) {
			CHECK(ab <= 0);
			CHECK(!zfs_dataset_covers(b, c) || zfs_dataset_covers(a, c));
		}
		/* No gap: what is between a name and one it covers is covered. */
		if (zfs_dataset_covers(a, c) && ab <= 0 && bc <= 0)
			CHECK(zfs_dataset_covers(a, b));
		/* A step down from a good name is covered and good. */
		if (zfs_dataset_ok(a)) {
			char down[32];

			snprintf(down, sizeof(down), "%s/x", a);
			CHECK(zfs_dataset_ok(down) && zfs_dataset_covers(a, down));
		}
		dn_name_ok(a, strlen(a));
		path(a, strlen(a));
		zfs_version_safe(a);
		if (failures) {
			printf("with \"%s\" \"%s\" \"%s\"\n", a, b, c);
			return;
		}
		free(a);
		free(b);
		free(c);
	}
}

int main(int argc, char **argv)
{
	seed = argc > 1 ? strtoull(argv[1], NULL, 10) | 1 : 88172645463325252ULL;
	namespaces();
	consumers();
	paths();
	datasets();
	versions();
	properties(argc > 2 ? atoi(argv[2]) : 300000);
	return !!failures;
}

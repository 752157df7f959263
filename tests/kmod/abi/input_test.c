// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad input: the documented errno, and nothing changed.
 */
#define _GNU_SOURCE
#include "stage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int create_bytes(const void *name, size_t len)
{
	struct delegns_create a = { .name = (uintptr_t)name, .name_len = len };

	return call(dev, DELEGNS_CREATE, &a);
}

static void names_of_namespaces(void)
{
	static const char *const bad[] = {
		".", "..", "a/b", "/a", "a/", "a b", " a", "a\n", "a\t", "-a", "_a", ".a", "a\\b", "a:b",
		"a@b", "a#b", "a%b", "a*", "\x7f", "\xc3\xa4", "\xff", "global", "a\x01",
	};
	char name[300];
	int fd;

	memset(name, 'a', sizeof(name));
	check_eq(create_bytes(name, 0), -EINVAL);
	check_eq(create_bytes(name, 64), -E2BIG);
	check_eq(create_bytes(name, 300), -E2BIG);
	check_eq(create_bytes(name, UINT32_MAX), -E2BIG);
	check_eq(create_bytes("a\0b", 3), -EINVAL);
	check_eq(create_bytes("a\0", 2), -EINVAL);
	check_eq(create_bytes("\0", 1), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_eq(dn_create(bad[i]), -EINVAL);
	check_eq(dn_count(), 0);
	fd = create_bytes(name, 63);
	check(fd >= 0);
	close(fd);
	fd = dn_create("9-_.A");
	check(fd >= 0);
	close(fd);
	check_eq(dn_count(), 0);
}

static void paths(void)
{
	static const char *const bad[] = { "/", "/a", "a/", "a//b", "a/./b", "../a", "a/../b", " ", "a b/c", "a/global" };
	char path[3000];
	int ns = dn_create("p");

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_eq(dn_by_name(bad[i]), -EINVAL);
	memset(path, 'a', sizeof(path));
	path[64] = '\0';
	check_eq(dn_by_name(path), -E2BIG);
	path[64] = 'a';
	path[2048] = '\0';
	check_eq(dn_by_name(path), -E2BIG);
	for (int i = 0; i < 31; i++)
		path[63 + 64 * i] = '/';
	path[2047] = '\0';
	check_eq(dn_by_name(path), -ENOENT);
	/* Of what is wrong with the names, the first. */
	snprintf(path, sizeof(path), "%064d/a b", 0);
	check_eq(dn_by_name(path), -E2BIG);
	snprintf(path, sizeof(path), "a b/%064d", 0);
	check_eq(dn_by_name(path), -EINVAL);
	snprintf(path, sizeof(path), "a/%064d", 0);
	check_eq(dn_by_name(path), -E2BIG);
	/* A NUL is a character that names do not have, no more. */
	struct delegns_open a = { .by = DELEGNS_BY_NAME, .name = (uintptr_t)path, .name_len = 67 };
	snprintf(path, sizeof(path), "%064d/a", 0);
	check_eq(call(dev, DELEGNS_OPEN, &a), -E2BIG);
	snprintf(path, sizeof(path), "a%c/%064d", 0, 0);
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.name_len = 2;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	check_eq(dn_by_name("p/q"), -ENOENT);
	check_eq(dn_by_name("q"), -ENOENT);
	int fd = dn_by_name("p");
	check(fd >= 0);
	close(fd);
	close(ns);
}

static void memory(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *ro = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct delegns_create *c = (void *)ro;
	uint64_t before, after;
	int fd;

	munmap(page + 4096, 4096);
	/* Unaligned is as good as any. */
	struct delegns_version *v = (void *)(page + 3);
	memset(v, 0, sizeof(*v));
	check_eq(call(dev, DELEGNS_VERSION, v), 0);
	/* The end of a mapping. */
	check_eq(call(dev, DELEGNS_VERSION, page + 4096 - 8), -EFAULT);
	v = (void *)(page + 4096 - sizeof(*v));
	memset(v, 0, sizeof(*v));
	check_eq(call(dev, DELEGNS_VERSION, v), 0);
	check_eq(create_bytes(page + 4093, 3 + 1), -EFAULT);
	/* An answer that cannot be written: the namespace is not there. */
	fd = dn_create_id("probe", &before);
	close(fd);
	*c = (struct delegns_create){ .name = (uintptr_t)"unwritten", .name_len = 9 };
	mprotect(ro, 4096, PROT_READ);
	check_eq(call(dev, DELEGNS_CREATE, c), -EFAULT);
	check_eq(dn_count(), 0);
	check_eq(dn_by_name("unwritten"), -ENOENT);
	fd = dn_create_id("probe", &after);
	close(fd);
	check(after > before);
	munmap(page, 4096);
	munmap(ro, 4096);
}

static void no_descriptor_left(void)
{
	struct zone z = zone_new();
	struct rlimit old, none;
	struct delegns_create *ro = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t id;
	int ns = dn_create_id("limit", &id);

	*ro = (struct delegns_create){ .name = (uintptr_t)"more", .name_len = 4 };
	mprotect(ro, 4096, PROT_READ);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = ns + 1;
	setrlimit(RLIMIT_NOFILE, &none);
	check_eq(call(dev, DELEGNS_CREATE, ro), -EFAULT);	/* before the number is had */
	check_eq(dn_create("more"), -EMFILE);
	check_eq(dn_by_id(id), -EMFILE);
	/* What the kernel keeps takes none of the caller's. */
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), 0);
	check_eq(dn_detach(ns, z.userns), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	check_eq(dn_by_name("more"), -ENOENT);
	check_eq(dn_count(), 1);
	munmap(ro, 4096);
	close(ns);
	zone_kill(&z);
}

static void resources(void)
{
	static const char *const bad[] = {
		"zfs:tank@s", "zfs:tank/a@s", "zfs:tank/a#b", "zfs:tank/%recv", "zfs:/tank", "zfs:tank/",
		"zfs:tank//a", "zfs:tank/.", "zfs:tank/..", "zfs:tank/../x", "zfs:tank/a\n", "zfs:tank/\x7f",
		"zfs:tank/\xc3\xa4", "zfs:1tank", "zfs:-tank", "zfs:tank/a*b", "zfs:tank/a\\b", "zfs:.",
		"test:A", "test:a..b", "test:.a", "test:a.", "test:a b",
	};
	struct zone z = zone_new();
	char name[400], res[512];
	struct delegns_resource a = { .consumer = "zfs", .name = (uintptr_t)name };
	int ns = dn_create("res"), closed = dup(ns);
	char grants[512];

	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		check_eq(dn_grant(ns, bad[i]), -EILSEQ);
		check_eq(dn_revoke(ns, bad[i]), -ENODATA);
	}
	check_eq(dn_grant(ns, "zfs:nopool"), -ENXIO);
	check_eq(dn_grant(ns, "zfs:nopool/a/b"), -ENXIO);
	check_eq(dn_grant(ns, "nosuch:tank"), -EPROTONOSUPPORT);
	check_eq(dn_grant(ns, "bad name:tank"), -EINVAL);
	check_eq(dn_grant(ns, "Zfs:tank"), -EINVAL);
	check_eq(dn_grant(ns, "9:tank"), -EINVAL);
	memset(name, 'a', sizeof(name));
	memcpy(name, "tank/", 5);
	a.name_len = 256;
	check_eq(call(ns, DELEGNS_GRANT, &a), -E2BIG);
	a.name_len = 300;
	check_eq(call(ns, DELEGNS_GRANT, &a), -E2BIG);
	a.name_len = 0;
	check_eq(call(ns, DELEGNS_GRANT, &a), -EINVAL);
	memset(a.consumer, 'z', sizeof(a.consumer));	/* without an end */
	a.name_len = 6;
	check_eq(call(ns, DELEGNS_GRANT, &a), -EINVAL);
	check_eq(dn_grants(ns, grants, sizeof(grants)), 1);
	/* The longest. */
	name[255] = '\0';
	snprintf(res, sizeof(res), "zfs:%s", name);
	check_eq(dn_grant(ns, res), 0);
	check_eq(dn_revoke(ns, res), 0);
	check_eq(zfs_access_in(&z, "tank/d"), ZFS_WRITES);
	close(closed);
	check_eq(dn_grant(closed, "zfs:tank/d"), -EBADF);
	check_eq(dn_attach(ns, closed), -EBADF);
	close(ns);
	zone_kill(&z);
}

/* A consumer that fails leaves things as they were. */
static void consumer_failures(void)
{
	struct zone a = zone_new(), b = zone_new(), c = zone_new();
	char grants[512];
	int ns = dn_create("fail");

	check_eq(dn_attach(ns, a.userns), 0);
	check_eq(dn_attach(ns, b.userns), 0);
	test_param("fail_validate", "1");
	check_eq(dn_grant(ns, "test:x"), -EIO);
	test_param("fail_attach", "2");
	check_eq(dn_grant(ns, "test:x"), -EIO);
	check_eq(handed_count(), 0);
	check_eq(dn_grants(ns, grants, sizeof(grants)), 0);
	check_eq(dn_grant(ns, "test:x"), 0);
	check_eq(dn_grant(ns, "test:y"), 0);
	check_eq(handed_count(), 4);
	test_param("fail_attach", "2");
	check_eq(dn_attach(ns, c.userns), -EIO);
	check_eq(handed_count(), 4);
	check_eq(dn_attached(ns), 2);
	/* Promotion: x covers a.x and b.x, which have to be handed to both. */
	check_eq(dn_grant(ns, "test:a.x"), 0);
	check_eq(dn_grant(ns, "test:b.x"), 0);
	check_eq(handed_count(), 4);
	for (int i = 1; i <= 4; i++) {
		char n[8];

		snprintf(n, sizeof(n), "%d", i);
		test_param("fail_attach", n);
		check_eq(dn_revoke(ns, "test:x"), -EIO);
		check_eq(handed_count(), 4);
		check_eq(dn_grants(ns, grants, sizeof(grants)), 4);
		check(!strcmp(grants, "test:x* test:y* test:a.x test:b.x"));
	}
	test_param("fail_attach", "0");
	check_eq(dn_revoke(ns, "test:x"), 0);
	check_eq(handed_count(), 6);
	test_param("fail_born", "1");
	check_eq(dn_create("unborn"), -EIO);
	check_eq(dn_by_name("unborn"), -ENOENT);
	check_eq(dn_count(), 1);
	close(ns);
	zone_kill(&a);
	zone_kill(&b);
	zone_kill(&c);
	check_eq(wait_gone(1ULL << 62, 10), 0);
}

static void limits(void)
{
	long max = module_param("delegns", "namespaces_max");
	long grants = module_param("delegns", "grants_max");
	int a, b;

	set_param("delegns", "namespaces_max", 2);
	a = dn_create("a");
	b = dn_create("b");
	check(a >= 0 && b >= 0);
	check_eq(dn_create("c"), -EUSERS);
	close(b);
	b = dn_create("c");
	check(b >= 0);
	set_param("delegns", "namespaces_max", max);
	set_param("delegns", "grants_max", 1);
	check_eq(dn_grant(a, "test:x"), 0);
	check_eq(dn_grant(b, "test:x"), -ENOSPC);
	check_eq(dn_revoke(a, "test:x"), 0);
	check_eq(dn_grant(b, "test:x"), 0);
	set_param("delegns", "grants_max", grants);
	close(a);
	close(b);
}

#ifdef __x86_64__
/* An ioctl(2) as programs of 32 bits make it; what it points to is below 4 GiB. */
static int call32(int fd, unsigned int cmd, void *arg)
{
	long r;

	asm volatile("int $0x80" : "=a" (r)
		     : "a" (54L), "b" ((long)fd), "c" ((long)cmd), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static int in_32_bits(char *low)
{
	struct delegns_create *c = (void *)low;
	struct delegns_open *o = (void *)(low + 64);
	struct delegns_resource *r = (void *)(low + 128);
	struct delegns_list *l = (void *)(low + 192);
	struct delegns_info *info = (void *)(low + 256);
	struct delegns_entry *e = (void *)(low + 512);
	int ns, again;

	strcpy(low + 1024, "short");
	*c = (struct delegns_create){ .name = (uintptr_t)low + 1024, .name_len = 5 };
	ns = call32(dev, DELEGNS_CREATE, c);
	EXPECT(ns >= 0, 1);
	*o = (struct delegns_open){ .by = DELEGNS_BY_NAME, .name = c->name, .name_len = 5 };
	again = call32(dev, DELEGNS_OPEN, o);
	EXPECT(again >= 0, 1);
	EXPECT(o->id, c->id);
	*r = (struct delegns_resource){ .consumer = "test", .name = c->name, .name_len = 5 };
	EXPECT(call32(ns, DELEGNS_GRANT, r), 0);
	EXPECT(call32(ns, DELEGNS_GRANT, r), -EEXIST);
	EXPECT(call32(ns, DELEGNS_INFO, info), 0);
	EXPECT(info->id, c->id);
	EXPECT(info->holders, 2);
	*l = (struct delegns_list){ .buf = (uintptr_t)e, .count = 2, .record_size = sizeof(*e) };
	EXPECT(call32(dev, DELEGNS_LIST, l), 0);
	EXPECT(l->count, 1);
	EXPECT(e->grants, 1);
	EXPECT(strcmp(e->name, "short"), 0);
	/* A pointer that 32 bits do not hold is not cut short. */
	l->cursor = 0;
	l->buf |= 1ULL << 32;
	EXPECT(call32(dev, DELEGNS_LIST, l), -EFAULT);
	return 0;
}

static void of_32_bits(void)
{
	char *low;
	int status;
	pid_t pid;

	/* Where there is no such call, it is a fault, which the kernel tells of. */
	if (access("/proc/sys/abi/vsyscall32", F_OK)) {
		printf("this kernel runs no programs of 32 bits\n");
		return;
	}
	low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	check(low != MAP_FAILED);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		status = in_32_bits(low);
		fflush(stdout);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	check_eq(status, 0);
	munmap(low, 4096);
}
#endif

void input_tests(void)
{
	RUN(names_of_namespaces);
	RUN(paths);
	RUN(memory);
	RUN(no_descriptor_left);
	RUN(resources);
	RUN(consumer_failures);
	RUN(limits);
#ifdef __x86_64__
	RUN(of_32_bits);
#endif
}

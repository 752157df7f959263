// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of every call fails once: with /proc/thread-self/fail-nth of
 * a kernel that injects faults, the first, the second ... of a call's, until
 * there are no more.  A call that failed has changed nothing.
 */
#define _GNU_SOURCE
#include "lib.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct zone a, b, c;
static int ns, inner;
static uint64_t id;
static int injected;

static int by_text(const void *p, const void *q)
{
	return strcmp(*(char *const *)p, *(char *const *)q);
}

/* The grants of a namespace, in the order of their names. */
static void sorted_grants(int of, char *buf, size_t size)
{
	char text[512], *words[16], *rest = text;
	size_t n = 0, at = 0;

	dn_grants(of, text, sizeof(text));
	while (n < 16 && (words[n] = strsep(&rest, " ")))
		n++;
	qsort(words, n, sizeof(*words), by_text);
	for (size_t i = 0; i < n; i++)
		at += snprintf(buf + at, size - at, " %s", words[i]);
}

/* All that can be seen of the stage, in one line. */
static void describe(char *buf, size_t size)
{
	char grants[512], below[512];

	sorted_grants(ns, grants, sizeof(grants));
	sorted_grants(inner, below, sizeof(below));
	snprintf(buf, size, "%d spaces, %d attached, %d handed,%s; below%s; m %d, m/a %d", dn_count(),
		 dn_attached(ns), handed_count(), grants, below, zfs_access_in(&a, "tank/m"),
		 zfs_access_in(&a, "tank/m/a"));
}

static int arm(int nth)
{
	char text[16];
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d", nth);
	if (write(fd, text, strlen(text)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Whether the fault has come. */
static bool disarm(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		text[0] = '\0';
	if (pwrite(fd, "0", 1, 0) < 0)
		check(false);
	close(fd);
	return atoi(text) == 0;
}

struct step {
	const char *name;
	int (*call)(void);
	void (*undo)(int r);
};

static void close_it(int r) { close(r); }
static void nothing(int r) { (void)r; }

static int f_create(void) { return dn_create("fault"); }
static int f_open_id(void) { return dn_by_id(id); }
static int f_open_name(void) { return dn_by_name("stage"); }
static int f_open_pidfd(void) { return dn_open(DELEGNS_BY_PIDFD, 0, NULL, a.pidfd, 0); }
static int f_open_self(void) { return dn_open(DELEGNS_BY_SELF, 0, NULL, -1, 0); }
static int f_list(void) { return dn_count(); }
static int f_grants(void) { char g[512]; return dn_grants(ns, g, sizeof(g)); }
static int f_attached(void) { return dn_attached(ns); }
static int f_info(void) { struct delegns_info i; return dn_info(ns, &i); }
static int f_query(void) { return dn_query("test:x"); }
static int f_attach(void) { return dn_attach(ns, c.userns); }
static void u_attach(int r) { (void)r; check_eq(dn_detach(ns, c.userns), 0); }
static int f_detach(void) { return dn_detach(ns, b.userns); }
static void u_detach(int r) { (void)r; check_eq(dn_attach(ns, b.userns), 0); }
static int f_grant(void) { return dn_grant(ns, "test:y"); }
static void u_grant(int r) { (void)r; check_eq(dn_revoke(ns, "test:y"), 0); }
static int f_grant_zfs(void) { return dn_grant(ns, "zfs:tank/e"); }
static void u_grant_zfs(int r) { (void)r; check_eq(dn_revoke(ns, "zfs:tank/e"), 0); }
/* Takes x, and hands over a.x and b.x in its stead. */
static int f_revoke(void) { return dn_revoke(ns, "test:x"); }
static void u_revoke(int r)
{
	(void)r;
	check_eq(dn_grant(ns, "test:x"), 0);
}
/* Likewise of OpenZFS. */
static int f_revoke_zfs(void) { return dn_revoke(ns, "zfs:tank/m"); }
static void u_revoke_zfs(int r)
{
	(void)r;
	check_eq(dn_grant(ns, "zfs:tank/m"), 0);
}
/* Takes from the namespace below as well. */
static int f_cascade(void) { return dn_revoke(ns, "test:y.z"); }
static void u_cascade(int r)
{
	(void)r;
	check_eq(dn_grant(ns, "test:y.z"), 0);
	check_eq(dn_grant(inner, "test:a.y.z"), 0);
}
static int f_version(void)
{
	struct delegns_version v = {};

	return call(dev, DELEGNS_VERSION, &v);
}
static int f_proc(void)
{
	char text[4096];
	int fd = open("/proc/delegns", O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = read(fd, text, sizeof(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}
static int f_poll(void) { return dn_poll(ns, 0); }
static int f_destroy(void)
{
	int fd = dn_create("short");

	return fd < 0 ? fd : dn_destroy(fd) | close(fd);
}

static const struct step steps[] = {
	{ "create", f_create, close_it }, { "open by id", f_open_id, close_it },
	{ "open by name", f_open_name, close_it }, { "open by pidfd", f_open_pidfd, close_it },
	{ "open self", f_open_self, close_it }, { "list", f_list, nothing },
	{ "grants", f_grants, nothing }, { "attached", f_attached, nothing },
	{ "info", f_info, nothing }, { "query", f_query, nothing },
	{ "attach", f_attach, u_attach }, { "detach", f_detach, u_detach },
	{ "grant", f_grant, u_grant }, { "grant zfs", f_grant_zfs, u_grant_zfs },
	{ "revoke", f_revoke, u_revoke }, { "revoke zfs", f_revoke_zfs, u_revoke_zfs },
	{ "cascade", f_cascade, u_cascade }, { "destroy", f_destroy, nothing },
	{ "version", f_version, nothing }, { "/proc/delegns", f_proc, nothing },
	{ "poll", f_poll, nothing },
};

static void each_allocation(const struct step *s)
{
	char before[1024], after[1024];

	describe(before, sizeof(before));
	for (int nth = 1; nth < 1000; nth++) {
		int fd = arm(nth), r = s->call();
		bool came = disarm(fd);

		if (r >= 0) {
			s->undo(r);
		} else if (!came) {
			printf("%s: %d without a fault\n", s->name, r);
			check(false);
		}
		describe(after, sizeof(after));
		if (strcmp(before, after)) {
			printf("%s, allocation %d, result %d:\n  %s\n  %s\n", s->name, nth, r, before, after);
			check(false);
			return;
		}
		if (!came)
			return;
		injected++;
	}
}

/* The kernel fails only allocations that cannot wait, unless it is told. */
static bool told(const char *name, const char *value)
{
	char path[128];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, value, strlen(value)) > 0;
	close(fd);
	return ok;
}

static int make_inner_fn(void *arg)
{
	int fd = dn_create("inner");

	return fd < 0 ? 1 : send_fd(*(int *)arg, fd);
}

static void every_allocation(void)
{
	int sock[2];

	check(told("failslab/ignore-gfp-wait", "N") && told("failslab/verbose", "0") &&
	      told("fail_page_alloc/ignore-gfp-wait", "N") && told("fail_page_alloc/verbose", "0") &&
	      told("fail_page_alloc/min-order", "0"));
	a = zone_new();
	b = zone_new();
	c = zone_new();
	ns = dn_create_id("stage", &id);
	check_eq(dn_attach(ns, a.userns) | dn_attach(ns, b.userns), 0);
	check_eq(dn_grant(ns, "test:x") | dn_grant(ns, "test:a.x") | dn_grant(ns, "test:b.x"), 0);
	check_eq(dn_grant(ns, "zfs:tank/m") | dn_grant(ns, "zfs:tank/m/a") | dn_grant(ns, "test:y.z"), 0);
	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	check_eq(in_zone(&a, make_inner_fn, &sock[1]), 0);
	inner = recv_fd(sock[0]);
	check_eq(dn_grant(inner, "test:a.y.z"), 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		each_allocation(&steps[i]);
	printf("%d faults\n", injected);
	check(injected > 30);
	close(sock[0]);
	close(sock[1]);
	close(inner);
	close(ns);
	zone_kill(&a);
	zone_kill(&b);
	zone_kill(&c);
}

void fault_tests(void)
{
	if (access("/proc/self/fail-nth", W_OK))
		printf("this kernel injects no faults\n");
	RUN(every_allocation);
}

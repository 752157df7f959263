// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of every call fails once: with /proc/thread-self/fail-nth of
 * a kernel that injects faults, the first, the second ... of a call's, until
 * there are no more.  A call that failed has changed nothing.
 */
#define _GNU_SOURCE
#include "lib.h"

#include <fcntl.h>
#include <unistd.h>

static struct zone a, b, c;
static int ns;
static uint64_t id;
static int injected;

/* All that can be seen of the stage, in one line. */
static void describe(char *buf, size_t size)
{
	char grants[512];

	dn_grants(ns, grants, sizeof(grants));
	snprintf(buf, size, "%d spaces, %d attached, %d handed, %s", dn_count(), dn_attached(ns),
		 handed_count(), grants);
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
	/* In the order of the beginning. */
	check_eq(dn_revoke(ns, "test:a.x") | dn_revoke(ns, "test:b.x"), 0);
	check_eq(dn_grant(ns, "test:a.x") | dn_grant(ns, "test:b.x"), 0);
}
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
	{ "revoke", f_revoke, u_revoke }, { "destroy", f_destroy, nothing },
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

static void every_allocation(void)
{
	a = zone_new();
	b = zone_new();
	c = zone_new();
	ns = dn_create_id("stage", &id);
	check_eq(dn_attach(ns, a.userns) | dn_attach(ns, b.userns), 0);
	check_eq(dn_grant(ns, "test:x") | dn_grant(ns, "test:a.x") | dn_grant(ns, "test:b.x"), 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		each_allocation(&steps[i]);
	printf("%d faults\n", injected);
	check(injected > 30);
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

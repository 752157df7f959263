// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: coverage, nesting, sharing, cascades and maximality, as the module
 * says and as OpenZFS acts.
 */
#define _GNU_SOURCE
#include "lib.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define holds(ns, want) \
	do { \
		char b_[1024]; \
		dn_grants(ns, b_, sizeof(b_)); \
		if (strcmp(b_, want)) \
			printf("holds \"%s\"\n", b_); \
		check(!strcmp(b_, want)); \
	} while (0)

/* All orders of granting and revoking a dataset and its children. */
static void maximal_in_any_order(void)
{
	static const char *const names[] = { "zfs:tank/d", "zfs:tank/d/a", "zfs:tank/d/a/b" };
	static const int orders[6][3] = { {0,1,2}, {0,2,1}, {1,0,2}, {1,2,0}, {2,0,1}, {2,1,0} };
	struct zone z = zone_new();
	int ns = dn_create("max");

	check_eq(dn_attach(ns, z.userns), 0);
	for (int g = 0; g < 6; g++) {
		for (int r = 0; r < 6; r++) {
			bool have[3] = {};

			for (int step = 0; step < 6; step++) {
				int i = step < 3 ? orders[g][step] : orders[r][step - 3];

				check_eq(step < 3 ? dn_grant(ns, names[i]) : dn_revoke(ns, names[i]), 0);
				have[i] = step < 3;
				/* Every third round, to keep this short, ask OpenZFS too. */
				if ((g * 6 + r) % 3)
					continue;
				check_eq(zfs_access_in(&z, "tank/d/c"), have[0] ? ZFS_WRITES : ZFS_NOTHING);
				check_eq(zfs_access_in(&z, "tank/d/a"),
					 have[0] || have[1] ? ZFS_WRITES : have[2] ? ZFS_SEES : ZFS_NOTHING);
				check_eq(zfs_access_in(&z, "tank/d/a/b"),
					 have[0] || have[1] || have[2] ? ZFS_WRITES : ZFS_NOTHING);
			}
			holds(ns, "");
		}
	}
	close(ns);
	zone_kill(&z);
}

static void maximal_says(void)
{
	struct zone z = zone_new();
	int ns = dn_create("says");

	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "test:b.a.x"), 0);
	check_eq(dn_grant(ns, "test:c.x"), 0);
	check_eq(dn_grant(ns, "test:ax"), 0);
	check_eq(dn_grant(ns, "test:x"), 0);
	holds(ns, "test:b.a.x test:c.x test:ax* test:x*");
	check(handed(&z, "x") && handed(&z, "ax") && !handed(&z, "c.x"));
	check_eq(dn_grant(ns, "test:a.x"), 0);
	holds(ns, "test:b.a.x test:c.x test:ax* test:x* test:a.x");
	check_eq(dn_revoke(ns, "test:x"), 0);
	holds(ns, "test:b.a.x test:c.x* test:ax* test:a.x*");
	check_eq(dn_revoke(ns, "test:b.a.x"), 0);
	check_eq(handed_count(), 3);
	close(ns);
	check_eq(handed_count(), 3);	/* the zone runs */
	zone_kill(&z);
	for (int i = 0; i < 100 && handed_count(); i++)
		msleep(30);
	check_eq(handed_count(), 0);
}

/* One resource in two namespaces, and in two user namespaces of each. */
static void sharing(void)
{
	struct zone z[4] = { zone_new(), zone_new(), zone_new(), zone_new() };
	int a = dn_create("a"), b = dn_create("b");

	for (int i = 0; i < 4; i++)
		check_eq(dn_attach(i < 2 ? a : b, z[i].userns), 0);
	check_eq(dn_grant(a, "zfs:tank/d"), 0);
	check_eq(dn_grant(b, "zfs:tank/d"), 0);
	check_eq(dn_grant(b, "zfs:tank/e"), 0);
	for (int i = 0; i < 4; i++) {
		check_eq(zfs_access_in(&z[i], "tank/d/a"), ZFS_WRITES);
		check_eq(zfs_access_in(&z[i], "tank/e"), i < 2 ? ZFS_NOTHING : ZFS_WRITES);
	}
	check_eq(dn_revoke(a, "zfs:tank/d"), 0);
	for (int i = 0; i < 4; i++)
		check_eq(zfs_access_in(&z[i], "tank/d"), i < 2 ? ZFS_NOTHING : ZFS_WRITES);
	check_eq(dn_detach(b, z[2].userns), 0);
	check_eq(zfs_access_in(&z[2], "tank/d"), ZFS_NOTHING);
	check_eq(zfs_access_in(&z[3], "tank/d"), ZFS_WRITES);
	close(a);
	close(b);
	for (int i = 0; i < 4; i++)
		zone_kill(&z[i]);
}

/* What a zone's root does with its child, on behalf of the tests below. */
struct inside {
	int sock;
	const char *const *grants;
	struct zone z;
};

static int make_inner(void *arg)
{
	struct inside *in = arg;
	int ns = dn_create("inner");

	if (ns < 0)
		return ns;
	int r = dn_attach(ns, in->z.userns);
	for (const char *const *g = in->grants; !r && *g; g++)
		r = dn_grant(ns, *g);
	return r ? r : send_fd(in->sock, ns);
}

static void cascade(void)
{
	static const char *const grants[] = { "zfs:tank/d/a", "zfs:tank/d/c", "zfs:tank/e", NULL };
	struct zone z = zone_new();
	struct zone inner_z = { .pidfd = -1 };
	struct inside in = { .grants = grants };
	int pair[2], inner, web = dn_create("web");

	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	check_eq(dn_attach(web, z.userns), 0);
	check_eq(dn_grant(web, "zfs:tank/d"), 0);
	check_eq(dn_grant(web, "zfs:tank/d/c"), 0);
	check_eq(dn_grant(web, "zfs:tank/e"), 0);
	inner_z.userns = userns_below(&z);
	in.sock = pair[0];
	in.z = inner_z;
	check_eq(in_zone(&z, make_inner, &in), 0);
	inner = recv_fd(pair[1]);
	holds(inner, "zfs:tank/d/a* zfs:tank/d/c* zfs:tank/e*");
	check_eq(zfs_access_in(&inner_z, "tank/d/a/b"), ZFS_WRITES);
	check_eq(zfs_access_in(&inner_z, "tank/d/c"), ZFS_WRITES);
	check_eq(zfs_access_in(&inner_z, "tank/d"), ZFS_SEES);
	check_eq(dn_grant(inner, "zfs:tank/f"), -EACCES);	/* the host's root neither */
	check_eq(dn_grant(inner, "zfs:tank"), -EACCES);
	/* d goes, and a with it; c stays by web's other grant. */
	check_eq(dn_revoke(web, "zfs:tank/d"), 0);
	holds(web, "zfs:tank/d/c* zfs:tank/e*");
	holds(inner, "zfs:tank/d/c* zfs:tank/e*");
	check_eq(zfs_access_in(&inner_z, "tank/d/a"), ZFS_NOTHING);
	check_eq(zfs_access_in(&inner_z, "tank/d/c"), ZFS_WRITES);
	check_eq(zfs_access_in(&z, "tank/d/c"), ZFS_WRITES);
	check_eq(zfs_access_in(&z, "tank/d/a"), ZFS_NOTHING);
	check_eq(zfs_access_in(&z, "tank/d"), ZFS_SEES);
	check_eq(dn_revoke(inner, "zfs:tank/e"), 0);	/* the host above may */
	holds(web, "zfs:tank/d/c* zfs:tank/e*");
	check_eq(dn_destroy(web), 0);
	check_eq(dn_poll(inner, 0) & 0x10, 0x10);
	check_eq(zfs_access_in(&inner_z, "tank/d/c"), ZFS_NOTHING);
	close(web);
	close(inner);
	close(inner_z.userns);
	close(pair[0]);
	close(pair[1]);
	zone_kill(&z);
}

/* A zone's root attaches what is below it to its own namespace. */
static int self_attach_fn(void *arg)
{
	int userns = *(int *)arg;
	int own = dn_open(DELEGNS_BY_SELF, 0, NULL, -1, 0);

	return own < 0 ? own : dn_attach(own, userns);
}

static int self_detach_fn(void *arg)
{
	int userns = *(int *)arg;
	int own = dn_open(DELEGNS_BY_SELF, 0, NULL, -1, 0);

	return own < 0 ? own : dn_detach(own, userns);
}

static void nested_in_one(void)
{
	struct zone z = zone_new(), in = { .pidfd = -1 };
	int web = dn_create("web");

	check_eq(dn_attach(web, z.userns), 0);
	check_eq(dn_grant(web, "zfs:tank/d"), 0);
	in.userns = userns_below(&z);
	check_eq(zfs_access_in(&in, "tank/d"), ZFS_NOTHING);
	check_eq(as_user(&z, self_attach_fn, &in.userns), -EPERM);
	check_eq(in_zone(&z, self_attach_fn, &in.userns), 0);
	check_eq(dn_attached(web), 2);
	check_eq(zfs_access_in(&in, "tank/d/a"), ZFS_WRITES);
	check_eq(dn_grant(web, "zfs:tank/e"), 0);
	check_eq(zfs_access_in(&in, "tank/e"), ZFS_WRITES);
	check_eq(zfs_access_in(&z, "tank/e"), ZFS_WRITES);
	check_eq(in_zone(&z, self_detach_fn, &in.userns), 0);
	check_eq(zfs_access_in(&in, "tank/d"), ZFS_NOTHING);
	check_eq(zfs_access_in(&z, "tank/d"), ZFS_WRITES);
	check_eq(in_zone(&z, self_detach_fn, &z.userns), -EACCES);
	close(in.userns);
	close(web);
	zone_kill(&z);
}

/* As deep as it goes: 32 below the host. */
struct deep {
	int left;
	int result;
};

static int deeper(void *arg)
{
	struct deep *d = arg;
	struct zone z;
	int r, ns = dn_create("deeper");

	if (d->left-- == 0) {
		close(ns);
		return ns == -EUSERS ? 0 : 1;
	}
	if (ns < 0)
		return ns;
	z = zone_new();
	r = dn_attach(ns, z.userns);
	if (!r)
		r = dn_grant(ns, "test:a.x");
	if (!r && dn_query("test:b.a.x") != 1)
		r = 3;
	if (!r)
		r = in_zone(&z, deeper, d);
	zone_kill(&z);
	close(ns);
	return r;
}

static void depth(void)
{
	/* Users nest 33 deep, of which the first is the host's. */
	struct deep d = { .left = 31 };
	struct zone z = zone_new();
	int top = dn_create("top");

	check_eq(dn_attach(top, z.userns), 0);
	check_eq(dn_grant(top, "test:x"), 0);
	check_eq(in_zone(&z, deeper, &d), 0);
	close(top);
	zone_kill(&z);
}

static int query_fn(void *arg) { return dn_query(arg); }

static void query(void)
{
	struct zone z = zone_new();
	int ns = dn_create("query");

	check_eq(dn_query("test:anything"), 1);	/* the host */
	check_eq(dn_query("nosuch:a"), -EPROTONOSUPPORT);
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(in_zone(&z, query_fn, "test:x"), 0);
	check_eq(dn_grant(ns, "test:x"), 0);
	check_eq(dn_grant(ns, "test:c.b.a"), 0);
	check_eq(in_zone(&z, query_fn, "test:x"), 1);
	check_eq(in_zone(&z, query_fn, "test:www.x"), 1);
	check_eq(in_zone(&z, query_fn, "test:wwwx"), 0);
	check_eq(in_zone(&z, query_fn, "test:b.a"), 0);
	check_eq(in_zone(&z, query_fn, "test:d.c.b.a"), 1);
	/* What cannot be granted is held as any other name is. */
	check_eq(in_zone(&z, query_fn, "test:!"), 0);
	check_eq(in_zone(&z, query_fn, "test:!.x"), 1);
	check_eq(in_zone(&z, query_fn, "zfs:tank/d/a@s"), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), 0);
	check_eq(in_zone(&z, query_fn, "zfs:tank/d/a@s"), 1);
	check_eq(in_zone(&z, query_fn, "zfs:tank/d@s"), 0);
	check_eq(as_user(&z, query_fn, "zfs:tank"), 0);
	close(ns);
	zone_kill(&z);
}

/* A resource that loses its name is revoked everywhere. */
static void gone(void)
{
	struct zone z = zone_new();
	int a = dn_create("a"), b = dn_create("b"), i;

	check_eq(dn_attach(a, z.userns), 0);
	check_eq(dn_grant(a, "test:x"), 0);
	check_eq(dn_grant(a, "test:b.a.x"), 0);
	check_eq(dn_grant(b, "test:a.x"), 0);
	test_param("gone", "a.x");
	holds(a, "test:x*");
	holds(b, "");
	check_eq(system("zfs create -o zoned=on tank/gone && zfs create tank/gone/sub"), 0);
	check_eq(dn_grant(a, "zfs:tank/gone/sub"), 0);
	check_eq(dn_grant(b, "zfs:tank/gone"), 0);
	check_eq(zfs_access_in(&z, "tank/gone/sub"), ZFS_WRITES);
	check_eq(system("zfs set zoned=off tank/gone && zfs rename tank/gone tank/new &&"
			"zfs set zoned=on tank/new"), 0);
	for (i = 0; i < 100; i++) {
		char g[256];

		if (dn_grants(a, g, sizeof(g)) == 1 && !dn_grants(b, g, sizeof(g)))
			break;
		msleep(20);
	}
	holds(a, "test:x*");
	holds(b, "");
	check_eq(zfs_access_in(&z, "tank/new/sub"), ZFS_NOTHING);
	check_eq(dn_grant(a, "zfs:tank/new"), 0);
	check_eq(system("zfs destroy -r tank/new && zfs create -o zoned=on tank/new"), 0);
	for (i = 0; i < 100 && zfs_access_in(&z, "tank/new") != ZFS_NOTHING; i++)
		msleep(20);
	check_eq(zfs_access_in(&z, "tank/new"), ZFS_NOTHING);
	check_eq(system("zfs destroy tank/new"), 0);
	close(a);
	close(b);
	zone_kill(&z);
}

/* A list of many records: what follows a name is NUL, whatever came before. */
static void long_list(void)
{
	enum { N = 600 };
	static struct delegns_grant g[N];
	struct delegns_list a = { .buf = (uintptr_t)g, .count = N, .record_size = sizeof(g[0]) };
	int ns = dn_create("long"), dirty = 0;

	for (int i = 0; i < N; i++) {
		char name[256];

		/* Long ones first, so that they can show through. */
		snprintf(name, sizeof(name), "test:%0*d", i < N / 2 ? 200 : 5, i);
		check_eq(dn_grant(ns, name), 0);
	}
	memset(g, 0xff, sizeof(g));
	check_eq(call(ns, DELEGNS_GRANTS, &a), 0);
	check_eq(a.count, N);
	for (int i = 0; i < N; i++) {
		check_eq(g[i].name_len, i < N / 2 ? 200 : 5);
		check_eq(atoi(g[i].name), i);
		for (size_t at = g[i].name_len; at < sizeof(g[i].name); at++)
			dirty += g[i].name[at] != 0;
		for (size_t at = 4; at < sizeof(g[i].consumer); at++)
			dirty += g[i].consumer[at] != 0;
	}
	check_eq(dirty, 0);
	close(ns);
}

/* zfs-zone(8) by hand, beside us. */
static void by_hand(void)
{
	struct zone z = zone_new();
	char cmd[128];
	int ns = dn_create("hand");

	check_eq(dn_attach(ns, z.userns), 0);
	snprintf(cmd, sizeof(cmd), "zfs zone /proc/%d/ns/user tank/d", z.pid);
	check_eq(system(cmd), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), -EBUSY);
	holds(ns, "");
	check_eq(zfs_access_in(&z, "tank/d"), ZFS_WRITES);
	snprintf(cmd, sizeof(cmd), "zfs unzone /proc/%d/ns/user tank/d", z.pid);
	check_eq(system(cmd), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), 0);
	check_eq(system(cmd), 0);	/* takes ours away */
	check_eq(dn_revoke(ns, "zfs:tank/d"), 0);
	holds(ns, "");
	close(ns);
	zone_kill(&z);
}

void grant_tests(void)
{
	RUN(maximal_in_any_order);
	RUN(maximal_says);
	RUN(sharing);
	RUN(cascade);
	RUN(nested_in_one);
	RUN(depth);
	RUN(query);
	RUN(gone);
	RUN(by_hand);
	RUN(long_list);
}

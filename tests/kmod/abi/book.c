// SPDX-License-Identifier: GPL-2.0-only
/*
 * Books: trees of namespaces in the storm whose grants are kept here as well.
 * Only their task changes them, so every answer is known beforehand; but others
 * look at them, attack them from inside, and keep the module busy.
 */
#define _GNU_SOURCE
#include "storm.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOP, LEFT, RIGHT };
#define PARTS	3

static bool below(const char *wide, const char *narrow, char at_end)
{
	size_t w = strlen(wide), n = strlen(narrow);

	if (w == n)
		return !strcmp(wide, narrow);
	if (w > n)
		return false;
	return at_end ? !strncmp(wide, narrow, w) && narrow[w] == at_end :
			!strcmp(wide, narrow + n - w) && narrow[n - w - 1] == '.';
}

bool of_consumer(int resource, int leave)
{
	return (leave == LEAVE_TEST && !strncmp(resources[resource], "test:", 5)) ||
	       (leave == LEAVE_ZFS && !strncmp(resources[resource], "zfs:", 4));
}

bool res_covers(int wide, int narrow)
{
	const char *w = resources[wide], *n = resources[narrow];

	if (!strncmp(w, "zfs:", 4))
		return !strncmp(n, "zfs:", 4) && below(w + 4, n + 4, '/');
	return !strncmp(n, "test:", 5) && below(w + 5, n + 5, 0);
}

static bool holds(unsigned int held, int resource)
{
	for (int i = 0; i < BAD_RESOURCES; i++)
		if (held & 1U << i && res_covers(i, resource))
			return true;
	return false;
}

static bool maximal(unsigned int held, int resource)
{
	return !holds(held & ~(1U << resource), resource);
}

/* What the parts below hold only through what the top has no more, goes. */
static void prune(struct book *b)
{
	for (int part = LEFT; part < PARTS; part++)
		for (int i = 0; i < BAD_RESOURCES; i++)
			if (!holds(b->held[TOP], i))
				b->held[part] &= ~(1U << i);
}

/* In the zone: the two children, whose descriptors are given to the host. */
static int make_children(void *arg)
{
	static const char *const names[PARTS] = { NULL, "left", "right" };

	for (int part = LEFT; part < PARTS; part++) {
		int fd;

		/* A consumer may have been told to fail. */
		do
			fd = dn_create(names[part]);
		while (fd == -EIO);
		if (fd < 0 || send_fd(*(int *)arg, fd))
			return 1;
	}
	return 0;
}

static bool open_children(struct book *b)
{
	int sock[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return false;
	r = in_zone(&b->zone, make_children, &sock[1]);
	for (int part = LEFT; part < PARTS; part++) {
		b->ns[part] = r ? -1 : recv_fd(sock[0]);
		b->held[part] = 0;
	}
	close(sock[0]);
	close(sock[1]);
	return !r && b->ns[LEFT] >= 0 && b->ns[RIGHT] >= 0;
}

/* What a consumer was told to fail with passes. */
static int until_done(int (*call)(int, int), int a, int b)
{
	int r;

	while ((r = call(a, b)) == -EIO)
		msleep(1);
	return r;
}

bool book_open(struct book *b, int number)
{
	int r;

	snprintf(b->name, sizeof(b->name), "b%d", number);
	memset(b->held, 0, sizeof(b->held));
	b->zone = zone_new();
	do
		b->ns[TOP] = dn_create(b->name);
	while (b->ns[TOP] == -EIO);
	r = until_done(dn_attach, b->ns[TOP], b->zone.userns);
	if (!r && open_children(b))
		return true;
	printf("%s: cannot be made: %d %d %d %d\n", b->name, r, b->ns[TOP], b->ns[LEFT], b->ns[RIGHT]);
	return false;
}

void book_close(struct book *b)
{
	for (int part = 0; part < PARTS; part++)
		if (b->ns[part] >= 0)
			close(b->ns[part]);
	zone_kill(&b->zone);
}

static bool wrong(const struct book *b, const char *what, int part, int resource, int got, int want)
{
	printf("%s: %s of part %d, %s: %d, not %d; it holds %#x, the top %#x\n", b->name, what, part,
	       resource < 0 ? "" : resources[resource], got, want, b->held[part], b->held[TOP]);
	return false;
}

/* Why a resource can never be granted. */
static int refusal(int resource)
{
	static const int why[RESOURCES - BAD_RESOURCES] = { -ENXIO, -EILSEQ, -ENXIO, -EPROTONOSUPPORT };

	return why[resource - BAD_RESOURCES];
}

static bool book_grant(struct book *b, int part, int resource)
{
	int r, want = 0;

	if (leaving(resource))
		return true;
	r = dn_grant(b->ns[part], resources[resource]);
	count_call(r);
	if (resource >= BAD_RESOURCES)
		want = refusal(resource);
	/* Who may not have it is not told whether it exists. */
	if ((!want || want == -ENXIO) && part != TOP && !holds(b->held[TOP], resource))
		want = -EACCES;
	else if (!want && b->held[part] & 1U << resource)
		want = -EEXIST;
	/* The consumer was told to fail, at its first check as well, or is just being unloaded. */
	if ((r == -EIO && of_consumer(resource, LEAVE_TEST)) || r == -EPROTONOSUPPORT)
		return true;
	if (r != want)
		return wrong(b, "grant", part, resource, r, want);
	if (!r) {
		b->held[part] |= 1U << resource;
		count(GRANTED);
	}
	return true;
}

static bool book_revoke(struct book *b, int part, int resource)
{
	int r = dn_revoke(b->ns[part], resources[resource]), want = -ENODATA;

	count_call(r);
	if (resource < BAD_RESOURCES && b->held[part] & 1U << resource)
		want = 0;
	/* While the consumer is away, nothing of it can be held. */
	if ((!want && r == -EIO) || (want && r == -EPROTONOSUPPORT))
		return true;
	if (r != want)
		return wrong(b, "revoke", part, resource, r, want);
	if (!r) {
		b->held[part] &= ~(1U << resource);
		prune(b);
		count(REVOKED);
	}
	return true;
}

bool book_step(struct book *b)
{
	int part = rnd(PARTS);

	return rnd(2) ? book_grant(b, part, rnd(RESOURCES)) : book_revoke(b, part, rnd(RESOURCES));
}

bool book_leave(struct book *b, int leave)
{
	/* What covers others last, so that nothing is handed over in its stead. */
	for (int part = PARTS - 1; part >= 0; part--)
		for (int i = BAD_RESOURCES - 1; i >= 0; i--)
			while (of_consumer(i, leave) && b->held[part] & 1U << i)
				if (!book_revoke(b, part, i))
					return false;
	return true;
}

/* The grants of one part, as the module tells them. */
static bool check_part(const struct book *b, int part)
{
	struct delegns_grant g[BAD_RESOURCES + 1];
	struct delegns_list a = { .buf = (uintptr_t)g, .count = BAD_RESOURCES + 1, .record_size = sizeof(g[0]) };
	unsigned int told = 0;
	char name[300];
	int r = call(b->ns[part], DELEGNS_GRANTS, &a);

	for (unsigned int n = 0; !r && n < a.count; n++) {
		int i = 0;

		snprintf(name, sizeof(name), "%s:%s", g[n].consumer, g[n].name);
		while (i < BAD_RESOURCES && strcmp(resources[i], name))
			i++;
		if (i == BAD_RESOURCES)
			return wrong(b, name, part, -1, 1, 0);
		told |= 1U << i;
		if (!!(g[n].state & DELEGNS_GRANT_MAXIMAL) != maximal(b->held[part], i))
			return wrong(b, "maximal", part, i, g[n].state, !g[n].state);
	}
	return r || told != b->held[part] ? wrong(b, "grants", part, -1, r ? r : (int)told, b->held[part]) : true;
}

/* What OpenZFS gives to the zone's root, a digit for each dataset. */
static int zfs_in_zone(void *arg)
{
	const struct book *b = arg;

	for (int i = 0; i < BAD_RESOURCES; i++) {
		int want = holds(b->held[TOP], i) ? ZFS_WRITES : ZFS_NOTHING, got;

		if (strncmp(resources[i], "zfs:", 4))
			continue;
		for (int j = 0; want == ZFS_NOTHING && j < BAD_RESOURCES; j++)
			if (b->held[TOP] & 1U << j && res_covers(i, j))
				want = ZFS_SEES;
		got = zfs_access(resources[i] + 4);
		if (got != want) {
			wrong(b, "access", TOP, i, got, want);
			return 1;
		}
	}
	return 0;
}

bool book_check(const struct book *b, bool zfs)
{
	count(CHECKS);
	for (int part = 0; part < PARTS; part++)
		if (!check_part(b, part))
			return false;
	if (dn_attached(b->ns[TOP]) != 1)
		return wrong(b, "attached", TOP, -1, dn_attached(b->ns[TOP]), 1);
	for (int i = 0; i < BAD_RESOURCES; i++) {
		bool want = b->held[TOP] & 1U << i && maximal(b->held[TOP], i);

		if (of_consumer(i, LEAVE_TEST) && handed(&b->zone, resources[i] + 5) != want)
			return wrong(b, "handed over", TOP, i, !want, want);
	}
	return !zfs || !in_zone(&b->zone, zfs_in_zone, (void *)b);
}

static bool is_dead(int ns)
{
	struct delegns_info info;

	return !dn_info(ns, &info) && info.state & DELEGNS_STATE_DEAD && !info.grants;
}

/*
 * The tree ends, by the death of its zone or because it is destroyed, and is
 * made anew.  After a death the top lives on, with all its grants.
 */
bool book_rewrite(struct book *b, bool dies)
{
	if (!dies) {
		if (dn_destroy(b->ns[TOP]))
			return wrong(b, "destroy", TOP, -1, -1, 0);
		for (int part = 0; part < PARTS; part++)
			if (!is_dead(b->ns[part]))
				return wrong(b, "death", part, -1, 0, 1);
		count(DESTROYED);
		book_close(b);
		return book_open(b, atoi(b->name + 1));
	}
	zone_kill(&b->zone);
	/* Somebody has to wait for it, or it is only noticed at the next call. */
	for (int ms = 0; dn_attached(b->ns[TOP]) != 0; ms += 20) {
		if (ms > 60000)
			return wrong(b, "attached after its death", TOP, -1, dn_attached(b->ns[TOP]), 0);
		dn_poll(b->ns[TOP], 20);
	}
	count(DEATHS);
	for (int part = LEFT; part < PARTS; part++) {
		if (!is_dead(b->ns[part]))
			return wrong(b, "death", part, -1, 0, 1);
		close(b->ns[part]);
	}
	b->zone = zone_new();
	int r = until_done(dn_attach, b->ns[TOP], b->zone.userns);

	return !r && open_children(b) ? book_check(b, true) : wrong(b, "attach", TOP, -1, r, 0);
}

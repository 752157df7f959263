// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random calls on the raw interface: bytes, structures that make sense, and
 * calls that are right but for a bit; as a zone's root, as a user without
 * rights, and as root.
 */
#define _GNU_SOURCE
#include "storm.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARENA_SIZE	(1UL << 20)
#define ARENA_ROOM	(1ULL << 34)

/*
 * What calls may write to: they are asked to write more than they are given
 * room for, and to addresses with a bit changed, and must not hit what this
 * program needs.  Around the arena lies nothing for as far as 34 bits reach.
 */
static char *arena(void)
{
	static char *middle;
	char *room;

	if (middle)
		return middle;
	room = mmap(NULL, 2 * ARENA_ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		abort();
	middle = (char *)(((uintptr_t)room + ARENA_ROOM - 1) & ~(ARENA_ROOM - 1)) + ARENA_ROOM / 2;
	if (mprotect(middle, ARENA_SIZE, PROT_READ | PROT_WRITE))
		abort();
	return middle;
}

/* Random bytes, or fields that make sense. */
static void fill(unsigned char *arg, size_t size, int ns, int userns)
{
	static const uint64_t nice[] = { 0, 1, 2, 3, 4, 5, 8, 16, 63, 64, 104, 255, 256, 288, 4096, 1ULL << 32, ~0ULL };
	char *text = arena() + ARENA_SIZE / 2;

	memset(arg, 0, size);
	switch (rnd(4)) {
	case 0:
		for (size_t i = 0; i < size; i++)
			arg[i] = rnd(256);
		return;
	case 1:
		for (size_t i = 0; i + 8 <= size; i += 8) {
			uint64_t v = nice[rnd(sizeof(nice) / sizeof(*nice))];

			memcpy(arg + i, &v, 8);
		}
		break;
	}
	for (int i = 0; i < 299; i++)
		text[i] = "ax./-@ \x01\xff" [rnd(9)];
	for (size_t i = 0; i + 4 <= size; i += 4) {
		uint64_t p = (uintptr_t)(text + rnd(200));
		uint32_t fd = rnd(2) ? ns : userns, len = rnd(70);

		switch (rnd(6)) {
		case 0:
			if (i % 8 == 0 && i + 8 <= size)
				memcpy(arg + i, &p, 8);
			break;
		case 1:
			memcpy(arg + i, &fd, 4);
			break;
		case 2:
			memcpy(arg + i, &len, 4);
			break;
		}
	}
	if (size >= 4 && !rnd(3))
		memcpy(arg, rnd(2) ? "test" : "zfs", rnd(2) ? 4 : 3);
}

/* A call that may well succeed, most often with one thing wrong. */
static void sensible(unsigned long cmd, unsigned char *arg, size_t size, int ns, int userns)
{
	struct delegns_grant *records = (void *)arena();
	char *name = arena() + ARENA_SIZE / 4;
	union {
		struct delegns_create create;
		struct delegns_open open;
		struct delegns_list list;
		struct delegns_resource resource;
		struct delegns_userns userns;
	} a;

	memset(&a, 0, sizeof(a));
	snprintf(name, 4, "%c%s", (int)('a' + rnd(4)), rnd(2) ? "" : ".x");
	switch (cmd) {
	case DELEGNS_CREATE:
		a.create = (struct delegns_create){ .name = (uintptr_t)name, .name_len = strlen(name) };
		break;
	case DELEGNS_OPEN:
		a.open = (struct delegns_open){ .by = 1 + rnd(4), .flags = rnd(2), .id = rnd(10), .pidfd = ns,
			.name = (uintptr_t)name, .name_len = strlen(name) };
		break;
	case DELEGNS_LIST: case DELEGNS_GRANTS: case DELEGNS_ATTACHED:
		a.list = (struct delegns_list){ .buf = (uintptr_t)records, .count = 1 + rnd(8), .record_size = 288 };
		break;
	case DELEGNS_GRANT: case DELEGNS_REVOKE: case DELEGNS_QUERY:
		a.resource = (struct delegns_resource){ .name = (uintptr_t)name, .name_len = strlen(name) };
		strcpy(a.resource.consumer, "test");
		break;
	case DELEGNS_ATTACH: case DELEGNS_DETACH:
		a.userns.fd = userns;
		break;
	}
	memset(arg, 0, size);
	memcpy(arg, &a, size < sizeof(a) ? size : sizeof(a));
	if (rnd(2))
		arg[rnd(size)] ^= 1 << rnd(8);
}

struct fuzz {
	long calls;
	int ns;
	int userns;
};

static int fuzz_as(void *arg)
{
	struct fuzz *f = arg;
	unsigned char buf[8192];
	int own = dn_open(DELEGNS_BY_SELF, 0, NULL, -1, 0), mine = dn_create("fuzz-mine");

	alarm(0);
	for (long i = 0; i < f->calls; i++) {
		static const unsigned long known[] = {
			DELEGNS_VERSION, DELEGNS_CREATE, DELEGNS_OPEN, DELEGNS_LIST, DELEGNS_QUERY, DELEGNS_INFO,
			DELEGNS_ATTACH, DELEGNS_DETACH, DELEGNS_GRANT, DELEGNS_REVOKE, DELEGNS_GRANTS,
			DELEGNS_ATTACHED, DELEGNS_DESTROY,
		};
		unsigned long cmd = known[rnd(sizeof(known) / sizeof(*known))];
		size_t size = _IOC_SIZE(cmd);
		int fds[] = { dev, f->ns, own, mine }, r, fd = fds[rnd(4)];

		if (!rnd(8))
			cmd = rnd(1ULL << 32);
		else if (!rnd(6)) {
			size = rnd(4) ? rnd(300) : rnd(8192);
			cmd = (cmd & ~((unsigned long)_IOC_SIZEMASK << _IOC_SIZESHIFT)) | size << _IOC_SIZESHIFT;
		}
		if (rnd(2) && size == _IOC_SIZE(cmd) && size >= 8)
			sensible(cmd, buf, size, f->ns, f->userns);
		else
			fill(buf, size > sizeof(buf) ? sizeof(buf) : size, f->ns, f->userns);
		/* It may give out a descriptor, or destroy what we use. */
		r = call(fd, cmd, rnd(50) ? buf : (void *)(uintptr_t)rnd(~0ULL));
		count_call(r);
		if (r > 2 && r != dev && r != f->ns && r != own && r != mine && r != f->userns &&
		    (_IOC_NR(cmd) == 1 || _IOC_NR(cmd) == 2))
			close(r);
		if (!(i & 0xff)) {
			close(mine);
			mine = dn_create("fuzz-mine");
		}
	}
	return 0;
}

bool fuzz(long calls)
{
	struct zone z = zone_new(), other = zone_new();
	struct fuzz f = { .calls = calls / 3, .userns = z.userns };
	time_t began = time(NULL);
	int ns = dn_create("fuzz"), hold = dn_create("other"), r[3];

	dn_attach(ns, z.userns);
	dn_attach(hold, other.userns);
	dn_grant(ns, "test:x");
	dn_grant(ns, "zfs:tank/m");
	f.ns = hold;
	seed_with(rnd(~0ULL));
	r[0] = in_zone(&z, fuzz_as, &f);
	f.ns = ns;
	seed_with(rnd(~0ULL));
	r[1] = as_user(&z, fuzz_as, &f);
	/* What they did changed nothing of the other's. */
	char g[256];
	bool ok = dn_grants(hold, g, sizeof(g)) == 0 && dn_attached(hold) == 1;

	ok &= dn_grants(ns, g, sizeof(g)) == 2 && !strcmp(g, "test:x* zfs:tank/m*");
	r[2] = 0;
	seed_with(rnd(~0ULL));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid)
		_exit(fuzz_as(&f));
	waitpid(pid, &r[2], 0);
	close(ns);
	close(hold);
	zone_kill(&z);
	zone_kill(&other);
	printf("fuzz: %ld s, %lu calls, %lu accepted\n", (long)(time(NULL) - began), shared->counts[CALLS], shared->counts[ACCEPTED]);
	if (r[0] || r[1] || r[2] || !ok)
		printf("fuzz: ended with %d %d %#x, and what was not theirs %s\n", r[0], r[1], r[2],
		       ok ? "is unchanged" : "is changed");
	return !r[0] && !r[1] && !r[2] && ok && nothing_left();
}

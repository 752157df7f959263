// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two storms on the raw interface.  Neither knows what is right; the kernel's
 * own checks do, and at the end nothing may be left.
 *
 *   abi stress SECONDS [TASKS]   tasks (16) do random valid and invalid calls
 *                                on 64 namespaces, with deaths, revocations
 *                                and reloads of the test consumer
 *   abi fuzz CALLS [SEED]        random and structure-aware calls: as root,
 *                                as a zone's root, and without rights
 *
 * Not for a machine that matters.
 */
#define _GNU_SOURCE
#include "lib.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPACES	64

static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* Shared by all tasks: the user namespaces' processes, and a count. */
struct shared {
	pid_t zones[SPACES];
	unsigned long calls;
	unsigned long good;
};

static struct shared *shared;

static const char *const resources[] = {
	"test:x", "test:a.x", "test:b.a.x", "test:c.x", "test:y", "test:z.y", "test:missing", "test:!",
	"zfs:tank/m", "zfs:tank/m/a", "zfs:tank/m/a/b", "zfs:tank/m/b", "zfs:tank/n", "zfs:nopool", "nosuch:a",
};
#define RESOURCES (sizeof(resources) / sizeof(*resources))

static void count(int r)
{
	__atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
	if (r >= 0)
		__atomic_add_fetch(&shared->good, 1, __ATOMIC_RELAXED);
}

static int userns_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* One of the 64, by name; often it is not there. */
static int some_ns(void)
{
	char name[16];

	snprintf(name, sizeof(name), "s%d", (int)rnd(SPACES));
	return dn_open(DELEGNS_BY_NAME, 0, name, -1, rnd(2) ? DELEGNS_OPEN_WATCH : 0);
}

static void zone_dies(void)
{
	int i = rnd(SPACES);
	pid_t old = shared->zones[i];
	struct zone z;

	if (!old || !__atomic_compare_exchange_n(&shared->zones[i], &old, 0, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	kill(old, SIGKILL);
	waitpid(old, NULL, 0);	/* if it is ours; init has the others */
	z = zone_new();
	zone_close(&z);
	__atomic_store_n(&shared->zones[i], z.pid, __ATOMIC_SEQ_CST);
}

static void one_call(int *kept)
{
	struct delegns_info info;
	char name[16], buf[1024];
	int fd = -1, userns, r = -1, k = rnd(8);

	switch (rnd(16)) {
	case 0: case 1:
		snprintf(name, sizeof(name), "s%d", (int)rnd(SPACES));
		r = dn_create(name);
		if (r >= 0) {
			if (kept[k] >= 0)
				close(kept[k]);
			kept[k] = r;
		}
		break;
	case 2: case 3: case 4:
		userns = userns_of(shared->zones[rnd(SPACES)]);
		fd = some_ns();
		r = dn_attach(fd, userns);
		close(userns);
		break;
	case 5:
		userns = userns_of(shared->zones[rnd(SPACES)]);
		fd = some_ns();
		r = dn_detach(fd, userns);
		close(userns);
		break;
	case 6: case 7: case 8:
		fd = some_ns();
		r = dn_grant(fd, resources[rnd(RESOURCES)]);
		break;
	case 9: case 10:
		fd = some_ns();
		r = dn_revoke(fd, resources[rnd(RESOURCES)]);
		break;
	case 11:
		fd = some_ns();
		r = dn_info(fd, &info);
		r = dn_grants(fd, buf, sizeof(buf));
		r = dn_attached(fd);
		break;
	case 12:
		r = dn_count();
		dn_query(resources[rnd(RESOURCES)]);
		break;
	case 13:
		fd = some_ns();
		r = dn_poll(fd, rnd(3));
		break;
	case 14:
		fd = some_ns();
		if (!rnd(4))
			r = dn_destroy(fd);
		break;
	default:
		if (kept[k] >= 0)
			close(kept[k]);
		kept[k] = -1;
		break;
	}
	count(r);
	if (fd >= 0)
		close(fd);
}

/* What a task of the storm does in a zone: everything, as that zone's root. */
static int from_inside(void *arg)
{
	int kept[8];

	(void)arg;
	memset(kept, -1, sizeof(kept));
	for (int i = 0; i < 200; i++)
		one_call(kept);
	return 0;
}

static void task(int n, time_t end)
{
	int kept[8];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seed = 0x9e3779b97f4a7c15ULL * (n + 1) ^ time(NULL);
	memset(kept, -1, sizeof(kept));
	while (time(NULL) < end) {
		for (int i = 0; i < 50; i++)
			one_call(kept);
		if (n == 0) {
			/* It is refused most of the time, and comes back by itself. */
			if (system("modprobe -r delegns_test 2>/dev/null"))
				continue;
		} else if (n == 1) {
			zone_dies();
		} else if (n == 2) {
			test_param(rnd(2) ? "fail_attach" : "fail_born", rnd(2) ? "3" : "0");
		} else if (n % 3 == 0) {
			struct zone z = { .userns = userns_of(shared->zones[rnd(SPACES)]) };

			if (z.userns >= 0) {
				in_zone(&z, from_inside, NULL);
				close(z.userns);
			}
		}
	}
	_exit(0);
}

static bool nothing_left(void)
{
	/* A process that nobody has waited for keeps its user namespace. */
	for (int i = 0; i < 200 && (waitpid(-1, NULL, WNOHANG) > 0 || dn_count()); i++)
		msleep(50);
	if (dn_count())
		printf("%d namespaces are left\n", dn_count());
	if (!access("/proc/delegns_test", F_OK) && handed_count() != 0)
		printf("%d resources are left handed over\n", handed_count());
	return !dn_count() && (access("/proc/delegns_test", F_OK) || !handed_count()) &&
	       !system("modprobe -r delegns_test && modprobe delegns_test");
}

static bool stress(int seconds, int tasks)
{
	time_t end = time(NULL) + seconds;
	bool ok = true;

	for (int i = 0; i < SPACES; i++) {
		struct zone z = zone_new();

		zone_close(&z);
		shared->zones[i] = z.pid;
	}
	for (int n = 0; n < tasks; n++)
		if (!fork())
			task(n, end);
	for (int n = 0; n < tasks; n++) {
		int status;

		do {
			pid_t pid = wait(&status);
			bool zone = false;

			for (int i = 0; i < SPACES; i++)
				zone |= pid == shared->zones[i];
			if (!zone && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
				zone = true;	/* one that was replaced */
			if (!zone)
				break;
		} while (1);
		if (status) {
			printf("a task ended with %#x\n", status);
			ok = false;
		}
	}
	for (int i = 0; i < SPACES; i++)
		if (shared->zones[i])
			kill(shared->zones[i], SIGKILL);
	if (!access("/sys/module/delegns_test", F_OK)) {
		test_param("fail_attach", "0");
		test_param("fail_born", "0");
	}
	printf("stress: %lu calls, %lu accepted, %d tasks, %d s\n", shared->calls, shared->good, tasks, seconds);
	return ok && shared->good > 100 && nothing_left();
}

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
		count(r);
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

static bool fuzz(long calls)
{
	struct zone z = zone_new(), other = zone_new();
	struct fuzz f = { .calls = calls / 3, .userns = z.userns };
	int ns = dn_create("fuzz"), hold = dn_create("other"), r[3];

	dn_attach(ns, z.userns);
	dn_attach(hold, other.userns);
	dn_grant(ns, "test:x");
	dn_grant(ns, "zfs:tank/m");
	f.ns = hold;
	r[0] = in_zone(&z, fuzz_as, &f);
	f.ns = ns;
	r[1] = as_user(&z, fuzz_as, &f);
	/* What they did changed nothing of the other's. */
	char g[256];
	bool ok = dn_grants(hold, g, sizeof(g)) == 0 && dn_attached(hold) == 1;

	ok &= dn_grants(ns, g, sizeof(g)) == 2 && !strcmp(g, "test:x* zfs:tank/m*");
	r[2] = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid)
		_exit(fuzz_as(&f));
	waitpid(pid, &r[2], 0);
	close(ns);
	close(hold);
	zone_kill(&z);
	zone_kill(&other);
	printf("fuzz: %lu calls, %lu accepted\n", shared->calls, shared->good);
	if (r[0] || r[1] || r[2] || !ok)
		printf("fuzz: ended with %d %d %#x, and what was not theirs %s\n", r[0], r[1], r[2],
		       ok ? "is unchanged" : "is changed");
	return !r[0] && !r[1] && !r[2] && ok && nothing_left();
}

int storm_main(int argc, char **argv)
{
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3) {
		fprintf(stderr, "usage: abi stress SECONDS [TASKS] | fuzz CALLS [SEED]\n");
		return 2;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	seed = argc > 3 && !strcmp(argv[1], "fuzz") ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
	printf("%s: seed %lu\n", argv[1], seed);
	if (!strcmp(argv[1], "stress"))
		ok = stress(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 16);
	else
		ok = fuzz(atol(argv[2]));
	printf("%s %s\n%d passed, %d failed\n", ok ? "ok    " : "FAILED", argv[1], ok, !ok);
	return !ok;
}

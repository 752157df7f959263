// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two storms on the raw interface, for a kernel that checks itself; at the end
 * nothing may be left.
 *
 *   abi stress SECONDS [TASKS]   tasks (16) do random valid and invalid calls
 *                                on 64 namespaces, with deaths, revocations
 *                                and reloads of the modules; what some of them
 *                                change is compared with a model (stress.c,
 *                                book.c)
 *   abi fuzz CALLS [SEED]        random and structure-aware calls: as root,
 *                                as a zone's root, and without rights (fuzz.c)
 *
 * Not for a machine that matters.
 */
#define _GNU_SOURCE
#include "storm.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const count_names[COUNTS] = {
	"calls", "accepted", "created", "attached", "detached", "granted", "revoked", "destroyed", "deaths",
	"reloads of delegns_test", "reloads of delegns_zfs", "reloads of all", "comparisons with the model",
};

const char *const resources[RESOURCES] = {
	"test:x", "test:a.x", "test:b.a.x", "test:c.x", "test:y", "test:z.y",
	"zfs:tank/m", "zfs:tank/m/a", "zfs:tank/m/a/b", "zfs:tank/m/b", "zfs:tank/n",
	"test:missing", "test:!", "zfs:nopool", "nosuch:a",
};

struct shared *shared;

static uint64_t seed;

void seed_with(uint64_t value)
{
	seed = value ? value : 1;
}

uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

void count(int what)
{
	__atomic_add_fetch(&shared->counts[what], 1, __ATOMIC_RELAXED);
}

void count_call(int r)
{
	count(CALLS);
	if (r >= 0)
		count(ACCEPTED);
}

/* A process that nobody has waited for keeps its user namespace. */
bool nothing_left(void)
{
	bool loaded = !access("/proc/delegns_test", F_OK);
	int namespaces, given;

	for (int i = 0; i < 400 && (waitpid(-1, NULL, WNOHANG) > 0 || dn_count()); i++)
		msleep(50);
	namespaces = dn_count();
	given = loaded ? handed_count() : 0;
	if (namespaces || given)
		printf("%d namespaces are left, and %d resources handed over\n", namespaces, given);
	/* The device is in use while it is open. */
	close(dev);
	if (system("modprobe -r delegns_test && modprobe -r delegns_zfs && ! grep -q '^delegns ' /proc/modules && "
		   "modprobe delegns_zfs && modprobe delegns_test")) {
		printf("the modules cannot be loaded anew\n");
		return false;
	}
	dev = open("/dev/delegns", O_RDWR | O_CLOEXEC);
	count(RELOADS_ALL);
	return dev >= 0 && !namespaces && !given;
}

int storm_main(int argc, char **argv)
{
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3) {
		fprintf(stderr, "usage: abi stress SECONDS [TASKS [SEED]] | fuzz CALLS [SEED]\n");
		return 2;
	}
	bool storms = !strcmp(argv[1], "stress");
	const char *given = storms ? (argc > 4 ? argv[4] : NULL) : argc > 3 ? argv[3] : NULL;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	seed_with(given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1);
	printf("%s: seed %lu\n", argv[1], seed);
	ok = storms ? stress(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 16) : fuzz(atol(argv[2]));
	printf("%s %s\n%d passed, %d failed\n", ok ? "ok    " : "FAILED", argv[1], ok, !ok);
	return !ok;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The storm: tasks that make random calls, valid and not, on 64 namespaces and
 * the user namespaces of 64 processes, on the host and inside of zones; they
 * die, are revoked, and lose their consumers.  Half of the tasks keep a book
 * besides, a tree of namespaces whose grants are compared with what must be
 * true.  What the others leave is compared with what the consumers were told.
 */
#define _GNU_SOURCE
#include "storm.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUND	60	/* seconds until everything is taken away and compared */

/* What single tasks do besides. */
enum { RELOADER, REAPER, INJECTOR, FIRST_BOOK };

static bool keeps_book(int task)
{
	return task >= FIRST_BOOK && task % 2;
}

static int userns_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A user namespace to attach: of one of the 64, or, in a zone, of its own. */
static int some_userns(const struct zone *own)
{
	return own && rnd(2) ? dup(own->userns) : userns_of(shared->zones[rnd(SPACES)]);
}

/* One of the 64, by name; often it is not there. */
static int some_ns(void)
{
	char name[16];

	snprintf(name, sizeof(name), "s%d", (int)rnd(SPACES));
	return dn_open(DELEGNS_BY_NAME, 0, name, -1, rnd(2) ? DELEGNS_OPEN_WATCH : 0);
}

bool leaving(int resource)
{
	return of_consumer(resource, __atomic_load_n(&shared->leave, __ATOMIC_SEQ_CST));
}

static const char *some_resource(void)
{
	int i;

	do
		i = rnd(RESOURCES);
	while (leaving(i));
	return resources[i];
}

static void count_good(int r, int what)
{
	count_call(r);
	if (!r)
		count(what);
}

static void create_one(int *kept)
{
	char name[16];
	int r;

	snprintf(name, sizeof(name), "s%d", (int)rnd(SPACES));
	r = dn_create(name);
	count_call(r);
	if (r < 0)
		return;
	count(CREATED);
	if (*kept >= 0)
		close(*kept);
	*kept = r;
}

static void look(int fd)
{
	struct delegns_info info;
	char buf[1024];

	switch (rnd(4)) {
	case 0:
		count_call(dn_info(fd, &info));
		break;
	case 1:
		count_call(dn_grants(fd, buf, sizeof(buf)));
		break;
	case 2:
		count_call(dn_attached(fd));
		break;
	default:
		count_call(dn_poll(fd, rnd(3)));
	}
}

static void one_call(int *kept, const struct zone *own)
{
	int fd = some_ns(), userns, r, *k = &kept[rnd(8)];

	switch (rnd(16)) {
	case 0: case 1:
		create_one(k);
		break;
	case 2: case 3: case 4:
		userns = some_userns(own);
		r = dn_attach(fd, userns);
		count_good(r, ATTACHED);
		/* By chance alone hardly any pair would be right. */
		if (!r && !rnd(4))
			count_good(dn_detach(fd, userns), DETACHED);
		close(userns);
		break;
	case 5:
		userns = some_userns(own);
		count_good(dn_detach(fd, userns), DETACHED);
		close(userns);
		break;
	case 6: case 7: case 8:
		count_good(dn_grant(fd, some_resource()), GRANTED);
		break;
	case 9: case 10:
		count_good(dn_revoke(fd, some_resource()), REVOKED);
		break;
	case 11: case 12:
		look(fd);
		break;
	case 13:
		count_call(dn_count());
		count_call(dn_query(resources[rnd(RESOURCES)]));
		break;
	case 14:
		if (!rnd(4))
			count_good(dn_destroy(fd), DESTROYED);
		break;
	default:
		if (*k >= 0)
			close(*k);
		*k = -1;
	}
	if (fd >= 0)
		close(fd);
}

/* What a task does in a zone: everything, as that zone's root. */
static int from_inside(void *arg)
{
	struct zone own = zone_new();
	int kept[8];

	(void)arg;
	memset(kept, -1, sizeof(kept));
	for (int i = 0; i < 60; i++)
		one_call(kept, &own);
	zone_kill(&own);
	return 0;
}

static void reaper(void)
{
	int i = rnd(SPACES);
	pid_t old = shared->zones[i];
	struct zone z;

	kill(old, SIGKILL);
	waitpid(old, NULL, 0);	/* if it is ours; else who has made it does */
	z = zone_new();
	zone_close(&z);
	shared->zones[i] = z.pid;
	count(DEATHS);
}

/* The module may be away. */
static void injector(void)
{
	static const char *const params[] = { "fail_attach", "fail_born", "fail_validate" };
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/delegns_test/parameters/%s", params[rnd(3)]);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, rnd(2) ? "3" : "0", 1) < 0)
		shared->failed = true;
	close(fd);
}

/* Revokes all grants of a consumer, of whatever namespace there is. */
static void revoke_all(int leave)
{
	struct delegns_entry e[64];
	struct delegns_list a = { .buf = (uintptr_t)e, .record_size = sizeof(e[0]) };

	do {
		a.count = 64;
		if (call(dev, DELEGNS_LIST, &a))
			return;
		for (unsigned int n = 0; n < a.count; n++) {
			int fd = e[n].name[0] == 's' ? dn_by_id(e[n].id) : -1;

			for (int i = BAD_RESOURCES - 1; fd >= 0 && i >= 0; i--)
				if (of_consumer(i, leave))
					count_good(dn_revoke(fd, resources[i]), REVOKED);
			if (fd >= 0)
				close(fd);
		}
	} while (a.count == 64);
}

/*
 * Unloads a consumer, which whoever next grants something of it brings back.
 * Nobody grants meanwhile, but whoever is at it already may.
 */
static void reloader(int tasks, time_t end)
{
	/* The one that had fewer: where all is slow a round has time for one. */
	int leave = shared->counts[RELOADS_TEST] < shared->counts[RELOADS_ZFS] ? LEAVE_TEST : LEAVE_ZFS;
	bool gone = false;

	__atomic_store_n(&shared->leave, leave, __ATOMIC_SEQ_CST);
	/* Where everything is slow the tasks take their time to leave it. */
	while (time(NULL) < end && !gone) {
		bool all = true;

		for (int n = FIRST_BOOK; n < tasks; n++)
			all &= !keeps_book(n) || __atomic_load_n(&shared->left[n], __ATOMIC_SEQ_CST) == leave;
		revoke_all(leave);
		gone = all && !syscall(SYS_delete_module, leave == LEAVE_TEST ? "delegns_test" : "delegns_zfs",
				       O_NONBLOCK);
		if (!gone)
			msleep(50);
	}
	if (gone)
		count(leave == LEAVE_TEST ? RELOADS_TEST : RELOADS_ZFS);
	__atomic_store_n(&shared->leave, LEAVE_NONE, __ATOMIC_SEQ_CST);
	msleep(500);
}

/* One turn of a task with a book. */
static bool keep_book(struct book *b, int n, int turn)
{
	int leave = __atomic_load_n(&shared->leave, __ATOMIC_SEQ_CST);

	if (leave && !book_leave(b, leave))
		return false;
	__atomic_store_n(&shared->left[n], leave, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 20; i++)
		if (!book_step(b))
			return false;
	if (!rnd(100))
		return book_rewrite(b, rnd(2));
	return book_check(b, turn % 16 == 0);
}

static void inside(const struct zone *own)
{
	struct zone z = { .userns = own ? dup(own->userns) : userns_of(shared->zones[rnd(SPACES)]) };

	if (z.userns >= 0) {
		in_zone(&z, from_inside, NULL);
		close(z.userns);
	}
}

static void task(int n, int tasks, uint64_t seed, time_t end)
{
	struct book book;
	bool ok = true, keeps = keeps_book(n);
	int kept[8];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seed_with(seed);
	memset(kept, -1, sizeof(kept));
	if (keeps)
		ok = book_open(&book, n);
	for (int turn = 0; ok && time(NULL) < end; turn++) {
		for (int i = 0; i < 40; i++)
			one_call(kept, NULL);
		if (n == RELOADER)
			reloader(tasks, end);
		else if (n == REAPER)
			reaper();
		else if (n == INJECTOR)
			injector();
		else if (keeps)
			ok = keep_book(&book, n, turn);
		if (ok && n >= FIRST_BOOK && turn % 8 == 7)
			inside(keeps ? &book.zone : NULL);
	}
	if (keeps && ok) {
		ok = book_check(&book, true);
		book_close(&book);
	}
	_exit(!ok);
}

/*
 * Waits for the tasks, and for nothing else that ends meanwhile: zones are
 * children as well.
 */
static bool wait_for(const pid_t *tasks, int n)
{
	bool ok = true;

	for (int left = n; left;) {
		int status;
		pid_t pid = wait(&status);

		if (pid < 0)
			return false;
		for (int i = 0; i < n; i++) {
			if (tasks[i] != pid)
				continue;
			left--;
			if (status) {
				printf("task %d ended with %#x\n", i, status);
				ok = false;
			}
		}
	}
	return ok;
}

/* What one namespace must have handed over, counted. */
static int handed_by(int ns, const struct delegns_entry *e, bool *ok)
{
	struct delegns_grant g[64];
	struct delegns_attached u[SPACES];
	struct delegns_list a = { .buf = (uintptr_t)g, .count = 64, .record_size = sizeof(g[0]) };
	struct delegns_list b = { .buf = (uintptr_t)u, .count = SPACES, .record_size = sizeof(u[0]) };
	int maximal = 0;

	if (call(ns, DELEGNS_GRANTS, &a) || call(ns, DELEGNS_ATTACHED, &b))
		return 0;
	for (unsigned int i = 0; i < a.count; i++) {
		if (!(g[i].state & DELEGNS_GRANT_MAXIMAL) || strcmp(g[i].consumer, "test"))
			continue;
		maximal++;
		for (unsigned int j = 0; j < b.count; j++) {
			if (handed_to(u[j].inode, g[i].name) == 1)
				continue;
			printf("%s: test:%s was not handed to %lu\n", e->name, g[i].name, (unsigned long)u[j].inode);
			*ok = false;
		}
	}
	return maximal * b.count;
}

/* What is left, compared with what the consumer was told. */
static bool settled(void)
{
	struct delegns_entry e[256];
	struct delegns_list a = { .buf = (uintptr_t)e, .count = 256, .record_size = sizeof(e[0]) };
	bool ok = true;
	int want = 0, got;

	if (access("/proc/delegns_test", F_OK))
		return true;
	if (call(dev, DELEGNS_LIST, &a))
		return false;
	for (unsigned int n = 0; n < a.count; n++) {
		int fd = dn_by_id(e[n].id);

		if (fd < 0)
			continue;
		want += handed_by(fd, &e[n], &ok);
		close(fd);
	}
	got = handed_count();
	if (got != want)
		printf("%d resources are handed over, and %d should be, by %d namespaces\n", got, want, a.count);
	count(CHECKS);
	return ok && got == want;
}

static bool one_round(int seconds, int tasks)
{
	pid_t pids[TASKS];
	bool ok;

	memset(shared->left, 0, sizeof(shared->left));
	for (int i = 0; i < SPACES; i++) {
		struct zone z = zone_new();

		zone_close(&z);
		shared->zones[i] = z.pid;
	}
	for (int n = 0; n < tasks; n++) {
		uint64_t seed = rnd(~0ULL);

		pids[n] = fork();
		if (!pids[n])
			task(n, tasks, seed, time(NULL) + seconds);
	}
	ok = wait_for(pids, tasks);
	/* The deaths of what the tasks held, and then nothing moves. */
	for (int before = -1, now = 0, still = 0; still < 20; still = before == now ? still + 1 : 0) {
		before = now;
		msleep(100);
		now = dn_count();
	}
	ok &= settled();
	/* Those that are ours; the others ended with the task that made them. */
	for (int i = 0; i < SPACES; i++)
		if (!waitpid(shared->zones[i], NULL, WNOHANG))
			kill(shared->zones[i], SIGKILL);
	return nothing_left() && ok;
}

bool stress(int seconds, int tasks)
{
	time_t end = time(NULL) + seconds;
	bool ok = true;

	if (tasks > TASKS)
		tasks = TASKS;
	/* A round takes longer than it says where everything is slow. */
	for (int left = seconds; ok && left > 0; left = end - time(NULL))
		ok = one_round(left < ROUND ? left : ROUND, tasks) && !shared->failed;
	printf("stress: %d s, %d tasks", seconds, tasks);
	for (int i = 0; i < COUNTS; i++) {
		printf(", %lu %s", shared->counts[i], count_names[i]);
		/* A storm in which something did not happen is none; a short one may end before. */
		ok &= shared->counts[i] > 0 || seconds < ROUND;
	}
	printf("\n");
	return ok && shared->counts[ACCEPTED] > 100 && shared->counts[CHECKS] > 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Measures the module: the time of its calls (median and 99th percentile), of
 * its query in the kernel, and the memory of its objects.  See kmod.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/delegns.h>

static int dev;

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	int64_t d = *(const int64_t *)a - *(const int64_t *)b;

	return (d > 0) - (d < 0);
}

static void report(const char *what, int64_t *t, int n)
{
	qsort(t, n, sizeof(*t), by_value);
	printf("%-44s median %10.1f us   p99 %10.1f us   (%d)\n", what, t[n / 2] / 1e3, t[n * 99 / 100] / 1e3, n);
	fflush(stdout);
}

static int create(const char *name)
{
	struct delegns_create a = { .name = (uintptr_t)name, .name_len = strlen(name) };

	return ioctl(dev, DELEGNS_CREATE, &a);
}

static int resource(int fd, unsigned long cmd, const char *consumer, const char *name)
{
	struct delegns_resource a = { .name = (uintptr_t)name, .name_len = strlen(name) };

	strcpy(a.consumer, consumer);
	return ioctl(fd, cmd, &a);
}

/* A process in a user namespace of its own; its nsfs file is returned. */
static int zone(pid_t *pid)
{
	char path[64];
	int p[2], fd;
	char c;

	need(!pipe(p), "pipe");
	*pid = fork();
	if (!*pid) {
		need(!unshare(CLONE_NEWUSER), "unshare");
		need(write(p[1], "", 1) == 1, "write");
		for (;;)
			pause();
	}
	need(read(p[0], &c, 1) == 1, "read");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", *pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	need(fd >= 0, path);
	return fd;
}

static void calls(void)
{
	enum { N = 2000 };
	static int64_t t[N];
	struct delegns_userns u;
	struct delegns_destroy d = {};
	pid_t pid;
	int ns = create("bench");

	need(ns >= 0, "create");
	for (int i = 0; i < N; i++) {
		t[i] = now();
		need(!resource(ns, DELEGNS_GRANT, "test", "x") && !resource(ns, DELEGNS_REVOKE, "test", "x"), "grant");
		t[i] = now() - t[i];
	}
	report("grant and revoke, nothing attached", t, N);
	u = (struct delegns_userns){ .fd = zone(&pid) };
	need(!ioctl(ns, DELEGNS_ATTACH, &u), "attach");
	for (int i = 0; i < N; i++) {
		t[i] = now();
		need(!resource(ns, DELEGNS_GRANT, "test", "x") && !resource(ns, DELEGNS_REVOKE, "test", "x"), "grant");
		t[i] = now() - t[i];
	}
	report("grant and revoke, in memory", t, N);
	for (int i = 0; i < N; i++) {
		t[i] = now();
		need(!resource(ns, DELEGNS_GRANT, "zfs", "tank/bench") &&
		     !resource(ns, DELEGNS_REVOKE, "zfs", "tank/bench"), "grant zfs");
		t[i] = now() - t[i];
	}
	report("grant and revoke, ZFS", t, N);
	for (int i = 0; i < N; i++) {
		t[i] = now();
		need(!ioctl(ns, DELEGNS_DETACH, &u) && !ioctl(ns, DELEGNS_ATTACH, &u), "attach");
		t[i] = now() - t[i];
	}
	report("detach and attach", t, N);
	for (int i = 0; i < N; i++) {
		int fd;

		t[i] = now();
		fd = create("other");
		need(fd >= 0 && !ioctl(fd, DELEGNS_DESTROY, &d), "create");
		t[i] = now() - t[i];
		close(fd);
	}
	report("create and destroy", t, N);
	kill(pid, SIGKILL);
	close(u.fd);
	close(ns);
}

#define PARAM "/sys/module/delegns_test/parameters/"

static void query_here(int fd, const char *what)
{
	char out[64] = "", name[] = "a.b.g5.x";
	int r = open(PARAM "query", O_RDONLY);

	need(pwrite(fd, name, strlen(name), 0) > 0, "query");
	need(read(r, out, sizeof(out) - 1) > 0, "result");
	out[strcspn(out, "\n")] = '\0';
	printf("%-44s %s a query\n", what, out);
	fflush(stdout);
	close(r);
}

/* Runs the query in the zone: the parameter is opened before it is entered. */
static void query_in(int userns, const char *what, int tasks)
{
	for (int i = 0; i < tasks; i++) {
		int fd = open(PARAM "query", O_WRONLY);

		need(fd >= 0, "query");
		if (!fork()) {
			cpu_set_t set;

			CPU_ZERO(&set);
			CPU_SET(i, &set);
			sched_setaffinity(0, sizeof(set), &set);
			need(!setns(userns, CLONE_NEWUSER), "setns");
			query_here(fd, what);
			_exit(0);
		}
		close(fd);
	}
	while (wait(NULL) > 0)
		;
}

static void queries(void)
{
	static const int sizes[] = { 10, 1000, 100000 };
	struct delegns_userns u;
	pid_t pid, q;
	char what[64], name[32];
	int n = 0, ns = create("bench"), fd = open(PARAM "query", O_WRONLY);

	need(ns >= 0 && fd >= 0, "create");
	query_here(fd, "query on the host");
	u = (struct delegns_userns){ .fd = zone(&pid) };
	need(!ioctl(ns, DELEGNS_ATTACH, &u), "attach");
	/* This one covers the others, so only this one is handed over. */
	need(!resource(ns, DELEGNS_GRANT, "test", "x"), "grant");
	for (int s = 0; s < 3; s++) {
		int64_t t = now();

		for (; n < sizes[s]; n++) {
			snprintf(name, sizeof(name), "g%d.x", n);
			need(!resource(ns, DELEGNS_GRANT, "test", name), "grant");
		}
		printf("%-44s %.1f us\n", "a grant among these", (now() - t) / 1e3 / sizes[s]);
		fflush(stdout);
		/* In a child, which can wait for all its children. */
		q = fork();
		if (!q) {
			snprintf(what, sizeof(what), "query in a zone, %d grants, one task", sizes[s]);
			query_in(u.fd, what, 1);
			snprintf(what, sizeof(what), "query in a zone, %d grants, two tasks", sizes[s]);
			query_in(u.fd, what, 2);
			_exit(0);
		}
		waitpid(q, NULL, 0);
	}
	kill(pid, SIGKILL);
	close(u.fd);
	close(ns);
}

static void raise_files(void)
{
	struct rlimit l = { 20000, 20000 };

	need(!setrlimit(RLIMIT_NOFILE, &l), "setrlimit");
}

static void make(int n)
{
	char name[16];

	raise_files();
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		need(create(name) >= 0, "create");
	}
}

static void list(void)
{
	static struct delegns_entry e[10000];
	static int64_t t[50];
	struct delegns_list a;

	make(10000);
	for (int i = 0; i < 50; i++) {
		a = (struct delegns_list){ .buf = (uintptr_t)e, .count = 10000, .record_size = sizeof(e[0]) };
		t[i] = now();
		need(!ioctl(dev, DELEGNS_LIST, &a) && a.count == 10000, "list");
		t[i] = now() - t[i];
	}
	report("list of 10,000", t, 50);
}

/* The kernel memory that is charged to this process's cgroup. */
static long charged(void)
{
	FILE *f = fopen("/sys/fs/cgroup/kmod-bench/memory.stat", "r");
	char key[64];
	long v, kernel = 0;

	need(f != NULL, "memory.stat");
	while (fscanf(f, "%63s %ld", key, &v) == 2)
		if (!strcmp(key, "slab_unreclaimable"))
			kernel = v;
	fclose(f);
	return kernel;
}

static void memory(void)
{
	char name[32];
	long before, after;
	FILE *f;
	int ns;

	mkdir("/sys/fs/cgroup/kmod-bench", 0755);
	f = fopen("/sys/fs/cgroup/cgroup.subtree_control", "w");
	need(f && fputs("+memory", f) >= 0 && !fclose(f), "subtree_control");
	f = fopen("/sys/fs/cgroup/kmod-bench/cgroup.procs", "w");
	need(f && fprintf(f, "%d", getpid()) > 0 && !fclose(f), "cgroup.procs");
	raise_files();
	ns = create("grants");
	sleep(3);
	before = charged();
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "g%d.some.name", i);
		need(!resource(ns, DELEGNS_GRANT, "test", name), "grant");
	}
	sleep(3);	/* the statistics are gathered every two seconds */
	after = charged();
	printf("%-44s %ld bytes charged\n", "a grant", (after - before) / 10000);
	make(10000);
	sleep(3);
	printf("%-44s %ld bytes charged\n", "a namespace and its descriptor", (charged() - after) / 10000);
}

static void forks(void)
{
	enum { N = 1000 };
	static int64_t t[N];

	for (int i = 0; i < N; i++) {
		t[i] = now();
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
		t[i] = now() - t[i];
	}
	report("fork and wait", t, N);
}

static void each(int n, const char *what, char **argv)
{
	int64_t *t = calloc(n, sizeof(*t));

	for (int i = 0; i < n; i++) {
		int status;

		t[i] = now();
		pid_t pid = fork();

		if (!pid) {
			int null = open("/dev/null", O_WRONLY);

			dup2(null, 1);
			execvp(argv[0], argv);
			_exit(127);
		}
		waitpid(pid, &status, 0);
		t[i] = now() - t[i];
		if (status) {
			fprintf(stderr, "%s: status %#x\n", what, status);
			exit(1);
		}
	}
	report(what, t, n);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	dev = open("/dev/delegns", O_RDWR | O_CLOEXEC);
	if (!strcmp(what, "fork")) {
		forks();
	} else if (!strcmp(what, "each") && argc > 4) {
		each(atoi(argv[2]), argv[3], argv + 4);
	} else if (need(dev >= 0, "/dev/delegns"), !strcmp(what, "calls")) {
		calls();
	} else if (!strcmp(what, "queries")) {
		queries();
	} else if (!strcmp(what, "list")) {
		list();
	} else if (!strcmp(what, "memory")) {
		memory();
	} else if (!strcmp(what, "hold") && argc > 3) {
		/* Held here, measured in a child. */
		make(atoi(argv[2]));
		pid_t pid = fork();

		if (!pid) {
			execvp(argv[3], argv + 3);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	} else {
		fprintf(stderr, "usage: see the script kmod\n");
		return 2;
	}
	return 0;
}

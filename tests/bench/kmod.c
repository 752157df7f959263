// SPDX-License-Identifier: Apache-2.0
/*
 * Measures the module: the time of its calls (median and 99th percentile), of
 * its query in the kernel, and the memory of its objects.  See kmod.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
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

static int destroy(int fd)
{
	struct delegns_destroy d = {};
	int r = ioctl(fd, DELEGNS_DESTROY, &d);

	close(fd);
	return r;
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

/*
 * What zfs-zone(8) calls, without the start of a program: OpenZFS's own library,
 * of whatever version it is here.
 */
static void *zfs_handle;
static int (*zfs_userns)(void *dataset, const char *userns, int attach);

static void zfs_open_library(void)
{
	void *lib = NULL, *hdl, *(*init)(void), *(*open)(void *, const char *, int);
	char name[32];

	for (int v = 9; v > 3 && !lib; v--) {
		snprintf(name, sizeof(name), "libzfs.so.%d", v);
		lib = dlopen(name, RTLD_NOW);
	}
	need(lib != NULL, "libzfs");
	*(void **)&init = dlsym(lib, "libzfs_init");
	*(void **)&open = dlsym(lib, "zfs_open");
	*(void **)&zfs_userns = dlsym(lib, "zfs_userns");
	need(init && open && zfs_userns && (hdl = init()), "libzfs_init");
	zfs_handle = open(hdl, "tank/bench", 1);
	need(zfs_handle != NULL, "zfs_open");
}

enum { CALLS = 2000 };

/* Runs a step CALLS times, which returns what is to be 0. */
#define MEASURE(what, step) \
	do { \
		static int64_t t_[CALLS]; \
		for (int i_ = 0; i_ < CALLS; i_++) { \
			t_[i_] = now(); \
			need(!(step), what); \
			t_[i_] = now() - t_[i_]; \
		} \
		report(what, t_, CALLS); \
	} while (0)

static int grant_and_revoke(int ns, const char *consumer, const char *name)
{
	return resource(ns, DELEGNS_GRANT, consumer, name) ?:
		resource(ns, DELEGNS_REVOKE, consumer, name);
}

static int create_and_destroy(void)
{
	int fd = create("other");

	return fd < 0 ? fd : destroy(fd);
}

static void calls(void)
{
	struct delegns_userns u;
	char path[64];
	pid_t pid;
	int ns = create("bench");

	need(ns >= 0, "create");
	MEASURE("grant, revoke: nothing attached", grant_and_revoke(ns, "test", "x"));
	u = (struct delegns_userns){ .fd = zone(&pid) };
	need(!ioctl(ns, DELEGNS_ATTACH, &u), "attach");
	MEASURE("grant, revoke: in memory", grant_and_revoke(ns, "test", "x"));
	MEASURE("grant, revoke: ZFS", grant_and_revoke(ns, "zfs", "tank/bench"));
	zfs_open_library();
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	MEASURE("zone, unzone: OpenZFS alone",
		zfs_userns(zfs_handle, path, 1) ?: zfs_userns(zfs_handle, path, 0));
	MEASURE("detach, attach", ioctl(ns, DELEGNS_DETACH, &u) ?: ioctl(ns, DELEGNS_ATTACH, &u));
	MEASURE("create, destroy, close", create_and_destroy());
	kill(pid, SIGKILL);
	close(u.fd);
	destroy(ns);
}

#define QUERY "/proc/delegns_test_query"
#define TIMES "/sys/module/delegns_test/parameters/query_times"
#define ASKED "a.b.g5.x"

/* A query is shorter than the clock can tell: BATCHES times so many are timed. */
enum { BATCHES = 200, BATCH = 5000 };

static void report_query(const char *what, const char *how, int64_t *ps)
{
	qsort(ps, BATCHES, sizeof(*ps), by_value);
	printf("%-44s median %10.1f ns   p99 %10.1f ns   (%s)\n", what, ps[BATCHES / 2] / 1e3,
	       ps[BATCHES * 99 / 100] / 1e3, how);
	fflush(stdout);
}

/* The query as another part of the kernel makes it. */
static void query_inside(int fd, const char *what)
{
	char out[64] = "", held[16];
	int64_t ps[BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		need(pwrite(fd, ASKED, strlen(ASKED), 0) > 0, "query");
		need(pread(fd, out, sizeof(out) - 1, 0) > 0 && sscanf(out, "%15s %ld", held, &ps[i]) == 2, "result");
	}
	report_query(what, held, ps);
}

/* The query as a program makes it. */
static void query_outside(const char *what)
{
	int64_t ps[BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		int64_t t = now();

		for (int j = 0; j < BATCH / 10; j++)
			need(resource(dev, DELEGNS_QUERY, "test", ASKED) >= 0, "query");
		ps[i] = (now() - t) * 1000 / (BATCH / 10);
	}
	report_query(what, "by ioctl", ps);
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	need(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

/* Runs the query in the zone, as many tasks at once on as many processors. */
static void query_in(int userns, const char *what, int tasks)
{
	int go[2];
	char c;

	need(!pipe(go), "pipe");
	for (int i = 0; i < tasks; i++) {
		int fd = open(QUERY, O_RDWR | O_CLOEXEC);

		need(fd >= 0, QUERY);
		if (!fork()) {
			on_cpu(i);
			need(!setns(userns, CLONE_NEWUSER), "setns");
			close(go[1]);
			need(!read(go[0], &c, 1), "go");
			query_inside(fd, what);
			query_outside(what);
			_exit(0);
		}
		close(fd);
	}
	close(go[0]);
	close(go[1]);
	while (wait(NULL) > 0)
		;
}

static void queries(void)
{
	static const int sizes[] = { 10, 1000, 100000 };
	struct delegns_userns u;
	pid_t pid, q;
	char what[64], name[32];
	int n = 0, ns = create("bench"), fd = open(QUERY, O_RDWR | O_CLOEXEC);
	FILE *times = fopen(TIMES, "w");

	need(ns >= 0 && fd >= 0, "create");
	need(times && fprintf(times, "%d", BATCH) > 0 && !fclose(times), TIMES);
	query_inside(fd, "query on the host");
	u = (struct delegns_userns){ .fd = zone(&pid) };
	need(!ioctl(ns, DELEGNS_ATTACH, &u), "attach");
	/* This one covers the others, so only this one is handed over. */
	need(!resource(ns, DELEGNS_GRANT, "test", "x"), "grant");
	for (int s = 0; s < 3; s++) {
		int64_t t = now();
		int first = n;

		for (; n < sizes[s]; n++) {
			snprintf(name, sizeof(name), "g%d.x", n);
			need(!resource(ns, DELEGNS_GRANT, "test", name), "grant");
		}
		printf("%-44s %10.1f us each\n", "grants up to there", (now() - t) / 1e3 / (n - first));
		fflush(stdout);
		/* In a child, which can wait for all its children. */
		q = fork();
		if (!q) {
			snprintf(what, sizeof(what), "query, %d grants, one task", sizes[s]);
			query_in(u.fd, what, 1);
			snprintf(what, sizeof(what), "query, %d grants, two tasks", sizes[s]);
			query_in(u.fd, what, 2);
			_exit(0);
		}
		waitpid(q, NULL, 0);
	}
	kill(pid, SIGKILL);
	close(u.fd);
	destroy(ns);
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
		/* Entries of the cache of names belong to descriptors. */
		if (!strcmp(key, "slab_unreclaimable") || !strcmp(key, "slab_reclaimable"))
			kernel += v;
	fclose(f);
	return kernel;
}

/* The bytes charged since the last call, for each of @n things. */
static void charged_each(const char *what, int n)
{
	static long before;
	long kernel;

	sleep(4);	/* the statistics are gathered every two seconds */
	kernel = charged();
	if (n)
		printf("%-44s %10ld bytes\n", what, (kernel - before) / n);
	fflush(stdout);
	before = kernel;
}

static void memory(void)
{
	enum { N = 10000 };
	struct delegns_open o = { .by = DELEGNS_BY_ID, .flags = DELEGNS_OPEN_WATCH };
	struct delegns_create a = { .name = (uintptr_t)"grants", .name_len = 6 };
	struct delegns_userns u;
	char name[32];
	pid_t pid;
	FILE *f;
	int ns;

	mkdir("/sys/fs/cgroup/kmod-bench", 0755);
	f = fopen("/sys/fs/cgroup/cgroup.subtree_control", "w");
	need(f && fputs("+memory", f) >= 0 && !fclose(f), "subtree_control");
	f = fopen("/sys/fs/cgroup/kmod-bench/cgroup.procs", "w");
	need(f && fprintf(f, "%d", getpid()) > 0 && !fclose(f), "cgroup.procs");
	raise_files();
	ns = ioctl(dev, DELEGNS_CREATE, &a);
	need(ns >= 0, "create");
	o.id = a.id;
	charged_each(NULL, 0);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "g%05d.some.name", i);
		need(!resource(ns, DELEGNS_GRANT, "test", name), "grant");
	}
	charged_each("memory of a grant (name of 16 bytes)", N);
	u = (struct delegns_userns){ .fd = zone(&pid) };
	need(!ioctl(ns, DELEGNS_ATTACH, &u), "attach");
	charged_each("memory of handing it to a user namespace", N);
	for (int i = 0; i < N / 2; i++)
		need(ioctl(dev, DELEGNS_OPEN, &o) >= 0, "open");
	charged_each("memory of a descriptor", N / 2);
	make(N);
	charged_each("memory of a namespace with its descriptor", N);
	kill(pid, SIGKILL);
	destroy(ns);
}

/* This many namespaces, each with a user namespace and a dataset. */
static void make_zones(int n)
{
	char name[16];

	raise_files();
	for (int i = 0; i < n; i++) {
		struct delegns_userns u;
		pid_t pid;
		int fd;

		snprintf(name, sizeof(name), "n%d", i);
		fd = create(name);
		need(fd >= 0, "create");
		u = (struct delegns_userns){ .fd = zone(&pid) };
		need(!ioctl(fd, DELEGNS_ATTACH, &u) && !resource(fd, DELEGNS_GRANT, "zfs", "tank/bench"), "grant");
		/* The descriptor of it keeps it; nobody holds it, so it is watched. */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(fd);
	}
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

/* The time that the kernel's workers have run, in nanoseconds. */
static int64_t worked(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	int64_t sum = 0;

	need(proc != NULL, "/proc");
	while ((d = readdir(proc))) {
		char path[300], comm[16] = "";
		long long ns = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%15s", comm) != 1)
			comm[0] = '\0';
		fclose(f);
		snprintf(path, sizeof(path), "/proc/%s/schedstat", d->d_name);
		f = strncmp(comm, "kworker/", 8) ? NULL : fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%lld", &ns) == 1)
			sum += ns;
		fclose(f);
	}
	closedir(proc);
	return sum;
}

static void workers(void)
{
	int64_t t = now(), before = worked();

	sleep(10);
	printf("%-44s %10.1f us in each second\n", "the kernel's workers, all of them",
	       (worked() - before) * 1e6 / (now() - t));
	fflush(stdout);
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
	} else if (!strcmp(what, "workers")) {
		workers();
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
		/*
		 * Held here, measured in a child, which is there before: one that
		 * had as many descriptors would have a table of them to match, and
		 * forks of it be slower for that.
		 */
		int ready[2];

		need(!pipe2(ready, O_CLOEXEC), "pipe");
		pid_t pid = fork();

		if (!pid) {
			char c;

			need(read(ready[0], &c, 1) == 1, "hold");
			execvp(argv[3], argv + 3);
			_exit(127);
		}
		make_zones(atoi(argv[2]));
		need(write(ready[1], "", 1) == 1, "hold");
		waitpid(pid, NULL, 0);
	} else {
		fprintf(stderr, "usage: see the script kmod\n");
		return 2;
	}
	return 0;
}

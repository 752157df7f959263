// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests on the raw interface share.
 */
#define _GNU_SOURCE
#include "lib.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int dev = -1;

int on_stage;

static const char *current_test;
static int passed, failed;
static bool test_failed;

void check_(bool ok, const char *file, int line, const char *what, long got, long want)
{
	if (ok)
		return;
	test_failed = true;
	printf("%s:%d: %s: %s is %ld, not %ld\n", file, line, current_test, what, got, want);
	fflush(stdout);
}

void run_test(const char *name, void (*test)(void))
{
	current_test = name;
	test_failed = false;
	test();
	/*
	 * The deaths in a test are noticed one after the other, and the guest may
	 * share its processor.  How soon one is noticed has a test of its own.
	 */
	for (int ms = 0; ms < 30000 && dn_count() != on_stage; ms += 50)
		msleep(50);
	check_eq(dn_count(), on_stage);
	if (test_failed)
		failed++;
	else
		passed++;
	printf("%s %s\n", test_failed ? "FAILED" : "ok    ", name);
	fflush(stdout);
}

int call(int fd, unsigned long cmd, void *arg)
{
	int r = ioctl(fd, cmd, arg);

	return r < 0 ? -errno : r;
}

int dn_create_id(const char *name, uint64_t *id)
{
	struct delegns_create a = { .name = (uintptr_t)name, .name_len = strlen(name) };
	int r = call(dev, DELEGNS_CREATE, &a);

	if (id)
		*id = a.id;
	return r;
}

int dn_create(const char *name)
{
	return dn_create_id(name, NULL);
}

int dn_open(unsigned int by, uint64_t id, const char *path, int pidfd, unsigned int flags)
{
	struct delegns_open a = { .by = by, .flags = flags, .id = id, .pidfd = pidfd,
		.name = (uintptr_t)path, .name_len = path ? strlen(path) : 0 };

	return call(dev, DELEGNS_OPEN, &a);
}

int dn_by_id(uint64_t id)
{
	return dn_open(DELEGNS_BY_ID, id, NULL, -1, DELEGNS_OPEN_WATCH);
}

int dn_by_name(const char *path)
{
	return dn_open(DELEGNS_BY_NAME, 0, path, -1, DELEGNS_OPEN_WATCH);
}

int dn_info(int ns, struct delegns_info *info)
{
	memset(info, 0, sizeof(*info));
	return call(ns, DELEGNS_INFO, info);
}

int dn_attach(int ns, int userns)
{
	struct delegns_userns a = { .fd = userns };

	return call(ns, DELEGNS_ATTACH, &a);
}

int dn_detach(int ns, int userns)
{
	struct delegns_userns a = { .fd = userns };

	return call(ns, DELEGNS_DETACH, &a);
}

static int resource(int fd, unsigned long cmd, const char *res)
{
	struct delegns_resource a = {};
	const char *colon = strchr(res, ':');

	memcpy(a.consumer, res, colon - res);
	a.name = (uintptr_t)(colon + 1);
	a.name_len = strlen(colon + 1);
	return call(fd, cmd, &a);
}

int dn_grant(int ns, const char *res) { return resource(ns, DELEGNS_GRANT, res); }
int dn_revoke(int ns, const char *res) { return resource(ns, DELEGNS_REVOKE, res); }
int dn_query(const char *res) { return resource(dev, DELEGNS_QUERY, res); }

int dn_destroy(int ns)
{
	struct delegns_destroy a = {};

	return call(ns, DELEGNS_DESTROY, &a);
}

int dn_grants(int ns, char *buf, size_t size)
{
	struct delegns_grant g[64];
	struct delegns_list a = { .buf = (uintptr_t)g, .count = 64, .record_size = sizeof(g[0]) };
	int r = call(ns, DELEGNS_GRANTS, &a);
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; !r && i < a.count; i++)
		at += snprintf(buf + at, size - at, "%s%s:%s%s", i ? " " : "", g[i].consumer,
			       g[i].name, g[i].state & DELEGNS_GRANT_MAXIMAL ? "*" : "");
	return r ? r : (int)a.count;
}

int dn_attached(int ns)
{
	struct delegns_attached g[128];
	struct delegns_list a = { .buf = (uintptr_t)g, .count = 128, .record_size = sizeof(g[0]) };
	int r = call(ns, DELEGNS_ATTACHED, &a);

	return r ? r : (int)a.count;
}

int dn_count(void)
{
	struct delegns_entry e[64];
	struct delegns_list a = { .buf = (uintptr_t)e, .count = 64, .record_size = sizeof(e[0]) };
	int n = 0, r;

	do {
		a.count = 64;
		r = call(dev, DELEGNS_LIST, &a);
		n += a.count;
	} while (!r && a.count == 64);
	return r ? r : n;
}

int dn_poll(int ns, int ms)
{
	struct pollfd p = { .fd = ns, .events = POLLIN };

	return poll(&p, 1, ms) < 0 ? -errno : p.revents;
}

int wait_gone(uint64_t id, int ms)
{
	for (; ms > 0; ms -= 20) {
		int fd = dn_by_id(id);

		if (fd == -ENOENT)
			return 0;
		if (fd < 0)
			return fd;
		close(fd);
		msleep(20);
	}
	return -ETIMEDOUT;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		printf("cannot write %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
}

static bool on_host(void)
{
	char buf[64] = "";
	int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);

	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = '\0';
	close(fd);
	return strstr(buf, "4294967295");
}

struct zone zone_new(void)
{
	struct zone z = { .pidfd = -1 };
	int ready[2], go[2];
	char path[64], c;

	if (pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		exit(1);
	z.pid = fork();
	if (!z.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		if (unshare(CLONE_NEWUSER) || prctl(PR_SET_DUMPABLE, 1) || write(ready[1], "", 1) != 1)
			_exit(1);
		close(ready[1]);
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		printf("cannot make a user namespace\n");
		exit(1);
	}
	close(ready[0]);
	bool host = on_host();
	const char *map = host ? "0 100000 65536" : "0 0 65536";

	snprintf(path, sizeof(path), "/proc/%d/uid_map", z.pid);
	write_file(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", z.pid);
	write_file(path, map);
	close(go[0]);
	close(go[1]);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", z.pid);
	z.userns = open(path, O_RDONLY | O_CLOEXEC);
	z.pidfd = pidfd_of(z.pid);
	return z;
}

void zone_close(struct zone *z)
{
	close(z->userns);
	close(z->pidfd);
}

void zone_kill(struct zone *z)
{
	zone_close(z);
	kill(z->pid, SIGKILL);
	waitpid(z->pid, NULL, 0);
}

static int enter_and(const struct zone *z, uid_t uid, int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* By way of root, or the capabilities would stay. */
		if (setns(z->userns, CLONE_NEWUSER) || setgroups(0, NULL) ||
		    setresgid(uid, uid, uid) || setresuid(0, 0, 0) || setresuid(uid, uid, uid)) {
			printf("cannot enter: %s\n", strerror(errno));
			_exit(255);
		}
		/* Or nobody but the host may look at this process. */
		prctl(PR_SET_DUMPABLE, 1);
		int r = fn(arg);

		fflush(stdout);
		_exit(r < 0 ? 128 - r : r);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status))
		return -EFAULT;
	/* Errnos of ours are below 127; 128 + errno stands for them. */
	return WEXITSTATUS(status) > 128 ? 128 - WEXITSTATUS(status) : WEXITSTATUS(status);
}

int in_zone(const struct zone *z, int (*fn)(void *), void *arg)
{
	return enter_and(z, 0, fn, arg);
}

int as_user(const struct zone *z, int (*fn)(void *), void *arg)
{
	return enter_and(z, 1000, fn, arg);
}

int handed_to(ino_t inum, const char *name)
{
	FILE *f = fopen("/proc/delegns_test", "re");
	char line[512], want[512];
	int n = 0;

	if (!f)
		return -errno;
	snprintf(want, sizeof(want), "%lu %s\n", (unsigned long)inum, name ? name : "");
	while (fgets(line, sizeof(line), f))
		if (name ? !strcmp(line, want) : strncmp(line, "born", 4))
			n++;
	fclose(f);
	return n;
}

bool handed(const struct zone *z, const char *name)
{
	struct stat st;

	return !fstat(z->userns, &st) && handed_to(st.st_ino, name) == 1;
}

int handed_count(void)
{
	return handed_to(0, NULL);
}

static void param_path(char *path, size_t size, const char *module, const char *param)
{
	snprintf(path, size, "/sys/module/%s/parameters/%s", module, param);
}

void test_param(const char *param, const char *value)
{
	char path[128];

	param_path(path, sizeof(path), "delegns_test", param);
	write_file(path, value);
}

long module_param(const char *module, const char *param)
{
	char path[128];
	long v = -1;
	FILE *f;

	param_path(path, sizeof(path), module, param);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%ld", &v) != 1)
		v = -1;
	if (f)
		fclose(f);
	return v;
}

void set_param(const char *module, const char *param, long value)
{
	char path[128], text[32];

	param_path(path, sizeof(path), module, param);
	snprintf(text, sizeof(text), "%ld", value);
	write_file(path, text);
}

/*
 * OpenZFS's oldest calls take a large structure that begins with the dataset's
 * name; the value is behind other fields.  To inherit a property that cannot
 * be inherited is EINVAL for who might write, and changes nothing.
 */
#define ZFS_OBJSET_STATS	0x5a12
#define ZFS_INHERIT_PROP	0x5a2b

int zfs_access(const char *dataset)
{
	static char zc[65536];
	int fd = open("/dev/zfs", O_RDWR | O_CLOEXEC);
	int r = ZFS_NOTHING;

	if (fd < 0)
		return -errno;
	memset(zc, 0, sizeof(zc));
	strcpy(zc, dataset);
	/* ENOMEM: it exists, and its properties want room. */
	if (!ioctl(fd, ZFS_OBJSET_STATS, zc) || errno == ENOMEM)
		r = ZFS_SEES;
	memset(zc, 0, sizeof(zc));
	strcpy(zc, dataset);
	strcpy(zc + 4144, "type");
	if (r == ZFS_SEES && ioctl(fd, ZFS_INHERIT_PROP, zc) && errno == EINVAL)
		r = ZFS_WRITES;
	close(fd);
	return r;
}

static int access_fn(void *arg) { return zfs_access(arg); }

int zfs_access_in(const struct zone *z, const char *dataset)
{
	return in_zone(z, access_fn, (void *)dataset);
}

int send_fd(int sock, int fd)
{
	char c = 0, buf[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf,
		.msg_controllen = sizeof(buf) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) < 0 ? -errno : 0;
}

int recv_fd(int sock)
{
	char c, buf[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf,
		.msg_controllen = sizeof(buf) };
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct cmsghdr *h;
	int fd;

	if (poll(&p, 1, 5000) != 1)
		return -ETIMEDOUT;
	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) <= 0 || !(h = CMSG_FIRSTHDR(&m)))
		return -EIO;
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fd;
}

int pidfd_of(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

void msleep(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } suites[] = {
		{ "order", order_tests }, { "input", input_tests }, { "life", life_tests },
		{ "grant", grant_tests }, { "pool", pool_tests }, { "hostile", hostile_tests },
	};

	dev = open("/dev/delegns", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		perror("/dev/delegns");
		return 1;
	}
	if (argc > 1 && (!strcmp(argv[1], "stress") || !strcmp(argv[1], "fuzz")))
		return storm_main(argc, argv);
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (argc < 2 || !strcmp(argv[1], suites[i].name))
			suites[i].run();
	/* Not on every kernel, so only when asked for. */
	if (argc > 1 && !strcmp(argv[1], "faults"))
		fault_tests();
	printf("%d passed, %d failed\n", passed, failed);
	return failed || !passed;
}

static int new_zone_fn(void *arg)
{
	int *sock = arg;
	struct zone z = zone_new();
	int r = send_fd(sock[0], z.userns);

	/* The user namespace stays by its descriptor. */
	zone_kill(&z);
	return r;
}

int userns_below(const struct zone *z)
{
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || in_zone(z, new_zone_fn, pair))
		return -EIO;
	fd = recv_fd(pair[1]);
	close(pair[0]);
	close(pair[1]);
	return fd;
}

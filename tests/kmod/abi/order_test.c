// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of the checks of each call: a call that is wrong in every respect
 * is mended step by step, and says at each step what the header says.
 */
#define _GNU_SOURCE
#include "lib.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A structure of another size than ours is another call number. */
static unsigned long sized(unsigned long cmd, size_t size)
{
	return (cmd & ~((unsigned long)_IOC_SIZEMASK << _IOC_SIZESHIFT)) | size << _IOC_SIZESHIFT;
}

static const unsigned long device_calls[] = {
	DELEGNS_VERSION, DELEGNS_CREATE, DELEGNS_OPEN, DELEGNS_LIST, DELEGNS_QUERY,
};
static const unsigned long ns_calls[] = {
	DELEGNS_INFO, DELEGNS_ATTACH, DELEGNS_DETACH, DELEGNS_GRANT, DELEGNS_REVOKE,
	DELEGNS_GRANTS, DELEGNS_ATTACHED, DELEGNS_DESTROY,
};

static void each(int fd, const unsigned long *calls, size_t n, int other)
{
	static char big[8192];

	for (size_t i = 0; i < n; i++) {
		unsigned long cmd = calls[i];
		size_t size = _IOC_SIZE(cmd);

		check_eq(call(other, cmd, big), -ENOTTY);
		check_eq(call(fd, _IOC(_IOC_WRITE, DELEGNS_IOC, _IOC_NR(cmd), size), big), -ENOTTY);
		check_eq(call(fd, _IOC(_IOC_NONE, DELEGNS_IOC, _IOC_NR(cmd), 0), big), -ENOTTY);
		check_eq(call(fd, _IOC(3U, 'x', _IOC_NR(cmd), size), big), -ENOTTY);
		check_eq(call(fd, sized(cmd, size - 1), NULL), -EINVAL);
		check_eq(call(fd, sized(cmd, 0), NULL), -EINVAL);
		check_eq(call(fd, sized(cmd, 4097), NULL), -E2BIG);
		check_eq(call(fd, cmd, NULL), -EFAULT);
		check_eq(call(fd, cmd, (void *)-4096L), -EFAULT);
		memset(big, 0, sizeof(big));
		big[size] = 1;
		check_eq(call(fd, sized(cmd, size + 8), big), -E2BIG);
		memset(big, 0, sizeof(big));
		big[4095] = 1;
		check_eq(call(fd, sized(cmd, 4096), big), -E2BIG);
	}
	check_eq(call(fd, _IOC(3U, DELEGNS_IOC, 0x7f, 8), big), -ENOTTY);
	check_eq(call(fd, TIOCGWINSZ, big), -ENOTTY);
}

static void order_of_every_call(void)
{
	int ns = dn_create("order");

	check(ns >= 0);
	each(dev, device_calls, sizeof(device_calls) / sizeof(*device_calls), ns);
	each(ns, ns_calls, sizeof(ns_calls) / sizeof(*ns_calls), dev);
	close(ns);
}

/* A structure that grew, with zeros in what this kernel does not know. */
static void order_growth(void)
{
	struct { struct delegns_version v; uint64_t more[4]; } a = {};

	check_eq(call(dev, sized(DELEGNS_VERSION, sizeof(a)), &a), 0);
	check_eq(a.v.abi, DELEGNS_ABI);
	check_eq(a.v.self, 0);
	a.more[3] = 1;
	check_eq(call(dev, sized(DELEGNS_VERSION, sizeof(a)), &a), -E2BIG);
}

/* A page that can be read and one after it that cannot. */
static char *edge(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p + 4096, 4096, PROT_NONE);
	return p + 4096;
}

static int create_fn(void *arg)
{
	return call(dev, DELEGNS_CREATE, arg);
}

static void order_create(void)
{
	struct zone z = zone_new();
	char *end = edge();
	struct delegns_create a = { .name = (uintptr_t)end, .name_len = 0, .flags = 1 };
	int ns = dn_create("taken"), fd;

	check_eq(as_user(&z, create_fn, &a), -EINVAL);	/* the flag */
	a.flags = 0;
	check_eq(as_user(&z, create_fn, &a), -EINVAL);	/* empty */
	a.name_len = 300;
	check_eq(as_user(&z, create_fn, &a), -E2BIG);
	a.name_len = 5;
	check_eq(as_user(&z, create_fn, &a), -EFAULT);
	a.name = (uintptr_t)"a/b/c";
	check_eq(as_user(&z, create_fn, &a), -EINVAL);
	a.name = (uintptr_t)"taken";
	check_eq(as_user(&z, create_fn, &a), -EPERM);
	long max = module_param("delegns", "namespaces_max");
	set_param("delegns", "namespaces_max", 0);
	check_eq(call(dev, DELEGNS_CREATE, &a), -EUSERS);
	set_param("delegns", "namespaces_max", max);
	check_eq(call(dev, DELEGNS_CREATE, &a), -EEXIST);
	close(ns);
	fd = call(dev, DELEGNS_CREATE, &a);
	check(fd >= 0);
	check_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	zone_kill(&z);
}

static int open_fn(void *arg) { return call(dev, DELEGNS_OPEN, arg); }

static void *thread_fn(void *arg)
{
	*(pid_t *)arg = syscall(SYS_gettid);
	pause();
	return NULL;
}

/* A pidfd of a thread is as good as that of its process. */
static void open_thread(void)
{
	volatile pid_t tid = 0;
	pthread_t t;
	int pidfd, ns;

	pthread_create(&t, NULL, thread_fn, (void *)&tid);
	while (!tid)
		msleep(10);
	pidfd = syscall(SYS_pidfd_open, tid, O_EXCL);
	if (pidfd < 0) {
		check_eq(errno, EINVAL);	/* there are none before 6.9 */
	} else {
		ns = dn_open(DELEGNS_BY_PIDFD, 0, NULL, pidfd, 0);
		check_eq(ns >= 0, 1);
		close(ns);
	}
	pthread_cancel(t);
	pthread_join(t, NULL);
	if (pidfd < 0)
		return;
	for (int i = 0; i < 100; i++) {
		ns = dn_open(DELEGNS_BY_PIDFD, 0, NULL, pidfd, 0);
		if (ns < 0)
			break;
		close(ns);
		msleep(20);
	}
	check_eq(ns, -ESRCH);
	close(pidfd);
}

static void order_open(void)
{
	struct zone z = zone_new();
	char *end = edge();
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct delegns_open a = { .by = 0, .flags = 6, .id = 1ULL << 60, .pidfd = 999,
		.name = (uintptr_t)end, .name_len = 0 };

	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.flags = 0;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.by = 5;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.by = DELEGNS_BY_NAME;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);	/* empty */
	a.name_len = DELEGNS_PATH_MAX + 1;
	check_eq(call(dev, DELEGNS_OPEN, &a), -E2BIG);
	a.name_len = 4;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EFAULT);
	a.name = (uintptr_t)"a//b";
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.name = (uintptr_t)"none";
	check_eq(call(dev, DELEGNS_OPEN, &a), -ENOENT);
	a.by = DELEGNS_BY_PIDFD;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EBADF);
	a.pidfd = null;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.pidfd = dev;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.pidfd = z.userns;
	check_eq(call(dev, DELEGNS_OPEN, &a), -EINVAL);
	a.pidfd = dup(z.pidfd);
	check_eq(in_zone(&z, open_fn, &a) >= 0, 1);	/* belongs to the host, which is its own */
	zone_kill(&z);
	check_eq(call(dev, DELEGNS_OPEN, &a), -ESRCH);
	close(a.pidfd);
	open_thread();
	a.by = DELEGNS_BY_ID;
	check_eq(call(dev, DELEGNS_OPEN, &a), -ENOENT);
	close(null);
}

struct on_ns {
	int ns;
	unsigned long cmd;
	void *arg;
};

static int on_ns_fn(void *arg)
{
	struct on_ns *o = arg;

	return call(o->ns, o->cmd, o->arg);
}

static int at(const struct zone *z, int ns, unsigned long cmd, void *arg)
{
	struct on_ns o = { ns, cmd, arg };

	return z ? in_zone(z, on_ns_fn, &o) : on_ns_fn(&o);
}

static void order_grant(void)
{
	struct zone in = zone_new(), out = zone_new();
	char *end = edge();
	int ns = dn_create("grants"), other = dn_create("other-grant");
	struct delegns_resource a = { .consumer = "Test", .name = (uintptr_t)end, .flags = 2 };

	check_eq(dn_attach(ns, in.userns), 0);
	check_eq(dn_attach(other, out.userns), 0);
	for (int i = 0; i < 2; i++) {
		unsigned long cmd = i ? DELEGNS_REVOKE : DELEGNS_GRANT;

		a = (struct delegns_resource){ .consumer = "Test", .name = (uintptr_t)end, .flags = 2 };
		check_eq(at(&out, ns, cmd, &a), -EINVAL);	/* the flag */
		a.flags = 0;
		check_eq(at(&out, ns, cmd, &a), -EINVAL);	/* the consumer's name */
		memcpy(a.consumer, "none\0x", 6);
		check_eq(at(&out, ns, cmd, &a), -EINVAL);	/* what follows it */
		a.consumer[5] = 0;
		check_eq(at(&out, ns, cmd, &a), -EINVAL);	/* empty */
		a.name_len = 256;
		check_eq(at(&out, ns, cmd, &a), -E2BIG);
		a.name_len = 3;
		check_eq(at(&out, ns, cmd, &a), -EFAULT);
		a.name = (uintptr_t)"a\0b";
		check_eq(at(&out, ns, cmd, &a), -EINVAL);
		a.name = (uintptr_t)"a!b";
		check_eq(at(&out, ns, cmd, &a), -ENOENT);
		check_eq(at(&in, ns, cmd, &a), -EPERM);
		check_eq(at(NULL, ns, cmd, &a), -EPROTONOSUPPORT);
		strcpy(a.consumer, "test");
		check_eq(at(NULL, ns, cmd, &a), i ? -ENODATA : -EILSEQ);
	}
	check_eq(dn_grant(ns, "test:missing"), -ENXIO);
	check_eq(dn_grant(ns, "test:a"), 0);
	check_eq(dn_grant(ns, "test:a"), -EEXIST);
	long max = module_param("delegns", "grants_each");
	set_param("delegns", "grants_each", 1);
	check_eq(dn_grant(ns, "test:a"), -EEXIST);	/* before the limit */
	check_eq(dn_grant(ns, "test:b"), -ENOSPC);
	set_param("delegns", "grants_each", max);
	check_eq(dn_destroy(ns), 0);
	a = (struct delegns_resource){ .consumer = "test", .name = (uintptr_t)"b", .name_len = 1 };
	check_eq(at(&out, ns, DELEGNS_GRANT, &a), -ENOENT);
	check_eq(at(NULL, ns, DELEGNS_GRANT, &a), -ESTALE);
	close(ns);
	close(other);
	zone_kill(&in);
	zone_kill(&out);
}

static void order_attach(void)
{
	struct zone in = zone_new(), out = zone_new(), more = zone_new();
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int init = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	int path = open("/proc/self/ns/user", O_PATH | O_CLOEXEC);
	int ns = dn_create("attach"), other = dn_create("other-attach"), host = dn_by_id(DELEGNS_GLOBAL);
	struct delegns_userns a;

	check_eq(dn_attach(ns, in.userns), 0);
	check_eq(dn_attach(other, out.userns), 0);
	for (int i = 0; i < 2; i++) {
		unsigned long cmd = i ? DELEGNS_DETACH : DELEGNS_ATTACH;

		a = (struct delegns_userns){ .fd = 998, .flags = 1 };
		check_eq(at(&out, ns, cmd, &a), -EINVAL);
		a.flags = 0;
		check_eq(at(&out, ns, cmd, &a), -EBADF);
		a.fd = -1;
		check_eq(at(&out, ns, cmd, &a), -EBADF);
		a.fd = path;
		check_eq(at(&out, ns, cmd, &a), -EBADF);
		a.fd = null;
		check_eq(at(&out, ns, cmd, &a), -EINVAL);
		a.fd = mnt;
		check_eq(at(&out, ns, cmd, &a), -EINVAL);
		a.fd = ns;
		check_eq(at(&out, ns, cmd, &a), -EINVAL);
		a.fd = init;
		check_eq(at(&out, ns, cmd, &a), -ENOENT);
		check_eq(as_user(&in, on_ns_fn, &(struct on_ns){ ns, cmd, &a }), -EPERM);
		check_eq(at(&in, ns, cmd, &a), -EACCES);
		check_eq(at(NULL, ns, cmd, &a), -EACCES);
		check_eq(at(NULL, host, cmd, &a), -EPERM);
		a.fd = in.userns;
		check_eq(at(&in, ns, cmd, &a), -EACCES);	/* not below itself */
	}
	check_eq(dn_attach(ns, in.userns), -EEXIST);
	check_eq(dn_attach(ns, out.userns), -EBUSY);
	check_eq(dn_detach(ns, out.userns), -ENODATA);
	long max = module_param("delegns", "attached_max");
	set_param("delegns", "attached_max", 1);
	check_eq(dn_attach(ns, in.userns), -EEXIST);
	check_eq(dn_attach(ns, more.userns), -ENOSPC);
	set_param("delegns", "attached_max", max);
	check_eq(dn_attach(ns, more.userns), 0);
	check_eq(dn_destroy(ns), 0);
	check_eq(dn_attach(ns, more.userns), -ESTALE);
	check_eq(dn_detach(ns, more.userns), -ESTALE);
	close(null); close(mnt); close(init); close(path); close(ns); close(other); close(host);
	zone_kill(&in);
	zone_kill(&out);
	zone_kill(&more);
}

static void order_lists(void)
{
	struct delegns_list a;
	int ns = dn_create("lists"), dead = dn_create("dead");
	static const struct { unsigned long cmd; size_t size; } lists[] = {
		{ DELEGNS_LIST, sizeof(struct delegns_entry) },
		{ DELEGNS_GRANTS, sizeof(struct delegns_grant) },
		{ DELEGNS_ATTACHED, sizeof(struct delegns_attached) },
	};
	struct zone z = zone_new();

	check_eq(dn_destroy(dead), 0);
	check_eq(dn_grant(ns, "test:a"), 0);
	check_eq(dn_attach(ns, z.userns), 0);
	for (int i = 0; i < 3; i++) {
		int fd = i ? ns : dev;

		a = (struct delegns_list){ .flags = 8, .reserved = 1 };
		check_eq(call(i ? dead : dev, lists[i].cmd, &a), -EINVAL);
		a.flags = 0;
		check_eq(call(i ? dead : dev, lists[i].cmd, &a), -EINVAL);
		a.reserved = 0;
		if (i)
			check_eq(call(dead, lists[i].cmd, &a), -ESTALE);
		check_eq(call(fd, lists[i].cmd, &a), -EINVAL);
		a.record_size = lists[i].size - 1;
		check_eq(call(fd, lists[i].cmd, &a), -EINVAL);
		a.record_size = 4097;
		check_eq(call(fd, lists[i].cmd, &a), -E2BIG);
		a.record_size = lists[i].size;
		check_eq(call(fd, lists[i].cmd, &a), -EINVAL);	/* none */
		a.count = 4;
		check_eq(call(fd, lists[i].cmd, &a), -EFAULT);
		a.buf = -4096ULL;
		check_eq(call(fd, lists[i].cmd, &a), -EFAULT);
	}
	a = (struct delegns_list){ .flags = DELEGNS_COUNT, .count = 1, .record_size = 288 };
	check_eq(call(ns, DELEGNS_GRANTS, &a), -EINVAL);
	zone_kill(&z);
	close(ns);
	close(dead);
}

static void order_destroy(void)
{
	struct zone in = zone_new(), out = zone_new();
	int ns = dn_create("destroy"), other = dn_create("other-destroy");
	struct delegns_destroy a = { .flags = 1ULL << 40 };

	check_eq(dn_attach(ns, in.userns), 0);
	check_eq(dn_attach(other, out.userns), 0);
	check_eq(at(&out, ns, DELEGNS_DESTROY, &a), -EINVAL);
	a.flags = 0;
	check_eq(at(&out, ns, DELEGNS_DESTROY, &a), -ENOENT);
	check_eq(at(&in, ns, DELEGNS_DESTROY, &a), -EPERM);
	check_eq(at(NULL, ns, DELEGNS_DESTROY, &a), 0);
	check_eq(at(NULL, ns, DELEGNS_DESTROY, &a), 0);
	check_eq(at(&out, ns, DELEGNS_DESTROY, &a), -ENOENT);
	close(ns);
	close(other);
	zone_kill(&in);
	zone_kill(&out);
}

void order_tests(void)
{
	RUN(order_of_every_call);
	RUN(order_growth);
	RUN(order_create);
	RUN(order_open);
	RUN(order_grant);
	RUN(order_attach);
	RUN(order_lists);
	RUN(order_destroy);
}

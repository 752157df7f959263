// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile callers, second part: exhaustion, holding on to what is over, and
 * races.
 */
#define _GNU_SOURCE
#include "stage.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int exhaust_fn(void *arg)
{
	char name[16];
	int n = 0, fds[64];

	(void)arg;
	for (; n < 64; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		fds[n] = dn_create(name);
		if (fds[n] < 0)
			break;
	}
	EXPECT(n, 10);
	EXPECT(fds[n], -EUSERS);
	EXPECT(dn_grant(fds[0], "test:a.x"), 0);
	EXPECT(dn_grant(fds[1], "test:a.x"), 0);
	EXPECT(dn_grant(fds[2], "test:a.x"), 0);
	EXPECT(dn_grant(fds[3], "test:a.x"), -ENOSPC);
	EXPECT(dn_grant(fds[0], "test:b.x"), -ENOSPC);
	return 0;
}

static void exhaust_namespaces_and_grants(void)
{
	long below = module_param("delegns", "namespaces_below");
	long grants = module_param("delegns", "grants_below");
	int fd;

	set_param("delegns", "namespaces_below", 10);
	set_param("delegns", "grants_below", 3);
	check_eq(in_zone(&web, exhaust_fn, NULL), 0);
	/* The host and the neighbour are not concerned. */
	fd = dn_create("third");
	check(fd >= 0);
	check_eq(dn_grant(fd, "test:z"), 0);
	close(fd);
	set_param("delegns", "namespaces_below", below);
	set_param("delegns", "grants_below", grants);
	unchanged();
}

ATTEMPT(exhaust_attachments, web, in_zone)
{
	long max = module_param("delegns", "attached_max");
	int ns = dn_create("many"), n;

	for (n = 0; n <= max; n++) {
		struct zone z = zone_new();
		int r = dn_attach(ns, z.userns);

		zone_close(&z);
		if (n == max) {
			EXPECT(r, -ENOSPC);
		} else {
			EXPECT(r, 0);
		}
	}
	return 0;	/* the processes end with this one */
}

/* What was passed out of the zone keeps the user namespace, as any file that
 * was opened there does; but it holds nothing, and the host ends it when it
 * likes.
 */
static int hold_self_fn(void *arg)
{
	(void)arg;
	return send_fd(pair[0], self());
}

static void hold_own_namespace(void)
{
	struct zone z = zone_new();
	struct delegns_info info;
	uint64_t id;
	int kept, ns = dn_create_id("victim", &id);

	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "test:h"), 0);
	check_eq(in_zone(&z, hold_self_fn, NULL), 0);
	kept = recv_fd(pair[1]);
	check_eq(dn_info(kept, &info), 0);
	check_eq(info.holders, 1);
	check_eq(info.state, 0);
	zone_kill(&z);
	check_eq(dn_destroy(ns), 0);
	close(ns);
	check_eq(dn_by_id(id), -ENOENT);
	check_eq(dn_grant(kept, "test:h"), -ESTALE);
	check_eq(dn_poll(kept, 0), POLLIN | POLLHUP);
	close(kept);
	close(pair[0]);
	close(pair[1]);
	unchanged();
}

/* A dead namespace gives nothing back. */
static void hold_dead_namespace(void)
{
	struct zone z = zone_new();
	int ns = dn_create("dead");

	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "zfs:tank/f"), 0);
	check_eq(zfs_access_in(&z, "tank/f"), ZFS_WRITES);
	check_eq(dn_destroy(ns), 0);
	check_eq(zfs_access_in(&z, "tank/f"), ZFS_NOTHING);
	check_eq(dn_grant(ns, "zfs:tank/f"), -ESTALE);
	check_eq(dn_attach(ns, z.userns), -ESTALE);
	check_eq(zfs_access_in(&z, "tank/f"), ZFS_NOTHING);
	close(ns);
	zone_kill(&z);
	unchanged();
}

static int make_child_fn(void *arg)
{
	int ns = dn_create("child");

	EXPECT(dn_grant(ns, "zfs:tank/f/a"), 0);
	return send_fd(*(int *)arg, ns);
}

/* Detached, a zone's root keeps neither access nor what it had made. */
static void keep_after_detach(void)
{
	struct zone z = zone_new();
	int ns = dn_create("left"), child;

	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "zfs:tank/f"), 0);
	check_eq(in_zone(&z, make_child_fn, &pair[0]), 0);
	child = recv_fd(pair[1]);
	check_eq(dn_poll(child, 0), 0);
	check_eq(dn_detach(ns, z.userns), 0);
	check_eq(dn_poll(child, 0), POLLIN | POLLHUP);
	check_eq(zfs_access_in(&z, "tank/f"), ZFS_NOTHING);
	close(child);
	close(ns);
	close(pair[0]);
	close(pair[1]);
	zone_kill(&z);
	unchanged();
}

/* Attaches what is below to one's own namespace. */
static int attach_here_fn(void *arg)
{
	return dn_attach(self(), *(int *)arg);
}

/* Nor does it by those that it attached, or that these did; by others the host does. */
static void keep_by_others_after_detach(void)
{
	struct zone z = zone_new(), in = { .pidfd = -1 }, deep = { .pidfd = -1 }, gift = { .pidfd = -1 };
	int ns = dn_create("left");

	in.userns = userns_below(&z);
	deep.userns = userns_below(&in);
	gift.userns = userns_below(&z);
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "zfs:tank/f"), 0);
	check_eq(in_zone(&z, attach_here_fn, &in.userns), 0);
	check_eq(in_zone(&in, attach_here_fn, &deep.userns), 0);
	check_eq(dn_attach(ns, gift.userns), 0);
	check_eq(zfs_access_in(&deep, "tank/f"), ZFS_WRITES);
	check_eq(dn_detach(ns, z.userns), 0);
	check_eq(dn_attached(ns), 1);
	check_eq(zfs_access_in(&z, "tank/f"), ZFS_NOTHING);
	check_eq(zfs_access_in(&in, "tank/f"), ZFS_NOTHING);
	check_eq(zfs_access_in(&deep, "tank/f"), ZFS_NOTHING);
	check_eq(zfs_access_in(&gift, "tank/f"), ZFS_WRITES);
	/* Attached anew, those are not with it. */
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_attached(ns), 2);
	close(deep.userns);
	close(in.userns);
	close(gift.userns);
	close(ns);
	zone_kill(&z);
	unchanged();
}

/* Who has no right makes the kernel load nothing. */
static int load_fn(void *arg)
{
	(void)arg;
	EXPECT(dn_grant(web_ns, "test:x"), -EPERM);
	EXPECT(dn_query("test:x"), -EPROTONOSUPPORT);
	return 0;
}

static void load_a_module(void)
{
	check_eq(dn_revoke(web_ns, "test:x"), 0);
	check_eq(system("modprobe -r delegns_test"), 0);
	check_eq(in_zone(&web, load_fn, NULL), 0);
	check(access("/sys/module/delegns_test", F_OK) != 0);
	check_eq(dn_grant(web_ns, "test:x"), 0);	/* who has, does */
	unchanged();
}

/* Revoke races with attach: whoever wins, nothing is left. */
static int attach_loop_fn(void *arg)
{
	int own = self();

	(void)arg;
	for (int i = 0; i < 25; i++) {
		struct zone z = zone_new();

		EXPECT(dn_attach(own, z.userns), 0);
		EXPECT(dn_detach(own, z.userns), 0);
		zone_kill(&z);
	}
	return 0;
}

static void race_revoke_attach(void)
{
	struct zone z = zone_new();
	int ns = dn_create("race"), status;
	pid_t pid;

	check_eq(dn_attach(ns, z.userns), 0);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(in_zone(&z, attach_loop_fn, NULL));
	while (!waitpid(pid, &status, WNOHANG)) {
		check_eq(dn_grant(ns, "test:r"), 0);
		check_eq(dn_grant(ns, "test:a.r"), 0);
		check_eq(dn_revoke(ns, "test:r"), 0);
		check_eq(dn_revoke(ns, "test:a.r"), 0);
	}
	check_eq(status, 0);
	check_eq(dn_attached(ns), 1);
	check_eq(handed_count(), 1);	/* web's */
	close(ns);
	zone_kill(&z);
	unchanged();
}

/* Destroy races with what the zone does to its children. */
static int child_loop_fn(void *arg)
{
	(void)arg;
	for (int i = 0; i < 400; i++) {
		int ns = dn_create("c");

		if (ns < 0)
			return ns == -EPERM ? 0 : 1;	/* detached by the end */
		dn_grant(ns, "test:a.r");
		close(ns);
	}
	return 0;
}

static void race_destroy_children(void)
{
	for (int i = 0; i < 5; i++) {
		struct zone z = zone_new();
		int ns = dn_create("race"), status;
		pid_t pid;

		check_eq(dn_attach(ns, z.userns), 0);
		check_eq(dn_grant(ns, "test:r"), 0);
		fflush(stdout);
		pid = fork();
		if (!pid)
			_exit(in_zone(&z, child_loop_fn, NULL));
		msleep(20 + 10 * i);
		check_eq(dn_destroy(ns), 0);
		waitpid(pid, &status, 0);
		check_eq(status, 0);
		check_eq(dn_count(), 2);
		check_eq(handed_count(), 1);
		close(ns);
		zone_kill(&z);
	}
	unchanged();
}

/* A thread that replaces descriptors: the kernel uses none of the caller's. */
static volatile bool stop;

static void *swapper(void *arg)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), from = *(int *)arg;

	while (!stop)
		for (int fd = from; fd < from + 8; fd++) {
			dup2(null, fd);
			close(fd);
		}
	close(null);
	return NULL;
}

static int swap_fn(void *arg)
{
	struct zone z = zone_new();
	int own = self(), from = own + 2, attached = 0;
	pthread_t t;

	(void)arg;
	pthread_create(&t, NULL, swapper, &from);
	for (int i = 0; i < 2000; i++) {
		int r = dn_attach(own, z.userns);

		if (r)
			return 1;
		attached++;
		if (dn_detach(own, z.userns))
			return 2;
	}
	stop = true;
	pthread_join(t, NULL);
	EXPECT(attached, 2000);
	zone_kill(&z);
	return 0;
}

static void swap_descriptors(void)
{
	check_eq(in_zone(&web, swap_fn, NULL), 0);
	unchanged();
}

/* A socket that, when closed, waits for a receiver that does not receive. */
static int lingering(int *receiver)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	static char block[65536];

	check_eq(ioctl(s, SIOCSIFFLAGS, &lo), 0);
	check_eq(listen(door, 1), 0);
	check_eq(getsockname(door, (struct sockaddr *)&at, &len), 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check_eq(connect(s, (struct sockaddr *)&at, sizeof(at)), 0);
	*receiver = accept4(door, NULL, NULL, SOCK_CLOEXEC);
	check(*receiver >= 0);
	check_eq(setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(s, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	close(door);
	return s;
}

/* Leaves a descriptor to the kernel's collector of sockets in sockets. */
static void leave(int fd)
{
	int loop[2];

	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, loop), 0);
	check_eq(send_fd(loop[0], fd), 0);
	check_eq(send_fd(loop[0], loop[1]), 0);
	close(fd);
	close(loop[1]);
	close(loop[0]);
	close(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/* Who makes the kernel's workers wait for a close delays no notice of a death. */
static void hold_up_closing(void)
{
	struct zone z[2] = { zone_new(), zone_new() };
	int receiver[2], ns[2];
	uint64_t id[2];

	for (int i = 0; i < 2; i++) {
		ns[i] = dn_create_id(i ? "second" : "first", &id[i]);
		check_eq(dn_attach(ns[i], z[i].userns), 0);
		close(ns[i]);
	}
	for (int i = 0; i < 2; i++) {
		leave(lingering(&receiver[i]));
		msleep(300);
	}
	for (int i = 0; i < 2; i++) {
		zone_kill(&z[i]);
		check_eq(wait_gone(id[i], 3000), 0);
	}
	close(receiver[0]);
	close(receiver[1]);
	for (int i = 0; i < 2; i++)
		check_eq(wait_gone(id[i], 3000), 0);
	unchanged();
}

void siege_tests(void)
{
	RUN(exhaust_namespaces_and_grants);
	RUN(exhaust_attachments);
	RUN(hold_own_namespace);
	RUN(hold_dead_namespace);
	RUN(keep_after_detach);
	RUN(keep_by_others_after_detach);
	RUN(load_a_module);
	RUN(race_revoke_attach);
	RUN(race_destroy_children);
	RUN(swap_descriptors);
	RUN(hold_up_closing);
}

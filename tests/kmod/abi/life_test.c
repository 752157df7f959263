// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life: what keeps a namespace, what ends it, and when that is noticed.
 */
#define _GNU_SOURCE
#include "lib.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A death is noticed within a second; the rest is for a slow machine. */
#define NOTICED	3000

static void last_descriptor(void)
{
	struct delegns_info info;
	uint64_t id;
	int ns = dn_create_id("fd", &id), again, watch;

	again = dn_open(DELEGNS_BY_ID, id, NULL, -1, 0);
	watch = dn_by_id(id);
	check_eq(dn_info(watch, &info), 0);
	check_eq(info.holders, 2);
	check_eq(info.state, 0);
	check_eq(dn_info(ns, &info), 0);
	check_eq(info.state, DELEGNS_STATE_HOLDS);
	close(ns);
	check_eq(dn_info(watch, &info), 0);
	check_eq(info.holders, 1);
	close(again);
	check_eq(dn_info(watch, &info), 0);
	check_eq(info.state, DELEGNS_STATE_DEAD | DELEGNS_STATE_EMPTY);
	check_eq(info.id, id);
	check_eq(dn_poll(watch, 0), POLLIN | POLLHUP);
	check_eq(dn_by_id(id), -ENOENT);
	check_eq(dn_by_name("fd"), -ENOENT);
	close(watch);
}

static void ids_and_names(void)
{
	uint64_t a, b;
	int x = dn_create_id("same", &a), y;

	check_eq(dn_create("same"), -EEXIST);
	check_eq(dn_destroy(x), 0);
	y = dn_create_id("same", &b);
	check(y >= 0 && b > a);
	check_eq(dn_destroy(x), 0);	/* of the dead one: nothing */
	check_eq(dn_poll(y, 0), 0);
	close(x);
	close(y);
}

static void last_process(void)
{
	struct zone z = zone_new();
	uint64_t id;
	int ns = dn_create_id("proc", &id);

	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), 0);
	check_eq(dn_grant(ns, "test:x"), 0);
	close(ns);
	msleep(700);
	ns = dn_by_id(id);
	check(ns >= 0);
	check_eq(zfs_access_in(&z, "tank/d"), ZFS_WRITES);
	check_eq(handed_count(), 1);
	zone_kill(&z);
	check_eq(wait_gone(id, NOTICED), 0);
	check_eq(dn_poll(ns, 0), POLLIN | POLLHUP);
	check_eq(handed_count(), 0);
	close(ns);
}

/* The supervisor is killed, the zone runs on, a new one opens it by name. */
static void supervisor_killed(void)
{
	struct zone z = zone_new();
	struct delegns_info info;
	uint64_t id;
	int status, ns;
	pid_t pid = fork();

	if (!pid) {
		ns = dn_create("super");
		if (ns < 0 || dn_attach(ns, z.userns) || dn_grant(ns, "zfs:tank/d"))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, &status, 0);
	check(WIFSIGNALED(status));
	ns = dn_open(DELEGNS_BY_NAME, 0, "super", -1, 0);
	check(ns >= 0);
	check_eq(dn_info(ns, &info), 0);
	check_eq(info.state, DELEGNS_STATE_HOLDS);
	check_eq(info.attached, 1);
	id = info.id;
	check_eq(zfs_access_in(&z, "tank/d"), ZFS_WRITES);
	zone_kill(&z);
	check(dn_poll(ns, NOTICED) == POLLIN);	/* held: empty, not dead */
	check_eq(dn_info(ns, &info), 0);
	check_eq(info.attached, 0);
	check(info.state & DELEGNS_STATE_EMPTY);
	check_eq(info.grants, 1);
	close(ns);
	check_eq(dn_by_id(id), -ENOENT);
}

static int reboot_fn(void *arg)
{
	(void)arg;
	return 0;
}

/* Empty, attached anew, not empty any more. */
static void attached_again(void)
{
	struct zone a = zone_new(), b = zone_new();
	int ns = dn_create("again");

	check_eq(dn_attach(ns, a.userns), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), 0);
	zone_kill(&a);
	check_eq(dn_poll(ns, NOTICED), POLLIN);
	check_eq(dn_attach(ns, b.userns), 0);
	check_eq(dn_poll(ns, 0), 0);
	check_eq(zfs_access_in(&b, "tank/d"), ZFS_WRITES);
	check_eq(in_zone(&b, reboot_fn, NULL), 0);
	check_eq(dn_detach(ns, b.userns), 0);
	check_eq(dn_poll(ns, 0), POLLIN);
	check_eq(zfs_access_in(&b, "tank/d"), ZFS_NOTHING);
	check_eq(dn_attach(ns, b.userns), 0);
	check_eq(dn_destroy(ns), 0);
	check_eq(dn_poll(ns, 0), POLLIN | POLLHUP);
	check_eq(zfs_access_in(&b, "tank/d"), ZFS_NOTHING);
	zone_kill(&b);
	close(ns);
}

/* What keeps a user namespace without a process, one after the other. */
struct keeper {
	const char *what;
	int (*keep)(struct zone *z);
	void (*drop)(int kept);
};

static int keep_bind(struct zone *z)
{
	char from[64];

	close(open("/tmp/kept-userns", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	snprintf(from, sizeof(from), "/proc/%d/ns/user", z->pid);
	return mount(from, "/tmp/kept-userns", NULL, MS_BIND, NULL) ? -errno : 0;
}

static void drop_bind(int kept)
{
	(void)kept;
	check_eq(umount("/tmp/kept-userns"), 0);
	unlink("/tmp/kept-userns");
}

static int keep_fd(struct zone *z)
{
	return dup(z->userns);
}

static void drop_fd(int kept)
{
	close(kept);
}

/* A descriptor that is nowhere but in a socket's queue. */
static int keep_socket(struct zone *z)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -errno;
	send_fd(pair[0], z->userns);
	close(pair[0]);
	return pair[1];
}

static int below_pid_fn(void *arg)
{
	int *out = arg;
	int ready[2];
	char c;

	/* A child user namespace whose process outlives the zone's. */
	if (pipe(ready))
		return 1;
	pid_t pid = fork();
	if (!pid) {
		close(ready[0]);
		if (unshare(CLONE_NEWUSER))
			_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		close(ready[1]);
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return 2;
	if (write(out[1], &pid, sizeof(pid)) != sizeof(pid))
		return 3;
	return 0;
}

static int keep_child(struct zone *z)
{
	int out[2];
	pid_t pid = 0;

	if (pipe2(out, O_CLOEXEC) || in_zone(z, below_pid_fn, out) ||
	    read(out[0], &pid, sizeof(pid)) != sizeof(pid))
		return -EIO;
	close(out[0]);
	close(out[1]);
	return pid;
}

static void drop_child(int kept)
{
	kill(kept, SIGKILL);
	msleep(50);
	waitpid(kept, NULL, WNOHANG);
}

static int ns_file_fn(void *arg)
{
	int *sock = arg;
	int fd;

	if (unshare(CLONE_NEWUTS))
		return 1;
	fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	return fd < 0 || send_fd(sock[0], fd) ? 2 : 0;
}

/* A namespace of another kind that belongs to it. */
static int keep_other(struct zone *z)
{
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || in_zone(z, ns_file_fn, pair))
		return -EIO;
	fd = recv_fd(pair[1]);
	close(pair[0]);
	close(pair[1]);
	return fd;
}

static int mount_fn(void *arg)
{
	int *sock = arg;
	int fd;

	if (unshare(CLONE_NEWNS) || mount("t", "/tmp", "tmpfs", 0, NULL))
		return 1;
	fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || send_fd(sock[0], fd) ? 2 : 0;
}

/* A mount made in it, of which a descriptor is left. */
static int keep_mount(struct zone *z)
{
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || in_zone(z, mount_fn, pair))
		return -EIO;
	fd = recv_fd(pair[1]);
	close(pair[0]);
	close(pair[1]);
	return fd;
}

static const struct keeper keepers[] = {
	{ "a bind mount", keep_bind, drop_bind },
	{ "a descriptor", keep_fd, drop_fd },
	{ "a descriptor in a socket", keep_socket, drop_fd },
	{ "a child user namespace", keep_child, drop_child },
	{ "a namespace of another kind", keep_other, drop_fd },
	{ "a mount", keep_mount, drop_fd },
};

static void kept_alive(void)
{
	for (size_t i = 0; i < sizeof(keepers) / sizeof(*keepers); i++) {
		struct zone z = zone_new();
		char grants[64];
		uint64_t id;
		int ns = dn_create_id("kept", &id), kept;

		check_eq(dn_attach(ns, z.userns), 0);
		check_eq(dn_grant(ns, "zfs:tank/d"), 0);
		kept = keepers[i].keep(&z);
		check(kept >= 0);
		zone_kill(&z);
		close(ns);
		msleep(1200);
		ns = dn_by_id(id);
		if (ns < 0)
			printf("not kept by %s\n", keepers[i].what);
		check(ns >= 0);
		check_eq(dn_grants(ns, grants, sizeof(grants)), 1);
		close(ns);
		keepers[i].drop(kept);
		if (wait_gone(id, NOTICED)) {
			printf("still kept after %s\n", keepers[i].what);
			check(false);
		}
	}
}

static int create_and_pass(void *sock)
{
	int fd = dn_create("inner");

	return fd < 0 ? fd : send_fd(*(int *)sock, fd);
}

/* A descriptor that a zone made and gave to the host does not keep the zone. */
static void passed_out(void)
{
	struct zone z = zone_new();
	struct delegns_info info;
	int pair[2], outer = dn_create("outer"), inner;

	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	check_eq(dn_attach(outer, z.userns), 0);
	check_eq(in_zone(&z, create_and_pass, &pair[1]), 0);
	inner = recv_fd(pair[0]);
	check_eq(inner >= 0, 1);
	zone_kill(&z);
	for (int ms = 0; ms < 20000 && dn_attached(outer); ms += 50)
		msleep(50);
	check_eq(dn_attached(outer), 0);
	check_eq(dn_info(inner, &info), 0);
	check_eq(!!(info.state & DELEGNS_STATE_DEAD), 1);
	close(inner);
	close(outer);
	close(pair[0]);
	close(pair[1]);
}

/* Deaths in a chain: the inner one hides the outer one until it is noticed. */
struct nest {
	int sock;
};

static int nest_fn(void *arg)
{
	struct nest *n = arg;
	struct zone z = zone_new();
	int ns = dn_create("inner"), sub = dn_create("held");
	char c;

	if (ns < 0 || sub < 0 || dn_attach(ns, z.userns) || dn_grant(ns, "test:a.x"))
		return 1;
	/* Until the host holds both. */
	if (write(n->sock, "", 1) != 1 || read(n->sock, &c, 1) != 1)
		return 2;
	zone_kill(&z);
	return 0;
}

static void *hold_both(void *arg)
{
	int *fds = arg;
	char c;

	if (read(fds[0], &c, 1) == 1) {
		fds[1] = dn_open(DELEGNS_BY_NAME, 0, "outer/inner", -1, 0);
		fds[2] = dn_open(DELEGNS_BY_NAME, 0, "outer/held", -1, 0);
	}
	check_eq(write(fds[0], "", 1), 1);
	return NULL;
}

static void nested_deaths(void)
{
	struct zone z = zone_new();
	uint64_t id;
	int pair[2], ns = dn_create_id("outer", &id), inner, held;
	int fds[3] = { -1, -1, -1 };
	pthread_t t;
	struct nest n;

	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	n.sock = pair[0];
	fds[0] = pair[1];
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "test:x"), 0);
	pthread_create(&t, NULL, hold_both, fds);
	check_eq(in_zone(&z, nest_fn, &n), 0);
	pthread_join(t, NULL);
	inner = fds[1];
	held = fds[2];
	check(inner >= 0 && held >= 0);
	check_eq(dn_count(), 3);
	/* The host holds the inner ones; the zone is what they came from. */
	zone_kill(&z);
	close(ns);
	check_eq(wait_gone(id, NOTICED), 0);
	check_eq(dn_poll(inner, 0), POLLIN | POLLHUP);
	check_eq(dn_poll(held, 0), POLLIN | POLLHUP);
	check_eq(dn_count(), 0);
	check_eq(handed_count(), 0);
	close(inner);
	close(held);
	close(pair[0]);
	close(pair[1]);
}

/*
 * User namespaces in others: one look finds all dead that are, though each has
 * references on the one above until it is dropped; and not what a process is in.
 */
static void nest_at_once(void)
{
	struct zone z = zone_new(), mid = { .userns = userns_below(&z), .pidfd = -1 };
	int web = dn_create("web"), side = userns_below(&z);
	int in[] = { userns_below(&mid), userns_below(&mid) };
	int all[] = { z.userns, mid.userns, side, in[0], in[1] };

	check_eq(dn_grant(web, "test:x"), 0);
	check_eq(dn_grant(web, "zfs:tank/d"), 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		check_eq(dn_attach(web, all[i]), 0);
	close(mid.userns);
	msleep(1000);	/* then nobody looks any more */
	check_eq(dn_attached(web), 5);
	close(side);
	close(in[0]);
	close(in[1]);
	msleep(1000);	/* the files had credentials from there, which go later */
	check_eq(dn_attached(web), 1);
	check(handed(&z, "x"));
	check_eq(handed_count(), 1);
	zone_kill(&z);
	for (int ms = 0; ms < NOTICED && dn_attached(web); ms += 50)
		msleep(50);
	check_eq(handed_count(), 0);
	close(web);
}

/* The death of a polled, held namespace is noticed within a second. */
static void noticed_in_time(void)
{
	struct timespec a, b;
	struct zone z = zone_new();
	int ns = dn_create("time");

	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_poll(ns, 300), 0);
	zone_kill(&z);
	clock_gettime(CLOCK_MONOTONIC, &a);
	check_eq(dn_poll(ns, 5000), POLLIN);
	clock_gettime(CLOCK_MONOTONIC, &b);
	long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	if (ms >= 1000)
		printf("noticed after %ld ms\n", ms);
	check(ms < 1000);
	close(ns);
}

/* The last descriptor, the last process and destroy, in every order. */
static void every_order(void)
{
	static const char *const orders[] = { "fpd", "fdp", "pfd", "pdf", "dfp", "dpf" };

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		struct zone z = zone_new();
		bool open = true, runs = true, destroyed = false;
		uint64_t id;
		int ns = dn_create_id("order", &id), watch = dn_by_id(id);

		check_eq(dn_attach(ns, z.userns), 0);
		check_eq(dn_grant(ns, "test:x"), 0);
		for (const char *o = orders[i]; *o; o++) {
			if (*o == 'f') {
				close(ns);
				open = false;
			} else if (*o == 'p') {
				zone_kill(&z);
				runs = false;
			} else {
				check_eq(dn_destroy(watch), 0);
				destroyed = true;
			}
			if (!destroyed && (open || runs)) {
				msleep(600);
				check_eq(dn_count(), 1);
			} else {
				check_eq(wait_gone(id, *o == 'd' ? 1 : NOTICED), 0);
				check_eq(handed_count(), 0);
			}
		}
		check_eq(dn_poll(watch, 0), POLLIN | POLLHUP);
		close(watch);
	}
}

static void unload_refused(void)
{
	struct zone z = zone_new();
	uint64_t id;
	int ns;

	check(system("modprobe -r delegns_test 2>/dev/null") == 0);
	ns = dn_create_id("unload", &id);
	check_eq(dn_attach(ns, z.userns), 0);
	check_eq(dn_grant(ns, "test:x"), 0);	/* loads it */
	check(system("modprobe -r delegns_test 2>/dev/null") != 0);
	close(ns);
	check(system("rmmod delegns_test 2>/dev/null") != 0);
	check(system("rmmod delegns 2>/dev/null") != 0);
	zone_kill(&z);
	check_eq(wait_gone(id, NOTICED), 0);
	check(system("modprobe -r delegns_test") == 0);
	check(system("modprobe delegns_test") == 0);
}

/* What the consumer "test" was told: how many were made, and how many ended. */
static void told(unsigned long born, unsigned long died)
{
	FILE *f = fopen("/proc/delegns_test", "re");
	unsigned long b = 0, d = 0;

	check(f && fscanf(f, "born %lu died %lu", &b, &d) == 2);
	if (f)
		fclose(f);
	check_eq(b, born);
	check_eq(d, died);
}

/* A consumer that comes late is told what there is, and may refuse to come. */
static void late_consumer(void)
{
	int ns[3];

	check(system("modprobe -r delegns_test") == 0);
	for (int i = 0; i < 3; i++) {
		char name[] = { 'a' + i, '\0' };

		ns[i] = dn_create(name);
		check(ns[i] >= 0);
	}
	for (int i = 1; i <= 3; i++) {
		char command[64];

		snprintf(command, sizeof(command), "modprobe delegns_test fail_born=%d 2>/dev/null", i);
		check(system(command) != 0);
		check_eq(dn_query("test:x"), -EPROTONOSUPPORT);
		check_eq(access("/proc/delegns_test", F_OK), -1);
	}
	close(ns[0]);
	check(system("modprobe delegns_test") == 0);
	told(2, 0);
	ns[0] = dn_create("d");
	close(ns[1]);
	told(3, 1);
	close(ns[0]);
	close(ns[2]);
	told(3, 3);
}

void life_tests(void)
{
	RUN(last_descriptor);
	RUN(ids_and_names);
	RUN(last_process);
	RUN(supervisor_killed);
	RUN(attached_again);
	RUN(kept_alive);
	RUN(passed_out);
	RUN(nested_deaths);
	RUN(nest_at_once);
	RUN(noticed_in_time);
	RUN(every_order);
	RUN(unload_refused);
	RUN(late_consumer);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile callers: a zone's root, a zone's user and a user of the host try to
 * gain, keep or see what is not theirs.  Each test is one attempt.
 *
 * The stage: zone "web" holds tank/d, zone "other" holds tank/e, and the host
 * holds descriptors of both, which every process of the zones has inherited.
 */
#define _GNU_SOURCE
#include "stage.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct zone web, other;
int web_ns, other_ns;
uint64_t web_id, other_id;
int pair[2];

static void stage(void)
{
	web = zone_new();
	other = zone_new();
	web_ns = dn_create_id("web", &web_id);
	other_ns = dn_create_id("other", &other_id);
	check_eq(dn_attach(web_ns, web.userns), 0);
	check_eq(dn_attach(other_ns, other.userns), 0);
	check_eq(dn_grant(web_ns, "zfs:tank/d"), 0);
	check_eq(dn_grant(web_ns, "test:x"), 0);
	check_eq(dn_grant(other_ns, "zfs:tank/e"), 0);
}

/* Whatever was tried, everything is as it was. */
void unchanged(void)
{
	char g[256];

	dn_grants(web_ns, g, sizeof(g));
	check(!strcmp(g, "zfs:tank/d* test:x*"));
	dn_grants(other_ns, g, sizeof(g));
	check(!strcmp(g, "zfs:tank/e*"));
	check_eq(dn_attached(web_ns), 1);
	check_eq(dn_attached(other_ns), 1);
	check_eq(zfs_access_in(&web, "tank/d"), ZFS_WRITES);
	check_eq(zfs_access_in(&web, "tank/e"), ZFS_NOTHING);
	check_eq(zfs_access_in(&other, "tank/d"), ZFS_NOTHING);
}

static void strike(void)
{
	close(web_ns);
	close(other_ns);
	zone_kill(&web);
	zone_kill(&other);
	check_eq(wait_gone(web_id, 3000), 0);
	check_eq(wait_gone(other_id, 3000), 0);
	check_eq(dn_count(), 0);
}

int self(void)
{
	return dn_open(DELEGNS_BY_SELF, 0, NULL, -1, 0);
}

ATTEMPT(grant_to_self, web, in_zone)
{
	EXPECT(dn_grant(self(), "zfs:tank/e"), -EPERM);
	EXPECT(dn_grant(self(), "zfs:tank/d/a"), -EPERM);
	return 0;
}

ATTEMPT(grant_to_self_by_inherited_fd, web, in_zone)
{
	EXPECT(dn_grant(web_ns, "zfs:tank/e"), -EPERM);
	return 0;
}

ATTEMPT(revoke_own, web, in_zone)
{
	EXPECT(dn_revoke(self(), "zfs:tank/d"), -EPERM);
	EXPECT(dn_revoke(web_ns, "zfs:tank/d"), -EPERM);
	return 0;
}

ATTEMPT(destroy_own, web, in_zone)
{
	EXPECT(dn_destroy(self()), -EPERM);
	EXPECT(dn_destroy(web_ns), -EPERM);
	return 0;
}

ATTEMPT(grant_above_parent, web, in_zone)
{
	int ns = dn_create("child");

	EXPECT(dn_grant(ns, "zfs:tank/e"), -EACCES);
	EXPECT(dn_grant(ns, "zfs:tank"), -EACCES);
	EXPECT(dn_grant(ns, "zfs:tank/dd"), -EACCES);
	EXPECT(dn_grant(ns, "zfs:tank/d-1"), -EACCES);
	EXPECT(dn_grant(ns, "zfs:tank/d/../e"), -EILSEQ);
	EXPECT(dn_grant(ns, "test:ax"), -EACCES);
	EXPECT(dn_grant(ns, "test:y"), -EACCES);
	/* Nor is it told what there is on the host. */
	EXPECT(dn_grant(ns, "zfs:nopool"), -EACCES);
	EXPECT(dn_grant(ns, "test:missing"), -EACCES);
	return 0;
}

ATTEMPT(create_as_zone_user, web, as_user)
{
	EXPECT(dn_create("mine"), -EPERM);
	return 0;
}

ATTEMPT(create_as_user_with_userns, web, as_user)
{
	EXPECT(unshare(CLONE_NEWUSER), 0);
	EXPECT(dn_create("mine"), -EPERM);
	EXPECT(dn_grant(self(), "zfs:tank/d"), -EPERM);
	EXPECT(zfs_access("tank/d"), ZFS_NOTHING);
	return 0;
}

static int host_user(void (*fn)(void *), int *result)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(99);
		fn(result);
		_exit(*result);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int user_tries(void)
{
	EXPECT(dn_create("mine"), -EPERM);
	EXPECT(dn_grant(web_ns, "zfs:tank/e"), -EPERM);
	EXPECT(dn_revoke(web_ns, "zfs:tank/d"), -EPERM);
	EXPECT(dn_detach(web_ns, web.userns), -EPERM);
	EXPECT(dn_destroy(web_ns), -EPERM);
	EXPECT(unshare(CLONE_NEWUSER), 0);
	EXPECT(dn_create("mine"), -EPERM);
	EXPECT(dn_destroy(web_ns), -EPERM);
	EXPECT(dn_attach(web_ns, open("/proc/self/ns/user", O_RDONLY)), -EPERM);
	return 0;
}

static void user_tries_fn(void *r) { *(int *)r = user_tries(); }

static void host_user_changes(void)
{
	int r = 0;

	check_eq(host_user(user_tries_fn, &r), 0);
	unchanged();
}

static int user_holds(void)
{
	struct delegns_info info;
	int fd = dn_open(DELEGNS_BY_ID, web_id, NULL, -1, 0);

	/* He may look, but his descriptor keeps nothing alive. */
	EXPECT(dn_info(fd, &info), 0);
	EXPECT(info.state & DELEGNS_STATE_HOLDS, 0);
	EXPECT(info.holders, 1);
	return 0;
}

static void user_holds_fn(void *r) { *(int *)r = user_holds(); }

static void host_user_holds(void)
{
	int r = 0;

	check_eq(host_user(user_holds_fn, &r), 0);
	unchanged();
}

ATTEMPT(attach_foreign_userns, web, in_zone)
{
	EXPECT(dn_attach(dn_create("child"), other.userns), -EACCES);
	EXPECT(dn_attach(self(), other.userns), -EACCES);
	return 0;
}

ATTEMPT(attach_ancestor_userns, web, in_zone)
{
	char path[64];
	int fd;

	/* The initial one, by way of the host's descriptor of a process. */
	snprintf(path, sizeof(path), "/proc/%d/ns/user", getppid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		EXPECT(dn_attach(dn_create("child"), fd), -EACCES);
		EXPECT(dn_attach(self(), fd), -EACCES);
	} else {
		EXPECT(errno, EACCES);
	}
	return 0;
}

ATTEMPT(attach_own_userns, web, in_zone)
{
	EXPECT(dn_attach(dn_create("child"), web.userns), -EACCES);
	EXPECT(dn_attach(self(), web.userns), -EACCES);
	return 0;
}

ATTEMPT(detach_own_userns, web, in_zone)
{
	EXPECT(dn_detach(self(), web.userns), -EACCES);
	EXPECT(dn_detach(web_ns, web.userns), -EACCES);
	return 0;
}

ATTEMPT(see_sibling_by_id, web, in_zone)
{
	EXPECT(dn_by_id(other_id), -ENOENT);
	EXPECT(dn_by_id(0), -ENOENT);
	for (uint64_t id = 0; id < other_id + 5; id++)
		EXPECT(dn_by_id(id) >= 0, id == web_id);
	return 0;
}

ATTEMPT(see_sibling_by_name, web, in_zone)
{
	EXPECT(dn_by_name("other"), -ENOENT);
	EXPECT(dn_by_name("web"), -ENOENT);
	EXPECT(dn_by_name("../other"), -EINVAL);
	EXPECT(dn_by_name("global"), -EINVAL);
	return 0;
}

ATTEMPT(see_sibling_by_pidfd, web, in_zone)
{
	/* Inherited: one cannot be had from inside another pid namespace. */
	EXPECT(dn_open(DELEGNS_BY_PIDFD, 0, NULL, other.pidfd, 0), -ENOENT);
	int init = pidfd_of(getppid());
	EXPECT(dn_open(DELEGNS_BY_PIDFD, 0, NULL, init, 0), -ENOENT);
	EXPECT(dn_open(DELEGNS_BY_PIDFD, 0, NULL, web.pidfd, 0) >= 0, 1);
	return 0;
}

ATTEMPT(see_by_list, web, in_zone)
{
	char line[256];
	int lines = 0;
	FILE *f;

	EXPECT(dn_count(), 0);
	close(dn_create("gone"));
	int ns = dn_create("child");
	EXPECT(dn_count(), 1);
	f = fopen("/proc/delegns", "re");
	while (f && fgets(line, sizeof(line), f)) {
		lines++;
		EXPECT(strstr(line, "other") != NULL, 0);
		EXPECT(strstr(line, "global") != NULL, 0);
	}
	EXPECT(lines, 3);
	close(ns);
	return 0;
}

ATTEMPT(see_ancestor_by_info, web, in_zone)
{
	struct delegns_info info;

	EXPECT(dn_info(self(), &info), 0);
	EXPECT(info.id, web_id);
	EXPECT(info.parent, 0);
	EXPECT(info.depth, 0);
	EXPECT(strcmp(info.name, "web"), 0);
	return 0;
}

static int foreign_line(int fd)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		EXPECT(!strncmp(line, "delegns", 7), 0);
	return 0;
}

ATTEMPT(use_foreign_fd, web, in_zone)
{
	struct delegns_info info;

	EXPECT(dn_info(other_ns, &info), -ENOENT);
	EXPECT(foreign_line(other_ns), 0);
	EXPECT(dn_grant(other_ns, "zfs:tank/d"), -ENOENT);
	EXPECT(dn_revoke(other_ns, "zfs:tank/e"), -ENOENT);
	EXPECT(dn_attach(other_ns, web.userns), -ENOENT);
	EXPECT(dn_detach(other_ns, other.userns), -ENOENT);
	EXPECT(dn_attached(other_ns), -ENOENT);
	EXPECT(dn_destroy(other_ns), -ENOENT);
	EXPECT(dn_poll(other_ns, 0), POLLERR);
	return 0;
}

/* A child of one zone, handed to the other by its root: it is of no use. */
static int send_child_fn(void *arg)
{
	(void)arg;
	int ns = dn_create("child");

	EXPECT(dn_grant(ns, "zfs:tank/d/a"), 0);
	return send_fd(pair[0], ns);
}

static int receive_child_fn(void *arg)
{
	(void)arg;
	int ns = recv_fd(pair[1]);

	EXPECT(ns >= 0, 1);
	EXPECT(dn_attach(ns, other.userns), -ENOENT);
	EXPECT(dn_grant(ns, "zfs:tank/e"), -ENOENT);
	EXPECT(dn_poll(ns, 0), POLLERR);
	return 0;
}

static void fd_across_zones(void)
{
	check_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	check_eq(in_zone(&web, send_child_fn, NULL), 0);
	check_eq(in_zone(&other, receive_child_fn, NULL), 0);
	close(pair[0]);
	close(pair[1]);
	unchanged();
}

ATTEMPT(reuse_an_id, web, in_zone)
{
	uint64_t a, b;
	int old = dn_create_id("x", &a), new;

	EXPECT(dn_destroy(old), 0);
	new = dn_create_id("x", &b);
	EXPECT(a == b, 0);
	EXPECT(dn_by_id(a), -ENOENT);
	EXPECT(dn_grant(old, "zfs:tank/d"), -ESTALE);
	EXPECT(dn_grant(new, "zfs:tank/d"), 0);
	return 0;
}

ATTEMPT(nested_userns_inherits_nothing, web, in_zone)
{
	EXPECT(dn_query("zfs:tank/d"), 1);
	EXPECT(unshare(CLONE_NEWUSER), 0);
	EXPECT(dn_query("zfs:tank/d"), 1);	/* it belongs */
	EXPECT(zfs_access("tank/d"), ZFS_NOTHING);
	return 0;
}

ATTEMPT(nested_userns_attaches_itself, web, in_zone)
{
	EXPECT(unshare(CLONE_NEWUSER), 0);
	int mine = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	EXPECT(mine >= 0, 1);
	EXPECT(dn_attach(self(), mine), -EPERM);
	EXPECT(dn_attach(web_ns, mine), -EPERM);
	EXPECT(dn_create("mine"), -EPERM);
	return 0;
}

/* The device was opened and the descriptor made on the host; it is who calls. */
ATTEMPT(rights_of_an_old_descriptor, web, in_zone)
{
	struct delegns_version v = {};

	EXPECT(call(dev, DELEGNS_VERSION, &v), 0);
	EXPECT(v.self, web_id);
	EXPECT(dn_by_id(other_id), -ENOENT);
	EXPECT(dn_destroy(web_ns), -EPERM);
	return 0;
}

ATTEMPT(setns_to_sibling, web, in_zone)
{
	EXPECT(setns(other.userns, CLONE_NEWUSER), -1);
	EXPECT(errno, EPERM);
	EXPECT(setns(web.userns, CLONE_NEWUSER), -1);	/* not into one's own again */
	EXPECT(zfs_access("tank/e"), ZFS_NOTHING);
	return 0;
}

ATTEMPT(ptrace_the_others, web, in_zone)
{
	EXPECT(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), -1);
	EXPECT(errno, EPERM);
	EXPECT(ptrace(PTRACE_ATTACH, other.pid, NULL, NULL), -1);
	EXPECT(errno, EPERM);
	EXPECT(kill(other.pid, 0), -1);
	return 0;
}

ATTEMPT(module_parameters, web, in_zone)
{
	EXPECT(open("/sys/module/delegns/parameters/namespaces_below", O_WRONLY), -1);
	EXPECT(open("/sys/module/delegns_zfs/parameters/allow_unsafe", O_WRONLY), -1);
	return 0;
}

ATTEMPT(name_of_the_host, web, in_zone)
{
	EXPECT(dn_create("global"), -EINVAL);
	return 0;
}

ATTEMPT(exhaust_ids, web, in_zone)
{
	uint64_t first, id = 0;
	int fd = dn_create_id("id", &first);

	close(fd);
	for (int i = 0; i < 2000; i++) {
		fd = dn_create_id("id", &id);
		EXPECT(fd >= 0, 1);
		close(fd);
	}
	EXPECT(id, first + 2000);
	return 0;
}

void hostile_tests(void)
{
	stage();
	on_stage = 2;
	unchanged();
	RUN(grant_to_self);
	RUN(grant_to_self_by_inherited_fd);
	RUN(revoke_own);
	RUN(destroy_own);
	RUN(grant_above_parent);
	RUN(create_as_zone_user);
	RUN(create_as_user_with_userns);
	RUN(host_user_changes);
	RUN(host_user_holds);
	RUN(attach_foreign_userns);
	RUN(attach_ancestor_userns);
	RUN(attach_own_userns);
	RUN(detach_own_userns);
	RUN(see_sibling_by_id);
	RUN(see_sibling_by_name);
	RUN(see_sibling_by_pidfd);
	RUN(see_by_list);
	RUN(see_ancestor_by_info);
	RUN(use_foreign_fd);
	RUN(fd_across_zones);
	RUN(reuse_an_id);
	RUN(nested_userns_inherits_nothing);
	RUN(nested_userns_attaches_itself);
	RUN(rights_of_an_old_descriptor);
	RUN(setns_to_sibling);
	RUN(ptrace_the_others);
	RUN(module_parameters);
	RUN(name_of_the_host);
	RUN(exhaust_ids);
	siege_tests();
	on_stage = 0;
	strike();
}

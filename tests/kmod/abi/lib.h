/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests on the raw interface share: a count of checks, the calls, and
 * zones, which here are user namespaces in which things can be done.
 */
#ifndef TESTS_KMOD_ABI_LIB_H
#define TESTS_KMOD_ABI_LIB_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <linux/delegns.h>

/* A test is a function without arguments; check() counts and says what failed. */
void check_(bool ok, const char *file, int line, const char *what, long got, long want);
#define check_eq(got, want) \
	do { \
		long g_ = (got); \
		check_(g_ == (long)(want), __FILE__, __LINE__, #got, g_, (want)); \
	} while (0)
#define check(what) check_(!!(what), __FILE__, __LINE__, #what, 0, 1)
void run_test(const char *name, void (*test)(void));
#define RUN(test) run_test(#test, test)

/* The suites. */
void order_tests(void);
void input_tests(void);
void life_tests(void);
void grant_tests(void);
void pool_tests(void);
void hostile_tests(void);
void fault_tests(void);
int storm_main(int argc, char **argv);

extern int dev;		/* /dev/delegns */
extern int on_stage;	/* the namespaces that stay from test to test */

/* Calls; each returns what the kernel did, or -errno. */
int call(int fd, unsigned long cmd, void *arg);
int dn_create(const char *name);
int dn_create_id(const char *name, uint64_t *id);
int dn_open(unsigned int by, uint64_t id, const char *path, int pidfd, unsigned int flags);
int dn_by_id(uint64_t id);
int dn_by_name(const char *path);
int dn_info(int ns, struct delegns_info *info);
int dn_attach(int ns, int userns);
int dn_detach(int ns, int userns);
int dn_grant(int ns, const char *res);	/* "zfs:tank/a" */
int dn_revoke(int ns, const char *res);
int dn_query(const char *res);
int dn_destroy(int ns);
int dn_grants(int ns, char *buf, size_t size);	/* "a* b": * is maximal */
int dn_attached(int ns);
int dn_count(void);			/* namespaces below the caller's own */
int dn_poll(int ns, int ms);		/* revents */
int wait_gone(uint64_t id, int ms);	/* until open by id says ENOENT; 0 or -ETIMEDOUT */

/* A zone: a process that sleeps in a user namespace of its own, below that of
 * its maker, with 65,536 ids when its maker is the host's root.
 */
struct zone {
	pid_t pid;
	int pidfd;
	int userns;
};

struct zone zone_new(void);
void zone_kill(struct zone *z);		/* and closes its descriptors */
void zone_close(struct zone *z);	/* closes the descriptors only */
/* Runs fn(arg) as root in the zone; returns what it returned (0 to 255, or
 * -errno for small ones).
 */
int in_zone(const struct zone *z, int (*fn)(void *), void *arg);
int as_user(const struct zone *z, int (*fn)(void *), void *arg);	/* uid 1000 in it */

/* What the consumer "test" was told: is this handed to that? */
bool handed(const struct zone *z, const char *name);
int handed_to(ino_t inode, const char *name);	/* how often */
int handed_count(void);
void test_param(const char *param, const char *value);
long module_param(const char *module, const char *param);
void set_param(const char *module, const char *param, long value);

/* What OpenZFS lets the calling task do. */
enum { ZFS_NOTHING, ZFS_SEES, ZFS_WRITES };
int zfs_access(const char *dataset);
int zfs_access_in(const struct zone *z, const char *dataset);

/* Sends a descriptor to another process, and receives one. */
int send_fd(int sock, int fd);
int recv_fd(int sock);

/* A user namespace in the zone's that only the returned descriptor keeps. */
int userns_below(const struct zone *z);

int pidfd_of(pid_t pid);
void msleep(int ms);

#endif

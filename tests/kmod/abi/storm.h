/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the storms on the raw interface share.
 */
#ifndef TESTS_KMOD_ABI_STORM_H
#define TESTS_KMOD_ABI_STORM_H

#include "lib.h"

/* What the storms count: what was tried, and what of it came about. */
enum {
	CALLS, ACCEPTED, CREATED, ATTACHED, DETACHED, GRANTED, REVOKED, DESTROYED, DEATHS, RELOADS_TEST,
	RELOADS_ZFS, RELOADS_ALL, CHECKS, COUNTS
};
extern const char *const count_names[COUNTS];

#define SPACES	64	/* that everybody changes */
#define TASKS	64	/* the most */

/* In memory that all tasks share. */
struct shared {
	unsigned long counts[COUNTS];
	pid_t zones[SPACES];	/* a process in each user namespace, or 0 */
	int leave;		/* of what consumer all grants are to go, as LEAVE_* */
	int left[TASKS];	/* the last @leave that a task with a book has seen to */
	bool failed;
};
enum { LEAVE_NONE, LEAVE_TEST, LEAVE_ZFS };

extern struct shared *shared;

uint64_t rnd(uint64_t n);
void seed_with(uint64_t value);
void count(int what);
void count_call(int r);

/* The resources that are granted; those from BAD_RESOURCES on never are. */
#define BAD_RESOURCES	11
#define RESOURCES	15
extern const char *const resources[RESOURCES];
bool leaving(int resource);	/* its consumer is about to be unloaded */
bool of_consumer(int resource, int leave);
bool res_covers(int wide, int narrow);

/*
 * A book: a tree of three namespaces that one task alone changes, and what of
 * it must be true.
 */
struct book {
	char name[16];
	struct zone zone;
	int ns[3];		/* the top, and two below it */
	unsigned int held[3];	/* bits of resources */
};

bool book_open(struct book *b, int number);
bool book_step(struct book *b);		/* a random call, compared */
bool book_leave(struct book *b, int leave);
bool book_check(const struct book *b, bool zfs);
bool book_rewrite(struct book *b, bool dies);
void book_close(struct book *b);

bool stress(int seconds, int tasks);
bool fuzz(long calls);
bool nothing_left(void);

#endif

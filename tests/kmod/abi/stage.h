/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stage of the hostile callers: zone "web" holds tank/d and test:x, zone
 * "other" holds tank/e, and the host holds descriptors of both, which every
 * process of the zones has inherited.
 */
#ifndef TESTS_KMOD_ABI_STAGE_H
#define TESTS_KMOD_ABI_STAGE_H

#include "lib.h"

extern struct zone web, other;
extern int web_ns, other_ns;
extern uint64_t web_id, other_id;
extern int pair[2];	/* a pair of sockets, for those who want one */

void unchanged(void);	/* checks that everything is as it was */
int self(void);		/* the caller's own namespace */
void siege_tests(void);

/* A step of an attempt fails the test by naming its line. */
#define EXPECT(got, want) \
	do { \
		long e_ = (got); \
		if (e_ != (long)(want)) { \
			printf("%s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #got, e_, \
			       (long)(want)); \
			return 1; \
		} \
	} while (0)

#define ATTEMPT(name, zone, enter) \
	static int name##_fn(void *arg); \
	static void name(void) \
	{ \
		check_eq(enter(&zone, name##_fn, NULL), 0); \
		unchanged(); \
	} \
	static int name##_fn(void *arg __attribute__((unused)))

#endif

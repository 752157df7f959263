/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delegation of ZFS - names of datasets, and versions of OpenZFS.
 *
 * Pure logic: name.c compiles in user space too, where tests/kmod checks and
 * fuzzes it.
 */
#ifndef _DELEGNS_ZFS_NAME_H
#define _DELEGNS_ZFS_NAME_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#endif

bool zfs_dataset_ok(const char *name);
int zfs_dataset_compare(const char *a, const char *b);
bool zfs_dataset_covers(const char *wide, const char *narrow);
bool zfs_version_safe(const char *version);

#endif /* _DELEGNS_ZFS_NAME_H */

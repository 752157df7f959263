/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delegation of ZFS - what the parts of the module are to each other.
 */
#ifndef _DELEGNS_ZFS_H
#define _DELEGNS_ZFS_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delegns_consumer.h>

struct cred;

/* Of spl.ko.  Both return errnos that are positive, as Solaris does. */
int zone_dataset_attach(struct cred *cred, const char *dataset, int userns_fd);
int zone_dataset_detach(struct cred *cred, const char *dataset, int userns_fd);

/* main.c */
extern struct delegns_consumer zfs_consumer;

/* watch.c: datasets that lose their names */
int zfs_watch_start(void);
void zfs_watch_stop(void);
void zfs_watch_settle(void);

#endif /* _DELEGNS_ZFS_H */

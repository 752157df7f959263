/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delegation namespaces - what names are well formed.
 *
 * Pure logic: name.c compiles in user space too, where tests/kmod checks and
 * fuzzes it.
 */
#ifndef _DELEGNS_NAME_H
#define _DELEGNS_NAME_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#endif

bool dn_name_ok(const char *s, size_t len);
bool dn_consumer_name_ok(const char *s, size_t size);
int dn_path_next(const char **path, size_t *left, const char **name, size_t *len);

#endif /* _DELEGNS_NAME_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delegation namespaces - what differs between kernels, and nothing else.
 */
#ifndef _DELEGNS_COMPAT_H
#define _DELEGNS_COMPAT_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/nsproxy.h>
#include <linux/pid.h>
#include <linux/proc_ns.h>
#include <linux/user_namespace.h>
#include <linux/version.h>

/* The references on a user namespace. */
static inline unsigned int compat_userns_count(const struct user_namespace *u)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	return refcount_read(&u->ns.__ns_ref);
#else
	return refcount_read(&u->ns.count);
#endif
}

static inline bool compat_is_userns(const struct ns_common *ns)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	return ns->ns_type == CLONE_NEWUSER;
#else
	return ns->ops->type == CLONE_NEWUSER;
#endif
}

/*
 * The pid behind a pidfd, or NULL when the file is none.  The kernel's own
 * pidfd_pid() is not exported.
 */
static inline struct pid *compat_pidfd_pid(const struct file *file)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	if (file_inode(file)->i_sb->s_magic != PID_FS_MAGIC)
		return NULL;
	return file_inode(file)->i_private;
#else
	const struct dentry *d = file->f_path.dentry;

	/* Only the kernel names such files, and a pidfd's data is its pid. */
	if (d->d_sb->s_magic != ANON_INODE_FS_MAGIC || d->d_name.len != 7 ||
	    memcmp(d->d_name.name, "[pidfd]", 7))
		return NULL;
	return file->private_data;
#endif
}

#endif /* _DELEGNS_COMPAT_H */

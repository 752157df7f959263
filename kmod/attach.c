// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - the user namespaces in them.
 */
#include "core.h"

#include <linux/capability.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/mount.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include "compat.h"
#include "trace.h"

/* From a user namespace to its attachment; dn_lock, readers RCU. */
static DEFINE_HASHTABLE(by_userns, 12);

/* The kernel's own mount of the files of namespaces; constant after the start. */
static struct vfsmount *nsfs;

/* The attachment of exactly this user namespace.  Needs dn_lock or RCU. */
struct dn_attach *dn_attach_find(const struct user_namespace *userns)
{
	struct dn_attach *a;

	hash_for_each_possible_rcu(by_userns, a, hash, (unsigned long)userns,
				   lockdep_is_held(&dn_lock))
		if (a->to.userns == userns)
			return a;
	return NULL;
}

/**
 * dn_ns_of() - the delegation namespace that a user namespace belongs to.
 * @userns: the user namespace; the caller sees to it that it stays.
 * @anchor: out: the nearest attached one at or above it; may be NULL.
 *
 * Needs dn_lock or RCU, and the result is good for as long.
 */
struct dn_ns *dn_ns_of(struct user_namespace *userns, struct user_namespace **anchor)
{
	const struct dn_attach *a;

	for (; userns->parent; userns = userns->parent) {
		a = dn_attach_find(userns);
		if (a) {
			if (anchor)
				*anchor = userns;
			return a->ns;
		}
	}
	if (anchor)
		*anchor = &init_user_ns;
	return &dn_root;
}

struct dn_ns *dn_ns_current(struct user_namespace **anchor)
{
	return dn_ns_of(current_user_ns(), anchor);
}

/* The user namespace behind a file, or NULL when the file is none's. */
struct user_namespace *dn_file_userns(struct file *file)
{
	struct ns_common *ns;

	if (file_inode(file)->i_sb->s_magic != NSFS_MAGIC)
		return NULL;
	/* Its root directory, which nobody can open today, is no namespace. */
	if (!S_ISREG(file_inode(file)->i_mode))
		return NULL;
	ns = get_proc_ns(file_inode(file));
	return compat_is_userns(ns) ? container_of(ns, struct user_namespace, ns) : NULL;
}

static bool userns_below(const struct user_namespace *u, const struct user_namespace *top)
{
	while (u->level > top->level) {
		u = u->parent;
		if (u == top)
			return true;
	}
	return false;
}

/*
 * May the caller attach this here, or detach it?  *@by is his anchor when it is
 * his own namespace, and otherwise NULL.
 */
static int attach_allowed(const struct dn_ns *ns, const struct user_namespace *userns,
			  const struct user_namespace **by)
{
	struct user_namespace *anchor;
	struct dn_ns *own = dn_ns_current(&anchor);

	*by = NULL;
	if (dn_ns_may_change(ns))
		return userns_below(userns, ns->owner) ? 0 : -EACCES;
	if (ns != own || dn_ns_is_root(ns) || !ns_capable(anchor, CAP_SYS_ADMIN))
		return -EPERM;
	*by = anchor;
	return userns_below(userns, anchor) ? 0 : -EACCES;
}

/*
 * A file of the user namespace for us alone.  The caller's may be on a bind
 * mount, which we would keep busy; so ours is opened by the kernel's own mount.
 * It is never one of the caller's descriptors: another thread of his could put
 * a file there whose closing does not end, while we hold the lock.
 */
static struct file *own_file(const struct file *nsfile)
{
	struct path path = { .mnt = nsfs, .dentry = nsfile->f_path.dentry };

	return dentry_open(&path, O_RDONLY, dn_cred);
}

/*
 * A worker closes it at once.  Otherwise it would be queued with whatever other
 * workers have closed, which takes as long as somebody likes: he has a socket
 * that lingers collected there.
 */
static void close_own_file(struct file *file)
{
	if (current->flags & PF_KTHREAD)
		__fput_sync(file);
	else
		fput(file);
}

/**
 * dn_attach() - attach a user namespace, and hand it what is granted.
 * @ns:     the delegation namespace, alive and seen by the caller.
 * @nsfile: a file of the user namespace.
 */
int dn_attach(struct dn_ns *ns, struct file *nsfile)
{
	struct user_namespace *userns = dn_file_userns(nsfile);
	const struct user_namespace *by;
	struct dn_attach *a;
	int err;

	lockdep_assert_held(&dn_lock);
	err = attach_allowed(ns, userns, &by);
	if (err)
		return err;
	a = dn_attach_find(userns);
	if (a)
		return a->ns == ns ? -EEXIST : -EBUSY;
	if (ns->nr_attached >= READ_ONCE(dn_limits.attached))
		return -ENOSPC;

	a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);
	if (!a)
		return -ENOMEM;
	a->to.userns = userns;
	a->to.file = own_file(nsfile);
	if (IS_ERR(a->to.file)) {
		err = PTR_ERR(a->to.file);
		goto err_free;
	}
	a->by = by;
	a->ns = ns;
	a->seq = ns->attach_seq + 1;
	INIT_LIST_HEAD(&a->children);
	INIT_LIST_HEAD(&a->handed);
	err = dn_hand_attach(a);
	if (err)
		goto err_fput;

	ns->attach_seq++;
	dn_ns_get(ns);
	list_add_tail(&a->of_ns, &ns->attached);
	ns->nr_attached++;
	WRITE_ONCE(ns->empty, false);
	hash_add_rcu(by_userns, &a->hash, (unsigned long)userns);
	trace_delegns_attach(ns, userns->ns.inum);
	dn_watch(ns);
	return 0;

err_fput:
	fput(a->to.file);
err_free:
	kfree(a);
	return err;
}

/**
 * dn_attach_drop() - end an attachment.
 * @a: the attachment.
 *
 * First the namespaces that were created from it, then what it was handed.
 * The namespace itself may be left with nothing that keeps it alive; that is
 * the caller's to see to.
 */
void dn_attach_drop(struct dn_attach *a)
{
	struct dn_ns *ns = a->ns;

	lockdep_assert_held(&dn_lock);
	while (!list_empty(&a->children))
		dn_ns_destroy(list_first_entry(&a->children, struct dn_ns, of_origin));
	dn_withdraw_attach(a);
	hash_del_rcu(&a->hash);
	list_del(&a->of_ns);
	ns->nr_attached--;
	trace_delegns_detach(ns, a->to.userns->ns.inum);
	if (!ns->nr_attached) {
		WRITE_ONCE(ns->empty, true);
		wake_up_poll(&ns->wait, EPOLLIN | EPOLLRDNORM);
	}
	close_own_file(a->to.file);
	kfree_rcu(a, rcu);
	dn_ns_put(ns);
}

/* Did root of @userns attach it, or root of what he attached? */
static bool attached_from(const struct dn_attach *a, const struct user_namespace *userns)
{
	for (; a && a->by; a = dn_attach_find(a->by))
		if (a->by == userns)
			return true;
	return false;
}

/**
 * dn_detach() - detach a user namespace at somebody's wish.
 * @ns:     the delegation namespace, alive and seen by the caller.
 * @userns: the user namespace.
 *
 * With it goes what its root attached here: he is root there, too, and would
 * keep what is taken from him.  (One that dies has none below it.)
 */
int dn_detach(struct dn_ns *ns, struct user_namespace *userns)
{
	struct dn_attach *a, *below, *next;
	const struct user_namespace *by;
	int err;

	lockdep_assert_held(&dn_lock);
	err = attach_allowed(ns, userns, &by);
	if (err)
		return err;
	a = dn_attach_find(userns);
	if (!a || a->ns != ns)
		return -ENODATA;
	/* Backwards: whoever attached it was attached before it. */
	list_for_each_entry_safe_reverse(below, next, &ns->attached, of_ns)
		if (attached_from(below, userns))
			dn_attach_drop(below);
	dn_attach_drop(a);
	if (!ns->nr_attached && !ns->holders)
		dn_ns_destroy(ns);
	return 0;
}

static struct ns_common *userns_ref(struct ns_common *ns)
{
	get_user_ns(container_of(ns, struct user_namespace, ns));
	return ns;
}

/* The kernel shows its mount only by files, and these only as descriptors. */
int dn_attach_start(void)
{
	struct file *file;
	int fd = open_related_ns(&init_user_ns.ns, userns_ref);

	if (fd < 0)
		return fd;
	file = fget(fd);
	if (file && dn_file_userns(file) == &init_user_ns)
		nsfs = mntget(file->f_path.mnt);
	if (file)
		fput(file);
	close_fd(fd);
	return nsfs ? 0 : -EBADF;
}

void dn_attach_stop(void)
{
	mntput(nsfs);
}

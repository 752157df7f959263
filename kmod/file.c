// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - the descriptors of namespaces, and how a call on one
 * begins.
 */
#include "core.h"

#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

int dn_lock_killable(void)
{
	return mutex_lock_killable(&dn_lock) ? -EINTR : 0;
}

/* Begins a call on a namespace; on success dn_lock is held. */
int dn_enter(struct dn_file *f)
{
	int err = dn_lock_killable();

	if (err)
		return err;
	if (dn_ns_seen(f->ns))
		return 0;
	mutex_unlock(&dn_lock);
	return -ENOENT;
}

int dn_enter_alive(struct dn_file *f)
{
	int err = dn_enter(f);

	if (err || !f->ns->dead)
		return err;
	mutex_unlock(&dn_lock);
	return -ESTALE;
}

int dn_enter_to_change(struct dn_file *f)
{
	int err = dn_enter_alive(f);

	if (err || dn_ns_may_change(f->ns))
		return err;
	mutex_unlock(&dn_lock);
	return -EPERM;
}

/* Like enter_alive, after looking whether what is attached still lives. */
int dn_enter_reaped(struct dn_file *f)
{
	int err = dn_enter_alive(f);

	if (err)
		return err;
	if (!dn_ns_is_root(f->ns))
		dn_reap(f->ns);
	if (!f->ns->dead)
		return 0;
	mutex_unlock(&dn_lock);
	return -ESTALE;
}

static __poll_t ns_poll(struct file *file, poll_table *table)
{
	struct dn_file *f = file->private_data;
	struct dn_ns *ns = f->ns;
	bool seen;

	poll_wait(file, &ns->wait, table);
	rcu_read_lock();
	seen = dn_ns_seen(ns);
	rcu_read_unlock();
	if (!seen)
		return EPOLLERR;
	if (READ_ONCE(ns->dead))
		return EPOLLIN | EPOLLRDNORM | EPOLLHUP;
	if (READ_ONCE(ns->empty))
		return EPOLLIN | EPOLLRDNORM;
	if (!dn_ns_is_root(ns))
		dn_watch(ns);
	return 0;
}

static int ns_release(struct inode *inode, struct file *file)
{
	struct dn_file *f = file->private_data;

	if (f->holds) {
		mutex_lock(&dn_lock);
		dn_ns_release(f->ns);
		mutex_unlock(&dn_lock);
	}
	dn_ns_put(f->ns);
	kfree(f);
	return 0;
}

static void ns_fdinfo(struct seq_file *m, struct file *file)
{
	struct dn_file *f = file->private_data;

	rcu_read_lock();
	if (dn_ns_seen(f->ns))
		seq_printf(m, "delegns:\t%llu\nholds:\t%d\n", f->ns->id, f->holds);
	rcu_read_unlock();
}

static const struct file_operations ns_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dn_ns_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = ns_poll,
	.release = ns_release,
	.show_fdinfo = ns_fdinfo,
	.llseek = noop_llseek,
};

/* A file of a namespace for the caller. */
struct file *dn_file_new(struct dn_ns *ns, bool holds)
{
	const struct cred *callers;
	struct dn_file *f;
	struct file *file;

	lockdep_assert_held(&dn_lock);
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->ns = ns;
	f->holds = holds;
	callers = override_creds(dn_cred);
	file = anon_inode_getfile("[delegns]", &ns_fops, f, O_RDWR | O_CLOEXEC);
	revert_creds(callers);
	if (IS_ERR(file)) {
		kfree(f);
		return file;
	}
	dn_ns_get(ns);
	if (holds)
		dn_ns_hold(ns);
	return file;
}

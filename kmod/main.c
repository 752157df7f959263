// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - the module: its parameters, its start and its end.
 *
 * The parts: name.c (what names are well formed), ns.c (the tree and its
 * life), attach.c (user namespaces), watch.c (their death), grant.c (what is
 * held), handover.c (what consumers were told), consumer.c (who they are),
 * dev.c (the calls, and the only file that touches user memory), file.c
 * (descriptors of namespaces), list.c (what lists say), proc.c.
 * core.h says what the objects are and who guards them.
 */
#include "core.h"

#include <linux/cred.h>
#include <linux/module.h>
#include <linux/sched/task.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Guards every change; see core.h. */
DEFINE_MUTEX(dn_lock);

struct dn_limits dn_limits = {
	.namespaces = 32768,
	.namespaces_below = 1024,
	.grants = 262144,
	.grants_below = 8192,
	.grants_each = 1024,
	.attached = 64,
};

module_param_named(namespaces_max, dn_limits.namespaces, uint, 0644);
MODULE_PARM_DESC(namespaces_max, "the most namespaces");
module_param_named(namespaces_below, dn_limits.namespaces_below, uint, 0644);
MODULE_PARM_DESC(namespaces_below, "the most namespaces below any but the host");
module_param_named(grants_max, dn_limits.grants, uint, 0644);
MODULE_PARM_DESC(grants_max, "the most grants of all namespaces");
module_param_named(grants_below, dn_limits.grants_below, uint, 0644);
MODULE_PARM_DESC(grants_below, "the most grants below any namespace but the host");
module_param_named(grants_each, dn_limits.grants_each, uint, 0644);
MODULE_PARM_DESC(grants_each, "the most grants in one namespace");
module_param_named(attached_max, dn_limits.attached, uint, 0644);
MODULE_PARM_DESC(attached_max, "the most user namespaces attached to one namespace");

/*
 * Our files are the kernel's: the credentials of whoever caused one would keep
 * his user namespace for as long as somebody else has the file.
 */
const struct cred *dn_cred;

static int __init delegns_init(void)
{
	int err;

	dn_cred = prepare_kernel_cred(&init_task);
	if (!dn_cred)
		return -ENOMEM;
	seqcount_init(&dn_root.grants_seq);
	dn_watch_start();
	err = dn_attach_start();
	if (err)
		goto err_cred;
	err = dn_proc_init();
	if (err)
		goto err_attach;
	err = dn_dev_init();
	if (err)
		goto err_proc;
	return 0;

err_proc:
	dn_proc_exit();
err_attach:
	dn_attach_stop();
err_cred:
	put_cred(dn_cred);
	return err;
}

/* Every namespace and every file pins the module, so there are none now. */
static void __exit delegns_exit(void)
{
	dn_dev_exit();
	dn_proc_exit();
	dn_watch_stop();
	dn_attach_stop();
	put_cred(dn_cred);
	WARN_ON(!xa_empty(&dn_by_id));
}

module_init(delegns_init);
module_exit(delegns_exit);

MODULE_DESCRIPTION("Delegation namespaces");
MODULE_AUTHOR("The Zones for Linux authors");
MODULE_LICENSE("GPL");

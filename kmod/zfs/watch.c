// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation of ZFS - datasets that lose their names.
 *
 * OpenZFS delegates names: when a dataset is destroyed or renamed, or its pool
 * exported, what bears the name next would be delegated in its stead.  zfs.ko
 * tells nobody, and its license lets no symbol of it be linked to; but probes
 * see its functions return.  What has lost its name is then revoked.  Where
 * probes cannot be placed, delegation follows names, and a warning says so.
 */
#include "zfs.h"

#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#define NAME_SIZE	256

/**
 * struct gone - a dataset or pool that has lost its name.
 * @node: node of the list; gone_lock.
 * @name: the name.
 */
struct gone {
	struct list_head node;
	char name[NAME_SIZE];
};

static void revoke_gone(struct work_struct *work);

static DEFINE_SPINLOCK(gone_lock);
static LIST_HEAD(gone_list);		/* gone_lock */
static DECLARE_WORK(gone_work, revoke_gone);

static void revoke_gone(struct work_struct *work)
{
	struct gone *g;

	for (;;) {
		spin_lock_irq(&gone_lock);
		g = list_first_entry_or_null(&gone_list, struct gone, node);
		if (g)
			list_del(&g->node);
		spin_unlock_irq(&gone_lock);
		if (!g)
			return;
		delegns_resource_gone(&zfs_consumer, g->name);
		kfree(g);
	}
}

/* All probed functions take the name as their first argument. */
static int probe_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	/* The function is about to read it as well. */
	strscpy(ri->data, (const char *)regs_get_kernel_argument(regs, 0), NAME_SIZE);
	return 0;
}
NOKPROBE_SYMBOL(probe_entry);

static int probe_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long flags;
	struct gone *g;

	if ((int)regs_return_value(regs))
		return 0;
	g = kmalloc(sizeof(*g), GFP_ATOMIC | __GFP_NOWARN);
	if (!g) {
		pr_err_ratelimited("no memory: %.255s has lost its name, but may still be delegated\n",
				   (char *)ri->data);
		return 0;
	}
	strscpy(g->name, ri->data, sizeof(g->name));
	spin_lock_irqsave(&gone_lock, flags);
	list_add_tail(&g->node, &gone_list);
	spin_unlock_irqrestore(&gone_lock, flags);
	schedule_work(&gone_work);
	return 0;
}
NOKPROBE_SYMBOL(probe_return);

#define PROBE(function) {			\
	.kp.symbol_name = function,		\
	.entry_handler = probe_entry,		\
	.handler = probe_return,		\
	.data_size = NAME_SIZE,			\
	.maxactive = 64,			\
}

static struct kretprobe probes[] = {
	PROBE("zfs:dsl_destroy_head"),
	PROBE("zfs:dsl_dir_rename"),
	PROBE("zfs:spa_export"),
	PROBE("zfs:spa_destroy"),
};

static bool placed;	/* by the module notifier's lock, or at our start */

static void place(void)
{
	unsigned int i;
	int err;

	if (placed)
		return;
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		/* What was once registered cannot be again as it is. */
		probes[i].kp.addr = NULL;
		probes[i].kp.flags = 0;
		err = register_kretprobe(&probes[i]);
		if (err)
			goto err_probe;
	}
	placed = true;
	return;

err_probe:
	pr_warn("cannot watch %s (%d): delegation follows names, also after rename and destroy\n",
		probes[i].kp.symbol_name, err);
	while (i--)
		unregister_kretprobe(&probes[i]);
}

static void remove(void)
{
	unsigned int i;

	for (i = 0; placed && i < ARRAY_SIZE(probes); i++)
		unregister_kretprobe(&probes[i]);
	placed = false;
}

static int module_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct module *module = data;

	if (strcmp(module->name, "zfs"))
		return NOTIFY_DONE;
	if (event == MODULE_STATE_LIVE)
		place();
	else if (event == MODULE_STATE_GOING)
		remove();
	return NOTIFY_OK;
}

static struct notifier_block module_nb = { .notifier_call = module_event };

/* What was destroyed, renamed or exported before this call is revoked after it. */
void zfs_watch_settle(void)
{
	flush_work(&gone_work);
}

int zfs_watch_start(void)
{
	place();
	return register_module_notifier(&module_nb);
}

void zfs_watch_stop(void)
{
	struct gone *g, *next;

	unregister_module_notifier(&module_nb);
	remove();
	cancel_work_sync(&gone_work);
	list_for_each_entry_safe(g, next, &gone_list, node)
		kfree(g);
	INIT_LIST_HEAD(&gone_list);
}

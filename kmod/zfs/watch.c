// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation of ZFS - datasets that lose their names.
 *
 * OpenZFS delegates names: when a dataset is destroyed or renamed, or its pool
 * exported, what bears the name next would be delegated in its stead.  zfs.ko
 * tells nobody, and its license lets no symbol of it be linked to; but probes
 * see its functions return.  What has lost its name is then revoked.  Where
 * probes cannot be placed, delegation follows names, and a warning says so.
 *
 * Datasets are seen where a pool's own thread carries a decided change out,
 * whoever asked for it and however: one at a time for each pool.  So no number
 * of callers, who may be a zone's, uses up what the probes have for calls under
 * way.  Only the host's administrator exports and destroys pools.
 */
#include "zfs.h"

#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#define NAME_SIZE	256
#define GONE_SPARE	64

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
static mempool_t *gone_pool;		/* some are there when there is no memory */
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
		mempool_free(g, gone_pool);
	}
}

/* Keeps a name for the return of the function, which is about to read it too. */
static __always_inline int keep_name(struct kretprobe_instance *ri, const char *name)
{
	strscpy(ri->data, name, NAME_SIZE);
	return 0;
}

/* The first argument is the name of a pool. */
static int pool_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return keep_name(ri, (const char *)regs_get_kernel_argument(regs, 0));
}
NOKPROBE_SYMBOL(pool_entry);

/* The first argument is a structure that begins with the name of a dataset. */
static int dataset_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return keep_name(ri, *(const char *const *)regs_get_kernel_argument(regs, 0));
}
NOKPROBE_SYMBOL(dataset_entry);

static int dataset_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct gone *g = mempool_alloc(gone_pool, GFP_ATOMIC);
	unsigned long flags;

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
NOKPROBE_SYMBOL(dataset_return);

static int pool_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return (int)regs_return_value(regs) ? 0 : dataset_return(ri, regs);
}
NOKPROBE_SYMBOL(pool_return);

#define PROBE(what, function) {			\
	.kp.symbol_name = "zfs:" function,	\
	.entry_handler = what##_entry,		\
	.handler = what##_return,		\
	.data_size = NAME_SIZE,			\
	.maxactive = 128,			\
}

static struct kretprobe probes[] = {
	PROBE(dataset, "dsl_destroy_head_sync"),
	PROBE(dataset, "dsl_dir_rename_sync"),
	PROBE(pool, "spa_export"),
	PROBE(pool, "spa_destroy"),
};

static DEFINE_MUTEX(place_lock);
static bool placed;	/* place_lock */

/* At our start and when zfs.ko comes, in whatever order. */
static void place(void)
{
	unsigned int i;
	int err;

	mutex_lock(&place_lock);
	if (placed)
		goto out;
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		/* What was once registered cannot be again as it is. */
		probes[i].kp.addr = NULL;
		probes[i].kp.flags = 0;
		err = register_kretprobe(&probes[i]);
		if (err)
			goto err_probe;
	}
	placed = true;
	goto out;

err_probe:
	pr_warn("cannot watch %s (%d): delegation follows names, also after rename and destroy\n",
		probes[i].kp.symbol_name, err);
	while (i--)
		unregister_kretprobe(&probes[i]);
out:
	mutex_unlock(&place_lock);
}

static void remove(void)
{
	unsigned int i;

	mutex_lock(&place_lock);
	for (i = 0; placed && i < ARRAY_SIZE(probes); i++)
		unregister_kretprobe(&probes[i]);
	placed = false;
	mutex_unlock(&place_lock);
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
	int err;

	gone_pool = mempool_create_kmalloc_pool(GONE_SPARE, sizeof(struct gone));
	if (!gone_pool)
		return -ENOMEM;
	err = register_module_notifier(&module_nb);
	if (err) {
		mempool_destroy(gone_pool);
		return err;
	}
	place();
	return 0;
}

void zfs_watch_stop(void)
{
	struct gone *g, *next;

	unregister_module_notifier(&module_nb);
	remove();
	cancel_work_sync(&gone_work);
	list_for_each_entry_safe(g, next, &gone_list, node)
		mempool_free(g, gone_pool);
	INIT_LIST_HEAD(&gone_list);
	mempool_destroy(gone_pool);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - /proc/delegns: the reader's own namespace and those
 * below it, one a line.
 */
#include "core.h"

#include <linux/proc_fs.h>
#include <linux/seq_file.h>

/* The position is 0 for the heading, 1 for the reader's own, then id + 1. */
static void *proc_from(loff_t *pos)
{
	const struct dn_ns *own = dn_ns_current(NULL);
	unsigned long id;
	struct dn_ns *ns;

	if (!*pos)
		return SEQ_START_TOKEN;
	if (*pos == 1)
		return (void *)own;
	for (id = *pos - 1, ns = xa_find(&dn_by_id, &id, ULONG_MAX, XA_PRESENT); ns;
	     ns = xa_find_after(&dn_by_id, &id, ULONG_MAX, XA_PRESENT)) {
		if (dn_ns_below(ns, own)) {
			*pos = id + 1;
			return ns;
		}
		cond_resched();
	}
	return NULL;
}

static void *proc_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&dn_lock);
	return proc_from(pos);
}

static void *proc_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return proc_from(pos);
}

static void proc_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&dn_lock);
}

static int proc_show(struct seq_file *m, void *v)
{
	const struct dn_ns *ns = v, *own = dn_ns_current(NULL);

	if (v == SEQ_START_TOKEN)
		seq_puts(m, "id parent depth attached grants children holders name\n");
	else
		seq_printf(m, "%llu %llu %u %u %u %u %u %s\n", ns->id,
			   ns == own ? 0 : ns->parent->id, ns->depth - own->depth,
			   ns->nr_attached, ns->nr_grants, ns->nr_children, ns->holders, ns->name);
	return 0;
}

static const struct seq_operations proc_ops = {
	.start = proc_start,
	.next = proc_next,
	.stop = proc_stop,
	.show = proc_show,
};

int dn_proc_init(void)
{
	return proc_create_seq("delegns", 0444, NULL, &proc_ops) ? 0 : -ENOMEM;
}

void dn_proc_exit(void)
{
	remove_proc_entry("delegns", NULL);
}

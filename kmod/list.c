// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - gathering the records of lists.
 *
 * Each function fills up to @n records at @buf with what follows *@cursor, and
 * moves that on; it returns how many, or an error.
 */
#include "core.h"

u32 dn_ns_state(const struct dn_ns *ns)
{
	return (ns->empty || ns->dead ? DELEGNS_STATE_EMPTY : 0) |
	       (ns->dead ? DELEGNS_STATE_DEAD : 0);
}

int dn_list_entries(struct dn_file *f, u32 flags, u64 *cursor, void *buf, u32 n)
{
	struct delegns_entry *e = buf;
	const struct dn_ns *own;
	unsigned long id = *cursor;
	struct dn_ns *ns;
	u32 i = 0;
	int err;

	err = dn_lock_killable();
	if (err)
		return err;
	own = dn_ns_current(NULL);
	if (flags & DELEGNS_COUNT)
		dn_count_processes();
	while (i < n && (ns = xa_find_after(&dn_by_id, &id, ULONG_MAX, XA_PRESENT))) {
		*cursor = id;
		if (!dn_ns_below(ns, own)) {
			cond_resched();
			continue;
		}
		e[i].id = ns->id;
		e[i].parent = ns->parent->id;
		e[i].depth = ns->depth - own->depth;
		e[i].state = dn_ns_state(ns);
		e[i].attached = ns->nr_attached;
		e[i].grants = ns->nr_grants;
		e[i].children = ns->nr_children;
		e[i].processes = flags & DELEGNS_COUNT ? ns->processes : 0;
		memcpy(e[i].name, ns->name, sizeof(e[i].name));
		i++;
	}
	mutex_unlock(&dn_lock);
	return i;
}

int dn_list_grants(struct dn_file *f, u32 flags, u64 *cursor, void *buf, u32 n)
{
	struct delegns_grant *e = buf;
	unsigned long seq = *cursor;
	struct dn_grant *g;
	u32 i = 0;
	int err;

	err = dn_enter_alive(f);
	if (err)
		return err;
	while (i < n && (g = xa_find_after(&f->ns->by_seq, &seq, ULONG_MAX, XA_PRESENT))) {
		*cursor = seq;
		e[i].seq = seq;
		e[i].state = rcu_access_pointer(g->upper) ? 0 : DELEGNS_GRANT_MAXIMAL;
		e[i].name_len = strlen(g->name);
		/* The records of the chunk before are still in the buffer. */
		strscpy_pad(e[i].consumer, g->consumer->name, sizeof(e[i].consumer));
		strscpy_pad(e[i].name, g->name, sizeof(e[i].name));
		i++;
	}
	mutex_unlock(&dn_lock);
	return i;
}

int dn_list_attached(struct dn_file *f, u32 flags, u64 *cursor, void *buf, u32 n)
{
	struct delegns_attached *e = buf;
	struct dn_attach *a;
	u32 i = 0;
	int err;

	err = dn_enter_reaped(f);
	if (err)
		return err;
	list_for_each_entry(a, &f->ns->attached, of_ns) {
		if (a->seq <= *cursor)
			continue;
		if (i == n)
			break;
		*cursor = a->seq;
		e[i].seq = a->seq;
		e[i].inode = a->to.userns->ns.inum;
		e[i].state = 0;
		e[i].children = a->nr_children;
		i++;
	}
	mutex_unlock(&dn_lock);
	return i;
}

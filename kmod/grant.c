// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - what a namespace holds.
 *
 * The grants of a namespace are a tree ordered by consumer and then by the
 * consumer's order, in which all that a grant covers follows it without a gap
 * (its run).  Each grant points to the nearest other one that covers it.  So
 * the nearest grant that covers a name is the last one not after the name, or
 * one of those above that one.
 */
#include "core.h"

#include <linux/module.h>
#include <linux/slab.h>
#include "trace.h"

static u32 nr_grants;	/* dn_lock */

static int grant_cmp(const struct delegns_consumer *c, const char *name, const struct dn_grant *g)
{
	if (c != g->consumer)
		return c->order < g->consumer->order ? -1 : 1;
	return c->compare(name, g->name);
}

static struct dn_grant *grant_upper(const struct dn_grant *g)
{
	return rcu_dereference_check(g->upper, lockdep_is_held(&dn_lock));
}

/* The last grant of @c not after @name.  Needs dn_lock, or RCU and a retry. */
static struct dn_grant *grant_floor(const struct dn_ns *ns, const struct delegns_consumer *c,
				    const char *name)
{
	struct rb_node *node = rcu_dereference_raw(ns->grants.rb_node);
	struct dn_grant *g, *floor = NULL;

	while (node) {
		g = rb_entry(node, struct dn_grant, of_ns);
		if (grant_cmp(c, name, g) < 0) {
			node = rcu_dereference_raw(node->rb_left);
		} else {
			floor = g;
			node = rcu_dereference_raw(node->rb_right);
		}
	}
	return floor && floor->consumer == c ? floor : NULL;
}

/* The nearest grant that covers @name, of those not leaving if @staying. */
static struct dn_grant *grant_cover(const struct dn_ns *ns, const struct delegns_consumer *c,
				    const char *name, bool staying)
{
	struct dn_grant *g;

	for (g = grant_floor(ns, c, name); g; g = grant_upper(g))
		if (c->covers(g->name, name) && !(staying && g->leaving))
			return g;
	return NULL;
}

/* The first grant at or after @name, if @name covers it: its run's first. */
static struct dn_grant *run_first(const struct dn_ns *ns, const struct delegns_consumer *c,
				  const char *name)
{
	struct rb_node *node = ns->grants.rb_node;
	struct dn_grant *g, *first = NULL;

	while (node) {
		g = rb_entry(node, struct dn_grant, of_ns);
		if (grant_cmp(c, name, g) <= 0) {
			first = g;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return first && first->consumer == c && c->covers(name, first->name) ? first : NULL;
}

static struct dn_grant *run_next(const struct dn_grant *g, const char *name)
{
	struct rb_node *node = rb_next(&g->of_ns);
	struct dn_grant *n = node ? rb_entry(node, struct dn_grant, of_ns) : NULL;

	return n && n->consumer == g->consumer && n->consumer->covers(name, n->name) ? n : NULL;
}

#define for_each_in_run(g, ns, c, name) \
	for (g = run_first(ns, c, name); g; g = run_next(g, name))

static struct dn_grant *grant_find(const struct dn_ns *ns, const struct delegns_consumer *c,
				   const char *name)
{
	struct dn_grant *g = grant_floor(ns, c, name);

	return g && !c->compare(name, g->name) ? g : NULL;
}

/**
 * dn_holds() - does the namespace hold the resource?
 * @ns:   the namespace.
 * @c:    the consumer.
 * @name: the resource, any string.
 *
 * Needs dn_lock or RCU; takes no lock and allocates nothing.
 */
bool dn_holds(struct dn_ns *ns, const struct delegns_consumer *c, const char *name)
{
	unsigned int seq;
	bool held;

	if (dn_ns_is_root(ns))
		return true;
	do {
		seq = read_seqcount_begin(&ns->grants_seq);
		held = grant_cover(ns, c, name, false);
	} while (read_seqcount_retry(&ns->grants_seq, seq));
	return held;
}

static void tree_insert(struct dn_grant *g)
{
	struct rb_node **link = &g->ns->grants.rb_node, *up = NULL;

	while (*link) {
		up = *link;
		link = grant_cmp(g->consumer, g->name, rb_entry(up, struct dn_grant, of_ns)) < 0 ?
			&up->rb_left : &up->rb_right;
	}
	preempt_disable();
	write_seqcount_begin(&g->ns->grants_seq);
	/*
	 * Readers that follow the link find NULL below, from before the barrier
	 * of the line above or from here: no need for rb_link_node_rcu(), which
	 * sparse does not like.
	 */
	rb_link_node(&g->of_ns, up, link);
	rb_insert_color(&g->of_ns, &g->ns->grants);
	write_seqcount_end(&g->ns->grants_seq);
	preempt_enable();
}

static void tree_erase(struct dn_grant *g)
{
	preempt_disable();
	write_seqcount_begin(&g->ns->grants_seq);
	rb_erase(&g->of_ns, &g->ns->grants);
	write_seqcount_end(&g->ns->grants_seq);
	preempt_enable();
}

static int room_for_one(const struct dn_ns *ns)
{
	const struct dn_ns *p;

	if (nr_grants >= READ_ONCE(dn_limits.grants) ||
	    ns->nr_grants >= READ_ONCE(dn_limits.grants_each))
		return -ENOSPC;
	for (p = ns->parent; !dn_ns_is_root(p); p = p->parent)
		if (p->grants_below >= READ_ONCE(dn_limits.grants_below))
			return -ENOSPC;
	return 0;
}

static void count_grant(struct dn_ns *ns, int by)
{
	struct dn_ns *p;

	nr_grants += by;
	ns->nr_grants += by;
	for (p = ns->parent; p; p = p->parent)
		p->grants_below += by;
}

/**
 * dn_grant() - grant a resource to a namespace.
 * @ns:   the namespace, alive, that the caller may change.
 * @c:    the consumer; the caller has a reference on its module.
 * @name: the resource.
 */
int dn_grant(struct dn_ns *ns, struct delegns_consumer *c, const char *name)
{
	struct dn_grant *g, *y, *upper;
	int err;

	lockdep_assert_held(&dn_lock);
	err = c->validate(name);
	if (err && err != -ENXIO)
		return err;
	/* Who may not have it is not told whether it exists. */
	if (!dn_holds(ns->parent, c, name))
		return -EACCES;
	if (err)
		return err;
	if (grant_find(ns, c, name))
		return -EEXIST;
	err = room_for_one(ns);
	if (err)
		return err;

	g = kzalloc(struct_size(g, name, strlen(name) + 1), GFP_KERNEL_ACCOUNT);
	if (!g)
		return -ENOMEM;
	memcpy(g->name, name, strlen(name) + 1);
	g->ns = ns;
	g->consumer = c;
	g->seq = ns->grant_seq + 1;
	INIT_LIST_HEAD(&g->handed);
	err = xa_insert(&ns->by_seq, g->seq, g, GFP_KERNEL);
	if (err)
		goto err_free;
	upper = grant_cover(ns, c, name, false);
	RCU_INIT_POINTER(g->upper, upper);
	if (!upper) {
		err = dn_hand_grant(g);
		if (err)
			goto err_erase;
	}

	ns->grant_seq++;
	__module_get(c->owner);
	count_grant(ns, 1);
	tree_insert(g);
	for_each_in_run(y, ns, c, name) {
		if (y == g || grant_upper(y) != upper)
			continue;
		dn_withdraw_grant(y);
		rcu_assign_pointer(y->upper, g);
	}
	trace_delegns_grant(ns, g);
	return 0;

err_erase:
	xa_erase(&ns->by_seq, g->seq);
err_free:
	kfree(g);
	return err;
}

/* Forgets a grant that nobody has any more. */
static void grant_free(struct dn_grant *g)
{
	struct delegns_consumer *c = g->consumer;

	trace_delegns_revoke(g->ns, g);
	tree_erase(g);
	xa_erase(&g->ns->by_seq, g->seq);
	count_grant(g->ns, -1);
	kfree_rcu(g, rcu);
	module_put(c->owner);
}

/*
 * Chooses a grant for revocation, and before it what the namespaces below hold
 * only through it.  Recursive, but never deeper than DELEGNS_DEPTH_MAX.
 */
static void collect(struct dn_grant *g, struct list_head *leaving)
{
	struct delegns_consumer *c = g->consumer;
	struct dn_ns *child;
	struct rb_node *node;
	struct dn_grant *h;

	g->leaving = true;
	for (node = rb_first(&g->ns->children); node; node = rb_next(node)) {
		child = rb_entry(node, struct dn_ns, of_parent);
		for_each_in_run(h, child, c, g->name)
			if (!h->leaving && !grant_cover(g->ns, c, h->name, true))
				collect(h, leaving);
	}
	list_add_tail(&g->work, leaving);
}

/* Is there a grant above @y that stays? */
static bool stays_covered(const struct dn_grant *y)
{
	const struct dn_grant *u;

	for (u = grant_upper(y); u; u = grant_upper(u))
		if (!u->leaving)
			return true;
	return false;
}

/*
 * Hands over what becomes maximal when the chosen grants go, while these are
 * still handed over: nobody loses for a moment what he keeps.  All or nothing,
 * and the only step of a revocation that can fail.
 */
static int promote(struct list_head *leaving)
{
	struct dn_grant *g, *y;
	LIST_HEAD(promoted);
	int err = 0;

	list_for_each_entry(g, leaving, work) {
		if (grant_upper(g))
			continue;
		for_each_in_run(y, g->ns, g->consumer, g->name) {
			if (y->leaving || stays_covered(y))
				continue;
			err = dn_hand_grant(y);
			if (err)
				goto undo;
			list_add(&y->work, &promoted);
		}
	}
	return 0;

undo:
	list_for_each_entry(y, &promoted, work)
		dn_withdraw_grant(y);
	return err;
}

static void commit(struct list_head *leaving)
{
	struct dn_grant *g, *next, *y;

	list_for_each_entry_safe(g, next, leaving, work) {
		dn_withdraw_grant(g);
		for_each_in_run(y, g->ns, g->consumer, g->name)
			if (grant_upper(y) == g)
				rcu_assign_pointer(y->upper, grant_upper(g));
		grant_free(g);
	}
}

/**
 * dn_revoke() - take one grant away, and what descendants hold through it.
 * @ns:   the namespace, alive, that the caller may change.
 * @c:    the consumer.
 * @name: the resource, any string.
 */
int dn_revoke(struct dn_ns *ns, struct delegns_consumer *c, const char *name)
{
	struct dn_grant *g;
	LIST_HEAD(leaving);
	int err;

	lockdep_assert_held(&dn_lock);
	g = grant_find(ns, c, name);
	if (!g)
		return -ENODATA;
	collect(g, &leaving);
	err = promote(&leaving);
	if (err) {
		list_for_each_entry(g, &leaving, work)
			g->leaving = false;
		return err;
	}
	commit(&leaving);
	return 0;
}

/*
 * For a namespace's end: all grants go; it has no children.  From the last on,
 * so that no grant that a reader may find points to one that is gone.
 */
void dn_revoke_all(struct dn_ns *ns)
{
	struct rb_node *node;
	struct dn_grant *g;

	lockdep_assert_held(&dn_lock);
	while ((node = rb_last(&ns->grants))) {
		g = rb_entry(node, struct dn_grant, of_ns);
		dn_withdraw_grant(g);
		grant_free(g);
	}
}

void delegns_resource_gone(struct delegns_consumer *c, const char *name)
{
	struct dn_grant *g;
	LIST_HEAD(leaving);
	unsigned long id;
	struct dn_ns *ns;

	mutex_lock(&dn_lock);
	xa_for_each(&dn_by_id, id, ns)
		for_each_in_run(g, ns, c, name)
			if (!g->leaving)
				collect(g, &leaving);
	/* What these cover goes as well, so there is nothing to promote. */
	commit(&leaving);
	mutex_unlock(&dn_lock);
}
EXPORT_SYMBOL_GPL(delegns_resource_gone);

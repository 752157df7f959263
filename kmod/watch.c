// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - noticing that user namespaces died.
 *
 * The kernel tells nobody that the last user of a user namespace is gone: the
 * references that we and the consumers have keep it from being freed, and
 * dropping a reference is no event.  So we look at the count; but only of those
 * namespaces that somebody waits for: that nobody holds (then it is us who
 * wait, to clean up), or whose descriptor is being polled.  When there are
 * none, nothing runs.
 */
#include "core.h"

#include <linux/dcache.h>
#include <linux/workqueue.h>
#include "compat.h"

#define WATCH_PERIOD	(HZ / 3)
#define OWNERS_MAX	16	/* of the user namespaces below one, told apart at a time */

static void watch_look(struct work_struct *work);

static DEFINE_SPINLOCK(dn_watch_lock);
static struct list_head watched[DELEGNS_DEPTH_MAX + 1];	/* by depth; dn_watch_lock */
static DECLARE_DELAYED_WORK(watch_work, watch_look);

/*
 * Is an attached user namespace referenced by nobody but us?  We have a file,
 * which is one reference however many files there are (they share an inode),
 * hence the second look at whether there are other files; and what consumers
 * have; and what user namespaces below it have that are doomed themselves.  The
 * count is read again because a descriptor may have turned into a process in
 * between.
 */
static bool userns_dead(const struct dn_attach *a)
{
	unsigned int ours = 1 + dn_consumer_refs(a) + a->doomed_below;
	struct file *file = a->to.file;
	bool dead;

	/* A process that comes and goes meanwhile leaves its credentials till later. */
	rcu_read_lock();
	dead = compat_userns_count(a->to.userns) <= ours;
	smp_rmb();	/* in this order: a process goes after its file came */
	dead = dead && data_race(d_count(file->f_path.dentry)) == 1 && file_count(file) == 1;
	smp_rmb();	/* as above */
	dead = dead && compat_userns_count(a->to.userns) <= ours;
	rcu_read_unlock();
	return dead;
}

/*
 * Counts what a doomed user namespace has of the one above it until it is
 * dropped: a reference, and one more by the account of its owner there
 * (struct ucounts), which those of one owner share.  The owners told apart are
 * bounded, as a zone can have many; what is missed the next look finds.
 */
static void count_below(struct dn_attach *up, struct dn_attach *a)
{
	const struct dn_attach *b;
	unsigned int n = 0;

	up->doomed_below++;
	for (b = up->doomed_owner; b; b = b->next_owner)
		if (b->to.userns->ucounts == a->to.userns->ucounts || ++n >= OWNERS_MAX)
			return;
	a->next_owner = up->doomed_owner;
	up->doomed_owner = a;
	up->doomed_below++;
}

/* Marks what died in one namespace. */
static bool mark_one(struct dn_ns *ns, struct dn_ns *top)
{
	struct dn_attach *a, *up;
	bool found = false;

	list_for_each_entry_reverse(a, &ns->attached, of_ns) {
		if (!userns_dead(a))
			continue;
		a->doomed = true;
		found = true;
		up = dn_attach_find(a->to.userns->parent);
		if (up && (up->ns == top || dn_ns_below(up->ns, top)))
			count_below(up, a);
	}
	return found;
}

/* Drops what was marked. */
static bool drop_one(struct dn_ns *ns, struct dn_ns *top)
{
	struct dn_attach *a, *next;
	bool found = false;

	list_for_each_entry_safe(a, next, &ns->attached, of_ns) {
		a->doomed_below = 0;
		a->doomed_owner = NULL;
		if (a->doomed) {
			dn_attach_drop(a);
			found = true;
		}
	}
	if (found && !ns->nr_attached && !ns->holders)
		dn_ns_destroy(ns);
	return found;
}

static struct dn_ns *deepest_first(struct dn_ns *ns)
{
	struct rb_node *child;

	while ((child = rb_first(&ns->children)))
		ns = rb_entry(child, struct dn_ns, of_parent);
	return ns;
}

/* Visits a namespace and all below it, children first; each may go meanwhile. */
static bool visit(struct dn_ns *top, bool (*one)(struct dn_ns *ns, struct dn_ns *top))
{
	struct dn_ns *ns = deepest_first(top), *parent;
	struct rb_node *next;
	bool found = false, last;

	do {
		last = ns == top;
		parent = ns->parent;
		next = last ? NULL : rb_next(&ns->of_parent);
		found |= one(ns, top);
		ns = next ? deepest_first(rb_entry(next, struct dn_ns, of_parent)) : parent;
	} while (!last);
	return found;
}

/**
 * dn_reap() - detach what died in a namespace and below it, deepest first.
 * @ns: the namespace, alive; it is dead afterwards when nothing keeps it.
 *
 * Descendants count: what is attached there keeps the user namespaces above
 * it from being seen as dead.
 *
 * Return: whether anything had died.
 */
bool dn_reap(struct dn_ns *ns)
{
	lockdep_assert_held(&dn_lock);
	return visit(ns, mark_one) && visit(ns, drop_one);
}

static bool watch_add(struct dn_ns *ns)
{
	bool added = false;

	spin_lock(&dn_watch_lock);
	if (list_empty(&ns->watch)) {
		dn_ns_get(ns);
		list_add_tail(&ns->watch, &watched[ns->depth]);
		added = true;
	}
	spin_unlock(&dn_watch_lock);
	return added;
}

/**
 * dn_watch() - look at a namespace from now on, as long as somebody waits.
 * @ns: the namespace; the caller has a reference.
 */
void dn_watch(struct dn_ns *ns)
{
	if (watch_add(ns))
		schedule_delayed_work(&watch_work, WATCH_PERIOD);
}

/* Takes the first off a list; NULL at its end.  The reference is the caller's. */
static struct dn_ns *watch_take(struct list_head *list)
{
	struct dn_ns *ns;

	spin_lock(&dn_watch_lock);
	ns = list_first_entry_or_null(list, struct dn_ns, watch);
	if (ns)
		list_del_init(&ns->watch);
	spin_unlock(&dn_watch_lock);
	return ns;
}

/* Looks at the watched namespaces of one depth. */
static void look_at(struct list_head *list, bool *found, bool *any)
{
	LIST_HEAD(todo);
	struct dn_ns *ns;
	bool keep;

	spin_lock(&dn_watch_lock);
	list_splice_init(list, &todo);
	spin_unlock(&dn_watch_lock);
	while ((ns = watch_take(&todo))) {
		mutex_lock(&dn_lock);
		if (!ns->dead)
			*found |= dn_reap(ns);
		keep = !ns->dead && ns->nr_attached && (!ns->holders || wq_has_sleeper(&ns->wait));
		mutex_unlock(&dn_lock);
		if (keep)
			*any |= watch_add(ns);
		dn_ns_put(ns);
		cond_resched();
	}
}

/* From the top, because a look at a namespace is one at all below it. */
static void watch_look(struct work_struct *work)
{
	bool found = false, any = false;
	unsigned int depth;

	for (depth = 0; depth <= DELEGNS_DEPTH_MAX; depth++)
		look_at(&watched[depth], &found, &any);
	/* A death may make another one visible, once its namespace is freed. */
	if (any || found)
		schedule_delayed_work(&watch_work, found ? 1 : WATCH_PERIOD);
}

void dn_watch_start(void)
{
	unsigned int depth;

	for (depth = 0; depth <= DELEGNS_DEPTH_MAX; depth++)
		INIT_LIST_HEAD(&watched[depth]);
}

/* For the module's exit, when there are no namespaces. */
void dn_watch_stop(void)
{
	unsigned int depth;
	struct dn_ns *ns;

	cancel_delayed_work_sync(&watch_work);
	for (depth = 0; depth <= DELEGNS_DEPTH_MAX; depth++)
		while ((ns = watch_take(&watched[depth])))
			dn_ns_put(ns);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - the tree of namespaces, and their life.
 */
#include "core.h"

#include <linux/capability.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "trace.h"

/* The host.  It is there before everything else and never goes. */
struct dn_ns dn_root = {
	.name = "global",
	.owner = &init_user_ns,
	.children = RB_ROOT,
	.attached = LIST_HEAD_INIT(dn_root.attached),
	.of_origin = LIST_HEAD_INIT(dn_root.of_origin),
	.watch = LIST_HEAD_INIT(dn_root.watch),
	.grants = RB_ROOT,
	.by_seq = XARRAY_INIT(dn_root.by_seq, XA_FLAGS_ACCOUNT),
	.wait = __WAIT_QUEUE_HEAD_INITIALIZER(dn_root.wait),
	.ref = KREF_INIT(1),
};

/* All but the host, by id; dn_lock. */
DEFINE_XARRAY_FLAGS(dn_by_id, XA_FLAGS_ACCOUNT);

static u64 last_id;		/* dn_lock */
static u32 nr_namespaces;	/* dn_lock */

static int name_cmp(const char *name, size_t len, const struct dn_ns *ns)
{
	int r = strncmp(name, ns->name, len);

	return r ? r : -(ns->name[len] != '\0');
}

/* The place of a name among the children; *link is NULL when it is free. */
static struct rb_node **child_place(struct dn_ns *ns, const char *name, size_t len,
				    struct rb_node **parent)
{
	struct rb_node **link = &ns->children.rb_node;
	int r;

	*parent = NULL;
	while (*link) {
		r = name_cmp(name, len, rb_entry(*link, struct dn_ns, of_parent));
		if (!r)
			break;
		*parent = *link;
		link = r < 0 ? &(*link)->rb_left : &(*link)->rb_right;
	}
	return link;
}

void dn_ns_get(struct dn_ns *ns)
{
	kref_get(&ns->ref);
}

static void ns_free(struct kref *ref)
{
	struct dn_ns *ns = container_of(ref, struct dn_ns, ref);

	kfree_rcu(ns, rcu);
}

/* Drops a reference, and those on ancestors that end with it. */
void dn_ns_put(struct dn_ns *ns)
{
	struct dn_ns *parent;

	while (ns) {
		parent = ns->parent;
		if (!kref_put(&ns->ref, ns_free))
			break;
		ns = parent;
	}
}

/* Is there room for one more below @parent? */
static int room_for_one(const struct dn_ns *parent)
{
	const struct dn_ns *p;

	if (parent->depth >= DELEGNS_DEPTH_MAX || nr_namespaces >= READ_ONCE(dn_limits.namespaces))
		return -EUSERS;
	for (p = parent; !dn_ns_is_root(p); p = p->parent)
		if (p->namespaces_below >= READ_ONCE(dn_limits.namespaces_below))
			return -EUSERS;
	return 0;
}

static struct dn_ns *ns_alloc(struct dn_ns *parent, const char *name, size_t len)
{
	struct dn_ns *ns = kzalloc(sizeof(*ns), GFP_KERNEL_ACCOUNT);

	if (!ns)
		return NULL;
	memcpy(ns->name, name, len);
	ns->depth = parent->depth + 1;
	ns->parent = parent;
	dn_ns_get(parent);
	ns->children = RB_ROOT;
	ns->grants = RB_ROOT;
	INIT_LIST_HEAD(&ns->of_origin);
	INIT_LIST_HEAD(&ns->attached);
	INIT_LIST_HEAD(&ns->watch);
	seqcount_init(&ns->grants_seq);
	xa_init_flags(&ns->by_seq, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&ns->wait);
	kref_init(&ns->ref);
	return ns;
}

/* Everything that makes a namespace exist, and cannot fail. */
static void ns_link(struct dn_ns *ns, struct user_namespace *anchor)
{
	struct rb_node *up, **link;
	struct dn_ns *p;

	ns->owner = anchor;
	ns->origin = dn_attach_find(anchor);
	if (ns->origin) {
		list_add_tail(&ns->of_origin, &ns->origin->children);
		ns->origin->nr_children++;
	}
	link = child_place(ns->parent, ns->name, strlen(ns->name), &up);
	rb_link_node(&ns->of_parent, up, link);
	rb_insert_color(&ns->of_parent, &ns->parent->children);
	ns->parent->nr_children++;
	for (p = ns->parent; p; p = p->parent)
		p->namespaces_below++;
	nr_namespaces++;
	__module_get(THIS_MODULE);
}

/**
 * dn_ns_create() - make a namespace in the caller's own.
 * @name: its name, well formed; need not end in a NUL.
 * @len:  the name's length.
 *
 * Return: the namespace, which nothing holds yet; or -EPERM, -EUSERS, -EEXIST,
 * -ENOMEM, or what a consumer answered.
 */
struct dn_ns *dn_ns_create(const char *name, size_t len)
{
	struct user_namespace *anchor;
	struct dn_ns *ns, *parent;
	struct rb_node *up;
	int err;

	lockdep_assert_held(&dn_lock);
	parent = dn_ns_current(&anchor);
	if (!ns_capable(anchor, CAP_SYS_ADMIN))
		return ERR_PTR(-EPERM);
	err = room_for_one(parent);
	if (err)
		return ERR_PTR(err);
	if (*child_place(parent, name, len, &up))
		return ERR_PTR(-EEXIST);

	ns = ns_alloc(parent, name, len);
	if (!ns)
		return ERR_PTR(-ENOMEM);
	ns->id = ++last_id;
	err = xa_insert(&dn_by_id, ns->id, ns, GFP_KERNEL);
	if (err)
		goto err_put;
	err = dn_consumers_born(ns->id);
	if (err)
		goto err_erase;
	ns_link(ns, anchor);
	trace_delegns_create(ns);
	return ns;

err_erase:
	xa_erase(&dn_by_id, ns->id);
err_put:
	dn_ns_put(ns);
	return ERR_PTR(err);
}

struct dn_ns *dn_ns_by_id(u64 id)
{
	lockdep_assert_held(&dn_lock);
	return id ? xa_load(&dn_by_id, id) : &dn_root;
}

/* The child of a child ... of @from; @path is well formed. */
struct dn_ns *dn_ns_by_path(struct dn_ns *from, const char *path, size_t len)
{
	const char *end = path + len;
	struct rb_node *up, *node;
	size_t n;

	lockdep_assert_held(&dn_lock);
	while (path < end) {
		const char *slash = memchr(path, '/', end - path);

		n = (slash ? slash : end) - path;
		node = *child_place(from, path, n, &up);
		if (!node)
			return NULL;
		from = rb_entry(node, struct dn_ns, of_parent);
		path += n + 1;
	}
	return from;
}

/* Is @ns strictly below @top?  Needs no lock: parents are constant. */
bool dn_ns_below(const struct dn_ns *ns, const struct dn_ns *top)
{
	while (ns->depth > top->depth) {
		ns = ns->parent;
		if (ns == top)
			return true;
	}
	return false;
}

/* May the caller see it?  Needs dn_lock or RCU. */
bool dn_ns_seen(const struct dn_ns *ns)
{
	const struct dn_ns *own = dn_ns_current(NULL);

	return ns == own || dn_ns_below(ns, own);
}

/* May the caller change it?  It must not be dead. */
bool dn_ns_may_change(const struct dn_ns *ns)
{
	lockdep_assert_held(&dn_lock);
	return dn_ns_below(ns, dn_ns_current(NULL)) && ns_capable(ns->owner, CAP_SYS_ADMIN);
}

void dn_ns_hold(struct dn_ns *ns)
{
	lockdep_assert_held(&dn_lock);
	ns->holders++;
}

/* A holding file is closed. */
void dn_ns_release(struct dn_ns *ns)
{
	lockdep_assert_held(&dn_lock);
	ns->holders--;
	if (ns->holders || ns->dead)
		return;
	if (!ns->nr_attached) {
		dn_ns_destroy(ns);
		return;
	}
	dn_reap(ns);
	if (!ns->dead)
		dn_watch(ns);
}

/* Ends a namespace without children. */
static void destroy_one(struct dn_ns *ns)
{
	struct dn_attach *a, *next;
	struct dn_ns *p;

	WRITE_ONCE(ns->dead, true);
	dn_revoke_all(ns);
	list_for_each_entry_safe(a, next, &ns->attached, of_ns)
		dn_attach_drop(a);
	rb_erase(&ns->of_parent, &ns->parent->children);
	ns->parent->nr_children--;
	for (p = ns->parent; p; p = p->parent)
		p->namespaces_below--;
	nr_namespaces--;
	if (ns->origin) {
		list_del_init(&ns->of_origin);
		ns->origin->nr_children--;
	}
	ns->origin = NULL;
	ns->owner = NULL;
	xa_erase(&dn_by_id, ns->id);
	trace_delegns_destroy(ns);
	dn_consumers_died(ns->id);
	wake_up_poll(&ns->wait, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
	dn_ns_put(ns);
	module_put(THIS_MODULE);
}

/**
 * dn_ns_destroy() - end a namespace and all below it, children first.
 * @ns: the namespace, alive and not the host.
 */
void dn_ns_destroy(struct dn_ns *ns)
{
	struct dn_ns *n = ns, *parent;
	struct rb_node *child;
	bool last;

	lockdep_assert_held(&dn_lock);
	do {
		while ((child = rb_first(&n->children)))
			n = rb_entry(child, struct dn_ns, of_parent);
		parent = n->parent;
		last = n == ns;
		destroy_one(n);
		n = parent;
		cond_resched();
	} while (!last);
}

/* Sets @processes of every namespace. */
void dn_count_processes(void)
{
	struct task_struct *p;
	unsigned long id;
	struct dn_ns *ns;

	lockdep_assert_held(&dn_lock);
	dn_root.processes = 0;
	xa_for_each(&dn_by_id, id, ns)
		ns->processes = 0;
	rcu_read_lock();
	for_each_process(p)
		if (atomic_read(&p->signal->live) > 0)
			dn_ns_of(task_cred_xxx(p, user_ns), NULL)->processes++;
	rcu_read_unlock();
}

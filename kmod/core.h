/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delegation namespaces - the core's objects, and who guards what.
 *
 * One mutex, dn_lock, guards every change.  Three things are read without it,
 * under RCU: the way from a user namespace to its delegation namespace, the
 * grants of a namespace (with the namespace's sequence counter), and the list
 * of consumers.  dn_watch_lock, a spinlock, guards the list of watched
 * namespaces and is innermost.
 *
 *   namespace   refcount: its files, its children, its attachments, the watch
 *               list, and being alive (dropped by destruction)
 *   attachment  belongs to its namespace; pins the user namespace by a file
 *   grant       belongs to its namespace; pins the consumer's module
 *   handover    one maximal grant handed to one attached user namespace
 */
#ifndef _DELEGNS_CORE_H
#define _DELEGNS_CORE_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <linux/delegns.h>
#include <linux/delegns_consumer.h>

#define DN_CONSUMERS	8	/* the most consumers at a time */

/**
 * struct dn_ns - a delegation namespace.
 * @id:         its number; constant.
 * @name:       its name; constant.
 * @depth:      the host's is 0; constant.
 * @parent:     the parent, with a reference; constant; NULL for the host.
 * @owner:      the creator's user namespace, NULL when dead; dn_lock.  Pinned
 *              by @origin.
 * @origin:     the parent's attachment that the creator came from, NULL for
 *              children of the host; dn_lock.
 * @of_origin:  node of @origin's list of children; dn_lock.
 * @of_parent:  node of the parent's @children; dn_lock.
 * @children:   the children by name; dn_lock.
 * @nr_children: their number; dn_lock.
 * @attached:   the attachments by age; dn_lock.
 * @nr_attached: their number; dn_lock to write.
 * @attach_seq: the number of the next attachment; dn_lock.
 * @grants:     the grants in the consumers' orders; dn_lock to write, readers
 *              RCU with @grants_seq.
 * @grants_seq: changes with the shape of @grants.
 * @by_seq:     the grants by age; dn_lock.
 * @nr_grants:  their number; dn_lock.
 * @grant_seq:  the number of the next grant; dn_lock.
 * @namespaces_below: the namespaces in the subtree, without this; dn_lock.
 * @grants_below: their grants; dn_lock.
 * @processes:  scratch for counting; dn_lock.
 * @holders:    the files that keep it alive; dn_lock.
 * @empty:      had an attachment, and has none; dn_lock to write.
 * @dead:       destroyed; dn_lock to write.
 * @wait:       who polls.
 * @watch:      node of the list of watched namespaces; dn_watch_lock.
 * @ref:        references.
 * @rcu:        for freeing.
 */
struct dn_ns {
	u64 id;
	char name[DELEGNS_NAME_MAX + 1];
	unsigned int depth;
	struct dn_ns *parent;
	struct user_namespace *owner;
	struct dn_attach *origin;
	struct list_head of_origin;
	struct rb_node of_parent;
	struct rb_root children;
	u32 nr_children;
	struct list_head attached;
	u32 nr_attached;
	u64 attach_seq;
	struct rb_root grants;
	seqcount_t grants_seq;
	struct xarray by_seq;
	u32 nr_grants;
	u64 grant_seq;
	u32 namespaces_below;
	u32 grants_below;
	u32 processes;
	u32 holders;
	bool empty;
	bool dead;
	wait_queue_head_t wait;
	struct list_head watch;
	struct kref ref;
	struct rcu_head rcu;
};

/**
 * struct dn_attach - a user namespace in a delegation namespace.
 * @hash:     node of the way from user namespaces; dn_lock, readers RCU.
 * @to:       the user namespace and a file of it, which pins it; constant.
 * @by:       the anchor of a zone's root who attached it to his own namespace,
 *            otherwise NULL; constant.  Above @to, which pins it.
 * @ns:       the delegation namespace, with a reference; constant.
 * @seq:      its number within @ns; constant.
 * @of_ns:    node of @ns->attached; dn_lock.
 * @children: the namespaces that were created from it; dn_lock.
 * @nr_children: their number; dn_lock.
 * @handed:   what is handed to it (struct dn_handover); dn_lock.
 * @nr_handed: the number of these by consumer; dn_lock.
 * @doomed:   found dead by the look under way; dn_lock.
 * @doomed_below: the references on the user namespace by those directly below
 *            it whose attachments were; 0 between looks; dn_lock.
 * @doomed_owner: the first of these attachments that differ in who owns them;
 *            NULL between looks; dn_lock.
 * @next_owner: the next of such a list; good while a look is under way; dn_lock.
 * @rcu:      for freeing.
 */
struct dn_attach {
	struct hlist_node hash;
	struct delegns_target to;
	const struct user_namespace *by;
	struct dn_ns *ns;
	u64 seq;
	struct list_head of_ns;
	struct list_head children;
	u32 nr_children;
	struct list_head handed;
	u32 nr_handed[DN_CONSUMERS];
	bool doomed;
	u32 doomed_below;
	struct dn_attach *doomed_owner;
	struct dn_attach *next_owner;
	struct rcu_head rcu;
};

/**
 * struct dn_grant - a resource that a namespace holds.
 * @of_ns:    node of @ns->grants; dn_lock, readers RCU.
 * @upper:    the nearest other grant of @ns that covers this one, or NULL:
 *            then it is maximal; dn_lock to write, readers RCU.
 * @ns:       the namespace; constant.
 * @consumer: the consumer, whose module is pinned; constant.
 * @seq:      its number within @ns; constant.
 * @handed:   to whom it is handed (struct dn_handover); dn_lock.
 * @work:     node of the list of a change under way; dn_lock.
 * @leaving:  chosen for revocation by the change under way; dn_lock.
 * @rcu:      for freeing.
 * @name:     the resource; constant.
 */
struct dn_grant {
	struct rb_node of_ns;
	struct dn_grant __rcu *upper;
	struct dn_ns *ns;
	struct delegns_consumer *consumer;
	u64 seq;
	struct list_head handed;
	struct list_head work;
	bool leaving;
	struct rcu_head rcu;
	char name[];
};

/**
 * struct dn_handover - a grant that an attached user namespace has.
 * @of_grant:  node of @grant->handed; dn_lock.
 * @of_attach: node of @attach->handed; dn_lock.
 * @grant:     the grant; constant.
 * @attach:    the attachment; constant.
 * @charge:    nothing; stands in the caller's memory cgroup for what the
 *             consumer allocates.
 */
struct dn_handover {
	struct list_head of_grant;
	struct list_head of_attach;
	struct dn_grant *grant;
	struct dn_attach *attach;
	u8 charge[];
};

/* The module's parameters; read at any time. */
struct dn_limits {
	unsigned int namespaces;
	unsigned int namespaces_below;
	unsigned int grants;
	unsigned int grants_below;
	unsigned int grants_each;
	unsigned int attached;
};

/**
 * struct dn_file - a descriptor of a namespace.
 * @ns:    the namespace, with a reference; constant.
 * @holds: keeps it alive; constant.
 */
struct dn_file {
	struct dn_ns *ns;
	bool holds;
};

/* main.c */
extern struct mutex dn_lock;
extern struct dn_limits dn_limits;
extern const struct cred *dn_cred;

/* ns.c: the tree of namespaces, and their life */
extern struct dn_ns dn_root;
extern struct xarray dn_by_id;
struct dn_ns *dn_ns_create(const char *name, size_t len);
struct dn_ns *dn_ns_by_id(u64 id);
struct dn_ns *dn_ns_by_path(struct dn_ns *from, const char *path, size_t len);
bool dn_ns_below(const struct dn_ns *ns, const struct dn_ns *top);
bool dn_ns_seen(const struct dn_ns *ns);
bool dn_ns_may_change(const struct dn_ns *ns);
void dn_ns_get(struct dn_ns *ns);
void dn_ns_put(struct dn_ns *ns);
void dn_ns_hold(struct dn_ns *ns);
void dn_ns_release(struct dn_ns *ns);
void dn_ns_destroy(struct dn_ns *ns);
void dn_count_processes(void);

/* watch.c: noticing that user namespaces died */
bool dn_reap(struct dn_ns *ns);
void dn_watch(struct dn_ns *ns);
void dn_watch_start(void);
void dn_watch_stop(void);

/* attach.c: user namespaces */
struct dn_ns *dn_ns_of(struct user_namespace *userns, struct user_namespace **anchor);
struct dn_ns *dn_ns_current(struct user_namespace **anchor);
int dn_attach(struct dn_ns *ns, struct file *nsfile);
int dn_detach(struct dn_ns *ns, struct user_namespace *userns);
void dn_attach_drop(struct dn_attach *a);
struct dn_attach *dn_attach_find(const struct user_namespace *userns);
struct user_namespace *dn_file_userns(struct file *file);
int dn_attach_start(void);
void dn_attach_stop(void);

/* grant.c: what a namespace holds */
int dn_grant(struct dn_ns *ns, struct delegns_consumer *c, const char *name);
int dn_revoke(struct dn_ns *ns, struct delegns_consumer *c, const char *name);
void dn_revoke_all(struct dn_ns *ns);
bool dn_holds(struct dn_ns *ns, const struct delegns_consumer *c, const char *name);

/* handover.c: what the consumers were told */
int dn_hand_grant(struct dn_grant *g);
int dn_hand_attach(struct dn_attach *a);
void dn_withdraw_grant(struct dn_grant *g);
void dn_withdraw_attach(struct dn_attach *a);

/* consumer.c */
struct delegns_consumer *dn_consumer_get(const char *name, bool load);
void dn_consumer_put(struct delegns_consumer *c);
int dn_query(const char *consumer, const char *name);
int dn_consumers_born(u64 id);
void dn_consumers_died(u64 id);
unsigned int dn_consumer_refs(const struct dn_attach *a);

/* list.c: gathering the records of lists */
typedef int (*dn_list_fill)(struct dn_file *f, u32 flags, u64 *cursor, void *buf, u32 n);
u32 dn_ns_state(const struct dn_ns *ns);
int dn_list_entries(struct dn_file *f, u32 flags, u64 *cursor, void *buf, u32 n);
int dn_list_grants(struct dn_file *f, u32 flags, u64 *cursor, void *buf, u32 n);
int dn_list_attached(struct dn_file *f, u32 flags, u64 *cursor, void *buf, u32 n);

/* file.c: descriptors of namespaces, and how a call on one begins */
int dn_lock_killable(void);
int dn_enter(struct dn_file *f);
int dn_enter_alive(struct dn_file *f);
int dn_enter_reaped(struct dn_file *f);
int dn_enter_to_change(struct dn_file *f);
struct file *dn_file_new(struct dn_ns *ns, bool holds);

/* dev.c, proc.c */
long dn_ns_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
int dn_dev_init(void);
void dn_dev_exit(void);
int dn_proc_init(void);
void dn_proc_exit(void);

static inline bool dn_ns_is_root(const struct dn_ns *ns)
{
	return !ns->parent;
}

#endif /* _DELEGNS_CORE_H */

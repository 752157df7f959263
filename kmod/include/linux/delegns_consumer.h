/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delegation namespaces - what a consumer is, and how it registers.
 *
 * A consumer is a kernel module that owns resources with names.  The core
 * decides who holds what; the consumer says what a name means and carries the
 * decisions out.
 */
#ifndef _LINUX_DELEGNS_CONSUMER_H
#define _LINUX_DELEGNS_CONSUMER_H

#include <linux/list.h>
#include <linux/types.h>

struct file;
struct module;
struct user_namespace;

/**
 * struct delegns_target - a user namespace that a resource is handed to.
 * @userns: the user namespace; the core holds a reference during the call.
 * @file:   an nsfs file of it, for consumers that want a descriptor.
 */
struct delegns_target {
	struct user_namespace *userns;
	struct file *file;
};

/**
 * struct delegns_consumer - one consumer.
 * @name:        its name, of at most DELEGNS_CONSUMER_MAX bytes a-z 0-9 - _.
 * @owner:       its module; every grant pins it.
 * @charge:      the bytes of kernel memory that one hand-over costs the
 *               consumer.  The core charges them to the caller.
 * @userns_refs: the references that the consumer has on a user namespace as
 *               long as any of its resources is handed to it.  The core does
 *               not take them for signs of life.
 * @validate:    0 when @name is a resource that can be granted now.  -EILSEQ
 *               when it never is one, -ENXIO when it does not exist,
 *               -EOPNOTSUPP when this consumer cannot delegate here.
 * @compare:     a total order of names, 0 for equal ones only, in which
 *               everything that a name covers follows it without a gap.  Takes
 *               any string; called in RCU read-side sections, must not sleep.
 * @covers:      whether @wide covers @narrow; a name covers itself.  As
 *               @compare.
 * @attach:      hand the resource to the user namespace.
 * @detach:      take it away.  Must succeed: -ENOENT says that somebody else
 *               has taken it away already; anything else is logged as a fault.
 * @born:        a namespace was made; an error forbids it.  May be NULL.
 * @died:        a namespace is gone.  May be NULL.
 * @settle:      wait until every resource that has lost its name before this
 *               call was reported by delegns_resource_gone(), so that a grant
 *               to what bears the name now is not taken for one to what bore
 *               it then.  May be NULL.
 * @node:        the core's: list of consumers; its lock, readers RCU.
 * @order:       the core's: number of the registration.
 * @slot:        the core's: index into counters of each attachment.
 *
 * All but @compare and @covers may sleep.  All but @settle are called with the
 * core's lock held, so they are never called twice at once, and must not call
 * the core.
 */
struct delegns_consumer {
	const char *name;
	struct module *owner;
	size_t charge;
	unsigned int userns_refs;

	int (*validate)(const char *name);
	int (*compare)(const char *a, const char *b);
	bool (*covers)(const char *wide, const char *narrow);
	int (*attach)(const char *name, const struct delegns_target *to);
	int (*detach)(const char *name, const struct delegns_target *from);
	int (*born)(u64 id);
	void (*died)(u64 id);
	void (*settle)(void);

	/* private: */
	struct list_head node;
	u64 order;
	unsigned int slot;
};

/**
 * delegns_register_consumer() - make a consumer known.
 * @c: the consumer; stays where it is until it is unregistered.
 *
 * Tells @c of the namespaces that there are.
 *
 * Return: 0; -EINVAL for a malformed consumer, -EEXIST when the name is taken,
 * -ENOSPC when there are too many, or what @born answered.
 */
int delegns_register_consumer(struct delegns_consumer *c);

/**
 * delegns_unregister_consumer() - the reverse; for a module's exit.
 * @c: the consumer, of which nothing is granted (grants pin the module).
 */
void delegns_unregister_consumer(struct delegns_consumer *c);

/**
 * delegns_current_holds() - does the current task's namespace hold this?
 * @c:    a registered consumer.
 * @name: the resource.
 *
 * Takes no lock and allocates nothing.
 *
 * Return: true when a grant covers @name, and always on the host.
 */
bool delegns_current_holds(const struct delegns_consumer *c, const char *name);

/**
 * delegns_resource_gone() - a resource has lost its name.
 * @c:    a registered consumer.
 * @name: the resource that is destroyed or renamed.
 *
 * Every grant of it and of what it covers is revoked: a resource that comes to
 * bear the name later is another one.  Sleeps; takes the core's lock.
 */
void delegns_resource_gone(struct delegns_consumer *c, const char *name);

#endif /* _LINUX_DELEGNS_CONSUMER_H */

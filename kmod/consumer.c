// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - the modules that own resources.
 */
#include "core.h"

#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include "name.h"

static LIST_HEAD(consumers);				/* dn_lock, readers RCU */
static struct delegns_consumer *by_slot[DN_CONSUMERS];	/* dn_lock */
static u64 last_order;					/* dn_lock */

/* Needs dn_lock or RCU. */
static struct delegns_consumer *consumer_find(const char *name)
{
	struct delegns_consumer *c;

	list_for_each_entry_rcu(c, &consumers, node, lockdep_is_held(&dn_lock))
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static struct delegns_consumer *consumer_get(const char *name)
{
	struct delegns_consumer *c;

	rcu_read_lock();
	c = consumer_find(name);
	if (c && !try_module_get(c->owner))
		c = NULL;	/* on its way out */
	rcu_read_unlock();
	return c;
}

/**
 * dn_consumer_get() - find a consumer and pin its module.
 * @name: its name, well formed.
 * @load: ask for the module when it is not there.
 *
 * Return: the consumer, or NULL; given back with dn_consumer_put().
 */
struct delegns_consumer *dn_consumer_get(const char *name, bool load)
{
	struct delegns_consumer *c = consumer_get(name);

	if (!c && load && !request_module("delegns-consumer-%s", name))
		c = consumer_get(name);
	return c;
}

void dn_consumer_put(struct delegns_consumer *c)
{
	module_put(c->owner);
}

/**
 * dn_query() - does the caller's own namespace hold the resource?
 * @consumer: the consumer's name.
 * @name:     the resource.
 *
 * Return: 1 or 0; -EPROTONOSUPPORT when there is no such consumer.
 */
int dn_query(const char *consumer, const char *name)
{
	struct delegns_consumer *c;
	int r = -EPROTONOSUPPORT;

	rcu_read_lock();
	c = consumer_find(consumer);
	if (c)
		r = dn_holds(dn_ns_current(NULL), c, name);
	rcu_read_unlock();
	return r;
}

bool delegns_current_holds(const struct delegns_consumer *c, const char *name)
{
	bool held;

	rcu_read_lock();
	held = dn_holds(dn_ns_current(NULL), c, name);
	rcu_read_unlock();
	return held;
}
EXPORT_SYMBOL_GPL(delegns_current_holds);

/* The references of consumers on an attached user namespace. */
unsigned int dn_consumer_refs(const struct dn_attach *a)
{
	unsigned int i, refs = 0;

	lockdep_assert_held(&dn_lock);
	for (i = 0; i < DN_CONSUMERS; i++)
		if (a->nr_handed[i])
			refs += by_slot[i]->userns_refs;
	return refs;
}

/* Tells all consumers; when one objects, those before it hear of the end. */
int dn_consumers_born(u64 id)
{
	struct delegns_consumer *c;
	int err = 0;

	lockdep_assert_held(&dn_lock);
	list_for_each_entry(c, &consumers, node) {
		err = c->born ? c->born(id) : 0;
		if (err)
			break;
	}
	if (!err)
		return 0;
	list_for_each_entry_continue_reverse(c, &consumers, node)
		if (c->died)
			c->died(id);
	return err;
}

void dn_consumers_died(u64 id)
{
	struct delegns_consumer *c;

	lockdep_assert_held(&dn_lock);
	list_for_each_entry(c, &consumers, node)
		if (c->died)
			c->died(id);
}

/* Tells a new consumer of what there is; of its end when it objects. */
static int introduce(struct delegns_consumer *c)
{
	unsigned long id, told;
	struct dn_ns *ns;
	int err;

	if (!c->born)
		return 0;
	xa_for_each(&dn_by_id, id, ns) {
		err = c->born(id);
		if (!err)
			continue;
		xa_for_each_range(&dn_by_id, told, ns, 0, id - 1)
			if (c->died)
				c->died(told);
		return err;
	}
	return 0;
}

int delegns_register_consumer(struct delegns_consumer *c)
{
	unsigned int slot;
	int err;

	if (!c->name || !dn_consumer_name_ok(c->name, strlen(c->name) + 1) ||
	    !c->validate || !c->compare || !c->covers || !c->attach || !c->detach)
		return -EINVAL;
	mutex_lock(&dn_lock);
	err = -EEXIST;
	if (consumer_find(c->name))
		goto out;
	err = -ENOSPC;
	for (slot = 0; slot < DN_CONSUMERS && by_slot[slot]; slot++)
		;
	if (slot == DN_CONSUMERS)
		goto out;
	err = introduce(c);
	if (err)
		goto out;
	c->slot = slot;
	c->order = ++last_order;
	by_slot[slot] = c;
	list_add_tail_rcu(&c->node, &consumers);
out:
	mutex_unlock(&dn_lock);
	return err;
}
EXPORT_SYMBOL_GPL(delegns_register_consumer);

void delegns_unregister_consumer(struct delegns_consumer *c)
{
	mutex_lock(&dn_lock);
	list_del_rcu(&c->node);
	by_slot[c->slot] = NULL;
	mutex_unlock(&dn_lock);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(delegns_unregister_consumer);

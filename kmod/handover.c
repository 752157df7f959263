// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - what the consumers were told: which maximal grant is
 * handed to which attached user namespace.
 */
#include "core.h"

#include <linux/slab.h>

static int hand(struct dn_grant *g, struct dn_attach *a)
{
	struct delegns_consumer *c = g->consumer;
	struct dn_handover *h;
	int err;

	h = kzalloc(struct_size(h, charge, c->charge), GFP_KERNEL_ACCOUNT);
	if (!h)
		return -ENOMEM;
	err = c->attach(g->name, &a->to);
	if (err) {
		kfree(h);
		return err;
	}
	h->grant = g;
	h->attach = a;
	list_add_tail(&h->of_grant, &g->handed);
	list_add_tail(&h->of_attach, &a->handed);
	a->nr_handed[c->slot]++;
	return 0;
}

static void withdraw(struct dn_handover *h)
{
	struct delegns_consumer *c = h->grant->consumer;
	int err = c->detach(h->grant->name, &h->attach->to);

	/* -ENOENT: somebody was there before us, with the consumer's own tool. */
	if (err && err != -ENOENT)
		pr_err("%s: cannot take %s away from user namespace %u: %d\n", c->name,
		       h->grant->name, h->attach->to.userns->ns.inum, err);
	list_del(&h->of_grant);
	list_del(&h->of_attach);
	h->attach->nr_handed[c->slot]--;
	kfree(h);
}

/**
 * dn_hand_grant() - hand a grant to all that is attached; all or nothing.
 * @g: the grant, handed to nobody yet.
 */
int dn_hand_grant(struct dn_grant *g)
{
	struct dn_attach *a;
	int err;

	lockdep_assert_held(&dn_lock);
	list_for_each_entry(a, &g->ns->attached, of_ns) {
		err = hand(g, a);
		if (err) {
			dn_withdraw_grant(g);
			return err;
		}
	}
	return 0;
}

/**
 * dn_hand_attach() - hand all maximal grants to a user namespace; all or
 * nothing.
 * @a: the attachment, which has nothing yet.
 */
int dn_hand_attach(struct dn_attach *a)
{
	struct rb_node *node;
	struct dn_grant *g;
	int err;

	lockdep_assert_held(&dn_lock);
	for (node = rb_first(&a->ns->grants); node; node = rb_next(node)) {
		g = rb_entry(node, struct dn_grant, of_ns);
		if (rcu_access_pointer(g->upper))
			continue;
		err = hand(g, a);
		if (err) {
			dn_withdraw_attach(a);
			return err;
		}
	}
	return 0;
}

void dn_withdraw_grant(struct dn_grant *g)
{
	struct dn_handover *h, *next;

	lockdep_assert_held(&dn_lock);
	list_for_each_entry_safe(h, next, &g->handed, of_grant)
		withdraw(h);
}

void dn_withdraw_attach(struct dn_attach *a)
{
	struct dn_handover *h, *next;

	lockdep_assert_held(&dn_lock);
	list_for_each_entry_safe(h, next, &a->handed, of_attach)
		withdraw(h);
}

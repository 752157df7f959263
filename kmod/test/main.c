// SPDX-License-Identifier: GPL-2.0-only
/*
 * A consumer for tests: "test", whose resources are in memory and are named as
 * hosts are: "example" covers "www.example".  It shows that ZFS is not special,
 * says in /proc/delegns_test what it was told, fails on demand, and measures
 * the query.
 *
 * Never load it on a machine that matters.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/proc_ns.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/delegns_consumer.h>

/* The N-th of these calls from now on fails with EIO; 0: none does. */
static unsigned int fail_validate, fail_attach, fail_detach, fail_born;
module_param(fail_validate, uint, 0644);
module_param(fail_attach, uint, 0644);
module_param(fail_detach, uint, 0644);
module_param(fail_born, uint, 0644);
MODULE_PARM_DESC(fail_attach, "the N-th attach from now on fails");

/**
 * struct handed - a resource that a user namespace has.
 * @node:   node of the list; test_lock.
 * @userns: the user namespace; the first entry for it has a reference.
 * @name:   the resource.
 */
struct handed {
	struct list_head node;
	struct user_namespace *userns;
	char name[];
};

static DEFINE_MUTEX(test_lock);
static LIST_HEAD(all_handed);	/* test_lock */
static u64 nr_born, nr_died;	/* test_lock */

static bool fails(unsigned int *countdown)
{
	return *countdown && !--*countdown;
}

static int test_validate(const char *name)
{
	size_t i;

	if (fails(&fail_validate))
		return -EIO;
	for (i = 0; name[i]; i++) {
		if (name[i] == '.' ? !i || !name[i + 1] || name[i + 1] == '.' :
		    !((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9')))
			return -EILSEQ;
	}
	return strcmp(name, "missing") ? 0 : -ENXIO;
}

/* Orders by the last character first, '.' before the others. */
static int test_compare(const char *a, const char *b)
{
	size_t i = strlen(a), j = strlen(b);

	while (i && j && a[i - 1] == b[j - 1]) {
		i--;
		j--;
	}
	if (!i || !j)
		return (int)!!i - (int)!!j;
	if (a[i - 1] == '.' || b[j - 1] == '.')
		return a[i - 1] == '.' ? -1 : 1;
	return (unsigned char)a[i - 1] - (unsigned char)b[j - 1];
}

static bool test_covers(const char *wide, const char *narrow)
{
	size_t w = strlen(wide), n = strlen(narrow);

	if (w > n || memcmp(wide, narrow + n - w, w))
		return false;
	return w == n || narrow[n - w - 1] == '.';
}

static struct handed *find(const char *name, const struct user_namespace *userns)
{
	struct handed *h;

	list_for_each_entry(h, &all_handed, node)
		if (h->userns == userns && (!name || !strcmp(h->name, name)))
			return h;
	return NULL;
}

static int test_attach(const char *name, const struct delegns_target *to)
{
	struct handed *h;
	int err = 0;

	if (fails(&fail_attach))
		return -EIO;
	h = kzalloc(struct_size(h, name, strlen(name) + 1), GFP_KERNEL);
	if (!h)
		return -ENOMEM;
	memcpy(h->name, name, strlen(name) + 1);
	h->userns = to->userns;
	mutex_lock(&test_lock);
	if (find(name, to->userns)) {
		err = -EBUSY;
		kfree(h);
	} else {
		if (!find(NULL, to->userns))
			get_user_ns(to->userns);
		list_add_tail(&h->node, &all_handed);
	}
	mutex_unlock(&test_lock);
	return err;
}

static int test_detach(const char *name, const struct delegns_target *from)
{
	struct handed *h;

	mutex_lock(&test_lock);
	h = find(name, from->userns);
	if (h) {
		list_del(&h->node);
		if (!find(NULL, from->userns))
			put_user_ns(from->userns);
		kfree(h);
	}
	mutex_unlock(&test_lock);
	if (fails(&fail_detach))
		return -EIO;
	return h ? 0 : -ENOENT;
}

static int test_born(u64 id)
{
	if (fails(&fail_born))
		return -EIO;
	mutex_lock(&test_lock);
	nr_born++;
	mutex_unlock(&test_lock);
	return 0;
}

static void test_died(u64 id)
{
	mutex_lock(&test_lock);
	nr_died++;
	mutex_unlock(&test_lock);
}

static struct delegns_consumer test_consumer = {
	.name = "test",
	.owner = THIS_MODULE,
	.charge = sizeof(struct handed) + 256,
	.userns_refs = 1,
	.validate = test_validate,
	.compare = test_compare,
	.covers = test_covers,
	.attach = test_attach,
	.detach = test_detach,
	.born = test_born,
	.died = test_died,
};

/*
 * /proc/delegns_test_query measures the query: a name that is written to it is
 * asked for this many times; what is read then is whether it is held, and the
 * picoseconds of each.  The file that was written to keeps the answer, so that
 * many tasks can measure at once.
 */
static unsigned int query_times = 1000000;
module_param(query_times, uint, 0644);
MODULE_PARM_DESC(query_times, "how often a measurement asks");

static ssize_t query_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	unsigned int i, held = 0, times = READ_ONCE(query_times);
	char name[256] = "";
	u64 start;
	long ps;

	if (n >= sizeof(name))
		return -E2BIG;
	if (copy_from_user(name, buf, n))
		return -EFAULT;
	start = ktime_get_ns();
	for (i = 0; i < times; i++) {
		held += delegns_current_holds(&test_consumer, name);
		if (!(i & 0xfff))
			cond_resched();
	}
	ps = times ? div_u64((ktime_get_ns() - start) * 1000, times) : 0;
	file->private_data = (void *)(held ? ps : -ps);
	return n;
}

static ssize_t query_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	long ps = (long)file->private_data;
	char text[64];
	int len = scnprintf(text, sizeof(text), "%s %ld\n", ps > 0 ? "held" : "not-held", abs(ps));

	return simple_read_from_buffer(buf, n, pos, text, len);
}

static const struct proc_ops query_ops = {
	.proc_read = query_read,
	.proc_write = query_write,
	.proc_lseek = default_llseek,
};

/* Writing a name to the parameter `gone` makes the resource lose it. */
static int gone_set(const char *val, const struct kernel_param *kp)
{
	char name[256];

	strscpy(name, val, sizeof(name));
	delegns_resource_gone(&test_consumer, strim(name));
	return 0;
}

static const struct kernel_param_ops gone_ops = { .set = gone_set };
module_param_cb(gone, &gone_ops, NULL, 0200);

/*
 * Writing the name of a mistake to the parameter `mistake` makes it, so that
 * it can be seen whether a kernel that checks itself, and who reads its log,
 * notice.  Kernels that would not, and just be broken by it, refuse.
 */
static void mistake_shift(void)
{
	static unsigned int far = 33;
	unsigned int lost = 1U << READ_ONCE(far);

	OPTIMIZER_HIDE_VAR(lost);
}

static void mistake_rcu(void)
{
	static const char __rcu *unprotected;

	if (rcu_dereference(unprotected))
		pr_info("never\n");
}

static void mistake_locks(void)
{
	static DEFINE_MUTEX(one);
	static DEFINE_MUTEX(two);

	mutex_lock(&one);
	mutex_lock(&two);
	mutex_unlock(&two);
	mutex_unlock(&one);
	mutex_lock(&two);
	mutex_lock(&one);
	mutex_unlock(&one);
	mutex_unlock(&two);
}

static void never(struct timer_list *t)
{
}

static void mistake_timer(void)
{
	struct timer_list *t = kmalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return;
	timer_setup(t, never, 0);
	mod_timer(t, jiffies + 3600 * HZ);
	kfree(t);
}

static noinline void mistake_freed(void)	/* the report names it */
{
	char *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	READ_ONCE(*p);
}

/* More than one, for one may be believed in use. */
static void mistake_leak(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		void *p = kmalloc(200 + i, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(p);
	}
}

static void race_on(struct work_struct *work)
{
	static unsigned int turns;
	unsigned long end = jiffies + HZ;

	while (time_before(jiffies, end)) {
		turns++;
		barrier();
		cond_resched();
	}
	pr_debug("%u turns\n", turns);
}

/* Two processors write without telling each other. */
static void mistake_race(void)
{
	static DECLARE_WORK(other, race_on);

	queue_work(system_unbound_wq, &other);
	race_on(NULL);
	flush_work(&other);
}

static const struct {
	const char *name;
	void (*make)(void);
	bool noticed;		/* by this kernel */
} mistakes[] = {
	{ "shift", mistake_shift, IS_ENABLED(CONFIG_UBSAN_SHIFT) },
	{ "rcu", mistake_rcu, IS_ENABLED(CONFIG_PROVE_RCU) },
	{ "locks", mistake_locks, IS_ENABLED(CONFIG_PROVE_LOCKING) },
	{ "timer", mistake_timer, IS_ENABLED(CONFIG_DEBUG_OBJECTS_TIMERS) },
	{ "freed", mistake_freed, IS_ENABLED(CONFIG_KASAN) },
	{ "leak", mistake_leak, IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) },
	{ "race", mistake_race, IS_ENABLED(CONFIG_KCSAN) },
};

static int mistake_set(const char *val, const struct kernel_param *kp)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (!sysfs_streq(val, mistakes[i].name))
			continue;
		if (!mistakes[i].noticed)
			return -EOPNOTSUPP;
		mistakes[i].make();
		return 0;
	}
	return -EINVAL;
}

static const struct kernel_param_ops mistake_ops = { .set = mistake_set };
module_param_cb(mistake, &mistake_ops, NULL, 0200);

static int test_show(struct seq_file *m, void *v)
{
	struct handed *h;

	mutex_lock(&test_lock);
	seq_printf(m, "born %llu died %llu\n", nr_born, nr_died);
	list_for_each_entry(h, &all_handed, node)
		seq_printf(m, "%u %s\n", h->userns->ns.inum, h->name);
	mutex_unlock(&test_lock);
	return 0;
}

static int __init delegns_test_init(void)
{
	int err;

	if (!proc_create_single("delegns_test", 0444, NULL, test_show))
		return -ENOMEM;
	err = -ENOMEM;
	if (!proc_create("delegns_test_query", 0600, NULL, &query_ops))
		goto err_proc;
	err = delegns_register_consumer(&test_consumer);
	if (err)
		goto err_query;
	return 0;

err_query:
	remove_proc_entry("delegns_test_query", NULL);
err_proc:
	remove_proc_entry("delegns_test", NULL);
	return err;
}

static void __exit delegns_test_exit(void)
{
	remove_proc_entry("delegns_test_query", NULL);
	delegns_unregister_consumer(&test_consumer);
	remove_proc_entry("delegns_test", NULL);
	WARN_ON(!list_empty(&all_handed));
}

module_init(delegns_test_init);
module_exit(delegns_test_exit);

MODULE_ALIAS("delegns-consumer-test");
MODULE_DESCRIPTION("Delegation namespaces: a consumer for tests");
MODULE_AUTHOR("The Zones for Linux authors");
MODULE_LICENSE("GPL");

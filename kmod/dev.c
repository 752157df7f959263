// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation namespaces - the calls on /dev/delegns and on the descriptors of
 * namespaces.  This is the only file that touches user memory; the order of
 * the checks is that of the UAPI header.
 */
#include "core.h"

#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat.h"
#include "name.h"
#include "trace.h"

#define ARG_MAX_SIZE	4096	/* of any structure or record */
#define LIST_CHUNK	512	/* records that are gathered at a time */

/* The structures of all calls. */
union call_arg {
	struct delegns_version version;
	struct delegns_create create;
	struct delegns_open open;
	struct delegns_list list;
	struct delegns_resource resource;
	struct delegns_info info;
	struct delegns_userns userns;
	struct delegns_destroy destroy;
};

/**
 * struct call - one call.
 * @cmd:    its number.
 * @least:  the size of its structure in version 1.
 * @fn:     carries it out: the namespace's file, or NULL on the device.  A
 *          file in @give is for the caller to receive.
 * @answer: its structure has outputs.
 */
struct call {
	unsigned int cmd;
	size_t least;
	long (*fn)(struct dn_file *f, union call_arg *arg, struct file **give);
	bool answer;
};

/* Copies @len bytes, 1 to @max, into @to, with a NUL. */
static int get_bytes(char *to, u64 from, u32 len, u32 max)
{
	if (!len)
		return -EINVAL;
	if (len > max)
		return -E2BIG;
	if (copy_from_user(to, u64_to_user_ptr(from), len))
		return -EFAULT;
	to[len] = '\0';
	return 0;
}

/* As get_bytes, for what must not contain a NUL. */
static int get_string(char *to, u64 from, u32 len, u32 max)
{
	int err = get_bytes(to, from, len, max);

	return err ?: strlen(to) == len ? 0 : -EINVAL;
}

static long call_version(struct dn_file *f, union call_arg *arg, struct file **give)
{
	struct delegns_version *a = &arg->version;

	if (a->flags)
		return -EINVAL;
	a->abi = DELEGNS_ABI;
	a->features = 0;
	rcu_read_lock();
	a->self = dn_ns_current(NULL)->id;
	rcu_read_unlock();
	a->namespaces_max = READ_ONCE(dn_limits.namespaces);
	a->grants_max = READ_ONCE(dn_limits.grants);
	a->namespaces_below = READ_ONCE(dn_limits.namespaces_below);
	a->grants_below = READ_ONCE(dn_limits.grants_below);
	a->grants_each = READ_ONCE(dn_limits.grants_each);
	a->attached_max = READ_ONCE(dn_limits.attached);
	return 0;
}

static long call_create(struct dn_file *f, union call_arg *arg, struct file **give)
{
	struct delegns_create *a = &arg->create;
	char name[DELEGNS_NAME_MAX + 1];
	struct dn_ns *ns;
	int err;

	if (a->flags)
		return -EINVAL;
	err = get_string(name, a->name, a->name_len, DELEGNS_NAME_MAX);
	if (err)
		return err;
	if (!dn_name_ok(name, a->name_len))
		return -EINVAL;
	err = dn_lock_killable();
	if (err)
		return err;
	ns = dn_ns_create(name, a->name_len);
	if (IS_ERR(ns)) {
		err = PTR_ERR(ns);
		goto out;
	}
	*give = dn_file_new(ns, true);
	if (IS_ERR(*give)) {
		err = PTR_ERR(*give);
		dn_ns_destroy(ns);
		goto out;
	}
	a->id = ns->id;
out:
	mutex_unlock(&dn_lock);
	return err;
}

/* The path of DELEGNS_OPEN, checked; NULL when not asked for by name. */
static char *get_path(const struct delegns_open *a)
{
	const char *p, *name;
	size_t left = a->name_len, len;
	char *path;
	int err;

	if (a->by != DELEGNS_BY_NAME)
		return NULL;
	path = kmalloc(DELEGNS_PATH_MAX + 1, GFP_KERNEL_ACCOUNT);
	if (!path)
		return ERR_PTR(-ENOMEM);
	err = get_bytes(path, a->name, a->name_len, DELEGNS_PATH_MAX);
	for (p = path; !err && left;)
		err = dn_path_next(&p, &left, &name, &len);
	if (!err)
		return path;
	kfree(path);
	return ERR_PTR(err);
}

/* The process of DELEGNS_OPEN; NULL when not asked for by pidfd. */
static struct task_struct *get_process(const struct delegns_open *a)
{
	struct task_struct *task;
	struct file *file;
	struct pid *pid;

	if (a->by != DELEGNS_BY_PIDFD)
		return NULL;
	file = fget(a->pidfd);
	if (!file)
		return ERR_PTR(-EBADF);
	pid = compat_pidfd_pid(file);
	/* Since 6.9 it may be that of any thread. */
	task = pid ? get_pid_task(pid, PIDTYPE_PID) : ERR_PTR(-EINVAL);
	fput(file);
	return task ?: ERR_PTR(-ESRCH);
}

static struct dn_ns *open_find(const struct delegns_open *a, const char *path,
			       struct task_struct *task)
{
	struct dn_ns *ns;

	switch (a->by) {
	case DELEGNS_BY_ID:
		return dn_ns_by_id(a->id);
	case DELEGNS_BY_NAME:
		return dn_ns_by_path(dn_ns_current(NULL), path, a->name_len);
	case DELEGNS_BY_PIDFD:
		rcu_read_lock();
		ns = dn_ns_of(task_cred_xxx(task, user_ns), NULL);
		rcu_read_unlock();
		return ns;
	default:
		return dn_ns_current(NULL);
	}
}

static long call_open(struct dn_file *f, union call_arg *arg, struct file **give)
{
	struct delegns_open *a = &arg->open;
	struct task_struct *task = NULL;
	struct dn_ns *ns;
	char *path;
	int err;

	if (a->flags & ~DELEGNS_OPEN_WATCH)
		return -EINVAL;
	if (a->by < DELEGNS_BY_ID || a->by > DELEGNS_BY_SELF)
		return -EINVAL;
	path = get_path(a);
	if (IS_ERR(path))
		return PTR_ERR(path);
	task = get_process(a);
	if (IS_ERR(task)) {
		err = PTR_ERR(task);
		goto out_path;
	}
	err = dn_lock_killable();
	if (err)
		goto out_task;
	ns = open_find(a, path, task);
	if (ns && dn_ns_seen(ns)) {
		*give = dn_file_new(ns, !(a->flags & DELEGNS_OPEN_WATCH) && dn_ns_may_change(ns));
		err = PTR_ERR_OR_ZERO(*give);
		a->id = ns->id;
	} else {
		err = -ENOENT;
	}
	mutex_unlock(&dn_lock);
out_task:
	if (task)
		put_task_struct(task);
out_path:
	kfree(path);
	return err;
}

/* Copies gathered records of @size bytes to an array of the caller's size. */
static int put_records(const struct delegns_list *a, u32 done, const void *buf, u32 n, size_t size)
{
	size_t common = min_t(size_t, size, a->record_size);
	u32 i;

	for (i = 0; i < n; i++) {
		u64 at = a->buf + (u64)(done + i) * a->record_size;

		if (copy_to_user(u64_to_user_ptr(at), buf + i * size, common) ||
		    clear_user(u64_to_user_ptr(at + common), a->record_size - common))
			return -EFAULT;
	}
	return 0;
}

static long do_list(struct dn_file *f, struct delegns_list *a, dn_list_fill fill, size_t size,
		    size_t least, u32 flags)
{
	u32 done = 0, want;
	void *buf;
	int n;

	if (a->flags & ~flags || a->reserved)
		return -EINVAL;
	if (f) {
		/* What the caller may not see is not there, whatever he asks. */
		n = dn_enter_alive(f);
		if (n)
			return n;
		mutex_unlock(&dn_lock);
	}
	if (a->record_size < least)
		return -EINVAL;
	if (a->record_size > ARG_MAX_SIZE)
		return -E2BIG;
	if (!a->count)
		return -EINVAL;
	want = min_t(u32, a->count, LIST_CHUNK);
	buf = kvzalloc(want * size, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	do {
		want = min_t(u32, a->count - done, LIST_CHUNK);
		n = fill(f, a->flags, &a->cursor, buf, want);
		if (n < 0)
			break;
		if (put_records(a, done, buf, n, size)) {
			n = -EFAULT;
			break;
		}
		done += n;
	} while (n == want && done < a->count);
	kvfree(buf);
	a->count = done;
	return min(n, 0);
}

static long call_list(struct dn_file *f, union call_arg *arg, struct file **give)
{
	return do_list(f, &arg->list, dn_list_entries, sizeof(struct delegns_entry),
		       DELEGNS_ENTRY_SIZE_VER1, DELEGNS_COUNT);
}

static long call_grants(struct dn_file *f, union call_arg *arg, struct file **give)
{
	return do_list(f, &arg->list, dn_list_grants, sizeof(struct delegns_grant),
		       DELEGNS_GRANT_SIZE_VER1, 0);
}

static long call_attached(struct dn_file *f, union call_arg *arg, struct file **give)
{
	return do_list(f, &arg->list, dn_list_attached, sizeof(struct delegns_attached),
		       DELEGNS_ATTACHED_SIZE_VER1, 0);
}

static int get_resource(const struct delegns_resource *a, char *name)
{
	if (a->flags)
		return -EINVAL;
	if (!dn_consumer_name_ok(a->consumer, sizeof(a->consumer)))
		return -EINVAL;
	return get_string(name, a->name, a->name_len, DELEGNS_RESOURCE_MAX);
}

static long call_query(struct dn_file *f, union call_arg *arg, struct file **give)
{
	char name[DELEGNS_RESOURCE_MAX + 1];
	int err = get_resource(&arg->resource, name);

	return err ?: dn_query(arg->resource.consumer, name);
}

/* Grant and revoke.  Who has no right makes no module load. */
static long change_grant(struct dn_file *f, const struct delegns_resource *a, bool load,
			 int (*change)(struct dn_ns *, struct delegns_consumer *, const char *))
{
	char name[DELEGNS_RESOURCE_MAX + 1];
	struct delegns_consumer *c;
	int err;

	err = get_resource(a, name);
	if (err)
		return err;
	err = dn_enter_to_change(f);
	if (err)
		return err;
	mutex_unlock(&dn_lock);
	c = dn_consumer_get(a->consumer, load);
	if (!c)
		return -EPROTONOSUPPORT;
	if (c->settle)
		c->settle();
	err = dn_enter_to_change(f);
	if (!err) {
		err = change(f->ns, c, name);
		mutex_unlock(&dn_lock);
	}
	dn_consumer_put(c);
	return err;
}

static long call_grant(struct dn_file *f, union call_arg *arg, struct file **give)
{
	return change_grant(f, &arg->resource, true, dn_grant);
}

static long call_revoke(struct dn_file *f, union call_arg *arg, struct file **give)
{
	return change_grant(f, &arg->resource, false, dn_revoke);
}

static long call_info(struct dn_file *f, union call_arg *arg, struct file **give)
{
	struct delegns_info *a = &arg->info;
	struct dn_ns *ns = f->ns;
	u32 flags = a->flags;
	const struct dn_ns *own;
	int err;

	if (flags & ~DELEGNS_COUNT)
		return -EINVAL;
	err = dn_enter(f);
	if (err)
		return err;
	if (!ns->dead && !dn_ns_is_root(ns))
		dn_reap(ns);
	own = dn_ns_current(NULL);
	if (flags & DELEGNS_COUNT && !ns->dead)
		dn_count_processes();
	memset(a, 0, sizeof(*a));
	a->flags = flags;
	a->state = dn_ns_state(ns) | (f->holds && !ns->dead ? DELEGNS_STATE_HOLDS : 0);
	a->id = ns->id;
	a->parent = ns == own ? 0 : ns->parent->id;
	a->owner = ns->owner ? ns->owner->ns.inum : 0;
	a->depth = ns->depth - own->depth;
	a->attached = ns->nr_attached;
	a->grants = ns->nr_grants;
	a->children = ns->nr_children;
	a->processes = flags & DELEGNS_COUNT && !ns->dead ? ns->processes : 0;
	a->holders = ns->holders;
	memcpy(a->name, ns->name, sizeof(a->name));
	mutex_unlock(&dn_lock);
	return 0;
}

static long change_attached(struct dn_file *f, const struct delegns_userns *a, bool attach)
{
	struct user_namespace *userns;
	struct file *file;
	int err;

	if (a->flags)
		return -EINVAL;
	file = fget(a->fd);
	if (!file)
		return -EBADF;
	err = -EINVAL;
	userns = dn_file_userns(file);
	if (!userns)
		goto out;
	err = dn_enter_reaped(f);
	if (err)
		goto out;
	err = attach ? dn_attach(f->ns, file) : dn_detach(f->ns, userns);
	mutex_unlock(&dn_lock);
out:
	fput(file);
	return err;
}

static long call_attach(struct dn_file *f, union call_arg *arg, struct file **give)
{
	return change_attached(f, &arg->userns, true);
}

static long call_detach(struct dn_file *f, union call_arg *arg, struct file **give)
{
	return change_attached(f, &arg->userns, false);
}

static long call_destroy(struct dn_file *f, union call_arg *arg, struct file **give)
{
	int err;

	if (arg->destroy.flags)
		return -EINVAL;
	err = dn_enter(f);
	if (err)
		return err;
	if (!f->ns->dead) {
		if (dn_ns_may_change(f->ns))
			dn_ns_destroy(f->ns);
		else
			err = -EPERM;
	}
	mutex_unlock(&dn_lock);
	return err;
}

#define CALL(name, type, has_answer) {						\
	.cmd = DELEGNS_##name,							\
	.least = DELEGNS_##type##_SIZE_VER1,					\
	.answer = has_answer,							\
	.fn =

static const struct call device_calls[] = {
	CALL(VERSION, VERSION, true) call_version },
	CALL(CREATE, CREATE, true) call_create },
	CALL(OPEN, OPEN, true) call_open },
	CALL(LIST, LIST, true) call_list },
	CALL(QUERY, RESOURCE, false) call_query },
};

static const struct call ns_calls[] = {
	CALL(INFO, INFO, true) call_info },
	CALL(ATTACH, USERNS, false) call_attach },
	CALL(DETACH, USERNS, false) call_detach },
	CALL(GRANT, RESOURCE, false) call_grant },
	CALL(REVOKE, RESOURCE, false) call_revoke },
	CALL(GRANTS, LIST, true) call_grants },
	CALL(ATTACHED, LIST, true) call_attached },
	CALL(DESTROY, DESTROY, false) call_destroy },
};

/* Gives the caller a descriptor of a file, or closes it. */
static long give_file(struct file *file)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		fput(file);
	else
		fd_install(fd, file);
	return fd;
}

static long carry_out(const struct call *call, struct dn_file *f, unsigned int cmd,
		      void __user *uarg)
{
	size_t size = _IOC_SIZE(call->cmd), usize = _IOC_SIZE(cmd);
	struct file *give = NULL;
	union call_arg arg;
	long r;

	if (usize < call->least)
		return -EINVAL;
	if (usize > ARG_MAX_SIZE)
		return -E2BIG;
	r = copy_struct_from_user(&arg, size, uarg, usize);
	if (r)
		return r;
	r = call->fn(f, &arg, &give);
	if (r == -EPERM || r == -EACCES || r == -ENOENT)
		trace_delegns_deny(f ? f->ns->id : 0, _IOC_NR(cmd), r);
	if (r < 0)
		return r;
	if (call->answer && copy_to_user(uarg, &arg, min(size, usize))) {
		if (give)
			fput(give);
		return -EFAULT;
	}
	return give ? give_file(give) : r;
}

static long dispatch(const struct call *calls, size_t n, struct dn_file *f, unsigned int cmd,
		     unsigned long arg)
{
	unsigned int bits = ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);
	size_t i;

	for (i = 0; i < n; i++)
		if ((calls[i].cmd & bits) == (cmd & bits))
			return carry_out(&calls[i], f, cmd, (void __user *)arg);
	return -ENOTTY;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(device_calls, ARRAY_SIZE(device_calls), NULL, cmd, arg);
}

long dn_ns_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(ns_calls, ARRAY_SIZE(ns_calls), file->private_data, cmd, arg);
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "delegns",
	.fops = &device_fops,
	.mode = 0666,
};

/* A structure is its fields and nothing between them, and never changes. */
static void build_check_abi(void)
{
	/* Ids and the numbers of grants are indices of arrays. */
	BUILD_BUG_ON(sizeof(unsigned long) < sizeof(u64));
#define CHECK(s, size) BUILD_BUG_ON(sizeof(struct delegns_##s) != DELEGNS_##size##_SIZE_VER1)
	CHECK(version, VERSION);
	CHECK(create, CREATE);
	CHECK(open, OPEN);
	CHECK(list, LIST);
	CHECK(entry, ENTRY);
	CHECK(resource, RESOURCE);
	CHECK(info, INFO);
	CHECK(userns, USERNS);
	CHECK(grant, GRANT);
	CHECK(attached, ATTACHED);
	CHECK(destroy, DESTROY);
#undef CHECK
	BUILD_BUG_ON(DELEGNS_VERSION_SIZE_VER1 != 4 * 2 + 8 * 2 + 4 * 6);
	BUILD_BUG_ON(DELEGNS_CREATE_SIZE_VER1 != 8 + 4 * 2 + 8);
	BUILD_BUG_ON(DELEGNS_OPEN_SIZE_VER1 != 4 * 2 + 8 + 4 * 2 + 8);
	BUILD_BUG_ON(DELEGNS_LIST_SIZE_VER1 != 8 * 2 + 4 * 4);
	BUILD_BUG_ON(DELEGNS_ENTRY_SIZE_VER1 != 8 * 2 + 4 * 6 + 64);
	BUILD_BUG_ON(DELEGNS_RESOURCE_SIZE_VER1 != 16 + 8 + 4 * 2);
	BUILD_BUG_ON(DELEGNS_INFO_SIZE_VER1 != 4 * 2 + 8 * 3 + 4 * 6 + 64);
	BUILD_BUG_ON(DELEGNS_USERNS_SIZE_VER1 != 4 * 2);
	BUILD_BUG_ON(DELEGNS_GRANT_SIZE_VER1 != 8 + 4 * 2 + 16 + 256);
	BUILD_BUG_ON(DELEGNS_ATTACHED_SIZE_VER1 != 8 * 2 + 4 * 2);
	BUILD_BUG_ON(DELEGNS_DESTROY_SIZE_VER1 != 8);
}

int dn_dev_init(void)
{
	build_check_abi();
	return misc_register(&device);
}

void dn_dev_exit(void)
{
	misc_deregister(&device);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation of ZFS - the consumer "zfs": datasets are handed to user
 * namespaces through the two functions that the Solaris porting layer of
 * OpenZFS (spl.ko, GPL) exports for it.
 *
 * These want a descriptor of the current task for the user namespace, and the
 * credentials of the host's root.  So each call is made by a worker of the
 * kernel: it has descriptors however many the caller may have or be in the
 * middle of losing, and no other thread of the caller sees ours.
 */
#include "zfs.h"

#include <linux/cred.h>
#include <linux/errno.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include "name.h"

static bool allow_unsafe;
module_param(allow_unsafe, bool, 0644);
MODULE_PARM_DESC(allow_unsafe, "delegate with a version of OpenZFS that is known to be unsafe");

/**
 * struct zfs_call - one thing that the worker does.
 * @work: the worker's.
 * @fn:   attach or detach; NULL to look whether a pool exists.
 * @name: the dataset, or the path of the pool's statistics.
 * @file: the user namespace.
 * @err:  out: the result, negative.
 */
struct zfs_call {
	struct work_struct work;
	int (*fn)(struct cred *cred, const char *dataset, int userns_fd);
	const char *name;
	struct file *file;
	int err;
};

static struct cred *root_cred;
static bool version_safe;

static void call_in_worker(struct work_struct *work)
{
	struct zfs_call *call = container_of(work, struct zfs_call, work);
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0) {
		call->err = fd;
		return;
	}
	fd_install(fd, get_file(call->file));
	call->err = -call->fn(root_cred, call->name, fd);
	close_fd(fd);
}

#define KSTAT_DIR	"/proc/spl/kstat/zfs"

/* A pool that is imported has a directory of statistics. */
static void look_in_worker(struct work_struct *work)
{
	struct zfs_call *call = container_of(work, struct zfs_call, work);
	struct path path;

	call->err = kern_path(call->name, LOOKUP_DIRECTORY, &path);
	if (!call->err) {
		path_put(&path);
	} else if (call->err != -ENOMEM) {
		/* Without the statistics of any pool nothing can be told. */
		call->err = kern_path(KSTAT_DIR, LOOKUP_DIRECTORY, &path) ? 0 : -ENXIO;
		if (call->err)
			path_put(&path);
	}
}

static int zfs_call(struct zfs_call *call, work_func_t fn)
{
	INIT_WORK_ONSTACK(&call->work, fn);
	/* On this processor: the worker runs as soon as we sleep. */
	queue_work(system_highpri_wq, &call->work);
	flush_work(&call->work);
	destroy_work_on_stack(&call->work);
	return call->err;
}

static int zfs_validate(const char *name)
{
	struct zfs_call call = {};
	char *path;
	int err;

	if (!version_safe && !READ_ONCE(allow_unsafe))
		return -EOPNOTSUPP;
	if (!zfs_dataset_ok(name))
		return -EILSEQ;
	/* Here, where it is the caller's allocation that fails. */
	path = kasprintf(GFP_KERNEL, KSTAT_DIR "/%.*s", (int)strcspn(name, "/"), name);
	if (!path)
		return -ENOMEM;
	call.name = path;
	err = zfs_call(&call, look_in_worker);
	kfree(path);
	return err;
}

static int zfs_attach(const char *name, const struct delegns_target *to)
{
	struct zfs_call call = { .fn = zone_dataset_attach, .name = name, .file = to->file };
	int err = zfs_call(&call, call_in_worker);

	/* The core knows what it has handed over: this was zfs-zone(8). */
	return err == -EEXIST ? -EBUSY : err;
}

/*
 * A descriptor's number is the only thing that a detach allocates, and there
 * is one in all but a catastrophe; then it is worth waiting for, because what
 * is not taken away stays accessible.
 */
static int zfs_detach(const char *name, const struct delegns_target *from)
{
	struct zfs_call call = { .fn = zone_dataset_detach, .name = name, .file = from->file };
	int tries, err = -ENOMEM;

	for (tries = 0; tries < 100; tries++) {
		err = zfs_call(&call, call_in_worker);
		if (err != -ENOMEM && err != -EMFILE)
			break;
		schedule_timeout_uninterruptible(HZ / 100);
	}
	return err;
}

struct delegns_consumer zfs_consumer = {
	.name = "zfs",
	.owner = THIS_MODULE,
	/* An entry with the name, and a share of the user namespace's own. */
	.charge = 384,
	.userns_refs = 1,
	.validate = zfs_validate,
	.compare = zfs_dataset_compare,
	.covers = zfs_dataset_covers,
	.attach = zfs_attach,
	.detach = zfs_detach,
	.settle = zfs_watch_settle,
};

/*
 * The version of spl.ko, which is built as one with zfs.ko.  The kernel tells
 * it to readers of this file only; what cannot be read is not safe.
 */
static void read_version(char *version, size_t size)
{
	struct file *file = filp_open("/sys/module/spl/version", O_RDONLY, 0);
	loff_t pos = 0;
	ssize_t n = 0;

	if (!IS_ERR(file)) {
		n = kernel_read(file, version, size - 1, &pos);
		filp_close(file, NULL);
	}
	version[max_t(ssize_t, n, 0)] = '\0';
	strim(version);
}

static int __init delegns_zfs_init(void)
{
	char version[64];
	int err;

	/* Not a soft dependency: modprobe -r would want to remove it with us. */
	request_module("zfs");
	read_version(version, sizeof(version));
	version_safe = zfs_version_safe(version);
	if (!version_safe)
		pr_warn("OpenZFS '%s' is not safe to delegate with: 2.3.9, 2.4.4 or newer is%s\n",
			version, allow_unsafe ? "; allow_unsafe is set" : " needed");
	root_cred = prepare_kernel_cred(&init_task);
	if (!root_cred)
		return -ENOMEM;
	/* Before the first grant: none may outlive its dataset's name. */
	err = zfs_watch_start();
	if (err)
		goto err_cred;
	err = delegns_register_consumer(&zfs_consumer);
	if (err)
		goto err_watch;
	return 0;

err_watch:
	zfs_watch_stop();
err_cred:
	put_cred(root_cred);
	return err;
}

static void __exit delegns_zfs_exit(void)
{
	delegns_unregister_consumer(&zfs_consumer);
	zfs_watch_stop();
	put_cred(root_cred);
}

module_init(delegns_zfs_init);
module_exit(delegns_zfs_exit);

MODULE_ALIAS("delegns-consumer-zfs");
MODULE_DESCRIPTION("Delegation namespaces: ZFS datasets");
MODULE_AUTHOR("The Zones for Linux authors");
MODULE_LICENSE("GPL");

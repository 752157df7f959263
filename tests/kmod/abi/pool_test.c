// SPDX-License-Identifier: GPL-2.0-only
/*
 * What bears a name now is not what bore it: pools that are exported, imported,
 * destroyed and made anew, and datasets that are renamed, destroyed and
 * replaced, while they are granted.
 */
#define _GNU_SOURCE
#include "stage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOL_FILE	"/tmp/pool-of-tests"
#define MAKE_POOL	"truncate -s 128M " POOL_FILE " && zpool create -m none pt " POOL_FILE
#define MAKE_DATASET	"zfs create -o zoned=on -o mountpoint=none "

static int sh(const char *command)
{
	int status = system(command);

	if (status)
		printf("status %#x of: %s\n", status, command);
	return status;
}

/* A namespace with one zone. */
static struct zone z;
static int ns;

static void begin(const char *name)
{
	z = zone_new();
	ns = dn_create(name);
	check_eq(dn_attach(ns, z.userns), 0);
}

static void end(void)
{
	close(ns);
	zone_kill(&z);
}

static int granted(void)
{
	char grants[1024];

	return dn_grants(ns, grants, sizeof(grants));
}

/* A revocation follows at once, but not before the command ends. */
static void until_granted(int n)
{
	for (int i = 0; i < 250 && granted() != n; i++)
		msleep(20);
	check_eq(granted(), n);
}

/* Nothing comes later that takes grants away. */
static void still_granted(int n)
{
	msleep(300);
	check_eq(granted(), n);
}

static void pool_exported(void)
{
	begin("export");
	check_eq(sh(MAKE_POOL " && " MAKE_DATASET "pt/d && " MAKE_DATASET "pt/e"), 0);
	check_eq(dn_grant(ns, "zfs:pt/d"), 0);
	check_eq(dn_grant(ns, "zfs:pt/e"), 0);
	check_eq(dn_grant(ns, "zfs:tank/d"), 0);
	check_eq(zfs_access_in(&z, "pt/d"), ZFS_WRITES);
	check_eq(sh("zpool export pt"), 0);
	until_granted(1);
	check_eq(dn_grant(ns, "zfs:pt/d"), -ENXIO);
	check_eq(dn_revoke(ns, "zfs:pt/d"), -ENODATA);
	check_eq(sh("zpool import -N -d " POOL_FILE " pt"), 0);
	check_eq(zfs_access_in(&z, "pt/d"), ZFS_NOTHING);
	check_eq(zfs_access_in(&z, "tank/d"), ZFS_WRITES);
	check_eq(dn_grant(ns, "zfs:pt/d"), 0);
	check_eq(zfs_access_in(&z, "pt/d"), ZFS_WRITES);
	check_eq(zfs_access_in(&z, "pt/e"), ZFS_NOTHING);
	/* Under another name it is another one. */
	check_eq(sh("zpool export pt && zpool import -N -d " POOL_FILE " pt pu"), 0);
	until_granted(1);
	check_eq(zfs_access_in(&z, "pu/d"), ZFS_NOTHING);
	check_eq(sh("zpool destroy pu"), 0);
	unlink(POOL_FILE);
	end();
}

/* An export that fails takes nothing away. */
static void export_refused(void)
{
	int fd;

	begin("busy");
	check_eq(sh(MAKE_POOL " && " MAKE_DATASET "pt/d &&"
		    "zfs create -o mountpoint=/tmp/pt-busy pt/busy"), 0);
	check_eq(dn_grant(ns, "zfs:pt/d"), 0);
	fd = open("/tmp/pt-busy/f", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	check(fd >= 0);
	check(system("zpool export pt 2>/dev/null") != 0);
	check(system("zpool destroy pt 2>/dev/null") != 0);
	still_granted(1);
	check_eq(zfs_access_in(&z, "pt/d"), ZFS_WRITES);
	close(fd);
	check_eq(sh("zpool destroy pt"), 0);
	until_granted(0);
	unlink(POOL_FILE);
	end();
}

static void pool_destroyed(void)
{
	begin("destroy");
	check_eq(sh(MAKE_POOL " && " MAKE_DATASET "pt/d"), 0);
	check_eq(dn_grant(ns, "zfs:pt"), 0);
	check_eq(dn_grant(ns, "zfs:pt/d"), 0);
	check_eq(zfs_access_in(&z, "pt/d"), ZFS_WRITES);
	check_eq(sh("zpool destroy pt && " MAKE_POOL " && " MAKE_DATASET "pt/d"), 0);
	/* What is granted now is the new one, and stays. */
	check_eq(dn_grant(ns, "zfs:pt/d"), 0);
	still_granted(1);
	check_eq(zfs_access_in(&z, "pt/d"), ZFS_WRITES);
	check_eq(dn_revoke(ns, "zfs:pt/d"), 0);
	check_eq(zfs_access_in(&z, "pt/d"), ZFS_NOTHING);
	check_eq(sh("zpool destroy pt"), 0);
	unlink(POOL_FILE);
	end();
}

/* What is called zoned can only be renamed by the host when it no longer is. */
#define RENAME(from, to) \
	"zfs set zoned=off " from " && zfs rename " from " " to " && zfs set zoned=on " to

static int rename_inside_fn(void *arg)
{
	(void)arg;
	return sh("zfs rename tank/r/s tank/r/t");
}

static void dataset_renamed(void)
{
	begin("rename");
	check_eq(sh(MAKE_DATASET "tank/r && zfs create tank/r/s && " MAKE_DATASET "tank/other"), 0);
	check_eq(dn_grant(ns, "zfs:tank/r/s"), 0);
	check_eq(dn_grant(ns, "zfs:tank/r"), 0);
	check_eq(zfs_access_in(&z, "tank/r/s"), ZFS_WRITES);
	check_eq(sh(RENAME("tank/r", "tank/r2") " && " RENAME("tank/other", "tank/r")), 0);
	until_granted(0);
	check_eq(zfs_access_in(&z, "tank/r2/s"), ZFS_NOTHING);
	check_eq(zfs_access_in(&z, "tank/r"), ZFS_NOTHING);
	/* Back again: what was revoked was revoked. */
	check_eq(sh(RENAME("tank/r", "tank/other") " && " RENAME("tank/r2", "tank/r")), 0);
	check_eq(zfs_access_in(&z, "tank/r"), ZFS_NOTHING);
	check_eq(dn_grant(ns, "zfs:tank/r"), 0);
	check_eq(dn_grant(ns, "zfs:tank/r/s"), 0);
	still_granted(2);
	check_eq(zfs_access_in(&z, "tank/r/s"), ZFS_WRITES);
	/* A rename that fails takes nothing away. */
	check(system("zfs rename tank/r tank/other 2>/dev/null") != 0);
	check(system("zfs set zoned=off tank/r && zfs rename tank/r tank/other 2>/dev/null") != 0);
	check_eq(sh("zfs set zoned=on tank/r"), 0);
	still_granted(2);
	/* What is below what is granted may move below it, and loses its own. */
	check_eq(in_zone(&z, rename_inside_fn, NULL), 0);
	until_granted(1);
	check_eq(zfs_access_in(&z, "tank/r/t"), ZFS_WRITES);
	check_eq(sh("zfs destroy -r tank/r && zfs destroy tank/other"), 0);
	until_granted(0);
	end();
}

static void dataset_replaced(void)
{
	begin("replace");
	check_eq(sh(MAKE_DATASET "tank/r && zfs create tank/r/v"), 0);
	check_eq(dn_grant(ns, "zfs:tank/r/v"), 0);
	check_eq(sh("zfs destroy tank/r/v && zfs create tank/r/v"), 0);
	until_granted(0);
	check_eq(zfs_access_in(&z, "tank/r/v"), ZFS_NOTHING);
	/* By a program that runs in the kernel. */
	check_eq(dn_grant(ns, "zfs:tank/r/v"), 0);
	check_eq(sh("echo 'assert(zfs.sync.destroy(\"tank/r/v\") == 0)' >/tmp/destroy.lua &&"
		    "zfs program tank /tmp/destroy.lua >/dev/null && zfs create tank/r/v"), 0);
	until_granted(0);
	check_eq(zfs_access_in(&z, "tank/r/v"), ZFS_NOTHING);
	check_eq(sh("zfs destroy tank/r/v && zfs create -V 8M tank/r/v && udevadm settle"), 0);
	check_eq(dn_grant(ns, "zfs:tank/r/v"), 0);
	still_granted(1);
	check_eq(zfs_access_in(&z, "tank/r/v"), ZFS_WRITES);
	/* A volume in use cannot be destroyed, and stays granted. */
	check_eq(sh("for i in $(seq 100); do [ -b /dev/zvol/tank/r/v ] && break; sleep 0.1; done;"
		    "! zfs destroy tank/r/v 2>/dev/null </dev/zvol/tank/r/v"), 0);
	still_granted(1);
	check_eq(sh("for i in $(seq 50); do zfs destroy tank/r/v 2>/dev/null && exit;"
		    "sleep 0.1; done; exit 1"), 0);
	until_granted(0);
	check_eq(sh("zfs destroy tank/r"), 0);
	end();
}

/* What replaces the content of a dataset leaves it what it is. */
static void dataset_received(void)
{
	begin("receive");
	check_eq(sh(MAKE_DATASET "tank/r && zfs snapshot tank/r@1 &&"
		    "zfs create -o mountpoint=none tank/from && zfs snapshot tank/from@2"), 0);
	check_eq(dn_grant(ns, "zfs:tank/r"), 0);
	check_eq(sh("zfs rollback tank/r@1 &&"
		    "zfs clone -o zoned=on -o mountpoint=none tank/r@1 tank/clone && zfs promote tank/clone"), 0);
	still_granted(1);
	check_eq(zfs_access_in(&z, "tank/r"), ZFS_WRITES);
	check_eq(sh("zfs promote tank/r && zfs destroy tank/clone &&"
		    "zfs send tank/from@2 | zfs recv -F tank/new &&"
		    "zfs destroy tank/r@1 && zfs send tank/from@2 | zfs recv -F tank/r"), 0);
	still_granted(1);
	check_eq(zfs_access_in(&z, "tank/r"), ZFS_WRITES);
	check_eq(sh("zfs destroy -r tank/r && zfs destroy -r tank/from && zfs destroy -r tank/new"), 0);
	until_granted(0);
	end();
}

/* A zone's root replaces a dataset that it had granted to its child. */
static int inner_fn(void *arg)
{
	struct zone in = zone_new();
	int child = dn_create("inner"), i;

	(void)arg;
	EXPECT(dn_attach(child, in.userns), 0);
	EXPECT(sh("zfs create tank/r/a"), 0);
	EXPECT(dn_grant(child, "zfs:tank/r/a"), 0);
	EXPECT(zfs_access_in(&in, "tank/r/a"), ZFS_WRITES);
	EXPECT(sh("zfs destroy tank/r/a && zfs create tank/r/a"), 0);
	for (i = 0; i < 250 && zfs_access_in(&in, "tank/r/a") != ZFS_NOTHING; i++)
		msleep(20);
	EXPECT(zfs_access_in(&in, "tank/r/a"), ZFS_NOTHING);
	zone_kill(&in);
	close(child);
	return 0;
}

static void replaced_from_inside(void)
{
	begin("inside");
	check_eq(sh(MAKE_DATASET "tank/r"), 0);
	check_eq(dn_grant(ns, "zfs:tank/r"), 0);
	check_eq(in_zone(&z, inner_fn, NULL), 0);
	still_granted(1);
	check_eq(zfs_access_in(&z, "tank/r/a"), ZFS_WRITES);
	check_eq(sh("zfs destroy -r tank/r"), 0);
	until_granted(0);
	end();
}

/* zfs.ko can go and come: what is granted after that is watched as well. */
static void zfs_reloaded(void)
{
	check_eq(sh("zpool export tank && modprobe -r zfs && modprobe zfs &&"
		    "zpool import -d /dev tank"), 0);
	dataset_replaced();
}

void pool_tests(void)
{
	RUN(pool_exported);
	RUN(export_refused);
	RUN(pool_destroyed);
	RUN(dataset_renamed);
	RUN(dataset_replaced);
	RUN(dataset_received);
	RUN(replaced_from_inside);
	RUN(zfs_reloaded);
}

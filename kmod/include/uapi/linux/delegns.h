/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * Delegation namespaces: the interface between the module `delegns` and user
 * space.  This file is the manual of the interface and its only copy.
 *
 * WHAT IT IS
 *
 * A delegation namespace is an administrative domain over a group of
 * resources.  It has an id (from 1, never used twice in a boot), a name (unique
 * among its siblings), a parent, an owner user namespace (its creator's), a set
 * of attached user namespaces, and a set of grants.  A grant is a consumer (a
 * kernel module that owns resources, such as "zfs") and the name of one of its
 * resources.  The host is the namespace with id 0, named "global"; it has no
 * parent, is never destroyed, and holds every resource.
 *
 * WHO BELONGS
 *
 * A task belongs to the delegation namespace of the nearest attached user
 * namespace at or above the task's own user namespace, or else to the host.
 * That namespace is "the caller's own" below, and that user namespace (for the
 * host: the initial one) is "the caller's anchor".  A consumer acts only for
 * the user namespaces that are attached, exactly, and not for those below
 * them: every user can make a user namespace and be root in it, so what is
 * inherited is membership, never resources.
 *
 * RIGHTS
 *
 * Rights belong to the task that makes the call, at the time of the call.  A
 * file descriptor carries none: who receives one from elsewhere may do with it
 * only what he could have done by opening the namespace himself.
 *
 *   see      The caller's own namespace and all below it.  Whatever else is
 *            asked for does not exist: ENOENT.
 *   change   A namespace strictly below the caller's own, by a caller with
 *            CAP_SYS_ADMIN in its owner user namespace; otherwise EPERM.  So
 *            a zone never changes its own grants.
 *   create   CAP_SYS_ADMIN in the caller's anchor; otherwise EPERM.
 *
 * There is one addition: who has CAP_SYS_ADMIN in his anchor may attach to
 * (and detach from) his own namespace user namespaces that are strictly below
 * his anchor.  It gives them nothing that he does not have, and for no longer
 * than he has it: they are detached with his anchor.  Nothing is ever attached
 * to the host.
 *
 * LIFE
 *
 * A namespace lives while a holding file descriptor is open or one of its
 * attached user namespaces is alive.  The descriptor that DELEGNS_CREATE
 * returns is a holding one.  The one that DELEGNS_OPEN returns is holding when
 * the caller had the right to change the namespace and did not ask for
 * DELEGNS_OPEN_WATCH; otherwise it is a watching one, which keeps nothing
 * alive: neither a zone nor a stranger can hold a namespace that is over.
 *
 * A user namespace is alive while anything but this module and its consumers
 * has a reference to it: a task, an open or bind-mounted nsfs file, a
 * namespace of another kind or a user namespace that belongs to it.  The death
 * of one is noticed within a second when the namespace has no holder, or when
 * somebody polls a descriptor of it; otherwise at the next DELEGNS_INFO,
 * DELEGNS_ATTACHED, DELEGNS_ATTACH or DELEGNS_DETACH of it.  A dead user
 * namespace is detached.
 *
 * When a namespace is destroyed, by its end of life or by DELEGNS_DESTROY, its
 * children are destroyed first; then its resources are taken away from its
 * user namespaces, its grants vanish, its name is free and its id is retired.
 * When a user namespace is detached or dies, those children of the namespace
 * that were created from it are destroyed as well: their right to exist came
 * from there.
 *
 * GRANTS
 *
 * A resource can be granted when the parent's grants cover it.  What covers
 * what is the consumer's rule; for "zfs" a dataset covers itself and all below
 * it, at a '/'.  One resource may be granted to many namespaces.  Only the
 * maximal grants of a namespace (those that no other grant of it covers) are
 * handed to the consumer; the others are recorded, and are handed over when
 * what covered them is revoked.  A revocation goes down the tree: whatever a
 * descendant holds only through the grant goes first, children before parents.
 *
 * THE DESCRIPTORS
 *
 * "/dev/delegns" takes the calls 0x00 to 0x0f.  A namespace's descriptor takes
 * the calls from 0x10 on, and poll(2):
 *
 *   POLLIN   there was an attached user namespace, and none is alive now
 *   POLLHUP  the namespace is destroyed (POLLIN is set as well)
 *   POLLERR  the caller may not see the namespace
 *
 * ARGUMENTS
 *
 * Every call takes a pointer to the structure named in its definition; the
 * size in the ioctl number is the size of the caller's structure, and may
 * differ from the kernel's.  A smaller structure than that of version 1 is
 * EINVAL; a larger one is accepted when what the kernel does not know is zero,
 * and is E2BIG otherwise, or when larger than 4096 bytes.  Unknown flags and
 * non-zero reserved fields are EINVAL.  Strings are a pointer and a length
 * without a terminating NUL.  Output fields are ignored as input.  A call that
 * fails changes nothing.
 *
 * ERRORS OF EVERY CALL, in the order of the checks
 *
 *   ENOTTY   not a call of this kind of descriptor (unknown type, number or
 *            direction)
 *   EINVAL   the structure is too small
 *   E2BIG    the structure is larger than 4096 bytes
 *   EFAULT   the structure cannot be read (or, at the end, just before a new
 *            descriptor gets its number, written)
 *   E2BIG    a part of the structure that this kernel does not know is not 0
 *            (this comes before EFAULT when only the part that it knows cannot
 *            be read)
 *   EINVAL   an unknown flag, or a reserved field that is not 0
 *
 * Then come the errors listed with each call, again in the order of the
 * checks, and at any point:
 *
 *   EINTR    a fatal signal came while waiting for another call to end
 *   ENOMEM   no memory, or the limit of the caller's memory cgroup
 *
 * Calls on a namespace's descriptor then make these two checks, unless they are
 * listed further down for the call:
 *
 *   ENOENT   the caller may not see the namespace
 *   ESTALE   the namespace is destroyed (not DELEGNS_INFO, which says so in
 *            its state, and not DELEGNS_DESTROY, which is done)
 */
#ifndef _UAPI_LINUX_DELEGNS_H
#define _UAPI_LINUX_DELEGNS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The version of this interface, as DELEGNS_VERSION reports it.  It is raised
 * when calls, flags or fields are added; nothing is ever taken away.
 */
#define DELEGNS_ABI		1

/* The longest name of a namespace in bytes.  Names are letters, digits, '-',
 * '_' and '.', the first a letter or digit, and never "global".
 */
#define DELEGNS_NAME_MAX	63

/* The longest name of a consumer in bytes: a-z, 0-9, '-' and '_', the first a
 * letter.
 */
#define DELEGNS_CONSUMER_MAX	15

/* The longest name of a resource in bytes. */
#define DELEGNS_RESOURCE_MAX	255

/* The greatest depth of a namespace; the host's is 0. */
#define DELEGNS_DEPTH_MAX	32

/* The longest path of names in bytes: 32 names and the '/' between them. */
#define DELEGNS_PATH_MAX	2047

/* The host's id. */
#define DELEGNS_GLOBAL		0

#define DELEGNS_IOC		0xDE

/* ------------------------------------------------------ calls on the device */

/**
 * struct delegns_version - DELEGNS_VERSION: what this kernel offers.
 * @abi:            out: DELEGNS_ABI of the module.
 * @flags:          in: 0.
 * @features:       out: DELEGNS_FEATURE_*; none is defined yet.
 * @self:           out: the id of the caller's own namespace.
 * @namespaces_max: out: the most namespaces (module parameter).
 * @grants_max:     out: the most grants of all namespaces (module parameter).
 * @namespaces_below: out: the most namespaces below any but the host.
 * @grants_below:   out: the most grants below any namespace but the host.
 * @grants_each:    out: the most grants in one namespace.
 * @attached_max:   out: the most user namespaces attached to one namespace.
 *
 * Rights: none.  Errors: none but those of every call.
 */
struct delegns_version {
	__u32 abi;
	__u32 flags;
	__aligned_u64 features;
	__aligned_u64 self;
	__u32 namespaces_max;
	__u32 grants_max;
	__u32 namespaces_below;
	__u32 grants_below;
	__u32 grants_each;
	__u32 attached_max;
};

#define DELEGNS_VERSION_SIZE_VER1	48

/**
 * struct delegns_create - DELEGNS_CREATE: make a namespace in the caller's own.
 * @name:     in: pointer to the name.
 * @name_len: in: its length in bytes.
 * @flags:    in: 0.
 * @id:       out: the new namespace's id.
 *
 * Returns a holding descriptor with O_CLOEXEC.  The owner user namespace is
 * the caller's anchor.  Rights: create.  Errors:
 *
 *   EINVAL   the name is empty
 *   E2BIG    the name is longer than DELEGNS_NAME_MAX
 *   EFAULT   the name cannot be read
 *   EINVAL   the name has a character that names do not have, or is "global"
 *   EPERM    the caller has no CAP_SYS_ADMIN in its anchor
 *   EUSERS   it would be deeper than DELEGNS_DEPTH_MAX
 *   EUSERS   there are as many namespaces as the parameters allow: in all, or
 *            below a namespace that is not the host
 *   EEXIST   the caller's own namespace has a child of this name
 *   others   what a consumer answered to the news
 *   ENFILE, EMFILE  no free descriptor
 */
struct delegns_create {
	__aligned_u64 name;
	__u32 name_len;
	__u32 flags;
	__aligned_u64 id;
};

#define DELEGNS_CREATE_SIZE_VER1	24

/* How DELEGNS_OPEN finds a namespace. */
#define DELEGNS_BY_ID		1	/* its id */
#define DELEGNS_BY_NAME		2	/* names from the caller's own, "a/b" */
#define DELEGNS_BY_PIDFD	3	/* the one a process belongs to */
#define DELEGNS_BY_SELF		4	/* the caller's own */

/* DELEGNS_OPEN: the descriptor is a watching one in any case. */
#define DELEGNS_OPEN_WATCH	(1U << 0)

/**
 * struct delegns_open - DELEGNS_OPEN: a descriptor of an existing namespace.
 * @by:       in: DELEGNS_BY_*.
 * @flags:    in: DELEGNS_OPEN_WATCH or 0.
 * @id:       in: the id, by id; out: the id found.
 * @pidfd:    in: a pidfd, by pidfd; otherwise ignored.
 * @name_len: in: the path's length in bytes, by name; otherwise ignored.
 * @name:     in: pointer to the path, by name; otherwise ignored.
 *
 * Returns a descriptor with O_CLOEXEC (see LIFE for holding and watching).
 * Rights: see.  Errors:
 *
 *   EINVAL   @by is none of DELEGNS_BY_*
 *   EINVAL   the path is empty
 *   E2BIG    the path is longer than DELEGNS_PATH_MAX
 *   EFAULT   the path cannot be read
 *   EINVAL   the path is not one of names with single '/' between them
 *   E2BIG    a name in the path is longer than DELEGNS_NAME_MAX (of these two,
 *            what comes first in the path counts)
 *   EBADF    @pidfd is not open
 *   EINVAL   @pidfd is not a pidfd
 *   ESRCH    the process is gone
 *   ENOENT   there is no such namespace, or the caller may not see it
 *   ENFILE, EMFILE  no free descriptor
 */
struct delegns_open {
	__u32 by;
	__u32 flags;
	__aligned_u64 id;
	__s32 pidfd;
	__u32 name_len;
	__aligned_u64 name;
};

#define DELEGNS_OPEN_SIZE_VER1		32

/* DELEGNS_LIST, DELEGNS_INFO: count processes too; it looks at every process
 * of the machine.
 */
#define DELEGNS_COUNT		(1U << 0)

/**
 * struct delegns_list - the calls that list: LIST, GRANTS, ATTACHED.
 * @cursor:      in: 0 to begin, then what the last call gave; out: where to
 *               go on.
 * @buf:         in: pointer to an array of records.
 * @count:       in: the records that fit into @buf; out: those written.
 * @record_size: in: the size of one record in the caller's array.  A larger
 *               one than the kernel's is filled up with zeros.
 * @flags:       in: DELEGNS_COUNT for DELEGNS_LIST, otherwise 0.
 * @reserved:    in: 0.
 *
 * Fewer records than asked for is the end.  What exists throughout is listed
 * once, however many calls it takes; what comes or goes between them may or
 * may not be.
 *
 * DELEGNS_LIST gives struct delegns_entry for each namespace below the caller's
 * own (not the own), in the order of their ids.  Rights: none.
 * DELEGNS_GRANTS gives struct delegns_grant for each grant of the namespace,
 * in the order in which they were made.  The host has none.  Rights: see.
 * DELEGNS_ATTACHED gives struct delegns_attached for each user namespace, in
 * the order in which they were attached.  Rights: see.  Errors:
 *
 *   EINVAL   @record_size is smaller than the record of version 1
 *   E2BIG    @record_size is larger than 4096
 *   EINVAL   @count is 0
 *   EFAULT   @buf cannot be written
 */
struct delegns_list {
	__aligned_u64 cursor;
	__aligned_u64 buf;
	__u32 count;
	__u32 record_size;
	__u32 flags;
	__u32 reserved;
};

#define DELEGNS_LIST_SIZE_VER1		32

/* States of a namespace. */
#define DELEGNS_STATE_EMPTY	(1U << 0)	/* POLLIN's condition */
#define DELEGNS_STATE_DEAD	(1U << 1)	/* destroyed */
#define DELEGNS_STATE_HOLDS	(1U << 2)	/* this descriptor holds (INFO) */

/**
 * struct delegns_entry - one namespace of DELEGNS_LIST.
 * @id:        its id.
 * @parent:    its parent's id.
 * @depth:     how far below the caller's own namespace.
 * @state:     DELEGNS_STATE_*.
 * @attached:  the number of user namespaces attached.
 * @grants:    the number of grants.
 * @children:  the number of namespaces directly below.
 * @processes: with DELEGNS_COUNT, the number of processes that belong to it
 *             (not to one below it); otherwise 0.
 * @name:      its name, filled up with NUL.
 */
struct delegns_entry {
	__aligned_u64 id;
	__aligned_u64 parent;
	__u32 depth;
	__u32 state;
	__u32 attached;
	__u32 grants;
	__u32 children;
	__u32 processes;
	char name[DELEGNS_NAME_MAX + 1];
};

#define DELEGNS_ENTRY_SIZE_VER1		104

/**
 * struct delegns_resource - a resource: QUERY, GRANT and REVOKE.
 * @consumer: in: the consumer's name, filled up with NUL.
 * @name:     in: pointer to the resource's name.
 * @name_len: in: its length in bytes.
 * @flags:    in: 0.
 *
 * DELEGNS_QUERY asks, on the device, whether the caller's own namespace holds
 * the resource, and returns 1 or 0.  It needs no rights, and takes no lock that
 * changes take.  The host holds everything.  Errors:
 *
 *   EINVAL   @consumer is no consumer's name
 *   EINVAL   the name is empty
 *   E2BIG    the name is longer than DELEGNS_RESOURCE_MAX
 *   EFAULT   the name cannot be read
 *   EINVAL   the name contains a NUL
 *   EPROTONOSUPPORT  no such consumer is loaded
 *   (a name that the consumer would refuse to grant is no error, and is held
 *   as any other is: when a grant covers it)
 *
 * DELEGNS_GRANT grants the resource to the namespace.  A consumer that is not
 * loaded is asked for as the module alias "delegns-consumer-NAME".  Rights:
 * change.  Errors:
 *
 *   EINVAL, E2BIG, EFAULT, EINVAL  as above
 *   ENOENT, ESTALE   as for every call on a namespace
 *   EPERM    the caller may not change the namespace
 *   EPROTONOSUPPORT  there is no such consumer
 *   EOPNOTSUPP  the consumer cannot delegate on this machine (zfs: this version
 *            of OpenZFS is known to be unsafe, and the parameter
 *            `allow_unsafe` of delegns_zfs is not set)
 *   EILSEQ   the consumer has no resources of such names (zfs: a snapshot, a
 *            bookmark, an empty or overlong component, an invalid character)
 *   EACCES   the parent's grants do not cover the resource
 *   ENXIO    the resource does not exist, as far as the consumer can tell (zfs:
 *            there is no such pool)
 *   EEXIST   the namespace has this grant
 *   ENOSPC   there are as many grants as the parameters allow: in all, in the
 *            namespace, or below a namespace that is not the host
 *   EBUSY    the consumer has given the resource to one of the user namespaces
 *            by other means (zfs: zfs-zone(8))
 *   others   what the consumer answered when the resource was handed over
 *
 * DELEGNS_REVOKE takes exactly this grant away, and what descendants hold only
 * through it.  Rights: change.  Errors:
 *
 *   EINVAL, E2BIG, EFAULT, EINVAL  as above
 *   ENOENT, ESTALE   as for every call on a namespace
 *   EPERM    the caller may not change the namespace
 *   EPROTONOSUPPORT  no such consumer is loaded, so nothing of it is granted
 *   ENODATA  the namespace does not have this grant
 *   others   what the consumer answered when a grant that the revoked one had
 *            covered was to be handed over
 */
struct delegns_resource {
	char consumer[DELEGNS_CONSUMER_MAX + 1];
	__aligned_u64 name;
	__u32 name_len;
	__u32 flags;
};

#define DELEGNS_RESOURCE_SIZE_VER1	32

/* ------------------------------------------------ calls on a namespace's fd */

/**
 * struct delegns_info - DELEGNS_INFO: one namespace.
 * @flags:     in: DELEGNS_COUNT or 0.
 * @state:     out: DELEGNS_STATE_*.
 * @id:        out: its id.
 * @parent:    out: its parent's id; the host's is 0.  A caller's own namespace
 *             says 0 to it: what is above is not to be seen.
 * @owner:     out: the inode number of the owner user namespace; 0 when
 *             destroyed.
 * @depth:     out: how far below the caller's own namespace; 0 for that.
 * @attached:  out: the number of user namespaces attached.
 * @grants:    out: the number of grants.
 * @children:  out: the number of namespaces directly below.
 * @processes: out: with DELEGNS_COUNT, the number of processes that belong to
 *             it (not to one below it); otherwise 0.
 * @holders:   out: the number of holding descriptors.
 * @name:      out: its name, filled up with NUL.
 *
 * Rights: see.  Errors:
 *
 *   ENOENT   the caller may not see the namespace
 */
struct delegns_info {
	__u32 flags;
	__u32 state;
	__aligned_u64 id;
	__aligned_u64 parent;
	__aligned_u64 owner;
	__u32 depth;
	__u32 attached;
	__u32 grants;
	__u32 children;
	__u32 processes;
	__u32 holders;
	char name[DELEGNS_NAME_MAX + 1];
};

#define DELEGNS_INFO_SIZE_VER1		120

/**
 * struct delegns_userns - a user namespace: ATTACH and DETACH.
 * @fd:    in: a descriptor of /proc/PID/ns/user or of another name of it.
 * @flags: in: 0.
 *
 * DELEGNS_ATTACH attaches the user namespace and hands it what is granted.
 * Rights: change; or, on the caller's own namespace, CAP_SYS_ADMIN in the
 * caller's anchor.  Errors:
 *
 *   EBADF    @fd is not open
 *   EINVAL   @fd is not that of a user namespace
 *   ENOENT, ESTALE   as for every call on a namespace
 *   EPERM    the caller has neither right, or the namespace is the host
 *   EACCES   the user namespace is not strictly below the owner user namespace
 *            (on the caller's own namespace: below the caller's anchor)
 *   EEXIST   it is attached to this namespace
 *   EBUSY    it is attached to another namespace
 *   ENOSPC   as many are attached as the parameter allows
 *   ENFILE   the machine has as many open files as it may
 *   EBUSY    the consumer has given a resource to it by other means
 *   others   what a consumer answered when a resource was handed over
 *
 * DELEGNS_DETACH takes what is granted away from it and detaches it; children
 * of the namespace that were created from it are destroyed, and what its root
 * attached to the namespace is detached as well.  Rights and errors are those
 * of attach up to EACCES, then:
 *
 *   ENODATA  it is not attached to this namespace
 */
struct delegns_userns {
	__s32 fd;
	__u32 flags;
};

#define DELEGNS_USERNS_SIZE_VER1	8

/* States of a grant. */
#define DELEGNS_GRANT_MAXIMAL	(1U << 0)	/* handed to the consumer */

/**
 * struct delegns_grant - one grant of DELEGNS_GRANTS.
 * @seq:      its number within the namespace.
 * @state:    DELEGNS_GRANT_*.
 * @name_len: the length of @name in bytes.
 * @consumer: the consumer's name, filled up with NUL.
 * @name:     the resource's name, filled up with NUL.
 */
struct delegns_grant {
	__aligned_u64 seq;
	__u32 state;
	__u32 name_len;
	char consumer[DELEGNS_CONSUMER_MAX + 1];
	char name[DELEGNS_RESOURCE_MAX + 1];
};

#define DELEGNS_GRANT_SIZE_VER1		288

/**
 * struct delegns_attached - one user namespace of DELEGNS_ATTACHED.
 * @seq:      its number within the namespace.
 * @inode:    its inode number, as stat(2) of /proc/PID/ns/user gives it.
 * @state:    0.
 * @children: the namespaces that were created from it.
 */
struct delegns_attached {
	__aligned_u64 seq;
	__aligned_u64 inode;
	__u32 state;
	__u32 children;
};

#define DELEGNS_ATTACHED_SIZE_VER1	24

/**
 * struct delegns_destroy - DELEGNS_DESTROY: end the namespace now.
 * @flags: in: 0.
 *
 * It is destroyed with all below it when the call returns.  That it is already
 * destroyed is no error, for anybody who may see it.  Processes are not
 * touched; they belong to the namespace above from then on.  Rights: change.
 * Errors:
 *
 *   ENOENT   the caller may not see the namespace
 *   EPERM    the caller may not change the namespace
 */
struct delegns_destroy {
	__aligned_u64 flags;
};

#define DELEGNS_DESTROY_SIZE_VER1	8

#define DELEGNS_VERSION	 _IOWR(DELEGNS_IOC, 0x00, struct delegns_version)
#define DELEGNS_CREATE	 _IOWR(DELEGNS_IOC, 0x01, struct delegns_create)
#define DELEGNS_OPEN	 _IOWR(DELEGNS_IOC, 0x02, struct delegns_open)
#define DELEGNS_LIST	 _IOWR(DELEGNS_IOC, 0x03, struct delegns_list)
#define DELEGNS_QUERY	 _IOWR(DELEGNS_IOC, 0x04, struct delegns_resource)

#define DELEGNS_INFO	 _IOWR(DELEGNS_IOC, 0x10, struct delegns_info)
#define DELEGNS_ATTACH	 _IOWR(DELEGNS_IOC, 0x11, struct delegns_userns)
#define DELEGNS_DETACH	 _IOWR(DELEGNS_IOC, 0x12, struct delegns_userns)
#define DELEGNS_GRANT	 _IOWR(DELEGNS_IOC, 0x13, struct delegns_resource)
#define DELEGNS_REVOKE	 _IOWR(DELEGNS_IOC, 0x14, struct delegns_resource)
#define DELEGNS_GRANTS	 _IOWR(DELEGNS_IOC, 0x15, struct delegns_list)
#define DELEGNS_ATTACHED _IOWR(DELEGNS_IOC, 0x16, struct delegns_list)
#define DELEGNS_DESTROY	 _IOWR(DELEGNS_IOC, 0x17, struct delegns_destroy)

#endif /* _UAPI_LINUX_DELEGNS_H */

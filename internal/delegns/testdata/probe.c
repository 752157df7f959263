// SPDX-License-Identifier: Apache-2.0
// What the header says of itself: names, values, sizes, offsets. abi_test.go
// compares this with abi.golden and with Go's mirror.
#include <stddef.h>
#include <stdio.h>
#include <linux/delegns.h>

#define C(n) printf("%s %llu\n", #n, (unsigned long long)DELEGNS_##n)
#define S(s) printf("struct %s %zu\n", #s, sizeof(struct delegns_##s))
#define F(s, f) printf("%s.%s %zu %zu\n", #s, #f, offsetof(struct delegns_##s, f), \
		       sizeof(((struct delegns_##s *)0)->f))
/* A structure is its fields and nothing between them. */
#define SUM(s, n) _Static_assert(sizeof(struct delegns_##s) == (n), #s)

SUM(version, DELEGNS_VERSION_SIZE_VER1);
SUM(create, DELEGNS_CREATE_SIZE_VER1);
SUM(open, DELEGNS_OPEN_SIZE_VER1);
SUM(list, DELEGNS_LIST_SIZE_VER1);
SUM(entry, DELEGNS_ENTRY_SIZE_VER1);
SUM(resource, DELEGNS_RESOURCE_SIZE_VER1);
SUM(info, DELEGNS_INFO_SIZE_VER1);
SUM(userns, DELEGNS_USERNS_SIZE_VER1);
SUM(grant, DELEGNS_GRANT_SIZE_VER1);
SUM(attached, DELEGNS_ATTACHED_SIZE_VER1);
SUM(destroy, DELEGNS_DESTROY_SIZE_VER1);

int main(void)
{
	C(ABI); C(NAME_MAX); C(CONSUMER_MAX); C(RESOURCE_MAX); C(DEPTH_MAX); C(PATH_MAX);
	C(GLOBAL); C(IOC);
	C(BY_ID); C(BY_NAME); C(BY_PIDFD); C(BY_SELF);
	C(OPEN_WATCH); C(COUNT); C(STATE_EMPTY); C(STATE_DEAD); C(STATE_HOLDS); C(GRANT_MAXIMAL);
	C(VERSION); C(CREATE); C(OPEN); C(LIST); C(QUERY); C(INFO);
	C(ATTACH); C(DETACH); C(GRANT); C(REVOKE); C(GRANTS); C(ATTACHED); C(DESTROY);

	S(version); F(version, abi); F(version, flags); F(version, features); F(version, self);
	F(version, namespaces_max); F(version, grants_max); F(version, namespaces_below);
	F(version, grants_below); F(version, grants_each); F(version, attached_max);
	S(create); F(create, name); F(create, name_len); F(create, flags); F(create, id);
	S(open); F(open, by); F(open, flags); F(open, id); F(open, pidfd); F(open, name_len);
	F(open, name);
	S(list); F(list, cursor); F(list, buf); F(list, count); F(list, record_size);
	F(list, flags); F(list, reserved);
	S(entry); F(entry, id); F(entry, parent); F(entry, depth); F(entry, state);
	F(entry, attached); F(entry, grants); F(entry, children); F(entry, processes);
	F(entry, name);
	S(resource); F(resource, consumer); F(resource, name); F(resource, name_len);
	F(resource, flags);
	S(info); F(info, flags); F(info, state); F(info, id); F(info, parent); F(info, owner);
	F(info, depth); F(info, attached); F(info, grants); F(info, children);
	F(info, processes); F(info, holders); F(info, name);
	S(userns); F(userns, fd); F(userns, flags);
	S(grant); F(grant, seq); F(grant, state); F(grant, name_len); F(grant, consumer);
	F(grant, name);
	S(attached); F(attached, seq); F(attached, inode); F(attached, state);
	F(attached, children);
	S(destroy); F(destroy, flags);
	return 0;
}

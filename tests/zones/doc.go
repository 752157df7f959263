// SPDX-License-Identifier: Apache-2.0

// Package zones plays the scenarios, the files *.txt beside it, with the real
// commands on the test machine; it is no unit test of any package.
//
// A scenario is a testscript (github.com/rogpeppe/go-internal/testscript). Its
// first line is a comment that says what it shows. Besides testscript's own
// commands it has
//
//	cut-off ZONE                     zoneadm and zoneadmd are killed in places of
//	                                 every operation on an installed zone, each
//	                                 followed by one more command, halt and a look
//	                                 at what is left; prints "N places"
//	exits STATUS COMMAND [ARG...]    the command ends with exactly that status;
//	                                 stdout and stderr look at what it said
//	until SECONDS COMMAND [ARG...]   the command succeeds within that time
//	zonecfg-script ZONE FILE         zonecfg -z ZONE -f FILE
//	mini ZONE [DATASET...]           a zone of the small image below /tank/zones,
//	                                 installed, those datasets created for it and
//	                                 delegated to it
//	images DIR                       OCI images, as archives and layouts in DIR and
//	                                 in a registry at $REGISTRY
//	remove ZONE                      halt (if need be), uninstall and delete
//
// and the variables MINI and DEBIAN, the zone images. Every scenario starts with
// the pool tank empty and no zone, and has to end so: a process, mount, cgroup,
// link, network namespace, delegation namespace, dataset or zone that is left
// makes it fail, and is removed before the next. There is no skip.
//
// Outside the test machine only the form of the scenarios is checked; the tag
// vm adds the part that plays them, and tests/zones/run builds and runs it.
package zones

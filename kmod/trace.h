/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delegation namespaces - tracepoints.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM delegns

#if !defined(_DELEGNS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _DELEGNS_TRACE_H

#include <linux/tracepoint.h>
#include "core.h"

DECLARE_EVENT_CLASS(delegns_ns,
	TP_PROTO(const struct dn_ns *ns),
	TP_ARGS(ns),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, parent)
		__array(char, name, DELEGNS_NAME_MAX + 1)
	),
	TP_fast_assign(
		__entry->id = ns->id;
		__entry->parent = ns->parent->id;
		memcpy(__entry->name, ns->name, sizeof(__entry->name));
	),
	TP_printk("id=%llu parent=%llu name=%s", __entry->id, __entry->parent, __entry->name)
);

DEFINE_EVENT(delegns_ns, delegns_create, TP_PROTO(const struct dn_ns *ns), TP_ARGS(ns));
DEFINE_EVENT(delegns_ns, delegns_destroy, TP_PROTO(const struct dn_ns *ns), TP_ARGS(ns));

DECLARE_EVENT_CLASS(delegns_userns,
	TP_PROTO(const struct dn_ns *ns, unsigned int userns),
	TP_ARGS(ns, userns),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(unsigned int, userns)
	),
	TP_fast_assign(
		__entry->id = ns->id;
		__entry->userns = userns;
	),
	TP_printk("id=%llu userns=%u", __entry->id, __entry->userns)
);

DEFINE_EVENT(delegns_userns, delegns_attach,
	TP_PROTO(const struct dn_ns *ns, unsigned int userns), TP_ARGS(ns, userns));
DEFINE_EVENT(delegns_userns, delegns_detach,
	TP_PROTO(const struct dn_ns *ns, unsigned int userns), TP_ARGS(ns, userns));

DECLARE_EVENT_CLASS(delegns_resource,
	TP_PROTO(const struct dn_ns *ns, const struct dn_grant *g),
	TP_ARGS(ns, g),
	TP_STRUCT__entry(
		__field(u64, id)
		__array(char, consumer, DELEGNS_CONSUMER_MAX + 1)
		__array(char, name, DELEGNS_RESOURCE_MAX + 1)
	),
	TP_fast_assign(
		__entry->id = ns->id;
		strscpy(__entry->consumer, g->consumer->name, sizeof(__entry->consumer));
		strscpy(__entry->name, g->name, sizeof(__entry->name));
	),
	TP_printk("id=%llu resource=%s:%s", __entry->id, __entry->consumer, __entry->name)
);

DEFINE_EVENT(delegns_resource, delegns_grant,
	TP_PROTO(const struct dn_ns *ns, const struct dn_grant *g), TP_ARGS(ns, g));
DEFINE_EVENT(delegns_resource, delegns_revoke,
	TP_PROTO(const struct dn_ns *ns, const struct dn_grant *g), TP_ARGS(ns, g));

/* A call refused for want of a right; id is 0 for calls on the device. */
TRACE_EVENT(delegns_deny,
	TP_PROTO(u64 id, unsigned int call, int error),
	TP_ARGS(id, call, error),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(unsigned int, call)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->call = call;
		__entry->error = error;
	),
	TP_printk("id=%llu call=0x%02x error=%d", __entry->id, __entry->call, __entry->error)
);

#endif /* _DELEGNS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

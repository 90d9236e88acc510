/* Calls told to somebody when they are over: what they were given, what they gave back, and what stands in
 * the guest's memory where they read and wrote.
 *
 * A traced call is made through another host function, whose p1_call has no memory: each look at the guest's
 * memory takes the long way of guest_range, which ends here and is remembered. So no call can forget to
 * tell, and those that are not traced do not pay.
 *
 * SAFETY: ranges are remembered after they were found inside the memory, whose base never moves and which
 * never shrinks. A guest can name as many bytes as its memory has, a thousand times in one call: what is
 * hashed is bounded, what is counted is not. */
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#define TRACE_RANGES     (WASI_MAX_IOVS + 16u) /* buffers, and what else the call has */
#define TRACE_HASH_BYTES ((u64)64 << 20)
#define TRACE_SLOTS      16u

typedef struct trace_row {
    wasi_errno (*call)(p1_call *c);
    p1_row row;
} trace_row;

/* ORDER: p1.def */
static const trace_row trace_rows[] = {
#define WASI_P1(name, params, results, need, need2, asks) \
    {gbx_wasi_##name, {(need), (need2), (asks), P1_NUMBER_##name}},
#include "wasi/p1.def"
#undef WASI_P1
};

/* ORDER: errno.def */
static const char *const trace_errnos[WASI_ERRNO_COUNT] = {
#define WASI_ERRNO(name, number, host) [number] = #name,
#define WASI_ERRNO_ALSO(name, host)
#include "wasi/errno.def"
#undef WASI_ERRNO
#undef WASI_ERRNO_ALSO
};

/* What a traced host function is given. */
typedef struct trace_bound {
    wasi_trace *trace;
    u32 idx;
} trace_bound;

typedef struct trace_range {
    u32 ptr;
    u64 len;
} trace_range;

struct wasi_trace {
    wasi_ctx *w;
    wasi_trace_report report;
    void *data;
    u64 number;
    trace_bound bound[GBX_LEN(trace_rows)];

    /* Of the call in progress. */
    u8 *mem;
    u64 mem_bytes;
    u64 bytes, left; /* named so far; that may yet be hashed */
    u32 range_count;
    trace_range ranges[TRACE_RANGES];
};

gbx_code
gbx_wasi_trace_new(wasi_ctx *w, wasi_trace_report report, void *data, gbx_err *err)
{
    wasi_trace *const t = gbx_base_alloc_zero(1, sizeof *t);
    if (!t) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a trace");
    t->w = w;
    t->report = report;
    t->data = data;
    for (u32 i = 0; i < GBX_LEN(trace_rows); i++) t->bound[i] = (trace_bound){t, i};
    w->trace = t;
    return GBX_OK;
}

u8 *
gbx_wasi_trace_range(wasi_trace *t, u32 ptr, u64 len)
{
    if (!t->mem || ptr > t->mem_bytes || len > t->mem_bytes - ptr) return NULL;
    t->bytes += len;
    u64 const take = min_u64(len, t->left);
    t->left -= take;
    if (t->range_count < TRACE_RANGES) t->ranges[t->range_count++] = (trace_range){ptr, take};
    return t->mem + ptr;
}

static u64
trace_hash(const wasi_trace *t)
{
    u64 h = 0;
    for (u32 i = 0; i < t->range_count; i++)
        h = gbx_base_hash(h ^ t->ranges[i].ptr, t->mem + t->ranges[i].ptr, t->ranges[i].len);
    return h;
}

static gbx_trap_code
trace_enter(gbx_exec *x, gbx_instance *caller, void *data, gbx_slot *slots)
{
    const trace_bound *const b = data;
    wasi_trace *const t = b->trace;
    if (t->w->figures) figure_add(&t->w->figures->calls[b->idx], 1);
    const runtime_host_row *const row = &gbx_wasi_p1.rows[b->idx];
    bool const has_result = row->results[0] != 0;
    u64 args[TRACE_SLOTS];
    size_t const arg_count = strlen(row->params);
    GBX_ASSERT(arg_count <= TRACE_SLOTS);
    memcpy(args, slots, arg_count * sizeof *args);

    const gbx_memory *const mem = caller && caller->memory_count ? caller->memories[0] : NULL;
    t->mem = mem ? mem->base : NULL;
    t->mem_bytes = mem ? mem->bytes : 0;
    t->bytes = 0;
    t->left = TRACE_HASH_BYTES;
    t->range_count = 0;
    p1_call c = {.w = t->w, .x = x, .arg = slots, .row = &trace_rows[b->idx].row, .trace = t};
    t->w->call = row->name;
    x->asked |= c.row->asks;
    gbx_trap_code const trap = p1_end(&c, trace_rows[b->idx].call(&c), slots, has_result);

    u32 const result = trap == GBX_TRAP_NONE && has_result ? (u32)slots[0] : 0;
    wasi_traced const told = {
            .number = ++t->number,
            .name = row->name,
            .params = row->params,
            .args = args,
            .trap = trap,
            .result = result,
            .result_name = trace_errnos[result],
            .bytes = t->bytes,
            .hash = trace_hash(t),
            .exec = x,
    };
    t->report(t->data, &told);
    return trap;
}

gbx_host_fn
gbx_wasi_trace_bind(void *ctx, u32 idx, void **data)
{
    wasi_ctx *const w = ctx;
    GBX_ASSERT(idx < GBX_LEN(trace_rows));
    *data = w->trace ? (void *)&w->trace->bound[idx] : ctx;
    return w->trace ? trace_enter : gbx_wasi_p1.rows[idx].fn;
}

/* The border to guest code: one host function per row of p1.def, and the checks all calls share.
 *
 * A host function builds a p1_call on its stack, runs the call, and writes its errno to slots[0]. A
 * call checks every pointer and flag before its first effect, and writes every byte of what it gives
 * back, padding included. SPEC: WASI preview 1. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

static gbx_trap_code
p1_enter(p1_call *c, const char *name, wasi_errno (*call)(p1_call *c), gbx_instance *caller,
         gbx_slot *slots, bool has_result)
{
    const gbx_memory *const mem = caller && caller->memory_count ? caller->memories[0] : NULL;
    c->mem = mem ? mem->base : NULL;
    c->mem_bytes = mem ? mem->bytes : 0;
    c->w->call = name;
    c->x->asked |= c->row->asks;
    if (c->w->figures) figure_add(&c->w->figures->calls[c->row->number], 1);
    return p1_end(c, call(c), slots, has_result);
}

#define WASI_P1(name, params, results, need, need2, asks_of)                                  \
    static gbx_trap_code p1_host_##name(gbx_exec *x, gbx_instance *caller, void *data,        \
                                        gbx_slot *slots)                                      \
    {                                                                                         \
        static const p1_row row = {(need), (need2), (asks_of), P1_NUMBER_##name};             \
        p1_call c = {.w = data, .x = x, .arg = slots, .row = &row};                           \
        return p1_enter(&c, #name, gbx_wasi_##name, caller, slots, sizeof(results) > 1);      \
    }
#include "wasi/p1.def"
#undef WASI_P1

static const runtime_host_row p1_rows[] = {
#define WASI_P1(name, params, results, need, need2, asks) {#name, params, results, p1_host_##name},
#include "wasi/p1.def"
#undef WASI_P1
};

const runtime_host_set gbx_wasi_p1 = {.module = "wasi_snapshot_preview1",
                                      .rows = p1_rows,
                                      .count = GBX_LEN(p1_rows),
                                      .bind = gbx_wasi_trace_bind};

wasi_errno
gbx_wasi_file_get(p1_call *c, u32 fd, u64 rights, wasi_file **out)
{
    wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, fd);
    if (!f) return WASI_BADF;
    u64 const missing = rights & ~f->rights;
    if (missing & (RIGHT_FD_READ | RIGHT_FD_WRITE)) return WASI_BADF;
    if (missing) return WASI_NOTCAPABLE;
    *out = f;
    return WASI_OK;
}

/* SAFETY: count is bounded before it is multiplied; the array is copied before any buffer is written,
 * so buffers that overlap it, or each other, change nothing that was checked. */
wasi_errno
gbx_wasi_iovs_read(p1_call *c, u32 ptr, u32 count, p1_iovs *out)
{
    const u8 *const in = guest_range(c, ptr, (u64)count * 8);
    if (!in) return WASI_FAULT;
    if (count > WASI_MAX_IOVS) {
        gbx_wasi_met(c->w, WASI_MET_IOVS);
        return WASI_INVAL;
    }
    u64 total = 0;
    for (u32 i = 0; i < count; i++) {
        u32 const len = get_u32(in + 8 * (size_t)i + 4);
        u8 *const buf = guest_range(c, get_u32(in + 8 * (size_t)i), len);
        if (!buf) return WASI_FAULT;
        u64 const take = min_u64(len, WASI_MAX_IO_BYTES - total);
        out->v[i] = (struct iovec){.iov_base = buf, .iov_len = take};
        total += take;
    }
    out->count = count;
    out->total = total;
    return WASI_OK;
}

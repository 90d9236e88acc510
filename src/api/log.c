/* host.h: the host function log(level, ptr, len).
 *
 * What a guest writes is delivered line by line, escaped, so that no line can be more than one, or anything
 * but text. What a guest can cause is bounded three ways: bytes of a line, bytes in all, lines in a second;
 * what is more is not delivered, and the next line that is says how many were not.
 *
 * SAFETY: the guest's bytes are copied piece by piece before they are looked at, at most as many as may be
 * delivered; the work of one call is bounded by what one line may have and what is left in all. */
#include <string.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/os_sync.h"
#include "base/text.h"

#define LOG_LINE_BYTES   4096u /* of a line, where the host names no bound: before it is escaped */
#define LOG_MOST_LINE    65536u
#define LOG_TOTAL_BYTES  ((u64)1 << 20)
#define LOG_LINES_PER_S  1000u
#define LOG_NS_PER_S     1000000000u
#define LOG_ESCAPED      8u /* bytes that one can become, and more: "\u{1f600}" of four */

typedef struct log_state {
    gbx_log_opts opts;
    u64 left;     /* bytes */
    u64 second;   /* the present one */
    u32 in_second; /* lines delivered in it */
    u64 dropped;  /* lines since the last that was delivered */
    gbx_store *store;
    size_t shown_cap;
    char *line;  /* opts.line_bytes */
    char *shown; /* shown_cap */
} log_state;

static void
log_free(void *obj)
{
    log_state *const s = obj;
    gbx_base_free(s->line);
    gbx_base_free(s->shown);
    gbx_base_free(s);
}

/* One more line now? */
static bool
log_may(log_state *s)
{
    if (s->opts.lines_per_s == UINT32_MAX) return true;
    u64 const second = gbx_base_os_now_ns() / LOG_NS_PER_S;
    if (second != s->second) s->in_second = 0;
    s->second = second;
    if (s->in_second == s->opts.lines_per_s) return false;
    s->in_second++;
    return true;
}

/* s->line[0..len), which had `whole` bytes at the guest's. */
static void
log_deliver(log_state *s, gbx_instance *inst, i32 level, size_t len, u64 whole)
{
    if (s->left < len || !log_may(s)) {
        s->dropped++;
        return;
    }
    s->left -= s->left == UINT64_MAX ? 0 : len;
    text_buf t = gbx_base_text_init(s->shown, s->shown_cap);
    gbx_base_text_escape(&t, s->line, len, len);
    gbx_log_line const line = {.level = level,
                               .text = s->shown,
                               .len = t.len,
                               .cut_bytes = whole - len,
                               .dropped = s->dropped,
                               .name = gbx_store_name(s->store),
                               .tenant = gbx_store_tenant(s->store),
                               .store = s->store,
                               .instance = inst};
    s->dropped = 0;
    s->opts.write(s->opts.data, &line);
}

/* Lines are cut where they have more bytes than one may; of what follows, bytes are counted alone. What
 * stands behind the bound on all bytes is not looked at. */
static gbx_trap_code
log_write(log_state *s, gbx_caller *caller, i32 level, u64 addr, u64 len)
{
    u8 *memory;
    size_t memory_bytes, held = 0;
    u64 whole = 0;
    bool const has_memory = gbx_caller_memory(caller, &memory, &memory_bytes);
    if (!has_memory || addr > memory_bytes || len > memory_bytes - addr) {
        text_buf t = gbx_base_text_init(caller->x->message, sizeof caller->x->message);
        gbx_base_text_printf(&t, "log: %llu bytes at address %llu are not inside the memory",
                             (unsigned long long)len, (unsigned long long)addr);
        return GBX_TRAP_MEM_OOB;
    }
    for (u64 at = 0; at < len; at++) {
        if (atomic_load_explicit(&caller->x->stop, memory_order_relaxed)) return GBX_TRAP_NONE;
        const u8 *const end = memchr(memory + addr + at, '\n', min_u64(len - at, LOG_MOST_LINE));
        u64 const take = end ? (u64)(end - (memory + addr + at)) : min_u64(len - at, LOG_MOST_LINE);
        size_t const room = min_u64(take, s->opts.line_bytes - held);
        if (room) memcpy(s->line + held, memory + addr + at, room);
        held += room;
        whole += take;
        at += take;
        if (!end && at < len) {
            at--; /* no line's end was passed */
            continue;
        }
        log_deliver(s, caller->inst, level, held, whole);
        held = 0;
        whole = 0;
    }
    return GBX_TRAP_NONE;
}

/* The gbx_host_callback of every log. */
static gbx_trap_code
log_call(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)results;
    return log_write(data, caller, args[0].of.i32, (u32)args[1].of.i32, (u32)args[2].of.i32);
}

static gbx_code
log_new(gbx_store *store, const gbx_log_opts *opts, log_state **out, gbx_err *err)
{
    log_state *const s = gbx_base_alloc_zero(1, sizeof *s);
    if (s) {
        s->opts = *opts;
        s->left = opts->total_bytes;
        s->store = store;
        s->shown_cap = (size_t)opts->line_bytes * LOG_ESCAPED + 8;
        s->line = gbx_base_alloc(opts->line_bytes, 1);
        s->shown = gbx_base_alloc(s->shown_cap, 1);
        if (s->line && s->shown && gbx_runtime_store_own(store, s, log_free)) {
            *out = s;
            return GBX_OK;
        }
        log_free(s);
    }
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a log");
}

gbx_code
gbx_linker_define_log(gbx_linker *linker, const char *module, const char *name, const gbx_log_opts *opts,
                      gbx_err *err)
{
    gbx_log_opts o;
    API_NEED(linker, err);
    API_NEED(opts, err);
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    if (!o.write) return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "write is NULL");
    if (o.line_bytes > LOG_MOST_LINE)
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "line_bytes is %u, at most %u are possible",
                                o.line_bytes, LOG_MOST_LINE);
    if (!o.line_bytes) o.line_bytes = LOG_LINE_BYTES;
    if (!o.total_bytes) o.total_bytes = LOG_TOTAL_BYTES;
    if (!o.lines_per_s) o.lines_per_s = LOG_LINES_PER_S;
    gbx_store *const store = gbx_runtime_linker_store(linker);
    if (!store)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET, "the store of this linker was released");
    log_state *s = NULL;
    GBX_TRY(log_new(store, &o, &s, err));
    gbx_host_func const func = {.size = sizeof func,
                                .module = module,
                                .name = name,
                                .signature = "(i32, i32, i32)",
                                .callback = log_call,
                                .data = s,
                                .purpose = "writes lines to the host's log: level, address, length",
                                .touches = "the host's log"};
    return gbx_linker_define(linker, &func, err);
}

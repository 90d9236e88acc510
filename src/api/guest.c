/* guest.h: what host functions do with a guest's memory beside copying.
 *
 * SAFETY: every address and length here may be the guest's. Ranges are checked by gbx_runtime_view_open and
 * gbx_caller_read, in 64 bits and against the memory as it is at that moment; what is checked is what was
 * copied, and not read again. */
#include <string.h>

#include "api/api_int.h"
#include "base/text.h"

static gbx_trap_code
guest_outside(gbx_caller *caller, gbx_trap_code code, const char *fmt, ...) GBX_PRINTF(3, 4);

/* The trap with its words; `caller` may be NULL. */
static gbx_trap_code
guest_outside(gbx_caller *caller, gbx_trap_code code, const char *fmt, ...)
{
    va_list args;
    if (!caller) return code;
    text_buf t = gbx_base_text_init(caller->x->message, sizeof caller->x->message);
    va_start(args, fmt);
    gbx_base_text_vprintf(&t, fmt, args);
    va_end(args);
    return code;
}

static const gbx_memory *
guest_memory(const gbx_instance *inst)
{
    return inst && inst->memory_count ? inst->memories[0] : NULL;
}

static bool
guest_is_inside(const gbx_memory *mem, u64 addr, u64 len)
{
    return mem && addr <= mem->bytes && len <= mem->bytes - addr;
}

/* ---- views */

gbx_trap_code
gbx_view_open(gbx_caller *caller, uint64_t addr, uint64_t len, gbx_view *out)
{
    if (!out) return guest_outside(caller, GBX_TRAP_HOST, "gbx_view_open: out is NULL");
    *out = (gbx_view){0};
    const gbx_memory *const mem = caller ? guest_memory(caller->inst) : NULL;
    if (!mem) return guest_outside(caller, GBX_TRAP_MEM_OOB, "the caller has no memory");
    gbx_trap_code const code = gbx_runtime_view_open(caller->x->store, mem, addr, len, out);
    caller->has_views |= code == GBX_TRAP_NONE;
    if (code != GBX_TRAP_MEM_OOB) return code;
    return guest_outside(caller, code, "%llu bytes at address %llu are not inside the %llu of the memory",
                         (unsigned long long)len, (unsigned long long)addr, (unsigned long long)mem->bytes);
}

/* Where [offset, offset + len) of the view is; NULL: nowhere. */
static u8 *
guest_view_range(gbx_view view, u64 offset, size_t len)
{
    u64 bytes;
    u8 *const data = gbx_runtime_view_data(view, &bytes);
    return data && offset <= bytes && len <= bytes - offset ? data + offset : NULL;
}

bool
gbx_view_read(gbx_view view, uint64_t offset, void *buf, size_t len)
{
    const u8 *const from = guest_view_range(view, offset, len);
    if (!from || (len && !buf)) return false;
    if (len) memcpy(buf, from, len);
    return true;
}

bool
gbx_view_write(gbx_view view, uint64_t offset, const void *data, size_t len)
{
    u8 *const to = guest_view_range(view, offset, len);
    if (!to || (len && !data)) return false;
    if (len) memcpy(to, data, len);
    return true;
}

uint8_t *
gbx_view_data(gbx_view view, size_t *len)
{
    u64 bytes;
    u8 *const data = gbx_runtime_view_data(view, &bytes);
    if (len) *len = bytes;
    return data;
}

void
gbx_view_close(gbx_view view)
{
    gbx_runtime_view_close(view);
}

/* ---- buffers with their length in front */

#define GUEST_PREFIX_BYTES 4u

gbx_trap_code
gbx_caller_prefixed(gbx_caller *caller, uint64_t addr, uint32_t most, uint64_t *data_addr, uint32_t *len)
{
    u32 bytes;
    if (!caller || !data_addr || !len)
        return guest_outside(caller, GBX_TRAP_HOST, "gbx_caller_prefixed: an argument is NULL");
    *data_addr = 0;
    *len = 0;
    if (!gbx_caller_read(caller, addr, &bytes, sizeof bytes))
        return guest_outside(caller, GBX_TRAP_MEM_OOB,
                             "the length of a buffer at address %llu is outside the memory",
                             (unsigned long long)addr);
    if (bytes > most)
        return guest_outside(caller, GBX_TRAP_MEM_OOB, "a buffer of %u bytes, at most %u may be given",
                             bytes, most);
    /* The length was inside, so this cannot overflow. */
    if (!guest_is_inside(guest_memory(caller->inst), addr + GUEST_PREFIX_BYTES, bytes))
        return guest_outside(caller, GBX_TRAP_MEM_OOB,
                             "a buffer of %u bytes at address %llu is not inside the memory",
                             bytes, (unsigned long long)addr);
    *data_addr = addr + GUEST_PREFIX_BYTES;
    *len = bytes;
    return GBX_TRAP_NONE;
}

gbx_trap_code
gbx_caller_write_prefixed(gbx_caller *caller, uint64_t addr, uint64_t room, const void *data, size_t len)
{
    if (!caller || (len && !data))
        return guest_outside(caller, GBX_TRAP_HOST, "gbx_caller_write_prefixed: an argument is NULL");
    if (!guest_is_inside(guest_memory(caller->inst), addr, room))
        return guest_outside(caller, GBX_TRAP_MEM_OOB,
                             "room for %llu bytes at address %llu is not inside the memory",
                             (unsigned long long)room, (unsigned long long)addr);
    if (room < GUEST_PREFIX_BYTES || len > room - GUEST_PREFIX_BYTES || len > UINT32_MAX)
        return guest_outside(caller, GBX_TRAP_MEM_OOB, "%zu bytes and their length do not fit in %llu", len,
                             (unsigned long long)room);
    u32 const bytes = (u32)len;
    bool const is_written = gbx_caller_write(caller, addr, &bytes, sizeof bytes) &&
                            gbx_caller_write(caller, addr + GUEST_PREFIX_BYTES, data, len);
    return is_written ? GBX_TRAP_NONE : GBX_TRAP_MEM_OOB;
}

/* ---- the guest's allocator */

/* A trap of an allocation: in the context's message and in *trap, whichever there are. */
typedef struct guest_alloc {
    gbx_caller *caller; /* NULL: no host function is running */
    gbx_trap *trap;
    char shown[256];    /* the allocator's name */
} guest_alloc;

static gbx_trap_code
guest_alloc_fails(guest_alloc *a, gbx_trap_code code, const char *what, u64 len, u64 addr)
{
    char text[400];
    text_buf t = gbx_base_text_init(text, sizeof text);
    gbx_base_text_printf(&t, "the guest's allocator \"%s\" %s: %llu bytes", a->shown, what,
                         (unsigned long long)len);
    if (addr) gbx_base_text_printf(&t, " at address %llu", (unsigned long long)addr);
    (void)guest_outside(a->caller, code, "%s", text);
    return gbx_runtime_trap(a->trap, code, "%s", text);
}

/* An allocator takes a size and gives an address, both i32 or both i64. */
static bool
guest_is_allocator(const gbx_func *f, gbx_valtype *type)
{
    const gbx_valtype *params, *results;
    if (!f || gbx_func_params(f, &params) != 1 || gbx_func_results(f, &results) != 1) return false;
    *type = params[0];
    return params[0] == results[0] && (params[0] == GBX_I32 || params[0] == GBX_I64);
}

static gbx_trap_code
guest_alloc_run(guest_alloc *a, gbx_instance *inst, const char *name, u64 len, u64 *addr)
{
    gbx_valtype type;
    gbx_func *const f = name ? gbx_instance_func(inst, name) : NULL;
    text_buf t = gbx_base_text_init(a->shown, sizeof a->shown);
    if (name) gbx_base_text_escape(&t, name, strlen(name), 60);
    if (!guest_is_allocator(f, &type))
        return guest_alloc_fails(a, GBX_TRAP_HOST,
                                 f ? "is no function of a size that gives an address" : "is not there", len,
                                 0);
    if (type == GBX_I32 && len > UINT32_MAX)
        return guest_alloc_fails(a, GBX_TRAP_HOST, "takes sizes below 4 GiB", len, 0);
    gbx_val size = {.type = type}, at = {.type = type};
    if (type == GBX_I32) size.of.i32 = (i32)(u32)len;
    else size.of.i64 = (i64)len;
    gbx_trap_code const code = gbx_func_call(f, &size, 1, &at, 1, a->trap);
    if (code != GBX_TRAP_NONE) return code;
    u64 const given = type == GBX_I32 ? (u32)at.of.i32 : (u64)at.of.i64;
    if (!given && len) return guest_alloc_fails(a, GBX_TRAP_HOST, "gave nothing", len, 0);
    if (!guest_is_inside(guest_memory(inst), given, len))
        return guest_alloc_fails(a, GBX_TRAP_MEM_OOB, "gave what is not inside the guest's memory", len,
                                 given);
    *addr = given;
    return GBX_TRAP_NONE;
}

gbx_trap_code
gbx_caller_alloc(gbx_caller *caller, const char *name, uint64_t len, uint64_t *addr)
{
    guest_alloc a = {.caller = caller};
    if (!caller || !addr)
        return guest_outside(caller, GBX_TRAP_HOST, "gbx_caller_alloc: an argument is NULL");
    *addr = 0;
    return guest_alloc_run(&a, caller->inst, name, len, addr);
}

gbx_trap_code
gbx_instance_alloc(gbx_instance *instance, const char *name, uint64_t len, uint64_t *addr, gbx_trap *trap)
{
    guest_alloc a = {.trap = trap};
    if (trap) trap->code = GBX_TRAP_NONE;
    if (!instance || !addr)
        return gbx_runtime_trap(trap, GBX_TRAP_HOST, "gbx_instance_alloc: an argument is NULL");
    *addr = 0;
    return guest_alloc_run(&a, instance, name, len, addr);
}

/* args_get, args_sizes_get, environ_get, environ_sizes_get. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

static wasi_errno
args_sizes(p1_call *c, const wasi_strings *s)
{
    u8 *const count = guest_range(c, guest_u32(c, 0), 4);
    u8 *const bytes = guest_range(c, guest_u32(c, 1), 4);
    if (!count || !bytes) return WASI_FAULT;
    put_u32(count, s->count);
    put_u32(bytes, s->bytes);
    return WASI_OK;
}

/* SAFETY: both ranges are checked to their full extent first; the pointers given to the guest are
 * offsets into the second, which fits 32 bits because it lies in a 32-bit memory. */
static wasi_errno
args_strings(p1_call *c, const wasi_strings *s)
{
    u32 const buf_ptr = guest_u32(c, 1);
    u8 *const ptrs = guest_range(c, guest_u32(c, 0), (u64)s->count * 4);
    u8 *const buf = guest_range(c, buf_ptr, s->bytes);
    if (!ptrs || !buf) return WASI_FAULT;
    if (s->bytes) memcpy(buf, s->data, s->bytes);
    u32 at = 0;
    for (u32 i = 0; i < s->count; i++) {
        put_u32(ptrs + 4 * (size_t)i, buf_ptr + at);
        at += (u32)strlen(s->data + at) + 1;
    }
    return WASI_OK;
}

wasi_errno
gbx_wasi_args_get(p1_call *c)
{
    return args_strings(c, &c->w->args);
}

wasi_errno
gbx_wasi_args_sizes_get(p1_call *c)
{
    return args_sizes(c, &c->w->args);
}

wasi_errno
gbx_wasi_environ_get(p1_call *c)
{
    return args_strings(c, &c->w->env);
}

wasi_errno
gbx_wasi_environ_sizes_get(p1_call *c)
{
    return args_sizes(c, &c->w->env);
}

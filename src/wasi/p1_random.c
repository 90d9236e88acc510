/* random_get: fills the whole buffer, in pieces, so that a guest that asks for gigabytes can be stopped. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

wasi_errno
gbx_wasi_random_get(p1_call *c)
{
    u32 const len = guest_u32(c, 1);
    u8 *const buf = guest_range(c, guest_u32(c, 0), len);
    if (!buf) return WASI_FAULT;
    return gbx_wasi_vfs_random(c->w, c->x, buf, len);
}

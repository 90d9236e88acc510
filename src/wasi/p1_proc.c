/* proc_exit, proc_raise, sched_yield. */
#include <sched.h>

#include "wasi/guest.h"
#include "wasi/wasi_int.h"

wasi_errno
gbx_wasi_proc_exit(p1_call *c)
{
    c->x->exit_status = (i32)guest_u32(c, 0);
    c->trap = GBX_TRAP_EXIT;
    return WASI_OK;
}

/* A guest has no process that a signal could be sent to; the call left later versions of preview 1. */
wasi_errno
gbx_wasi_proc_raise(p1_call *c)
{
    (void)c;
    return WASI_NOSYS;
}

wasi_errno
gbx_wasi_sched_yield(p1_call *c)
{
    (void)c;
    sched_yield();
    return WASI_OK;
}

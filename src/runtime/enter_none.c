/* Architectures without compiled code: everything is interpreted; see enter.h. None of these is ever
 * called, because gbx_runtime_enter_works says so. */
#include "runtime/enter.h"

#if !defined(__x86_64__)

bool
gbx_runtime_enter_works(void)
{
    return false;
}

gbx_status
gbx_runtime_enter_raw(gbx_entry *e, const void *code, gbx_exec *x, gbx_instance *inst, gbx_slot *slots)
{
    (void)e, (void)code, (void)x, (void)inst, (void)slots;
    GBX_UNREACHABLE("no compiled code on this architecture");
}

void
gbx_runtime_leave(void)
{
    GBX_UNREACHABLE("no compiled code on this architecture");
}

void
gbx_runtime_call_c(void)
{
    GBX_UNREACHABLE("no compiled code on this architecture");
}

void
gbx_runtime_call_host(void)
{
    GBX_UNREACHABLE("no compiled code on this architecture");
}

u64
gbx_runtime_enter_pc(const void *context)
{
    (void)context;
    return 0;
}

void
gbx_runtime_enter_regs(const void *context, u64 regs[GBX_FAULT_REGS])
{
    (void)context, (void)regs;
}

void
gbx_runtime_enter_redirect(void *context, u64 pc, gbx_entry *e)
{
    (void)context, (void)pc, (void)e;
}

#endif

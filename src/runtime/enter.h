/* Entering compiled code, calling C from it, and leaving it: what is different on each architecture.
 * enter_x64.c fills this for x86-64, enter_none.c for all others, where nothing is compiled.
 *
 * Conventions of compiled code, x86-64:
 *   entered   rdi exec, rsi instance, rdx slots; the native guest stack; a return address is on it. All
 *             other registers are free: nothing needs to be saved. Returns a gbx_status in eax.
 *   leaves    by `ret`, or from anywhere by a jump to gbx_runtime_leave with rdi = exec->entry and eax =
 *             status, whatever the stack pointer is.
 *   calls C   by a call of gbx_runtime_call_c with rax = the function, r10 = exec->entry, and arguments in
 *             rdi rsi rdx rcx r8 r9. C's result is in rax; C's callee-saved registers keep their values.
 *             The call pushes onto the guest stack: it has a row of kind GBX_TRAP_STACK_EXHAUSTED. Stubs jump
 *             to gbx_runtime_call_host with r11 = where to go on, which pushes nothing there.
 *   faults    continue in a stub (fault.h) with rdi = exec->entry, rsi = exec and eax =
 *             GBX_STATUS_TRAP; what these registers held is in exec->fault.regs. */
#ifndef GBX_RUNTIME_ENTER_H
#define GBX_RUNTIME_ENTER_H

#include "abi/layout.h"

/* ---- all architectures: enter.c */

/* A native guest stack. The part below `shown` is not accessible until a call goes so deep, which the fault handler
 * then notes in gbx_native.shown: whoever ends the call knows that there is something to give back. */
typedef struct enter_stack {
    u8 *region;
    size_t region_bytes;
    u8 *guard, *low, *shown, *high;
} enter_stack;

#define ENTER_GUARD_BYTES ((size_t)1 << 20) /* frames larger than half of it are compared with `low` (S20) */

/* `stack_bytes`: a multiple of 64 KiB. False: the system refuses; *s is zeroed. */
GBX_MUST_USE bool gbx_runtime_enter_stack_open(enter_stack *s, size_t stack_bytes);
void gbx_runtime_enter_stack_close(enter_stack *s); /* a zeroed one is fine */
/* Give back what a deep call has touched, all below `shown`, and hide it again. False: it stays accessible. */
GBX_MUST_USE bool gbx_runtime_enter_stack_trim(enter_stack *s);

/* Run `code` with `slots` on x's native stack, which is set. Nests, in the same exec and in others. The
 * calling thread has done gbx_runtime_fault_thread_begin. What it returns is what the code left with;
 * GBX_STATUS_TRAP with exec->fault.kind = GBX_TRAP_STACK_EXHAUSTED and pc = 0 where the stack has no room to
 * begin on. A fault's details are in x->fault. */
gbx_status gbx_runtime_enter(gbx_exec *x, gbx_instance *inst, const void *code, gbx_slot *slots);

/* ---- of an architecture: enter_*.c */

/* This architecture runs compiled code. */
GBX_MUST_USE bool gbx_runtime_enter_works(void);
gbx_status gbx_runtime_enter_raw(gbx_entry *e, const void *code, gbx_exec *x, gbx_instance *inst,
                                 gbx_slot *slots);
/* Addresses for compiled code to call and jump to; never called from C. */
void gbx_runtime_leave(void);
void gbx_runtime_call_c(void);
void gbx_runtime_call_host(void);

/* For the fault handler: parts of the third argument of an SA_SIGINFO handler. */
u64 gbx_runtime_enter_pc(const void *context);
void gbx_runtime_enter_regs(const void *context, u64 regs[GBX_FAULT_REGS]);
/* Go on at `pc` with the registers that stubs are promised. */
void gbx_runtime_enter_redirect(void *context, u64 pc, gbx_entry *e);

#endif

/* Faults of compiled code become typed traps; all other faults go to whoever was there before.
 *
 * The handler acts only if all of this holds (RULE: S6):
 *   - the kernel raised the signal for an instruction of this thread (not kill, not a failing memory chip);
 *   - the thread is inside gbx_runtime_enter;
 *   - the program counter is in a registered range, at an instruction that has a row in its table;
 *   - the row's kind belongs to the signal, and where it is an access, the address lies where that kind
 *     may fault: in the reservation of a memory of the running instance, the stack's guard.
 * It then fills exec->fault and goes to the stub of that code.
 *
 * Stubs start with the registers as they were at the fault, but for those that enter.h names; the stack
 * pointer may be in a guard, so they touch the stack only once they have set it. */
#ifndef GBX_RUNTIME_FAULT_H
#define GBX_RUNTIME_FAULT_H

#include <signal.h>

#include "abi/layout.h"

/* One instruction that may fault. Sorted by code_offset, no two alike. */
typedef struct fault_row {
    u32 code_offset; /* of the instruction that faults, from the start of its blob */
    u32 what;        /* FAULT_WHAT */
} fault_row;

/* `kind`: GBX_TRAP_MEM_OOB: an access to a memory. GBX_TRAP_STACK_EXHAUSTED: a push, call or touch of the
 * guest's stack. GBX_TRAP_INT_DIV_ZERO, GBX_TRAP_INT_OVERFLOW: a division that traps for this reason alone
 * (x86 has one signal for both). Any kind may also be that of an instruction which is there to trap (ud2),
 * and all others are no more than that: GBX_FAULT_POLL is where a poll found that the call is to stop.
 * `offset`: of the WebAssembly instruction from the table's wasm_start. */
#define FAULT_WHAT(kind, offset) ((u32)(kind) << 24 | (u32)(offset))
#define FAULT_KIND(what) ((u8)((what) >> 24))
#define FAULT_OFFSET(what) ((what) & 0xffffff)

/* Of a blob of code. Immutable once its code is published. */
typedef struct fault_table {
    u32 func_idx;
    u32 wasm_start; /* byte offset into the module file that rows count from */
    u32 frame_bytes; /* between the stack pointer and the return address, everywhere behind the prologue */
    u32 row_count;
    fault_row rows[];
} fault_table;

/* Where code goes when it faulted. Of a module, because stubs know which globals are pinned where. */
typedef struct fault_stubs {
    uintptr_t exit; /* after a trap: ends in gbx_runtime_leave */
    u8 inst_reg;    /* number in gbx_fault.regs of the register that holds the instance throughout;
                       FAULT_NO_REG: none does, and no access to a memory may fault */
} fault_stubs;

#define FAULT_NO_REG 255
#define FAULT_OF_EXEC 254 /* gbx_native.inst says it */

typedef struct fault_site {
    const fault_table *table;
    uintptr_t start; /* of the blob, that code_offset counts from */
    fault_stubs stubs;
} fault_site;

/* Addresses that hold code of ours, [start, end). Belongs to the caller while it is registered. */
typedef struct fault_range fault_range;
struct fault_range {
    uintptr_t start, end;
    /* Called for a pc in the range, by a signal handler on the thread that runs the code. */
    bool (*find)(const fault_range *r, uintptr_t pc, fault_site *out);
};

/* Thread-safe. False: memory is short. Ranges do not overlap. Few are expected: one an engine. */
GBX_MUST_USE bool gbx_runtime_fault_register(const fault_range *r);
/* No code of it runs any more. Cannot fail. */
void gbx_runtime_fault_unregister(const fault_range *r);

/* The row of the instruction at exactly that offset, NULL: none. Async-signal-safe. */
const fault_row *gbx_runtime_fault_row(const fault_table *t, u32 code_offset);

/* Install the handlers, once a process; later calls only give the answer. False: this architecture has no
 * compiled code, or the system refuses handlers; nothing may be compiled then. Thread-safe. */
GBX_MUST_USE bool gbx_runtime_fault_install(void);
/* Whether the handlers of all signals are (still) ours: a host may have replaced them since. Its own must
 * then pass on what is not its own, as ours does. */
GBX_MUST_USE bool gbx_runtime_fault_is_installed(void);

/* Install them again where a host has replaced them, in front of its own: it cannot have meant guests to trap
 * into a handler that knows nothing of them. Thread-safe. */
void gbx_runtime_fault_reinstall(void);

/* What a thread needs before it enters compiled code, and gives back afterwards. */
typedef struct fault_thread {
    stack_t before, own;
    sigset_t mask;
    bool is_stack_ours;
    bool is_mask_ours;
} fault_thread;

#define FAULT_ALTSTACK_BYTES ((size_t)64 << 10)

/* Ready this thread for calls: the four signals must not be blocked (the kernel would kill the
 * process), and there must be a stack to handle them on other than the guest's. A thread that has one of
 * sufficient size (Go, JVM, sanitizers) keeps it; else [alt, alt + bytes), at least FAULT_ALTSTACK_BYTES, is
 * used until the end. Each `begin` has its `end` on the same thread, whatever happened in between. */
void gbx_runtime_fault_thread_begin(fault_thread *t, void *alt, size_t bytes);
/* In between: the host may have changed the thread's mask and stack. */
void gbx_runtime_fault_thread_again(fault_thread *t);
/* What was changed must not stay so between calls: signals were blocked, which the host meant; or it calls from
 * a handler. */
GBX_MUST_USE bool gbx_runtime_fault_thread_is_lent(const fault_thread *t);
void gbx_runtime_fault_thread_end(fault_thread *t);

/* The record of the innermost guest this thread is in; NULL: none. Who sets it sees to it that the compiler does so
 * before what follows can fault. */
extern _Thread_local gbx_entry *gbx_runtime_fault_running __attribute__((tls_model("initial-exec")));

#endif

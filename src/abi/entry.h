/* How compiled code is entered and left: entry records, the guest's native stack, what a fault leaves.
 *
 * Each time C enters compiled code it leaves a record of where its own stack stood. Compiled code and the
 * fault handler leave through the innermost record, so that nothing ever unwinds C frames (RULE: S6). C that
 * compiled code calls runs on the stack of the thread (RULE: S18), below the record; if it enters the guest
 * again, the new record lies there and the guest's stack goes on where it was left.
 *
 * The offsets are known to the assembly in runtime/enter_*.c and to whoever emits code. */
#ifndef GBX_ABI_ENTRY_H
#define GBX_ABI_ENTRY_H

#include "base/base.h"

struct gbx_exec;
struct gbx_instance;
struct gbx_func;

/* How compiled code was left. */
typedef enum gbx_status {
    GBX_STATUS_OK,
    GBX_STATUS_TRAP,
    GBX_STATUS_EXIT, /* a host function ended the call: gbx_native.trap */
    GBX_STATUS_EXCEPTION,
    GBX_STATUS_TAILCALL,
    GBX_STATUS_YIELD,
    GBX_STATUS_CALL, /* of a function without code: gbx_native.callee */
} gbx_status;

typedef struct gbx_entry gbx_entry;
struct gbx_entry {
    u8 *host_sp;   /* the thread's stack: C called from compiled code starts below */
    u8 *guest_sp;  /* the native guest stack: its free part starts below while C runs */
    u64 shadow_sp; /* of the processor's shadow stack; 0: it has none */
    struct gbx_exec *exec;
    gbx_entry *exec_outer;   /* of the same exec */
    gbx_entry *thread_outer; /* of the same thread: another store, perhaps */
};

#define GBX_ENTRY_HOST_SP 0
#define GBX_ENTRY_GUEST_SP 8
#define GBX_ENTRY_SHADOW_SP 16
#define GBX_ENTRY_EXEC 24

struct gbx_segment;
struct gbx_cell;
struct gbx_memory;
struct gbx_global;
struct gbx_table;

/* The native stack that compiled code runs on, and what that code finds through its exec. All zero while
 * no call runs, and where nothing is compiled. */
typedef struct gbx_native {
    u8 *guard; /* [guard, low) is not accessible: reaching it is exhaustion */
    u8 *low;   /* [low, high) is the stack, growing down */
    u8 *shown; /* of which [shown, high) is accessible; the fault handler shows the rest to who goes so deep */
    u8 *high;

    /* Of the instance whose code runs; the runtime sets them whenever it lets compiled code go on. */
    struct gbx_instance *inst;
    u8 *memory_base;            /* of memory 0 */
    struct gbx_memory *memory;
    struct gbx_cell *cells;
    const struct gbx_cell **closed; /* RULE: S10. Of functions in a closed table, see codegen_env */
    struct gbx_global **globals;
    u64 *pins[2];               /* where the values of pinned globals stand */
    const u8 *enter, *resume;   /* stubs */
    struct gbx_record *laid; /* of the runtime's: the record that outermost calls begin with, where the last one left it;
                                NULL: something else may be there now */
    u32 tail_slots;             /* codegen_env.tail_slots */

    struct gbx_segment *segment; /* that runs */
    u8 *suspended;        /* where its innermost return address stands while it has called out */
    const struct gbx_func *callee; /* GBX_STATUS_CALL: that it calls */
    u64 *args;            /* of that call; NULL: one that is 0 */
    u64 result;           /* of it */

    const void *call_code;   /* for the stub that enters: what it calls */
    const void *call_target; /* where code entered in the middle goes on */
    u64 bulk[3];    /* operands of memory.copy and memory.fill, lowest first */
    u64 saved[32];  /* what a slow path keeps: general registers, then those of floats; [15] is a stub's */
    u32 trap;  /* a gbx_trap_code that a function of C gave, for a trap of kind GBX_FAULT_GIVEN or
                  GBX_STATUS_EXIT */
} gbx_native;

/* General registers in the numbering of the architecture's instructions (x86-64: rax rcx rdx rbx rsp rbp
 * rsi rdi r8..r15; aarch64: x0..x30, sp). */
#define GBX_FAULT_REGS 32

/* What the fault handler left for the exit stub and for whoever made the call. */
typedef struct gbx_fault {
    u8 kind;      /* a gbx_trap_code, or GBX_FAULT_POLL */
    u32 func_idx;
    u32 offset;   /* into the module file, of the instruction */
    u64 pc;       /* of the machine instruction */
    u64 addr;     /* that it could not access; 0: it was no access */
    const struct gbx_instance *inst; /* whose code it was; NULL where the code says no register holds it */
    u64 regs[GBX_FAULT_REGS]; /* RULE: S9: pinned globals are found here */
} gbx_fault;

#define GBX_FAULT_POLL 255  /* RULE: S14. A poll found gbx_exec.stop set, which says why */
#define GBX_FAULT_GIVEN 254 /* gbx_native.trap says which trap */

#endif

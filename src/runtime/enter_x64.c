/* Entering and leaving compiled code on x86-64; see enter.h for the conventions.
 * SPEC: System V AMD64 psABI, 3.2 (registers, red zone), and Intel SDM 1, 17 (shadow stacks).
 *
 * What must hold: C gets back its callee-saved registers and its stack pointer as they were, whatever
 * compiled code did to them; C never runs on the guest's stack. MXCSR and the x87 control word are the
 * same on both sides: nothing that is compiled changes them.
 *
 * Sanitizers see nothing of this: compiled code is not instrumented and no C frame is ever skipped, so
 * no annotation of stacks (fibers) is needed. A debugger that unwinds from inside the guest ends at
 * gbx_runtime_enter_raw: on the guest's stack there is nothing above it. */
#include "runtime/enter.h"

#if defined(__x86_64__)

#include <string.h>
#include <ucontext.h>

_Static_assert(offsetof(gbx_entry, host_sp) == GBX_ENTRY_HOST_SP, "as in the assembly below");
_Static_assert(offsetof(gbx_entry, guest_sp) == GBX_ENTRY_GUEST_SP, "as in the assembly below");
_Static_assert(offsetof(gbx_entry, shadow_sp) == GBX_ENTRY_SHADOW_SP, "as in the assembly below");
_Static_assert(offsetof(gbx_entry, exec) == GBX_ENTRY_EXEC, "for compiled code");
_Static_assert(GBX_STATUS_TRAP == 1, "as in gbx_runtime_enter_redirect");

#define ASM_FUNCTION(name)                                                      \
    ".globl " #name "\n.hidden " #name "\n.type " #name ", @function\n"         \
    ".balign 16\n" #name ":\n"
#define ASM_END(name) ".size " #name ", . - " #name "\n"

/* clang-format off */
__asm__(
    ".pushsection .text\n"

    /* u32 enter_raw(rdi entry, rsi code, rdx exec, rcx inst, r8 slots) */
    ASM_FUNCTION(gbx_runtime_enter_raw)
    ".cfi_startproc\n"
    "    endbr64\n"                   /* may be the target of an indirect call */
    "    pushq %rbp\n"                /* a frame that profilers and debuggers follow */
    "    .cfi_def_cfa_offset 16\n"
    "    .cfi_offset %rbp, -16\n"
    "    movq %rsp, %rbp\n"
    "    .cfi_def_cfa_register %rbp\n"
    "    pushq %rbx\n"                /* what C wants back; the guest may use all of it */
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    subq $8, %rsp\n"             /* 16-byte aligned: C can be called from here */
    "    movq %rsp, 0(%rdi)\n"        /* entry->host_sp */
    "    xorl %eax, %eax\n"
    "    rdsspq %rax\n"               /* does nothing where there is no shadow stack: stays 0 */
    "    movq %rax, 16(%rdi)\n"       /* entry->shadow_sp */
    "    movq 8(%rdi), %rsp\n"        /* entry->guest_sp, 16-byte aligned */
    "    pushq %rdi\n"                /* the record, for the way back */
    "    subq $8, %rsp\n"             /* aligned again, as calls want it */
    "    movq %rsi, %rax\n"           /* the code */
    "    movq %rdx, %rdi\n"           /* its first argument: exec */
    "    movq %rcx, %rsi\n"           /* its second: the instance */
    "    movq %r8, %rdx\n"            /* its third: slots */
    "    xorl %ebp, %ebp\n"           /* the outermost frame of this stack */
    "    call *%rax\n"
    "    addq $8, %rsp\n"
    "    popq %rdi\n"                 /* the record; eax holds the status */
    "    jmp 1f\n"                    /* all calls have returned: the shadow stack is right */

    /* rdi: the innermost record, eax: status. Jumped to from anywhere in the guest. */
    ".hidden gbx_runtime_leave\n.globl gbx_runtime_leave\n.type gbx_runtime_leave, @function\n"
    "gbx_runtime_leave:\n"
    "    endbr64\n"                   /* jumped to through a register */
    "    movq 16(%rdi), %rcx\n"       /* where the shadow stack stood */
    "    testq %rcx, %rcx\n"
    "    jz 1f\n"                     /* there is none */
    "    xorl %edx, %edx\n"
    "    rdsspq %rdx\n"               /* where it stands: lower, by the calls that never return */
    "    subq %rdx, %rcx\n"
    "    shrq $3, %rcx\n"             /* how many */
    "2:  movl $255, %edx\n"           /* at most so many can be dropped at once */
    "    cmpq %rdx, %rcx\n"
    "    cmovbq %rcx, %rdx\n"
    "    incsspq %rdx\n"
    "    subq %rdx, %rcx\n"
    "    jnz 2b\n"
    "1:  movq 0(%rdi), %rsp\n"        /* entry->host_sp: back on the stack of C */
    "    addq $8, %rsp\n"
    "    popq %r15\n"                 /* in the order they were pushed, backwards */
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    .cfi_def_cfa %rsp, 8\n"
    "    .cfi_restore %rbp\n"
    "    ret\n"
    ".cfi_endproc\n"
    ".size gbx_runtime_leave, . - gbx_runtime_leave\n"
    ASM_END(gbx_runtime_enter_raw)

    /* rax: a function of C, r10: the innermost record, arguments as C has them. Writes nothing to the guest's
     * stack: a fault there would have no row. */
    ASM_FUNCTION(gbx_runtime_call_c)
    ".cfi_startproc\n"
    "    endbr64\n"                   /* called through a register */
    "    movq %rsp, 8(%r10)\n"        /* entry->guest_sp: a nested call goes on below */
    "    movq 0(%r10), %rsp\n"        /* entry->host_sp, aligned */
    "    pushq %r10\n"                /* the record, for the way back */
    "    subq $8, %rsp\n"
    "    .cfi_escape 0x0f, 0x07, 0x77, 0x08, 0x06, 0x23, 0x08, 0x06, 0x23, 0x08\n" /* CFA: [[rsp+8]+8]+8 */
    "    call *%rax\n"
    "    addq $8, %rsp\n"
    "    popq %r10\n"
    "    movq 8(%r10), %rsp\n"        /* back on the guest's stack */
    "    .cfi_def_cfa %rsp, 8\n"
    "    ret\n"
    ".cfi_endproc\n"
    ASM_END(gbx_runtime_call_c)

    /* As gbx_runtime_call_c, but jumped to, and going on at r11: where the guest's stack may have no room
     * for a return address. */
    ASM_FUNCTION(gbx_runtime_call_host)
    ".cfi_startproc\n"
    "    endbr64\n"                   /* jumped to through a register */
    "    movq %rsp, 8(%r10)\n"
    "    movq 0(%r10), %rsp\n"
    "    pushq %r10\n"
    "    pushq %r11\n"
    "    .cfi_escape 0x0f, 0x07, 0x77, 0x08, 0x06, 0x23, 0x08, 0x06, 0x23, 0x08\n" /* as above */
    "    call *%rax\n"
    "    popq %r11\n"
    "    popq %r10\n"
    "    movq 8(%r10), %rsp\n"
    "    .cfi_def_cfa %rsp, 8\n"
    "    jmp *%r11\n"
    ".cfi_endproc\n"
    ASM_END(gbx_runtime_call_host)

    ".popsection\n");
/* clang-format on */

bool
gbx_runtime_enter_works(void)
{
    return true;
}

/* Numbers of <sys/ucontext.h> in the order in which instructions number registers. */
static const u8 x64_gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                 REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

u64
gbx_runtime_enter_pc(const void *context)
{
    return (u64)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

void
gbx_runtime_enter_regs(const void *context, u64 regs[GBX_FAULT_REGS])
{
    const ucontext_t *const u = context;
    for (u32 i = 0; i < GBX_LEN(x64_gregs); i++) regs[i] = (u64)u->uc_mcontext.gregs[x64_gregs[i]];
    memset(regs + GBX_LEN(x64_gregs), 0, (GBX_FAULT_REGS - GBX_LEN(x64_gregs)) * sizeof *regs);
}

void
gbx_runtime_enter_redirect(void *context, u64 pc, gbx_entry *e)
{
    ucontext_t *const u = context;
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
    u->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)e;
    u->uc_mcontext.gregs[REG_RSI] = (greg_t)(uintptr_t)e->exec;
    u->uc_mcontext.gregs[REG_RAX] = GBX_STATUS_TRAP;
}

#endif

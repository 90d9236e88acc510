/* What the compiler makes of small functions, text by text, one file of test/golden for each optimisation.
 *
 * A golden's first line says what must be seen in it: whoever changes the compiler reads that line before
 * he accepts a new text. `test_codegen_golden --write` rewrites all of them (`make bless` does it); both run
 * from the root of the repository. Tests at the end say what must hold of any code, and hold it against
 * the goldens' functions, and against every function of a large Go program. */
#include <errno.h>

#include "codegen_dis.h"

typedef struct golden {
    const char *name;
    const char *what; /* must be seen in it */
    build_func func;
    build_func callee; /* function 1, where there is one */
    u32 pins;          /* globals 0 (i32), 1 (i64), so many of them */
    u32 lacks;         /* of DIS_CPU */
    bool is_unguarded;
    bool is_callee_final;
    bool is_closed; /* table 0, of 9 elements */
    bool is_metered;
    u32 tail_slots;
} golden;

static bool golden_writes;

static const golden goldens[] = {
    {.name = "locals",
     .what = "locals are registers throughout, the loop's body touches no memory but the poll, and there is no frame",
     .func = {"ii", "i", "i", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I32_ADD, OP_LOCAL_SET, 2, OP_LOOP, 0x40,
         OP_LOCAL_GET, 2, OP_LOCAL_GET, 0, OP_I32_ADD, OP_LOCAL_SET, 2,
         OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_SUB, OP_LOCAL_TEE, 0, OP_BR_IF, 0, OP_END,
         OP_LOCAL_GET, 2, OP_END)}},
    {.name = "branches",
     .what = "each comparison is one cmp or test with its jump, without setcc; eqz of a comparison turns it round",
     .func = {"ll", "i", "", BODY(
         OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_LT_U, OP_BR_IF, 0,
         OP_LOCAL_GET, 0, OP_I64_CONST, 7, OP_I64_GT_S, OP_I32_EQZ, OP_IF, 0x40, OP_I32_CONST, 1, OP_RETURN, OP_END,
         OP_LOCAL_GET, 1, OP_I64_EQZ, OP_BR_IF, 0, OP_I32_CONST, 2, OP_RETURN, OP_END,
         OP_I32_CONST, 3, OP_END)}},
    {.name = "address",
     .what = "p0 + 16 + (p1 << 3) is one lea of 32 bits, the load's offset is its displacement",
     .func = {"ii", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_I32_CONST, 16, OP_I32_ADD, OP_LOCAL_GET, 1, OP_I32_CONST, 3, OP_I32_SHL, OP_I32_ADD,
         OP_I64_LOAD, 3, 24, OP_END)}},
    {.name = "lea",
     .what = "p0 + (p1 << 2) + 100 is one lea into the local's register; adding to a local itself is an add",
     .func = {"ii", "i", "i", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I32_CONST, 2, OP_I32_SHL, OP_I32_ADD, OP_I32_CONST, 0xe4, 0, OP_I32_ADD,
         OP_LOCAL_SET, 2, OP_LOCAL_GET, 1, OP_I32_CONST, 8, OP_I32_ADD, OP_LOCAL_SET, 1,
         OP_LOCAL_GET, 2, OP_LOCAL_GET, 1, OP_I32_XOR, OP_END)}},
    {.name = "stores",
     .what = "constants are stored as immediates of 8, 16, 32 and 64 bits; a constant address is a displacement",
     .func = {"i", "", "", BODY(
         OP_LOCAL_GET, 0, OP_I32_CONST, 0x7f, OP_I32_STORE8, 0, 0,
         OP_LOCAL_GET, 0, OP_I32_CONST, 0xe8, 7, OP_I32_STORE16, 1, 2,
         OP_LOCAL_GET, 0, OP_I32_CONST, 7, OP_I32_STORE, 2, 4, OP_LOCAL_GET, 0, OP_I64_CONST, 0x7f, OP_I64_STORE, 3, 8,
         OP_I32_CONST, 0xc0, 0, OP_I32_CONST, 5, OP_I32_STORE, 2, 0, OP_END)}},
    {.name = "pinned",
     .what = "SP is r14: add or lea, mov [rbx+r14], a call of the fresh entry, a test of its result, and no load of SP",
     .func = {"i", "i", "", BODY(
         OP_BLOCK, 0x40, OP_GLOBAL_GET, 0, OP_I32_CONST, 8, OP_I32_SUB, OP_GLOBAL_SET, 0,
         OP_GLOBAL_GET, 0, OP_I64_CONST, 0x81, 0x80, 0xc4, 0, OP_I64_STORE, 3, 0, OP_I32_CONST, 0, OP_CALL, 1,
         OP_BR_IF, 0, OP_I32_CONST, 0, OP_RETURN, OP_END, OP_I32_CONST, 1, OP_END)},
     .callee = {"i", "i", "", BODY(OP_I32_CONST, 0, OP_END)},
     .pins = 1},
    {.name = "metered",
     .what = "fuel in r12: sub and jl before the call and at the loop's end, lea before the other branches and the "
             "return; none for the load, which says what was used before it",
     .func = {"ii", "i", "", BODY(
         OP_LOOP, 0x40, OP_LOCAL_GET, 0, OP_IF, 0x40, OP_LOCAL_GET, 1, OP_CALL, 1, OP_LOCAL_SET, 1, OP_END,
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I32_LOAD, 2, 0, OP_I32_ADD, OP_LOCAL_TEE, 0, OP_BR_IF, 0, OP_END,
         OP_LOCAL_GET, 0, OP_END)},
     .callee = {"i", "i", "", BODY(OP_I32_CONST, 0, OP_END)},
     .is_metered = true},
    {.name = "pinned-none",
     .what = "the same with SP in memory: each access loads the globals' table, the global, and then its value",
     .func = {"i", "i", "", BODY(
         OP_GLOBAL_GET, 0, OP_I32_CONST, 8, OP_I32_SUB, OP_GLOBAL_SET, 0, OP_I32_CONST, 0, OP_END)}},
    {.name = "dispatch",
     .what = "fresh goes to the first block without a jump table; general has the one; `K; local.set 0; br loop` is a jmp "
             "to K's block, or nothing where that follows",
     .func = {"i", "i", "iii", BODY(
         OP_I32_CONST, 7, OP_LOCAL_SET, 1, OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40,
         OP_LOCAL_GET, 0, OP_BR_TABLE, 2, 0, 1, 2, OP_END, OP_LOCAL_GET, 1, OP_LOCAL_SET, 2, OP_END,
         OP_LOCAL_GET, 2, OP_IF, 0x40, OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_BR, 2, OP_END,
         OP_END, OP_LOCAL_GET, 3, OP_RETURN, OP_END, OP_I32_CONST, 0, OP_END)}},
    {.name = "go-leaf",
     .what = "a Go-like function that calls nothing has no frame: no sub rsp, no poll at its entries",
     .func = {"i", "i", "l", BODY(
         OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 1, 0, 0, OP_END,
         OP_GLOBAL_GET, 0, OP_I64_LOAD, 3, 8, OP_LOCAL_TEE, 1, OP_I64_CONST, 3, OP_I64_MUL, OP_LOCAL_SET, 1,
         OP_GLOBAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_STORE, 3, 16,
         OP_GLOBAL_GET, 0, OP_I32_CONST, 8, OP_I32_ADD, OP_GLOBAL_SET, 0, OP_I32_CONST, 0, OP_RETURN,
         OP_END, OP_I32_CONST, 0, OP_END)},
     .pins = 1},
    {.name = "guarded",
     .what = "with guard pages an access is one instruction, its offset the displacement; an offset beyond 31 bits is "
             "compared",
     .func = {"i", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_I64_LOAD, 3, 8, OP_LOCAL_GET, 0, OP_I64_LOAD8_U, 0, 0xff, 0xff, 0xff, 0xff, 0x0f,
         OP_I64_ADD, OP_END)}},
    {.name = "checked",
     .what = "without guard pages address + offset + size is compared with the memory's length, ja to a cold ud2",
     .func = {"i", "l", "", BODY(OP_LOCAL_GET, 0, OP_I64_LOAD, 3, 8, OP_END)},
     .is_unguarded = true},
    {.name = "self-call",
     .what = "calls of the function by itself are call rel32 to the general entry, and with a literal 0 to the fresh one",
     .func = {"i", "i", "", BODY(
         OP_LOCAL_GET, 0, OP_I32_EQZ, OP_IF, 0x40, OP_I32_CONST, 1, OP_RETURN, OP_END,
         OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_SUB, OP_CALL, 0, OP_I32_CONST, 0, OP_CALL, 0, OP_I32_ADD,
         OP_END)}},
    {.name = "call-final",
     .what = "a callee whose code is final is called by a relocation, without its cell",
     .func = {"l", "l", "", BODY(OP_LOCAL_GET, 0, OP_CALL, 1, OP_END)},
     .callee = {"l", "l", "", BODY(OP_LOCAL_GET, 0, OP_END)},
     .is_callee_final = true},
    {.name = "call-indirect",
     .what = "length, null, type and instance are compared, the call goes through the cell; another instance's function "
             "is called from cold code",
     .func = {"ii", "i", "", BODY(OP_LOCAL_GET, 1, OP_LOCAL_GET, 0, OP_CALL_INDIRECT, 1, 0, OP_END)},
     .callee = {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_END)}},
    {.name = "closed",
     .what = "in a closed table the index is clamped to the row's empty end; two loads find the cell, a test for null is all "
             "that is left of the checks",
     .func = {"ii", "i", "", BODY(OP_LOCAL_GET, 1, OP_LOCAL_GET, 0, OP_CALL_INDIRECT, 1, 0, OP_END)},
     .callee = {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_END)},
     .is_closed = true},
    {.name = "tail-call",
     .what = "arguments are exchanged where the function's own stood, the frame is gone before the jump through the cell: "
             "there is no call",
     .func = {"li", "l", "l", BODY(
         OP_LOCAL_GET, 1, OP_I32_EQZ, OP_IF, 0x40, OP_LOCAL_GET, 0, OP_RETURN, OP_END,
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_RETURN_CALL, 1, OP_END)},
     .callee = {"li", "l", "", BODY(OP_LOCAL_GET, 0, OP_END)},
     .tail_slots = 2},
    {.name = "tail-call-self",
     .what = "a function that tail-calls itself goes round in its own arguments, and polls at its entry",
     .func = {"li", "l", "", BODY(
         OP_LOCAL_GET, 1, OP_I32_EQZ, OP_IF, 0x40, OP_LOCAL_GET, 0, OP_RETURN, OP_END,
         OP_LOCAL_GET, 0, OP_I64_CONST, 3, OP_I64_ADD, OP_LOCAL_GET, 1, OP_I32_CONST, 1, OP_I32_SUB,
         OP_RETURN_CALL, 0, OP_END)},
     .tail_slots = 2},
    {.name = "tail-call-indirect",
     .what = "length, null, type and instance are compared as for a call, which is a jump here; there is no call, and a "
             "function of another instance is left to a stub",
     .func = {"ii", "i", "", BODY(OP_LOCAL_GET, 1, OP_LOCAL_GET, 0, OP_RETURN_CALL_INDIRECT, 1, 0, OP_END)},
     .callee = {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_END)},
     .tail_slots = 2},
    {.name = "truth",
     .what = "a comparison that becomes an i64, a local and a condition again is one cmp or test with its jump; only the "
             "local that is read later is set",
     .func = {"ll", "l", "ll", BODY(
         OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_LT_S, OP_I64_EXTEND_I32_U, OP_LOCAL_SET, 2,
         OP_LOCAL_GET, 2, OP_I64_EQZ, OP_I32_EQZ, OP_BR_IF, 0,
         OP_LOCAL_GET, 0, OP_I64_EQZ, OP_I64_EXTEND_I32_U, OP_LOCAL_TEE, 3, OP_I32_WRAP_I64, OP_BR_IF, 0,
         OP_LOCAL_GET, 0, OP_I32_WRAP_I64, OP_I64_LOAD, 3, 8, OP_I64_EQZ, OP_BR_IF, 0,
         OP_I64_CONST, 5, OP_RETURN, OP_END, OP_LOCAL_GET, 3, OP_END)}},
    {.name = "forward",
     .what = "[SP + 8] is loaded once; wrap(extend(SP) + 8) is [SP + 8] after it; a store through "
             "another pointer ends what is known",
     .func = {"ii", "l", "l", BODY(
         OP_GLOBAL_GET, 0, OP_I64_LOAD, 3, 8, OP_I32_WRAP_I64, OP_I64_LOAD, 3, 16,
         OP_GLOBAL_GET, 0, OP_I64_LOAD, 3, 8, OP_I32_WRAP_I64, OP_I64_LOAD, 3, 24, OP_I64_ADD, OP_LOCAL_SET, 2,
         OP_GLOBAL_GET, 0, OP_I64_EXTEND_I32_U, OP_I64_CONST, 8, OP_I64_ADD, OP_I32_WRAP_I64, OP_LOCAL_GET, 2, OP_I64_STORE, 3, 0,
         OP_GLOBAL_GET, 0, OP_I64_LOAD, 3, 8, OP_LOCAL_GET, 2, OP_I64_XOR, OP_LOCAL_SET, 2,
         OP_LOCAL_GET, 1, OP_LOCAL_GET, 2, OP_I64_STORE, 3, 0,
         OP_GLOBAL_GET, 0, OP_I64_LOAD, 3, 8, OP_LOCAL_GET, 2, OP_I64_SUB, OP_END)},
     .pins = 1},
    {.name = "aside",
     .what = "the call on a condition stands behind the return, what it needs saved is saved there; a loop begins at a multiple "
             "of 32",
     .func = {"il", "l", "", BODY(
         OP_LOCAL_GET, 1, OP_I64_EQZ, OP_IF, 0x40, OP_I32_CONST, 0, OP_CALL, 1, OP_DROP, OP_END,
         OP_LOOP, 0x40, OP_LOCAL_GET, 1, OP_I64_CONST, 3, OP_I64_MUL, OP_LOCAL_SET, 1,
         OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_SUB, OP_LOCAL_TEE, 0, OP_BR_IF, 0, OP_END,
         OP_LOCAL_GET, 1, OP_END)},
     .callee = {"i", "i", "", BODY(OP_I32_CONST, 0, OP_END)}},
    {.name = "select",
     .what = "select is cmp and cmov for integers, a short jump over movaps for floats",
     .func = {"iid", "d", "i", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I32_LT_S, OP_SELECT, OP_LOCAL_SET, 3,
         OP_LOCAL_GET, 2, OP_F64_CONST, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, OP_LOCAL_GET, 3, OP_SELECT, OP_END)}},
    {.name = "br-table",
     .what = "one comparison with the count, lea of the table, movsxd, add, jmp; the table holds the blocks' offsets",
     .func = {"ii", "i", "", BODY(
         OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 1, OP_BR_TABLE, 4, 0, 1, 0, 1, 2, OP_END,
         OP_I32_CONST, 10, OP_RETURN, OP_END, OP_I32_CONST, 20, OP_RETURN, OP_END, OP_LOCAL_GET, 0, OP_END)}},
    {.name = "division",
     .what = "a division tests for zero, a signed one for -1 too, each trap a cold ud2; rem_s by -1 is 0",
     .func = {"iill", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I32_DIV_S, OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I32_REM_S, OP_I32_ADD,
         OP_I64_EXTEND_I32_U, OP_LOCAL_GET, 2, OP_LOCAL_GET, 3, OP_I64_DIV_U, OP_I64_ADD, OP_END)}},
    {.name = "division-constant",
     .what = "by a power of two, unsigned: shr and and; by another constant: div or idiv without any test",
     .func = {"i", "i", "", BODY(
         OP_LOCAL_GET, 0, OP_I32_CONST, 8, OP_I32_DIV_U, OP_LOCAL_GET, 0, OP_I32_CONST, 16, OP_I32_REM_U, OP_I32_ADD,
         OP_LOCAL_GET, 0, OP_I32_CONST, 7, OP_I32_DIV_S, OP_I32_ADD,
         OP_LOCAL_GET, 0, OP_I32_CONST, 10, OP_I32_REM_U, OP_I32_ADD, OP_END)}},
    {.name = "trunc",
     .what = "cvttsd2si, one comparison, and a jump to cold code that tells NaN from too large; saturation likewise",
     .func = {"df", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_I32_TRUNC_F64_S, OP_I64_EXTEND_I32_U, OP_LOCAL_GET, 1, OP_I64_TRUNC_F32_U, OP_I64_ADD,
         OP_LOCAL_GET, 0, OP_PREFIX_FC, OP_FC_I64_TRUNC_SAT_F64_S, OP_I64_ADD, OP_END)}},
    {.name = "spill",
     .what = "an operand and the local read later are stored before the call and nothing else is; behind it the "
             "operand is read from its home, the local once",
     .func = {"ill", "l", "", BODY(
         OP_LOCAL_GET, 1, OP_I64_CONST, 5, OP_I64_MUL, OP_LOCAL_GET, 0, OP_CALL, 1, OP_I64_EXTEND_I32_U, OP_I64_ADD,
         OP_LOCAL_GET, 2, OP_I64_ADD, OP_LOCAL_GET, 2, OP_I64_XOR, OP_END)},
     .callee = {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_END)}},
    {.name = "pressure",
     .what = "with locals in ten registers the deepest operands wait at home, and are taken up from there",
     .func = {"llllllllll", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_SUB, OP_LOCAL_GET, 2, OP_LOCAL_GET, 3, OP_I64_SUB,
         OP_LOCAL_GET, 4, OP_LOCAL_GET, 5, OP_I64_SUB, OP_LOCAL_GET, 6, OP_LOCAL_GET, 7, OP_I64_SUB,
         OP_LOCAL_GET, 8, OP_LOCAL_GET, 9, OP_I64_SUB, OP_I64_MUL, OP_I64_SUB, OP_I64_MUL, OP_I64_SUB, OP_END)}},
    {.name = "shifts",
     .what = "shifts by a variable are shlx, shrx, sarx and leave rcx alone; rotations count in cl; constants are "
             "immediates",
     .func = {"ll", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_SHL, OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_SHR_S, OP_I64_XOR,
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_ROTL, OP_I64_XOR,
         OP_LOCAL_GET, 0, OP_I64_CONST, 5, OP_I64_SHR_U, OP_I64_XOR, OP_END)}},
    {.name = "shifts-old",
     .what = "without BMI2 all variable shifts count in cl",
     .func = {"ll", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_SHL, OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_SHR_S, OP_I64_XOR,
         OP_END)},
     .lacks = X64_CPU_BMI2},
    {.name = "scans",
     .what = "clz and ctz are lzcnt and tzcnt",
     .func = {"il", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_I32_CLZ, OP_I64_EXTEND_I32_U, OP_LOCAL_GET, 1, OP_I64_CTZ, OP_I64_ADD, OP_END)}},
    {.name = "scans-old",
     .what = "without LZCNT they are bsr and bsf, and cmov puts what 0 gives",
     .func = {"il", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_I32_CLZ, OP_I64_EXTEND_I32_U, OP_LOCAL_GET, 1, OP_I64_CTZ, OP_I64_ADD, OP_END)},
     .lacks = X64_CPU_LZCNT},
    {.name = "floats",
     .what = "f64 locals are xmm registers; the result moves to rax; min sees to NaN and equal zeros first",
     .func = {"dd", "d", "d", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_F64_MUL, OP_LOCAL_GET, 0, OP_F64_ADD, OP_LOCAL_SET, 2,
         OP_LOCAL_GET, 2, OP_LOCAL_GET, 1, OP_F64_MIN, OP_END)}},
    {.name = "low-half",
     .what = "and with 2^32 - 1 is a move of 32 bits, wherever the operand is, and no and",
     .func = {"li", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_I64_CONST, 0xff, 0xff, 0xff, 0xff, 0x0f, OP_I64_AND,
         OP_LOCAL_GET, 1, OP_IF, 0x7e, OP_LOCAL_GET, 0, OP_ELSE, OP_I64_CONST, 5, OP_END,
         OP_I64_CONST, 0xff, 0xff, 0xff, 0xff, 0x0f, OP_I64_AND, OP_I64_ADD,
         OP_I64_CONST, 0x7f, OP_I64_CONST, 0xff, 0xff, 0xff, 0xff, 0x0f, OP_I64_AND, OP_I64_ADD, OP_END)}},
    {.name = "convert-unsigned",
     .what = "where registers are short, an operand is sent home before the ways for small and large numbers part",
     .func = {"llllllllll", "l", "", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_SUB, OP_LOCAL_GET, 2, OP_LOCAL_GET, 3, OP_I64_SUB,
         OP_LOCAL_GET, 4, OP_F64_CONVERT_I64_U, OP_I64_TRUNC_F64_S, OP_I64_MUL, OP_I64_SUB,
         OP_LOCAL_GET, 5, OP_I64_ADD, OP_LOCAL_GET, 6, OP_I64_ADD, OP_LOCAL_GET, 7, OP_I64_ADD,
         OP_LOCAL_GET, 8, OP_I64_ADD, OP_LOCAL_GET, 9, OP_I64_ADD, OP_END)}},
    {.name = "bulk",
     .what = "memory.copy is a call of a stub that changes three temporaries only, on operands in the exec; what it "
             "leaves to C is done behind the function; memory.grow is a call of C",
     .func = {"iii", "i", "", BODY(
         OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_LOCAL_GET, 2, OP_PREFIX_FC, OP_FC_MEMORY_COPY, 0, 0,
         OP_I32_CONST, 1, OP_MEMORY_GROW, 0, OP_END)}},
    {.name = "results",
     .what = "the first result is in rax, the second in the caller's outgoing area; a caller reads them there",
     .func = {"l", "ll", "", BODY(OP_LOCAL_GET, 0, OP_CALL, 1, OP_I64_CONST, 1, OP_I64_ADD, OP_END)},
     .callee = {"l", "ll", "", BODY(OP_LOCAL_GET, 0, OP_LOCAL_GET, 0, OP_END)}},
};

/* ---- Texts */

typedef struct made {
    dis_world w;
    codegen_out out;
    dis d;
} made;

static made
make(const golden *g)
{
    build_func const funcs[] = {g->func, g->callee};
    build_module const bm = {.funcs = funcs, .func_count = g->callee.body ? 2 : 1, .pages = 1, .globals = "il"};
    build bytes = build_whole(&bm);
    gbx_err err;
    wasm_module *m;
    if (gbx_wasm_module_new(bytes.data, bytes.len, g->is_metered ? WASM_METERED : 0, &m, &err) != GBX_OK)
        fail_msg("%s: %s", g->name, err.text);
    made x = {.w = dis_open(m)};
    if (g->is_metered) x.w.env.tune |= CODEGEN_METERED;
    for (u32 p = 0; p < g->pins; p++) x.w.env.pins[p] = p;
    x.w.env.cpu &= ~g->lacks;
    x.w.env.is_guarded = !g->is_unguarded;
    static const u32 closed_rows[] = {FACTS_NONE, 10}; /* by type */
    if (g->is_closed) {
        x.w.env.closed_table = 0;
        x.w.env.closed_len = 9;
        x.w.env.closed_rows = closed_rows;
    }
    x.w.env.tail_slots = g->tail_slots;
    if (g->is_callee_final) dis_finish(&x.w, 1);
    assert_int_equal(gbx_codegen_compile(x.w.s, &x.w.env, &m->codes[0], &x.out), GBX_OK);
    assert_int_equal(x.out.beyond, 0);
    return x;
}

static made
make_named(const char *name)
{
    for (u32 i = 0; i < GBX_LEN(goldens); i++)
        if (strcmp(goldens[i].name, name) == 0) return make(&goldens[i]);
    fail_msg("no golden has the name %s", name);
    return (made){0};
}

static void
unmake(made *x)
{
    dis_free(&x->d);
    dis_close(&x->w);
}

static char *
read_file(const char *path, size_t *len)
{
    FILE *const f = fopen(path, "rb");
    if (!f) fail_msg("%s: %s (run from the root of the repository)", path, strerror(errno));
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long const size = ftell(f);
    assert_true(size >= 0);
    rewind(f);
    char *const text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, f), size);
    text[size] = 0;
    *len = (size_t)size;
    (void)fclose(f);
    return text;
}

static void
test_golden(void **state)
{
    const golden *const g = *state;
    char path[128], *text = NULL;
    size_t len = 0, kept_len;
    (void)snprintf(path, sizeof path, "test/golden/%s.txt", g->name);
    made x = make(g);
    x.d = dis_decode(&x.out);
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    fprintf(f, "; %s\n", g->what);
    dis_print(f, &x.d, &x.w.m->codes[0]);
    assert_int_equal(fclose(f), 0);
    if (golden_writes) {
        f = fopen(path, "wb");
        if (!f) fail_msg("%s: %s", path, strerror(errno));
        assert_int_equal(fwrite(text, 1, len, f), len);
        assert_int_equal(fclose(f), 0);
    }
    char *const kept = read_file(path, &kept_len);
    if (kept_len != len || memcmp(kept, text, len) != 0)
        fail_msg("%s is different, \"make bless\" and \"git diff\" show how. Now:\n%s", path, text);
    dis_check(&x.d, x.w.m, &x.w.m->codes[0]);
    free(kept);
    free(text);
    unmake(&x);
}

/* ---- What says more than a text */

/* Instructions of [from, to) that store to the frame. */
static u32
stores_to_frame(const dis *d, u32 from, u32 to)
{
    u32 count = 0;
    for (u32 k = 0; k < d->count; k++) {
        const ZydisDecodedOperand *const m = dis_mem(&d->insns[k]);
        bool const is_store = m && m == &d->insns[k].ops[0] && d->insns[k].insn.mnemonic == ZYDIS_MNEMONIC_MOV;
        bool const is_inside = d->insns[k].at >= from && d->insns[k].at < to;
        count += is_store && is_inside && m->mem.base == ZYDIS_REGISTER_RSP;
    }
    return count;
}

static u32
count_of(const dis *d, ZydisMnemonic name)
{
    u32 count = 0;
    for (u32 k = 0; k < d->count; k++) count += d->insns[k].insn.mnemonic == name;
    return count;
}

/* RULE: S20. What fits in registers has no frame, and what calls without arguments neither. */
static void
test_frameless(void **state)
{
    (void)state;
    static const char *const names[] = {"go-leaf", "locals", "address", "stores", "pinned", "dispatch", "checked"};
    for (u32 i = 0; i < GBX_LEN(names); i++) {
        made x = make_named(names[i]);
        x.d = dis_decode(&x.out);
        assert_int_equal(x.out.frame_bytes, 0);
        for (u32 k = 0; k < x.d.count; k++) {
            const dis_insn *const insn = &x.d.insns[k];
            bool const is_rsp = insn->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                                insn->ops[0].reg.value == ZYDIS_REGISTER_RSP;
            assert_false(is_rsp);
        }
        assert_int_equal(stores_to_frame(&x.d, 0, x.out.len), 0);
        unmake(&x);
    }
}

/* Each thing that lives across a call is stored once: one argument, one operand, one local. */
static void
test_spilled_once(void **state)
{
    (void)state;
    made x = make_named("spill");
    x.d = dis_decode(&x.out);
    assert_int_equal(stores_to_frame(&x.d, 0, x.out.len), 3);
    assert_int_equal(x.out.frame_bytes, 24);
    unmake(&x);
}

/* RULE: S8. No way from the fresh entry on is through the table: the one jump by it is behind the general one. */
static void
test_fresh_skips_dispatch(void **state)
{
    (void)state;
    made x = make_named("dispatch");
    x.d = dis_decode(&x.out);
    u32 jumps = 0;
    assert_true(x.out.fresh < x.out.general);
    for (u32 k = 0; k < x.d.count; k++) {
        const dis_insn *const i = &x.d.insns[k];
        if (i->insn.mnemonic != ZYDIS_MNEMONIC_JMP || i->ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
        assert_true(i->at > x.out.general);
        jumps++;
    }
    assert_int_equal(jumps, 1);
    unmake(&x);
}

/* What GBX_TUNE switches off is off. */
static void
test_tune(void **state)
{
    (void)state;
    made x = make_named("call-final");
    assert_int_equal(x.out.reloc_count, 1);
    x.w.env.tune &= ~CODEGEN_TUNE_BIT(DIRECT);
    assert_int_equal(gbx_codegen_compile(x.w.s, &x.w.env, &x.w.m->codes[0], &x.out), GBX_OK);
    assert_int_equal(x.out.reloc_count, 0);
    unmake(&x);
    x = make_named("address");
    x.d = dis_decode(&x.out);
    assert_int_equal(count_of(&x.d, ZYDIS_MNEMONIC_LEA), 1);
    dis_free(&x.d);
    x.w.env.tune &= ~CODEGEN_TUNE_BIT(LEA);
    assert_int_equal(gbx_codegen_compile(x.w.s, &x.w.env, &x.w.m->codes[0], &x.out), GBX_OK);
    x.d = dis_decode(&x.out);
    assert_int_equal(count_of(&x.d, ZYDIS_MNEMONIC_LEA), 0);
    assert_int_equal(count_of(&x.d, ZYDIS_MNEMONIC_ADD), 2);
    assert_int_equal(count_of(&x.d, ZYDIS_MNEMONIC_SHL), 1);
    unmake(&x);
    x = make_named("pinned");
    x.w.env.tune &= ~CODEGEN_TUNE_BIT(FRESH);
    assert_int_equal(gbx_codegen_compile(x.w.s, &x.w.env, &x.w.m->codes[0], &x.out), GBX_OK);
    assert_int_equal(x.out.frame_bytes, 8); /* the argument's place */
    unmake(&x);
}

/* Each allocation fails once: no memory, and the space makes the same code afterwards. */
static void
test_faults(void **state)
{
    (void)state;
    made x = make_named("pressure");
    u32 failures = 0;
    u8 *const bytes = malloc(x.out.len);
    assert_non_null(bytes);
    memcpy(bytes, x.out.bytes, x.out.len);
    u32 const len = x.out.len;
    for (u64 n = 1;; n++) {
        codegen_out out;
        gbx_base_fault_arm(n);
        codegen_space *const s = gbx_codegen_space_new();
        gbx_code const code = s ? gbx_codegen_compile(s, &x.w.env, &x.w.m->codes[0], &out) : GBX_NO_MEMORY;
        bool const is_done = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        assert_int_equal(code, is_done ? GBX_OK : GBX_NO_MEMORY);
        if (s) {
            assert_int_equal(gbx_codegen_compile(s, &x.w.env, &x.w.m->codes[0], &out), GBX_OK);
            assert_int_equal(out.len, len);
            assert_memory_equal(out.bytes, bytes, len);
        }
        gbx_codegen_space_free(s);
        if (is_done) break;
        failures++;
    }
    assert_true(failures > 8);
    free(bytes);
    unmake(&x);
}

/* What a golden's function gives, compiled. */
static u64
run_named(const char *name, gbx_slot *slots)
{
    build_func f = {0};
    for (u32 i = 0; i < GBX_LEN(goldens); i++)
        if (strcmp(goldens[i].name, name) == 0) f = goldens[i].func;
    assert_non_null(f.body);
    build_module const bm = {.funcs = &f, .func_count = 1, .pages = 1, .globals = "il"};
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    gbx_store_opts const opts = GBX_STORE_OPTS_INIT;
    engine_opts.tier = GBX_TIER_EAGER;
    world w = {0};
    gbx_err err;
    gbx_trap trap;
    assert_int_equal(gbx_engine_new(&engine_opts, &w.engine, &err), GBX_OK);
    assert_int_equal(gbx_store_new(w.engine, &opts, &w.store, &err), GBX_OK);
    assert_int_equal(gbx_linker_new(w.store, &w.linker, &err), GBX_OK);
    gbx_instance *const inst = world_load(&w, build_whole(&bm));
    assert_int_equal(world_call(inst, "f0", slots, &trap), GBX_TRAP_NONE);
    world_close(&w);
    return slots[0];
}

/* Goldens whose text looked right while their result was wrong. */
static void
test_results(void **state)
{
    (void)state;
    gbx_slot low[16] = {~0ull, 1};
    assert_int_equal(run_named("low-half", low), 3 * (u64)UINT32_MAX);
    gbx_slot convert[16] = {1000, 1, 50, 8, 3, 1, 2, 3, 4, 5};
    assert_int_equal(run_named("convert-unsigned", convert), 999 - 42 * 3 + 15);
    gbx_slot large[16] = {1000, 1, 0, 0, 1ull << 62, 1, 2, 3, 4, 5};
    assert_int_equal(run_named("convert-unsigned", large), 999 + 15);
}

static dis_world
open_two(const build_func funcs[2])
{
    build_module const bm = {.funcs = funcs, .func_count = 2, .pages = 1, .globals = "il"};
    build bytes = build_whole(&bm);
    gbx_err err;
    wasm_module *m;
    if (gbx_wasm_module_new(bytes.data, bytes.len, 0, &m, &err) != GBX_OK) fail_msg("%s", err.text);
    return dis_open(m);
}

/* A function that takes 1,000 results home at each branch has 4 KB of code for each byte of its own: it is given
 * up at the limit code-growth, and the space makes the same code as before. */
static void
test_too_large(void **state)
{
    (void)state;
    build body = {0};
    char results[1001] = {0};
    memset(results, 'l', sizeof results - 1);
    for (u32 i = 0; i < 1000; i++) BUILD(&body, OP_I64_CONST, 1);
    for (u32 i = 0; i < 40000; i++) BUILD(&body, OP_LOCAL_GET, 0, OP_BR_IF, 0);
    BUILD(&body, OP_END);
    build_func const funcs[] = {{"i", results, "", body.data, body.len}, {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_END)}};
    dis_world w = open_two(funcs);
    const wasm_module *const m = w.m;
    codegen_out out;
    assert_int_equal(gbx_codegen_compile(w.s, &w.env, &m->codes[1], &out), GBX_OK);
    u32 const len = out.len;
    assert_int_equal(gbx_codegen_compile(w.s, &w.env, &m->codes[0], &out), GBX_OK);
    assert_int_equal(out.beyond, FACTS_BEYOND_GROWTH);
    assert_int_equal(out.len, 0);
    assert_int_equal(gbx_codegen_compile(w.s, &w.env, &m->codes[1], &out), GBX_OK);
    assert_int_equal(out.len, len);
    build_free(&body);
    dis_close(&w);
}

/* No more is made of a block that is too long already: calls of a thousand values make 20 KB of code each. */
static void
test_too_large_at_once(void **state)
{
    (void)state;
    enum { CALLS = 200000 };
    build body = {0};
    char values[1001] = {0};
    memset(values, 'l', sizeof values - 1);
    for (u32 i = 0; i < 1000; i++) BUILD(&body, OP_I64_CONST, 1);
    for (u32 i = 0; i < CALLS; i++) BUILD(&body, OP_CALL, 1);
    BUILD(&body, OP_UNREACHABLE, OP_END);
    build_func const funcs[] = {{"", "", "", body.data, body.len}, {values, values, "", BODY(OP_UNREACHABLE, OP_END)}};
    dis_world w = open_two(funcs);
    const wasm_module *const m = w.m;
    codegen_out out;
    assert_int_equal(gbx_codegen_compile(w.s, &w.env, &m->codes[0], &out), GBX_OK);
    assert_int_equal(out.beyond, FACTS_BEYOND_GROWTH);
    assert_true(w.s->rows.count > 100 && w.s->rows.count < CALLS / 10); /* each call has one */
    build_free(&body);
    dis_close(&w);
}

/* Every function of a Go program, as it is compiled here and with all that helps taken away. */
static void
test_go_program(void **state)
{
    (void)state;
    size_t len;
    char *const file = read_file("examples/imagemeta/imagemeta.wasm", &len);
    u8 *const bytes = gbx_base_alloc(len, 1); /* becomes the module's */
    assert_non_null(bytes);
    memcpy(bytes, file, len);
    free(file);
    gbx_err err;
    wasm_module *m;
    if (gbx_wasm_module_new(bytes, len, 0, &m, &err) != GBX_OK) fail_msg("%s", err.text);
    dis_world w = dis_open(m);
    for (u32 poor = 0; poor < 2; poor++) {
        u64 insns = 0, rows = 0, frameless = 0;
        w.env.pins[0] = poor ? FACTS_NONE : 0;
        w.env.is_guarded = !poor;
        w.env.cpu = poor ? X64_CPU_RUNS : DIS_CPU;
        w.env.tune = poor ? 0 : CODEGEN_TUNE_ALL;
        for (u32 i = 0; i < m->func_count - m->imported_funcs; i++) {
            codegen_out out;
            if (i % 2 && !poor) dis_finish(&w, m->imported_funcs + i);
            assert_int_equal(gbx_codegen_compile(w.s, &w.env, &m->codes[i], &out), GBX_OK);
            assert_int_equal(out.beyond, 0);
            dis d = dis_decode(&out);
            dis_check(&d, m, &m->codes[i]);
            insns += d.count;
            rows += out.row_count;
            frameless += out.frame_bytes == 0;
            dis_free(&d);
        }
        assert_true(insns > 300000);
        assert_true(rows > 100000);
        assert_true(frameless > 100);
    }
    dis_close(&w);
}

int
main(int argc, char **argv)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_frameless), cmocka_unit_test(test_spilled_once),
        cmocka_unit_test(test_fresh_skips_dispatch), cmocka_unit_test(test_tune),
        cmocka_unit_test(test_faults), cmocka_unit_test(test_too_large), cmocka_unit_test(test_results),
        cmocka_unit_test(test_too_large_at_once),
        cmocka_unit_test(test_go_program)};
    static struct CMUnitTest tests[GBX_LEN(goldens) + GBX_LEN(others)];
    golden_writes = argc == 2 && strcmp(argv[1], "--write") == 0;
    for (u32 i = 0; i < GBX_LEN(goldens); i++)
        tests[i] = (struct CMUnitTest){goldens[i].name, test_golden, NULL, NULL, (void *)(uintptr_t)&goldens[i]};
    memcpy(tests + GBX_LEN(goldens), others, sizeof others);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

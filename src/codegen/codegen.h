/* The compiler: one validated function in, machine code out. What a back end fills.
 *
 * Conventions of compiled code, common to all back ends:
 *   - A function has two entries. `general` takes its arguments from the caller's outgoing area, 8 bytes a
 *     value, argument i at return address + 8 + 8 * i; `fresh` is for functions of one integer parameter
 *     and at most one result, which is then 0 and not given. RULE: S8.
 *   - The first result is in the result register as a slot has it (f32: zero upper half); further results
 *     stand in the outgoing area, result i in place i, which has room for both.
 *   - A tail call leaves its arguments where its own stood. So that they always fit, all outgoing areas of
 *     a module that has tail calls have room for the longest type (codegen_env.tail_slots), and no call is
 *     fresh.
 *   - All registers but those fixed for the module are the callee's.
 *   - Frames have one size throughout a function (fault_table.frame_bytes), so that return addresses can
 *     be found by whoever knows the innermost one.
 *
 * Code is position-independent but for calls of final code, stubs and cells, listed as relocations. */
#ifndef GBX_CODEGEN_CODEGEN_H
#define GBX_CODEGEN_CODEGEN_H

#include "abi/native.h"
#include "codegen/facts.h"

/* Stubs of a module, made before its first function. */
typedef enum codegen_stub {
#define CODEGEN_STUB(name, slug, meaning) CODEGEN_STUB_##name,
#include "codegen/stubs.def"
#undef CODEGEN_STUB
    CODEGEN_STUB_COUNT
} codegen_stub;
extern const char *const gbx_codegen_stub_slugs[CODEGEN_STUB_COUNT];

/* Parts of the compiler that can be switched off, to measure what each is worth (GBX_TUNE). */
enum {
#define CODEGEN_TUNE(name, slug, meaning) CODEGEN_TUNE_AT_##name,
#include "codegen/tune.def"
#undef CODEGEN_TUNE
    CODEGEN_TUNE_COUNT
};
#define CODEGEN_TUNE_BIT(name) (1u << CODEGEN_TUNE_AT_##name)
#define CODEGEN_TUNE_ALL ((1u << CODEGEN_TUNE_COUNT) - 1)

/* Beside them in codegen_env.tune: a NaN that is computed is the one that is positive and has no payload. */
#define CODEGEN_CANONICAL_NANS (1u << 31)
_Static_assert(CODEGEN_TUNE_COUNT < 31, "its bit is free");

#define CODEGEN_PINS 2u

/* What all functions of a module are compiled against. Fixed before the first. */
typedef struct codegen_env {
    const wasm_module *m;
    const gbx_cell *cells;       /* by function index, imports included */
    u32 pins[CODEGEN_PINS];      /* RULE: S9. Globals in fixed registers, FACTS_NONE where there is none */
    bool is_guarded;             /* RULE: S3. Accesses are not compared with the memory's length */
    u32 tail_slots;              /* of each outgoing area at least; 0: the module has no tail calls */
    u32 closed_table;            /* RULE: S10. FACTS_NONE: there is none. Its elements stand in */
    u32 closed_len;              /* gbx_native.closed, a row of closed_len + 1 for each type that it has: */
    const u32 *closed_rows;      /* where, by type index; FACTS_NONE: nowhere */
    u32 tune;                    /* CODEGEN_TUNE_BITs that are on */
    u32 cpu;                     /* what the back end found */
    bool wants_lines;            /* codegen_out.lines and .regs are filled: for people, not for running */
    const void *leave, *call_c, *call_host; /* gbx_runtime_leave and so on, of runtime/enter.h */
    const u8 *stubs[CODEGEN_STUB_COUNT];
} codegen_env;

typedef enum codegen_reloc_kind {
    CODEGEN_RELOC_REL32, /* target - (place + 4) */
} codegen_reloc_kind;

typedef struct codegen_reloc {
    u32 at;
    const u8 *target;
} codegen_reloc;

/* An instruction that may fault, or a call: see fault.h. */
typedef struct codegen_row {
    u32 code_offset, kind, wasm_offset;
} codegen_row;

/* Where a running interpreter may move over: the head of a loop with no operands pending. */
typedef struct codegen_head {
    u32 wasm_offset, code_offset;
} codegen_head;

/* Code from here on, up to the next line, belongs to the instruction at wasm_offset. An instruction has
 * several where its code is emitted twice, or partly behind the function. */
typedef struct codegen_line {
    u32 code_offset, wasm_offset;
} codegen_line;

/* Made of one function. Borrowed from the space until it is used again. */
typedef struct codegen_out {
    const u8 *bytes;
    u32 len;
    u32 general, fresh, osr; /* entries; FACTS_NONE: there is none */
    u32 frame_bytes;
    const codegen_reloc *relocs;
    const codegen_row *rows;
    const codegen_head *heads;
    u32 reloc_count, row_count, head_count;
    u32 beyond; /* FACTS_BEYOND_: not compiled, len is 0 */
    u64 facts_ns; /* that pass A took */
    u32 cold, tables; /* offsets: what checks that fail lead to; jump tables, which are no code, up to len */
    const codegen_line *lines; /* by code_offset, not those of entries */
    u32 line_count;
    u8 regs[FACTS_RANKED]; /* by bit of the masks: for gbx_codegen_reg_name; CODEGEN_NO_REG: at home */
} codegen_out;

#define CODEGEN_NO_REG 255u

typedef struct codegen_space codegen_space;

/* ---- of the back end */

/* What this processor has; 0: it cannot run compiled code. */
u32 gbx_codegen_cpu(void);
GBX_MUST_USE codegen_space *gbx_codegen_space_new(void); /* NULL: memory is short */
void gbx_codegen_space_free(codegen_space *s);           /* NULL is fine */
/* GBX_NO_MEMORY is the only failure. */
GBX_MUST_USE gbx_code gbx_codegen_stubs(codegen_space *s, const codegen_env *env, codegen_out *out,
                                        u32 offsets[CODEGEN_STUB_COUNT]);
/* Longer than this, beside so many times its body (limit code-growth), code of a function is not made: what
 * hostile bodies take of memory and time is bounded by it. Operands and locals that go home and come back at
 * each edge of a jump table, whose entries are a byte each, take most. */
#define CODEGEN_FREE_BYTES ((u64)16 << 10)

/* Compile `code`. GBX_NO_MEMORY is the only failure; what the compiler lacks is said in out->beyond. */
GBX_MUST_USE gbx_code gbx_codegen_compile(codegen_space *s, const codegen_env *env,
                                          const wasm_code *code, codegen_out *out);
/* The number of the register that holds the gbx_exec throughout, in gbx_fault.regs; of a pinned global. */
u32 gbx_codegen_exec_reg(void);
u32 gbx_codegen_pin_reg(u32 pin);
u32 gbx_codegen_sp_reg(void);
const char *gbx_codegen_reg_name(u8 reg);

#endif

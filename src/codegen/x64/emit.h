/* What the files of the x86-64 back end share. Pass B: one walk over the blocks that pass A found, in which
 * machine code is written at once; nothing is looked at twice but what did not fit (see x64_frame).
 *
 *   cpu.c      what the processor has
 *   emit.c     the walk: instructions to the functions of the other files
 *   values.c   the operand stack as delayed values, registers, homes
 *   int.c      integer arithmetic, comparisons
 *   float.c    f32 and f64
 *   memory.c   loads, stores, globals, tables
 *   forward.c  what registers hold of memory
 *   edges.c    edges between blocks, what stands behind the function
 *   frame.c    entries, the frame, returns
 *   call.c     calls, and what the runtime does for compiled code
 *   stubs.c    code that a module has once
 *
 * Registers: rsp the native stack, rbx the base of memory 0, r15 the gbx_exec, r14 and r13 pinned globals;
 * where fuel is counted, r12 what is left; rax, rcx, rdx and whatever the function's locals leave are
 * temporaries; xmm14 and xmm15 are scratch within one instruction.
 *
 * RULE: S15. Fuel is charged for a stretch of instructions at its end: before a call, a bulk operation, the
 * branch that ends a block (x64_ctx.spent). Rows and cold code say what was used since. A block that others
 * than the one before it reach through the entry's dispatch alone may begin with something to be charged
 * (x64_ctx.carried), a jump that is led past is a toll of its edge (x64_ctx.tolls).
 *
 * RULE: S3. An i32 in a register has a zero upper half unless its value says `narrow`. */
#ifndef GBX_CODEGEN_X64_EMIT_H
#define GBX_CODEGEN_X64_EMIT_H

#include <stddef.h>

#include "codegen/codegen.h"
#include "codegen/x64/asm.h"
#include "wasm/fuse.h"
#include "wasm/opcodes.h"

#define X64_MEMORY   RBX
#define X64_EXEC     R15
#define X64_PIN0     R14
#define X64_PIN1     R13
#define X64_FUEL     R12 /* where it is counted; else a local's */
#define X64_SCRATCH0 14u /* xmm */
#define X64_SCRATCH1 15u

#define X64_CPU_RUNS  1u /* SSE4.1 and POPCNT: what no code is made without */
#define X64_CPU_LZCNT 2u /* and TZCNT */
#define X64_CPU_BMI2  4u

#define X64_NO_LOCAL UINT32_MAX
#define X64_REGS     16u /* general ones; in codegen_out.regs the xmm follow */
#define X64_NO_SLOT  UINT32_MAX

/* A value on the operand stack that need not have been computed yet. RULE: S11: it is pure. */
typedef enum x64_val_kind {
    VAL_CONST, /* bits */
    VAL_LOCAL, /* a read of a local or pinned global that has not been performed */
    VAL_REG, /* in a temporary that it owns, or in the register of the local that the next instruction
                  writes (local is not X64_NO_LOCAL) */
    VAL_XMM,  /* the same among the floats */
    VAL_LEA,  /* base + index << scale + disp, modulo 2^32 where it is an i32 */
    VAL_HOME, /* in the home of its place on the stack, of whatever type */
    VAL_MEM, /* a load that the next instruction performs: [reg + index + disp], the index being owned or that
                  of index_local. bits is its offset in the module file, and above it spent + paid */
    VAL_FLAGS, /* cc says whether it is 1; consumed by the next instruction */
} x64_val_kind;

/* PERF: values are made in their place on the stack, and read there: copied as a whole they would wait for
 * the stores of their fields. */
typedef struct x64_val {
    u8 kind;
    bool is_64;  /* an integer of 64 bits, or an f64 */
    bool narrow; /* an i32 whose register may have anything in its upper half */
    u8 reg;      /* VAL_REG, VAL_XMM; VAL_LEA: base, X64_NO_REG: none */
    u8 index, scale;
    u8 cc;
    u32 local; /* VAL_LOCAL; VAL_LEA: that base is the register of, X64_NO_LOCAL: it is owned */
    u32 index_local; /* VAL_LEA */
    i32 disp;        /* VAL_LEA; VAL_HOME: the place */
    u64 bits;
} x64_val;

/* A local, or behind them a pinned global. */
typedef struct x64_local {
    u32 home; /* slot of the frame; X64_NO_SLOT: it has none yet */
    u8 reg;   /* general or xmm; X64_NO_REG: it lives in its home */
    u8 rank;  /* its bit in the masks; 255: none */
    bool is_float;
    bool is_64;
} x64_local;

/* A branch whose target's code does not exist yet. */
typedef struct x64_fixup {
    u32 at, block;
} x64_fixup;

/* What stands behind the function: where a check fails. */
typedef struct x64_cold {
    u32 at;   /* of the displacement that leads here */
    u32 kind; /* a trap, or one of x64_slow_kind */
    u32 wasm_offset;
    u32 back; /* where a slow path returns to */
    u8 a, b;  /* its registers */
    u8 variant;
    u32 type_idx;   /* X64_SLOW_CLOSED */
    u32 gprs, xmms; /* X64_SLOW_BULK: that are in use */
    u32 block;      /* X64_SLOW_PAY */
    i32 spent;
} x64_cold;

enum {
    X64_SLOW_TRUNC = 0x100,
    X64_SLOW_BULK, /* variant: the instruction behind 0xFC, by C after all */
    X64_SLOW_CLOSED, /* the element in rdx is not among those of closed tables */
    X64_SLOW_PAY, /* a branch that is seldom taken, which charges there */
    X64_SLOW_CALL, /* variant: of a function of another instance or the host, which is in rax */
};

/* What is known once the frame's size is: at `at`, that size + addend. */
typedef struct x64_frame_fix {
    u32 at;
    i32 addend;
} x64_frame_fix;

/* An entry of a jump table: a block, or code that leads there. */
typedef struct x64_table_item {
    u32 block, offset; /* block FACTS_NONE: the code at offset */
} x64_table_item;

typedef struct x64_table {
    u32 at; /* of the displacement of the lea that finds it */
    u32 first, count;
} x64_table;

/* A call of the function by itself. */
typedef struct x64_self_call {
    u32 at;
    bool is_fresh;
} x64_self_call;

/* RULE: S12. What a register holds: the result of the load `op` at [local + offset], whose low 32 bits are
 * the base; i64.extend_i32_u: those bits themselves. Present while its bit of x64_ctx.memos is set. */
typedef struct x64_memo {
    u32 base;   /* a local, or behind them a pinned global */
    u32 offset; /* that of the access included */
    u32 age;
    u8 op;
    bool narrow;
} x64_memo;

/* What an edge's code must not change for whoever goes on behind it. */
typedef struct x64_state {
    u32 height, settled, free, xfree;
    i32 spent;
    u64 reg_valid, home_valid;
} x64_state;

typedef struct x64_array {
    void *items;
    u32 count, cap;
} x64_array;

struct codegen_space {
    facts_space *facts;
    x64_buf b;
    x64_array locals, stack, saved, fixups, colds, relocs, rows, heads, bound, order, frame_fixes,
            depths, tables, items, self_calls, through, tolls, carried, lines;
};

typedef struct x64_ctx {
    codegen_space *s;
    x64_buf *b;
    const codegen_env *env;
    const wasm_module *m;
    const wasm_code *code;
    const wasm_functype *sig;
    facts f;
    const u8 *unfuse;

    const u8 *pc, *insn, *end; /* next byte, present instruction, end of the block */
    u32 wasm_offset;           /* of the present instruction in the module file */

    x64_local *locals; /* local_count, then the pins */
    u32 local_count;
    u32 copy,
            copy_of; /* a local that is read and written as a pinned global is; X64_NO_LOCAL: none */
    u32 *through;    /* by block: where an edge to it leads in the end */
    i32 *tolls;      /* and the fuel that what it leads past costs */
    i32 *carried;    /* by block: what was used and is not charged where it begins */
    x64_val *stack;
    u32 height;
    u32 settled;      /* operands below own no register and read no local */
    u32 *depth_homes; /* slot of the frame by place on the stack */

    u32 temps, xtemps; /* registers that may be temporaries */
    u32 free, xfree;   /* those that are not in use */
    u64 reg_valid;     /* ranked locals whose register holds their value */
    u64 home_valid;    /* whose home does as well */
    u64 assigned;      /* that have a register */

    x64_memo memo[X64_REGS];
    u32 memos;                 /* bit r: memo[r] says what is in register r */
    u32 memo_age;
    u32 reg_locals[X64_REGS];  /* whose a register is; X64_NO_LOCAL: a temporary */
    u64 proven[CODEGEN_PINS];  /* an access at the pinned global + this - 1 was inside; 0: nothing is known */

    u32 block;         /* being emitted */
    u32 next;          /* emitted behind it; FACTS_NONE: none */
    bool is_open;      /* the state on the way into `next` is that of the block before it */
    const u32 *access; /* of the block's accesses, the next */

    u32 slots;     /* of the frame, beyond the outgoing area */
    u32 out_slots; /* of the outgoing area */
    u32 out_need;  /* that turned out to be needed */
    bool has_frame, needs_frame;
    bool is_large;           /* the frame: it is compared with what the stack has left */
    bool is_guessed;         /* what of these is not known before */
    bool is_fresh;           /* called with one 0, it may skip what it does with it */
    u32 general, fresh, osr; /* entries */
    u32 cold_at, tables_at;  /* where what stands behind the function begins */
    bool is_metered;
    bool has_dispatch;       /* the entry's, which is emitted last */
    i32 spent; /* fuel used and not charged, up to the present instruction; below 0: charged ahead */
    i32 paid;  /* all that was charged, so that what was used before can be told apart */
    bool failed;             /* memory is short */
    u32 *bound;              /* by block: offset of its code, FACTS_NONE: not yet */
} x64_ctx;

/* ---- Immediates: LEB128 at pc */

u64 gbx_x64_leb(x64_ctx *c, unsigned *bits); /* of any length; *bits: how many it has */

static inline u32
x64_read_u32(x64_ctx *c)
{
    unsigned bits;
    if (GBX_LIKELY(*c->pc < 0x80)) return *c->pc++;
    return (u32)gbx_x64_leb(c, &bits);
}

static inline u64
x64_read_s64(x64_ctx *c)
{
    unsigned bits;
    if (GBX_LIKELY(*c->pc < 0x80)) return (u64)((i64)((u64)*c->pc++ << 57) >> 57);
    u64 const v = gbx_x64_leb(c, &bits);
    return bits < 64 && c->pc[-1] & 0x40 ? v | ~0ull << bits : v;
}

/* ---- values.c */

u32 gbx_x64_take(x64_ctx *c); /* a free temporary, by sending an operand home if need be */
u32 gbx_x64_xtake(x64_ctx *c);
bool gbx_x64_claim(x64_ctx *c, u32 reg); /* make this very temporary free and take it */
void gbx_x64_release(x64_ctx *c, u32 reg);
void gbx_x64_xrelease(x64_ctx *c, u32 reg);
void gbx_x64_drop(x64_ctx *c, x64_val *v); /* its registers are free */
/* In a general register, with a zero upper half where it is 32 bits wide unless `any_upper`. The register may
 * be that of a local: read only. */
u32 gbx_x64_gpr(x64_ctx *c, x64_val *v, bool any_upper);
u32 gbx_x64_own(x64_ctx *c, x64_val *v,
                u32 dst); /* in `dst`, or X64_NO_REG: in a temporary that may be written */
u32 gbx_x64_xmm(x64_ctx *c, x64_val *v);
u32 gbx_x64_xown(x64_ctx *c, x64_val *v, u32 dst);
void gbx_x64_to_home(x64_ctx *c, x64_val *v,
                     u32 place); /* send it to the home of a place on the stack */
void gbx_x64_to_slot(x64_ctx *c, x64_val *v,
                     x64_mem m);            /* and to any 8 bytes; releases its registers */
void gbx_x64_flush(x64_ctx *c, u32 height); /* all operands below `height` are at home */
void gbx_x64_local_get(x64_ctx *c, u32 idx);
void gbx_x64_local_set(x64_ctx *c, u32 idx, bool is_tee);
/* No operand waits to read it: it is about to be written. */
void gbx_x64_local_written(x64_ctx *c, u32 idx);
u32 gbx_x64_local_reg(x64_ctx *c, u32 idx); /* that holds its value; it has one assigned */
/* The operand of a VAL_MEM, whose access the next instruction is. */
x64_mem gbx_x64_access(x64_ctx *c, const x64_val *v);
x64_mem gbx_x64_slot(x64_ctx *c, u32 slot);
x64_mem gbx_x64_local_home(x64_ctx *c, u32 idx);
x64_mem gbx_x64_place_home(x64_ctx *c, u32 place);
/* The register that the result of the present instruction is to be computed into because the next one
 * writes it to a local: *local says which. X64_NO_REG where there is none. May emit moves: what the
 * instruction reads is held until then. */
u32 gbx_x64_hint_local(x64_ctx *c, u8 op, bool is_float, u32 *local);

static inline u32
x64_hint(x64_ctx *c, bool is_float, u32 *local)
{
    *local = X64_NO_LOCAL;
    if (c->pc >= c->end) return X64_NO_REG;
    u8 const op = c->unfuse[*c->pc];
    if (op != OP_GLOBAL_SET && op != OP_LOCAL_SET && op != OP_LOCAL_TEE) return X64_NO_REG;
    return gbx_x64_hint_local(c, op, is_float, local);
}

void gbx_x64_reload(x64_ctx *c, u64 mask); /* these locals are in their registers */
void gbx_x64_save(x64_ctx *c, u64 mask);   /* these are at home as well */
u64 gbx_x64_live(x64_ctx *c);              /* that may be read from the next instruction on */
bool gbx_x64_array_grow(x64_ctx *c, x64_array *a, size_t bytes);
void gbx_x64_settle(x64_ctx *c); /* send home the lower half of what is pending */

/* A copy of *item at the end; false: memory is short. */
static inline bool
x64_push_item(x64_ctx *c, x64_array *a, const void *item, size_t bytes)
{
    if (GBX_UNLIKELY(a->count == a->cap) && !gbx_x64_array_grow(c, a, bytes)) return false;
    memcpy((u8 *)a->items + a->count++ * bytes, item, bytes);
    return true;
}

/* ---- The operand stack */

#define X64_PENDING 48u /* operands that are not at home, so that looking through them is bounded */

/* The place of a new operand, to be filled in. */
static inline x64_val *
x64_push(x64_ctx *c)
{
    if (GBX_UNLIKELY(c->height - c->settled > X64_PENDING)) gbx_x64_settle(c);
    return &c->stack[c->height++];
}

/* What v is becomes the topmost operand; v may have been popped from there. */
static inline void
x64_push_val(x64_ctx *c, const x64_val *v)
{
    x64_val *const to = x64_push(c);
    if (to != v) *to = *v;
}

static inline void
x64_push_const(x64_ctx *c, u64 bits, bool is_64)
{
    x64_val *const v = x64_push(c);
    *v = (x64_val){.kind = VAL_CONST, .is_64 = is_64, .bits = bits, .local = X64_NO_LOCAL};
}

static inline void
x64_push_local(x64_ctx *c, u32 idx, bool is_64, bool narrow)
{
    x64_val *const v = x64_push(c);
    *v = (x64_val){.kind = VAL_LOCAL,
                   .is_64 = is_64,
                   .narrow = narrow,
                   .local = idx,
                   .index_local = X64_NO_LOCAL};
}

/* A register of either kind: that of `local`, or X64_NO_LOCAL: a temporary. */
static inline void
x64_push_in(x64_ctx *c, x64_val_kind kind, u32 reg, u32 local, bool is_64)
{
    x64_val *const v = x64_push(c);
    *v = (x64_val){.kind = (u8)kind,
                   .is_64 = is_64,
                   .reg = (u8)reg,
                   .index = X64_NO_REG,
                   .local = local,
                   .index_local = X64_NO_LOCAL};
}

static inline void
x64_push_reg(x64_ctx *c, u32 reg, u32 local, bool is_64)
{
    x64_push_in(c, VAL_REG, reg, local, is_64);
}

static inline void
x64_push_xmm(x64_ctx *c, u32 reg, u32 local, bool is_64)
{
    x64_push_in(c, VAL_XMM, reg, local, is_64);
}

/* The topmost operand, which stays where it is until the next one is pushed. */
static inline x64_val *
x64_pop(x64_ctx *c)
{
    x64_val *const v = &c->stack[--c->height];
    if (c->settled <= c->height) return v;
    c->settled = c->height;
    *v = (x64_val){.kind = VAL_HOME,
                   .is_64 = true,
                   .disp = (i32)c->height,
                   .index = X64_NO_REG,
                   .local = X64_NO_LOCAL,
                   .index_local = X64_NO_LOCAL};
    return v;
}

/* ---- int.c */

void gbx_x64_int_binary(x64_ctx *c, u8 op);
void gbx_x64_int_unary(x64_ctx *c, u8 op);
void gbx_x64_compare(x64_ctx *c, u8 op);
void gbx_x64_eqz(x64_ctx *c, bool is_64);
void gbx_x64_extend(x64_ctx *c, u8 op);
void gbx_x64_select(x64_ctx *c);
/* Emit what decides about the topmost operand, which is popped: the condition that it is not 0. */
u8 gbx_x64_condition(x64_ctx *c);
void gbx_x64_push_flags(x64_ctx *c, u8 cc, bool is_64);

/* ---- float.c */

void gbx_x64_float(x64_ctx *c, u8 op);
void gbx_x64_trunc_sat(x64_ctx *c, u32 sub);
void gbx_x64_slow_trunc(x64_ctx *c, const x64_cold *cold);

/* ---- memory.c */

void gbx_x64_load(x64_ctx *c, u8 op);
void gbx_x64_store(x64_ctx *c, u8 op);
void gbx_x64_global_get(x64_ctx *c, u32 idx);
void gbx_x64_global_set(x64_ctx *c, u32 idx);
void gbx_x64_table_get(x64_ctx *c, u32 idx);
void gbx_x64_table_set(x64_ctx *c, u32 idx);
void gbx_x64_memory_size(x64_ctx *c, u32 idx);

/* ---- forward.c. RULE: S12. */

static inline void
x64_forget(x64_ctx *c, u32 reg)
{
    c->memos &= ~(1u << reg);
}

void gbx_x64_forget_all(x64_ctx *c); /* memory may have changed */
void gbx_x64_forget_base(x64_ctx *c, u32 local); /* it is written */
/* An access of `bytes` at [local + offset] is emitted: X64_NO_LOCAL, if it is elsewhere. */
void gbx_x64_accessed(x64_ctx *c, u32 local, u64 offset, u32 bytes);
/* The same was a store: what registers hold of other places may have changed. */
void gbx_x64_stored(x64_ctx *c, u32 local, u64 offset, u32 bytes);
void gbx_x64_remember(x64_ctx *c, u32 reg, u32 local, u64 offset, u8 op, bool narrow);
/* The load `op` need not be performed: its result is pushed. */
bool gbx_x64_forward(x64_ctx *c, u32 local, u64 offset, u8 op);
/* [local + disp], a sum modulo 2^32, is local + disp. */
bool gbx_x64_is_proven(const x64_ctx *c, u32 local, i32 disp);
/* A VAL_LOCAL that is narrow, in a register that may not be written. */
u32 gbx_x64_low_half(x64_ctx *c, x64_val *v);
/* Of these registers, the one whose content is least likely to be asked for. */
u32 gbx_x64_stalest(const x64_ctx *c, u32 regs);

/* ---- edges.c   */

void gbx_x64_trap_if(x64_ctx *c, u8 cc, u32 kind);
void gbx_x64_trap(x64_ctx *c, u32 kind);
void gbx_x64_cold(x64_ctx *c, x64_cold cold);

/* The next instruction may fault. */
static inline void
x64_row(x64_ctx *c, u32 kind)
{
    codegen_row const row = {c->b->len, CODEGEN_ROW(kind, c->spent), c->wasm_offset};
    (void)x64_push_item(c, &c->s->rows, &row, sizeof row);
}

void gbx_x64_exit(x64_ctx *c, const facts_block *b);
void gbx_x64_fall(x64_ctx *c,
                  const facts_block *b); /* the block ended without an instruction that leaves it */
void gbx_x64_poll(x64_ctx *c);
/* RULE: S15. Charge what was used. Changes no flags. */
void gbx_x64_spend(x64_ctx *c);
/* Flags are about to be set that a branch at the end of the block may wait for: charge for that one as well,
 * since compare and jump are one instruction to the processor only where nothing comes between. */
void gbx_x64_spend_ahead(x64_ctx *c);
/* And test what is left. */
void gbx_x64_spend_tested(x64_ctx *c);
/* Code of C may have charged. */
void gbx_x64_fuel_reload(x64_ctx *c);
/* The code of an edge, which ends in a jump. May change the state. */
void gbx_x64_edge(x64_ctx *c, const facts_edge *e);
void gbx_x64_thread_jumps(x64_ctx *c);           /* fills c->through */
void gbx_x64_enter_block(x64_ctx *c, u32 block); /* the state at its start */
void gbx_x64_finish(x64_ctx *c); /* cold code, tables, what had to wait for addresses */
u32 gbx_x64_pinned(const x64_ctx *c,
                   u32 global_idx); /* the local that stands for it, or X64_NO_LOCAL */

/* ---- frame.c */

void gbx_x64_entry(x64_ctx *c, bool is_fresh, u64 live);
void gbx_x64_leave_frame(x64_ctx *c); /* the stack pointer is where it was when the function was entered */
void gbx_x64_epilogue(x64_ctx *c);
void gbx_x64_osr_entry(x64_ctx *c);
void gbx_x64_frame_fix(x64_ctx *c,
                       i32 addend); /* the 4 bytes just written are frame size + addend */

/* ---- call.c */

void gbx_x64_call(x64_ctx *c, u32 func_idx);
void gbx_x64_tail_call(x64_ctx *c, u32 func_idx);
void gbx_x64_tail_call_indirect(x64_ctx *c, u32 type_idx, u32 table_idx);
void gbx_x64_call_indirect(x64_ctx *c, u32 type_idx, u32 table_idx);
void gbx_x64_libcall(x64_ctx *c, u32 sub, u32 first, u32 second, u32 takes, u32 gives);
void gbx_x64_ref_func(x64_ctx *c, u32 idx);
bool gbx_x64_bulk(x64_ctx *c, u32 sub); /* false: not one that has a short way */
void gbx_x64_slow_bulk(x64_ctx *c, const x64_cold *cold);
void gbx_x64_slow_call(x64_ctx *c, const x64_cold *cold);
void gbx_x64_slow_closed(x64_ctx *c, const x64_cold *cold);

/* ---- emit.c */

void gbx_x64_block(x64_ctx *c, u32 block);
void gbx_x64_add_line(x64_ctx *c);

/* What follows is code of the present instruction. */
static inline void
x64_line(x64_ctx *c)
{
    if (GBX_UNLIKELY(c->env->wants_lines)) gbx_x64_add_line(c);
}

#endif

/* The validator's state, shared by validate.c (types) and control.c (blocks, branches, side table). */
#ifndef GBX_WASM_VALIDATE_INT_H
#define GBX_WASM_VALIDATE_INT_H

#include "wasm/fuse.h"
#include "wasm/wasm_int.h"

#define VAL_SLACK 16u /* operand types that may be pushed before room is looked for again */
#define VAL_BELOW 8u  /* bytes below the first operand type, which may be read */

/* What the common path of the walk knows of an opcode; see walk.c. PERF: reached by a shift. */
typedef struct val_row {
    u16 want, mask; /* the two topmost types, the topmost lowest, and which bits of them count */
    u8 local_want, local_out; /* bits of a local's type that are wanted as well, and that are left */
    u8 out;         /* the type that is left */
    u8 takes, gives, takes_bits, gives_bits; /* operands off and on, and eight times as many */
    u8 most;        /* of the byte behind the opcode */
    u8 class;       /* fuse_automaton.classes */
} __attribute__((aligned(16))) val_row;

/* What a block takes and gives, or what its label does. */
typedef struct val_types {
    const wasm_valtype *params, *results;
    u32 param_count, result_count;
} val_types;

/* An open block. Heights and counts are operands; side and target numbers are indices. */
typedef struct val_ctrl {
    val_types type;
    u32 height;      /* operands below the block's own */
    u32 fix;         /* side entries that wait for the end: index of the last + 1; 0: none */
    u32 else_fix;    /* `if`: its false edge's entry + 1; 0: resolved */
    u32 loop_off, loop_side; /* `loop`: its target */
    u32 lead;        /* a leading block of a dispatch loop: index of the dispatch + 1 */
    u32 disp;        /* a dispatch loop: index of the dispatch + 1; 0: it is none */
    u8 op;           /* OP_BLOCK, OP_LOOP, OP_IF, OP_ELSE, OP_TRY_TABLE; OP_CALL for the body itself */
    bool unreachable;
} val_ctrl;

/* The br_table at the head of a loop; see the head of validate.c. */
typedef struct val_dispatch {
    u32 open;   /* index of the innermost leading block still open */
    u32 side;   /* its first entry */
    u32 count;  /* entries, the default included */
    u32 target; /* first index into val.targets */
    u32 local;
    const u8 *origin;
} val_dispatch;

typedef struct val {
    wasm_module *m;
    const u8 *pc, *end, *insn; /* next byte, end of the body, current instruction */
    wasm_valtype *sp, *floor;  /* top of the operand types, and where the innermost block's begin */
    wasm_valtype *sp_max, *types_high;
    wasm_valtype *types;
    u64 types_cap;
    wasm_valtype *locals;
    u32 local_count;
    u32 fast_locals; /* locals before the first v128, all that the fast path knows */
    const wasm_functype *type;
    bool has_v128;

    val_ctrl *ctrls;
    u32 ctrl_len, ctrl_cap;
    wasm_side *side;
    u32 side_len, side_cap;
    val_dispatch *dispatches;
    u32 dispatch_len, dispatch_cap;
    u32 *targets; /* block indices that dispatch br_tables name */
    u32 target_len, target_cap;
    wasm_try *tries, *open_tries; /* closed ones, innermost first; and those that are open */
    u32 try_len, try_cap, open_try_len, open_try_cap;
    wasm_catch *catches;
    u32 catch_len, catch_cap;

    fuse_run fuse;
    fuse_place fused;
    val_row rows[256];
    u64 ends[256]; /* topmost bits of the bytes, from the opcode on, that may be its last; 0: it is not on
                      the common path */
    const wasm_valtype *mark; /* from here on the stack is higher than before, or too high */

    /* Where a dispatch br_table is expected. */
    const u8 *disp_at;
    u32 disp_loop, disp_local;
    const u8 *skip_from, *skip_to; /* the latest run of ends and nops */
    const u8 *run_end;             /* where the latest run of block openings ends */

    arena *arena;     /* for what is kept */
    u32 *global_uses; /* by global: instructions that read or write it */

    const u8 *func_refs;
    bool has_data_count, uses_data_idx;
    bool has_memory32; /* memory 0 is there and has 32-bit addresses */
    u32 data_count;

    const char *why; /* the first failure */
    gbx_code code;
    const u8 *why_at;
    char text[128];
} val;

typedef enum val_leb { LEB_U32, LEB_U64, LEB_I32, LEB_I33, LEB_I64 } val_leb;

/* All of these return false after a failure, which is remembered in v. */
bool gbx_wasm_val_fail(val *v, const u8 *at, gbx_code code, const char *why);
/* The instruction needs a feature: false where it is not to be had. */
bool gbx_wasm_val_need(val *v, gbx_feature feature);
u64 gbx_wasm_val_leb(val *v, val_leb kind);
bool gbx_wasm_val_reserve(val *v, u64 more);
/* Whether these types could be popped, the last of them first; nothing is. */
bool gbx_wasm_val_fits(const val *v, const wasm_valtype *types, u32 count);
bool gbx_wasm_val_pop(val *v, wasm_valtype want);
bool gbx_wasm_val_push_types(val *v, const wasm_valtype *types, u32 count);
void gbx_wasm_val_unreachable(val *v);

/* validate.c: one function, fills its wasm_code; one instruction, v->pc behind the opcode. */
bool gbx_wasm_val_body(val *v, wasm_code *c, u32 func_idx);
bool gbx_wasm_val_insn(val *v, u8 op);

/* walk.c: the rows, once for a module's fuse_set and first memory; a body's instructions. */
void gbx_wasm_val_rows(val *v);
bool gbx_wasm_val_walk(val *v);

/* control.c: one call per instruction, v->pc behind the opcode. */
bool gbx_wasm_val_open_body(val *v);
bool gbx_wasm_val_block(val *v, u8 op);
bool gbx_wasm_val_else(val *v);
bool gbx_wasm_val_end(val *v);
bool gbx_wasm_val_br(val *v);
bool gbx_wasm_val_br_if(val *v);
bool gbx_wasm_val_br_table(val *v);
bool gbx_wasm_val_return(val *v);
bool gbx_wasm_val_call(val *v, bool tail);
bool gbx_wasm_val_call_indirect(val *v, bool tail);
bool gbx_wasm_val_try_table(val *v);
bool gbx_wasm_val_throw(val *v);

/* The type of addresses. */
static inline wasm_valtype
val_address_type(const wasm_limits *l)
{
    return l->is_64 ? WASM_I64 : WASM_I32;
}

/* The first byte at or behind `pc` that is neither an end nor a nop. */
const u8 *gbx_wasm_val_skip(val *v, const u8 *pc);

/* The index at `pc`. PERF: functions and labels have one to three bytes. */
static inline u32
val_u32(val *v)
{
    const u8 *const p = v->pc;
    if (GBX_LIKELY(p[0] < 0x80)) {
        v->pc = p + 1;
        return p[0];
    }
    if (p[1] < 0x80 && v->end - p >= 2) {
        v->pc = p + 2;
        return (p[0] & 0x7fu) | (u32)p[1] << 7;
    }
    if (p[2] < 0x80 && v->end - p >= 3) {
        v->pc = p + 3;
        return (p[0] & 0x7fu) | (p[1] & 0x7fu) << 7 | (u32)p[2] << 14;
    }
    return (u32)gbx_wasm_val_leb(v, LEB_U32);
}

static inline bool
val_pop(val *v, wasm_valtype want)
{
    if (GBX_UNLIKELY(v->sp == v->floor || v->sp[-1] != want)) return gbx_wasm_val_pop(v, want);
    v->sp--;
    return true;
}

/* Types that are compared one by one; of more, many at a time. PERF: two bytes of a body, a call or a block,
 * may name a type of a thousand values. */
#define VAL_FEW 8u

static inline bool
val_pop_types(val *v, const wasm_valtype *types, u32 count)
{
    if (GBX_UNLIKELY(count > VAL_FEW) && gbx_wasm_val_fits(v, types, count)) {
        v->sp -= min_u64((u64)(v->sp - v->floor), count);
        return true;
    }
    while (count)
        if (!val_pop(v, types[--count])) return false;
    return true;
}

/* There is room for one, always. */
static inline bool
val_push_types(val *v, const wasm_valtype *types, u32 count)
{
    if (count > 1) return gbx_wasm_val_push_types(v, types, count);
    if (count) *v->sp++ = *types;
    return true;
}

#endif

/* The interpreter's loop. Contract: interp.h; arithmetic: numeric.def; side table: wasm/validate.c.
 *
 * State of a running function, kept in machine registers where the compiler can:
 *   pc    next byte of the body       side  entry of the next branch in byte order
 *   fp    locals                      tos   the topmost operand
 *   sp    operands below the topmost: they end at sp[-1]
 * With h operands sp is base + h: pushing stores tos at *sp first, so that with none there a slot of
 * rubbish lies below the operands, which is why frames have one slot more than the operands need.
 *
 * A frame on the guest's stack:
 *
 *     fp                    fp + local_count       operands' base
 *      | parameters | locals | interp_rec           | rubbish | operand 0 | ...   -> higher addresses
 *        ^ the caller's topmost operands: arguments are passed by overlapping
 *
 * A call spills tos, so the arguments stand at sp + 1 - params, which becomes the callee's fp; results
 * are left from that same slot. Returning therefore needs no move where there is at most one result,
 * and with no result the slot before fp holds the caller's topmost operand.
 *
 * Calls never recurse in C. Two bytes of our own, on which returns may land, end what is special:
 * OP_RETURN_HOST leaves the loop, OP_RETURN_INSTANCE restores the caller's instance or goes on in compiled
 * code.
 *
 * Compiled code runs in segments (abi/native.h). A segment has a frame's record here, without function,
 * and behind it what a gbx_segment holds. It is entered by a call or at the head of a loop (native_entering),
 * and comes back when it is through, when it calls a function that has no code, or by a trap (native_left). A
 * tail call of its only frame ends it: what is called takes its place, so that no chain of them grows.
 *
 * RULE: S14. The stop word is looked at where a cycle must pass: at every taken branch that goes
 * backwards (by way of gbx_exec.attention) and at every call.
 *
 * SAFETY: bodies are validated: operand types, heights and indices are right and the side table's
 * targets are instructions of the same body. Whatever depends on run-time values is compared here:
 * addresses with the memory's length, table indices with the table's, callee types, the stack's end
 * at each call (stack_max is what validation counted). Traps return; nothing unwinds over C. */
#ifndef INTERP_AGAIN
#include "interp/interp.h"

#include "interp/access.h"
#include "interp/frames.h"

const u8 gbx_interp_return_host[1] = {OP_RETURN_HOST};
const u8 gbx_interp_return_native[1] = {OP_RETURN_INSTANCE}; /* to a record without function */
#include "interp/leb.h"
#include "interp/numeric.h"
#include "wasm/fuel.h"
#include "wasm/fuse.h"
#include "wasm/opcodes.h"

/* The current memory as two values that stay in registers; they change only when other code ran. */
typedef struct interp_mem {
    u8 *base;
    u64 bytes;
} interp_mem;

static inline interp_mem
interp_mem_of(const gbx_instance *inst)
{
    if (inst->memory_count == 0) return (interp_mem){0};
    return (interp_mem){inst->memories[0]->base, inst->memories[0]->bytes};
}

/* What is read of a function first: acquires the rest. RULE: S13. */
__attribute__((always_inline)) static inline u32
interp_stack_max(const wasm_code *code)
{
    return __atomic_load_n(&code->stack_max, __ATOMIC_ACQUIRE);
}

/* Read before it is known whether the function is ready; what is made of it then is not looked at. */
__attribute__((always_inline)) static inline u32
interp_local_count(const wasm_code *code)
{
    return __atomic_load_n(&code->local_count, __ATOMIC_RELAXED);
}

/* Whether so many operands fit when they start at `base`, which may lie beyond the stack's end. Those of a
 * function that is not ready never do. */
__attribute__((always_inline)) static inline bool
interp_has_room(const gbx_exec *x, const gbx_slot *base, u32 stack_max)
{
    return base <= x->stack_end &&
           (u64)((const u8 *)x->stack_end - (const u8 *)base) >=
                   (stack_max + GBX_RECORD_SLACK) * sizeof *base;
}

/* Zero the locals of a new frame, [from, to). May zero up to INTERP_ZEROED slots behind `to`: the frame's
 * record, written next, and free operand slots.
 * PERF: a fixed number needs no branch; most functions have fewer locals, and how many differs from
 * call to call. */
#define INTERP_ZEROED 8u
_Static_assert(INTERP_ZEROED <= GBX_RECORD_SLOTS + GBX_RECORD_SLACK, "has_room has seen to the slots behind");
__attribute__((always_inline)) static inline void
interp_zero(gbx_slot *from, gbx_slot *to)
{
    memset(from, 0, INTERP_ZEROED * sizeof *from);
    if (GBX_UNLIKELY(to - from > INTERP_ZEROED))
        for (gbx_slot *p = from + INTERP_ZEROED; p < to; p++) *p = 0;
}

/* The function at `idx` of a table, of the type that the instruction names. */
__attribute__((always_inline)) static inline gbx_trap_code
interp_find_callee(const gbx_instance *inst, u32 type_idx, u32 table_idx, u64 idx,
                   const gbx_func **out)
{
    const gbx_table *const table = inst->tables[table_idx];
    if (GBX_UNLIKELY(idx >= table->len)) return GBX_TRAP_UNDEFINED_ELEMENT;
    const gbx_func *const f = (const gbx_func *)(uintptr_t)table->elems[idx];
    if (GBX_UNLIKELY(!f)) return GBX_TRAP_UNINITIALIZED_ELEMENT;
    if (GBX_UNLIKELY(f->type_id != inst->type_ids[type_idx])) return GBX_TRAP_INDIRECT_TYPE;
    *out = f;
    return GBX_TRAP_NONE;
}

/* The instructions behind 0xFC that are not plain arithmetic take their operands as an array of slots,
 * lowest first, and leave their result, if any, in args[0]. Addresses and indices of 32 bits are
 * zero-extended as all i32 are (RULE: S3). */
gbx_trap_code
gbx_interp_bulk(gbx_exec *x, gbx_instance *inst, u32 sub, u32 first, u32 second, gbx_slot *args)
{
    const gbx_libcalls *const lib = inst->libcalls;
    u64 len = 0;
    gbx_trap_code code = GBX_TRAP_NONE;
    switch (sub) {
    case OP_FC_MEMORY_INIT:
        return lib->memory_init(x, inst, first, second, args[0], args[1], args[2]);
    case OP_FC_DATA_DROP: return lib->data_drop(x, inst, first);
    case OP_FC_MEMORY_COPY:
        return lib->memory_copy(x, inst, first, second, args[0], args[1], args[2]);
    case OP_FC_MEMORY_FILL:
        return lib->memory_fill(x, inst, first, args[0], (u8)args[1], args[2]);
    case OP_FC_TABLE_INIT:
        return lib->table_init(x, inst, first, second, args[0], args[1], args[2]);
    case OP_FC_ELEM_DROP: return lib->elem_drop(x, inst, first);
    case OP_FC_TABLE_COPY:
        return lib->table_copy(x, inst, first, second, args[0], args[1], args[2]);
    case OP_FC_TABLE_GROW:
        code = lib->table_grow(x, inst, first, args[0], args[1], &len);
        args[0] = inst->tables[first]->is_64 ? len : (u32)len;
        return code;
    case OP_FC_TABLE_SIZE: args[0] = inst->tables[first]->len; return GBX_TRAP_NONE;
    default: return lib->table_fill(x, inst, first, args[0], args[1], args[2]);
    }
}

/* Operands taken and results given by the instructions of gbx_interp_bulk. */
static const struct {
    u8 takes, gives;
} interp_bulk_shape[OP_FC_COUNT] = {
    [OP_FC_MEMORY_INIT] = {3, 0}, [OP_FC_DATA_DROP] = {0, 0},  [OP_FC_MEMORY_COPY] = {3, 0},
    [OP_FC_MEMORY_FILL] = {3, 0}, [OP_FC_TABLE_INIT] = {3, 0}, [OP_FC_ELEM_DROP] = {0, 0},
    [OP_FC_TABLE_COPY] = {3, 0},  [OP_FC_TABLE_GROW] = {2, 1}, [OP_FC_TABLE_SIZE] = {0, 1},
    [OP_FC_TABLE_FILL] = {3, 0},
};

/* Computed goto is an extension that both compilers have had for decades; table entries that are not
 * opcodes are overridden defaults. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

#define INTERP_STOPPED()                                                            \
    GBX_UNLIKELY((atomic_load_explicit(&x->attention, memory_order_relaxed) & \
                  (GBX_ATTEND_STOP | GBX_ATTEND_SAMPLE)) && interp_is_stopped(x, rec, pc))
#define INTERP_ATTENDED() \
    GBX_UNLIKELY(atomic_load_explicit(&x->attention, memory_order_relaxed) != 0)
#define CASE(name) L_##name
/* What depends on the instance that runs. */
#define ENTER(instance)                               \
    do {                                              \
        inst = (instance);                            \
        mem = interp_mem_of(inst);                    \
        labels = label_sets[inst->module->fuse_set + inst->module->label_base]; \
        FUEL_ENTER                                    \
    } while (0)
#define TRAP(what)               \
    do {                         \
        trap = GBX_TRAP_##what;  \
        goto trapped;            \
    } while (0)
#define READ_U32(var)                                      \
    u32 var = *pc++;                                       \
    if (GBX_UNLIKELY(var & 0x80)) {                        \
        interp_leb const leb_ = interp_leb_u(pc, var);     \
        pc = leb_.pc;                                      \
        var = (u32)leb_.value;                             \
    }
#define READ_I64(var)                                      \
    u64 var = *pc++;                                       \
    if (var & 0x80) {                                      \
        interp_leb const leb_ = interp_leb_s(pc);          \
        pc = leb_.pc;                                      \
        var = leb_.value;                                  \
    } else {                                               \
        var = (var ^ 0x40) - 0x40;                         \
    }
#define SKIP_LEB() \
    while (*pc++ & 0x80) {}
#define PUSH(value)        \
    do {                   \
        *sp++ = tos;       \
        tos = (value);     \
    } while (0)
#define POP_TO(var)      \
    gbx_slot const var = tos; \
    tos = *--sp
#define IF_ELSE(cond)                   \
    do {                                \
        if (!(cond)) TAKE_BRANCH(side); \
        SKIP_LEB();                     \
        side++;                         \
        NEXT;                           \
    } while (0)
/* `pc` at the offset; at + offset is compared before memory is touched. */
#define LOAD64_AT(at, var)                                          \
    READ_U32(offset_##var)                                          \
    at += offset_##var;                                             \
    u64 var;                                                        \
    if (GBX_UNLIKELY(at + sizeof var > mem.bytes)) TRAP(MEM_OOB);   \
    memcpy(&var, mem.base + at, sizeof var);
#define STORE_AT(at, var)                                         \
    READ_U32(offset_to)                                             \
    at += offset_to;                                                \
    if (GBX_UNLIKELY(at + sizeof var > mem.bytes)) TRAP(MEM_OOB);   \
    memcpy(mem.base + at, &var, sizeof var);
#define LOAD(name, type, convert)                                              \
    CASE(name) : {                                                             \
        pc++;                                                                  \
        READ_U32(offset)                                                       \
        u64 const at = (u64)(u32)tos + offset;                                 \
        if (GBX_UNLIKELY(at + sizeof(type) > mem.bytes)) TRAP(MEM_OOB);        \
        type v;                                                                \
        memcpy(&v, mem.base + at, sizeof v);                                   \
        tos = convert;                                                         \
        NEXT;                                                                  \
    }
#define STORE(name, type)                                                      \
    CASE(name) : {                                                             \
        pc++;                                                                  \
        READ_U32(offset)                                                       \
        type const v = (type)tos;                                              \
        u64 const at = (u64)(u32) * --sp + offset;                             \
        if (GBX_UNLIKELY(at + sizeof(type) > mem.bytes)) TRAP(MEM_OOB);        \
        memcpy(mem.base + at, &v, sizeof v);                                   \
        tos = *--sp;                                                           \
        NEXT;                                                                  \
    }

/* ---- The loop, twice: what follows, up to the next INTERP_AGAIN, is compiled once as it is (plain.inc) and
 * once for engines that count fuel (metered.inc), so that the others have no trace of it. This file includes
 * itself for that. */
#include "interp/plain.inc"
#endif

/* Runs the frame `rec`, whose locals start at fp, until it returns to the host; or goes on where the segment
 * that stands there was left with `status`. Results are left from fp. STYLE: one function because it is one
 * opcode switch. */
static gbx_trap_code
INTERP_RUN(gbx_exec *const x, gbx_record *rec, gbx_slot *fp, gbx_status status)
{
#define OP(number, name, text, imm, a, b, out, meaning) [number] = &&CASE(name),
#define OP_FC(number, name, text, imm, a, b, out, meaning)
#define FUSE_LABEL(number, name, count, seq) [number] = &&CASE(name),
#define FUSE_NO_LABEL(number, name, count, seq)
#define FUSE_FIRST(number, name, first) [number] = &&CASE(name),
#define LABELS_OF_ALL                                     \
    [OP_RETURN_HOST] = &&CASE(RETURN_HOST),               \
    [OP_RETURN_INSTANCE] = &&CASE(RETURN_INSTANCE),       \
    [OP_PREFIX_FC] = &&CASE(FC),
#define UN(name, in, out, expr) [OP_##name] = &&LABELS_FLOAT(name),
#define BIN(name, in, out, expr) [OP_##name] = &&LABELS_FLOAT(name),
    static const void *const label_sets[2 * WASM_FUSE_SETS][256] = {
#define LABELS_AT(set) (set)
#define LABELS_FLOAT(name) CASE(name)
#include "interp/labels.inc"
#undef LABELS_AT
#undef LABELS_FLOAT
#define LABELS_AT(set) (WASM_FUSE_SETS + (set))
#define LABELS_FLOAT(name) CASE(name##_CANON)
#include "interp/labels.inc"
#undef LABELS_AT
#undef LABELS_FLOAT
#undef UN
#undef BIN
    };
#undef OP
#undef OP_FC
#undef FUSE_LABEL
#undef FUSE_NO_LABEL
#undef FUSE_FIRST
#undef LABELS_OF_ALL
    gbx_instance *inst;
    interp_mem mem;
    const void *const *labels;
    FUEL_BEGIN
    const gbx_func *callee = rec->func ? rec->func : gbx_record_segment(rec)->func;
    ENTER(callee->inst);
    const u8 *pc = callee->code->entry;
    const wasm_side *side = callee->code->side;
    gbx_slot *sp = (gbx_slot *)(rec + 1);
    gbx_slot tos = 0;
    gbx_trap_code trap;
    const u8 *after_host;
    const gbx_native_head *head;
    u32 shuffle;
    i32 span;

    if (!rec->func) goto native_left;
    if (GBX_UNLIKELY(x->tier != NULL) && callee->cell && interp_body(x, callee, fp)) {
        head = NULL;
        goto native_entering;
    }
    NEXT;

    /* Control. */
    CASE(UNREACHABLE) : TRAP(UNREACHABLE);
    CASE(NOP) : CASE(END) : NEXT;
    CASE(BLOCK) : CASE(LOOP) : {
        SKIP_LEB();
        NEXT;
    }
    CASE(IF) : {
        POP_TO(cond);
        IF_ELSE((u32)cond);
    }
    CASE(ELSE) : CASE(BR) : TAKE_BRANCH(side);
    CASE(BR_IF) : {
        POP_TO(cond);
        if ((u32)cond) TAKE_BRANCH(side);
        SKIP_LEB();
        side++;
        NEXT;
    }
    CASE(BR_TABLE) : {
        POP_TO(slot);
        u32 const idx = (u32)slot;
        u32 count = *pc;
        if (GBX_UNLIKELY(count & 0x80)) count = (u32)interp_leb_u(pc + 1, count).value;
        TAKE_BRANCH(side + (idx < count ? idx : count));
    }
    CASE(RETURN) : {
        FUEL_RETURN
        u32 const results = rec->func->code->result_count;
        if (GBX_UNLIKELY(rec->func->has_v128))
            memmove(fp + x->high, sp - (i64)results + 1 + x->high, results * sizeof *sp);
        if (GBX_LIKELY(results == 1)) {
            sp = fp;
        } else if (results == 0) {
            sp = fp - 1;
            tos = *sp;
        } else { /* several results may reach over the record */
            gbx_record const saved = *rec;
            memmove(fp, sp - (results - 1), (results - 1) * sizeof *sp);
            sp = fp + (results - 1);
            pc = saved.ret_pc;
            side = saved.ret_side;
            fp = saved.ret_fp;
            rec = saved.caller;
            NEXT;
        }
        pc = rec->ret_pc;
        side = rec->ret_side;
        fp = rec->ret_fp;
        rec = rec->caller;
        NEXT;
    }
    CASE(RETURN_HOST) : {
        FUEL_OUT
        *sp = tos;
        return GBX_TRAP_NONE;
    }
    CASE(RETURN_INSTANCE) : {
        if (GBX_UNLIKELY(!rec->func)) goto native_returning;
        ENTER(rec->func->inst);
        pc = rec->resume;
        NEXT;
    }
    CASE(CALL) : {
        FUEL_TEST
        READ_U32(idx)
        callee = inst->funcs[idx];
    }
calling: {
        const wasm_code *const code = callee->code;
        *sp = tos;
        gbx_slot *const args = sp + 1 - callee->param_count;
        if (GBX_UNLIKELY(!code)) {
            after_host = pc;
            goto calling_host;
        }
        if (callee->cell && x->tier && interp_body(x, callee, args)) goto native_calling;
        u32 const stack_max = interp_stack_max(code);
        gbx_record *const next = (gbx_record *)(args + interp_local_count(code));
        gbx_slot *const base = (gbx_slot *)(next + 1);
        if (GBX_UNLIKELY(!interp_has_room(x, base, stack_max))) {
            if (stack_max != WASM_NOT_READY) TRAP(STACK_EXHAUSTED);
            trap = inst->libcalls->make_ready(x, callee->inst, callee->func_idx);
            if (trap == GBX_TRAP_NONE) goto calling;
            goto trapped;
        }
        if (INTERP_STOPPED()) goto stopped;
        interp_zero(args + code->param_count, (gbx_slot *)next);
        if (GBX_UNLIKELY(code->has_v128))
            interp_zero(args + code->param_count + x->high, (gbx_slot *)next + x->high);
        *next = (gbx_record){pc, side, fp, rec, callee, NULL};
        if (GBX_UNLIKELY(callee->inst != inst)) {
            rec->resume = pc;
            next->ret_pc = interp_return_instance;
            ENTER(callee->inst);
        }
        rec = next;
        fp = args;
        sp = base;
        pc = code->entry;
        side = code->side;
        NEXT;
    }
native_calling: {
        gbx_slot *const args = sp + 1 - callee->param_count;
        u32 const most = callee->param_count > callee->result_count ? callee->param_count
                                                                    : callee->result_count;
        gbx_record *const next = (gbx_record *)(args + most + 1);
        if (GBX_UNLIKELY((u64)(x->stack_end - args) <
                         2 * (u64)most + 1 + GBX_RECORD_SLOTS + GBX_SEGMENT_SLOTS + GBX_RECORD_SLACK))
            TRAP(STACK_EXHAUSTED);
        if (INTERP_STOPPED()) goto stopped;
        *next = (gbx_record){pc, side, fp, rec, NULL, NULL};
        if (GBX_UNLIKELY(callee->inst != inst)) {
            rec->resume = pc;
            next->ret_pc = interp_return_instance;
        }
        rec = next;
        fp = args;
        head = NULL;
    }
native_entering: {
        gbx_segment *const seg = gbx_record_segment(rec);
        rec->func = NULL;
        rec->resume = gbx_interp_return_native; /* while a function of the host's is called from there */
        seg->func = callee;
        seg->slots = fp;
        seg->results = (gbx_slot *)(void *)(seg + 1);
        x->sp = gbx_segment_top(seg);
        x->frame = rec;
        FUEL_OUT
        status = x->tier->enter(x, seg, head);
        FUEL_IN
    }
native_left: {
        gbx_segment *const seg = gbx_record_segment(rec);
        if (GBX_LIKELY(status == GBX_STATUS_OK)) {
            x->tier->end(x, seg);
            gbx_record const saved = *rec; /* where results may go */
            u32 const results = seg->func->result_count;
            memmove(fp, seg->results, results * sizeof *fp);
            sp = fp + results - 1;
            tos = *sp;
            pc = saved.ret_pc;
            side = saved.ret_side;
            fp = saved.ret_fp;
            rec = saved.caller;
            if (rec && rec->func) ENTER(rec->func->inst);
            NEXT;
        }
        if (status == GBX_STATUS_EXIT) {
            trap = (gbx_trap_code)x->native.trap;
            pc = rec->resume;
            goto host_trapped;
        }
        if (status != GBX_STATUS_CALL) {
            trap = interp_native_trap(x);
            FUEL_LOST
            pc = NULL;
            goto trapped;
        }
        callee = seg->callee;
        gbx_slot *const args = x->sp + 1;
        if (GBX_UNLIKELY((u64)(x->stack_end - args) < callee->param_count + (u64)GBX_RECORD_SLACK)) {
            pc = gbx_interp_return_native;
            TRAP(STACK_EXHAUSTED);
        }
        if (seg->args) memcpy(args, seg->args, callee->param_count * sizeof *args);
        else args[0] = 0;
        sp = args + callee->param_count - 1;
        tos = *sp;
        pc = gbx_interp_return_native;
        side = NULL;
        if (seg->is_left && callee->code) {
            ENTER(seg->func->inst);
            goto tail_calling;
        }
        ENTER(callee->code ? callee->inst : seg->func->inst);
        goto calling;
    }
native_returning: {
        gbx_segment *const seg = gbx_record_segment(rec);
        gbx_slot *const results = gbx_segment_top(seg) + 1;
        *sp = tos;
        for (u32 i = 1; i < seg->callee->result_count; i++) seg->args[i] = results[i];
        x->sp = gbx_segment_top(seg);
        x->frame = rec;
        FUEL_OUT
        status = x->tier->resume(x, seg, results[0]);
        FUEL_IN
        goto native_left;
    }
calling_host: {
        gbx_slot *const args = sp + 1 - callee->param_count;
        u32 const most = callee->param_count > callee->result_count ? callee->param_count
                                                                    : callee->result_count;
        if (GBX_UNLIKELY((u64)(x->stack_end - args) < most + GBX_RECORD_SLACK)) TRAP(STACK_EXHAUSTED);
        if (INTERP_STOPPED()) goto stopped;
        x->sp = args + most + 1;
        x->frame = rec;
        rec->resume = pc;
        x->frame_count = 0;
        FUEL_OUT
        x->calling = rec;
        trap = callee->host(x, inst, callee->host_data, args);
        x->calling = NULL;
        FUEL_IN
        if (GBX_UNLIKELY(trap != GBX_TRAP_NONE)) goto host_trapped;
        mem = interp_mem_of(inst);
        sp = args + callee->result_count - 1;
        tos = *sp;
        pc = after_host;
        NEXT;
    }
    CASE(CALL_INDIRECT) : {
        FUEL_TEST
        READ_U32(type_idx)
        READ_U32(table_idx)
        POP_TO(slot);
        trap = interp_find_callee(inst, type_idx, table_idx, slot, &callee);
        if (GBX_UNLIKELY(trap != GBX_TRAP_NONE)) goto trapped;
        goto calling;
    }
    CASE(RETURN_CALL) : {
        FUEL_TEST
        READ_U32(idx)
        callee = inst->funcs[idx];
        goto tail_calling;
    }
    CASE(RETURN_CALL_INDIRECT) : {
        FUEL_TEST
        READ_U32(type_idx)
        READ_U32(table_idx)
        POP_TO(slot);
        trap = interp_find_callee(inst, type_idx, table_idx, slot, &callee);
        if (GBX_UNLIKELY(trap != GBX_TRAP_NONE)) goto trapped;
    }
tail_calling: {
        const wasm_code *const code = callee->code;
        if (!code) { /* the host's results are the caller's: called as usual, then returned */
            *sp = tos;
            after_host = interp_return;
            goto calling_host;
        }
        *sp = tos;
        if (callee->cell && x->tier && interp_body(x, callee, sp + 1 - callee->param_count))
            goto tail_calling_native;
        u32 const stack_max = interp_stack_max(code);
        gbx_record saved = *rec;
        gbx_record *const next = (gbx_record *)(fp + interp_local_count(code));
        gbx_slot *const base = (gbx_slot *)(next + 1);
        if (GBX_UNLIKELY(!interp_has_room(x, base, stack_max))) {
            if (stack_max != WASM_NOT_READY) TRAP(STACK_EXHAUSTED);
            trap = inst->libcalls->make_ready(x, callee->inst, callee->func_idx);
            if (trap == GBX_TRAP_NONE) goto tail_calling;
            goto trapped;
        }
        /* RULE: S14. Where compiled code calls, whose frame is gone, the callee is stopped: compiled, at its
         * entry; interpreted, at what it calls. */
        if (rec->func && INTERP_STOPPED()) goto stopped;
        if (!rec->func) x->tier->end(x, gbx_record_segment(rec));
        if (callee->inst != inst) {
            interp_cross(&saved);
            ENTER(callee->inst);
        }
        memmove(fp, sp + 1 - code->param_count, code->param_count * sizeof *fp);
        if (GBX_UNLIKELY(code->has_v128)) {
            memmove(fp + x->high, sp + 1 - code->param_count + x->high, code->param_count * sizeof *fp);
            interp_zero(fp + code->param_count + x->high, (gbx_slot *)next + x->high);
        }
        interp_zero(fp + code->param_count, (gbx_slot *)next);
        saved.func = callee;
        *next = saved;
        rec = next;
        sp = base;
        pc = code->entry;
        side = code->side;
        NEXT;
    }
tail_calling_native: {
        gbx_record saved = *rec;
        u32 const most = callee->param_count > callee->result_count ? callee->param_count
                                                                    : callee->result_count;
        if (GBX_UNLIKELY((u64)(x->stack_end - fp) <
                         2 * (u64)most + 1 + GBX_RECORD_SLOTS + GBX_SEGMENT_SLOTS + GBX_RECORD_SLACK))
            TRAP(STACK_EXHAUSTED);
        if (rec->func && INTERP_STOPPED()) goto stopped;
        if (!rec->func) x->tier->end(x, gbx_record_segment(rec));
        if (callee->inst != inst) interp_cross(&saved);
        memmove(fp, sp + 1 - callee->param_count, callee->param_count * sizeof *fp);
        rec = (gbx_record *)(fp + most + 1);
        *rec = saved;
        head = NULL;
        goto native_entering;
    }

    /* Variables and operands. */
    CASE(DROP) : {
        tos = *--sp;
        NEXT;
    }
    CASE(SELECT_T) : {
        SKIP_LEB();
        if (GBX_UNLIKELY(*pc++ == WASM_V128)) goto CASE(SELECT_V); /* one type, as validated */
    }
    CASE(SELECT) : {
        u32 const cond = (u32)tos;
        gbx_slot const b = *--sp;
        gbx_slot const a = *--sp;
        tos = cond ? a : b;
        NEXT;
    }
    CASE(LOCAL_GET) : {
        READ_U32(idx)
        PUSH(fp[idx]);
        NEXT;
    }
    CASE(LOCAL_SET) : {
        READ_U32(idx)
        fp[idx] = tos;
        tos = *--sp;
        NEXT;
    }
    CASE(LOCAL_TEE) : {
        READ_U32(idx)
        fp[idx] = tos;
        NEXT;
    }
    CASE(GLOBAL_GET) : {
        READ_U32(idx)
        PUSH(inst->globals[idx]->value);
        NEXT;
    }
    CASE(GLOBAL_SET) : {
        READ_U32(idx)
        inst->globals[idx]->value = tos;
        tos = *--sp;
        NEXT;
    }
    CASE(TABLE_GET) : {
        READ_U32(idx)
        const gbx_table *const table = inst->tables[idx];
        if (GBX_UNLIKELY(tos >= table->len)) TRAP(TABLE_OOB);
        tos = table->elems[tos];
        NEXT;
    }
    CASE(TABLE_SET) : {
        READ_U32(idx)
        const gbx_table *const table = inst->tables[idx];
        gbx_slot const value = tos;
        u64 const at = *--sp;
        if (GBX_UNLIKELY(at >= table->len)) TRAP(TABLE_OOB);
        table->elems[at] = value;
        tos = *--sp;
        NEXT;
    }
    CASE(REF_NULL) : {
        SKIP_LEB();
        PUSH(0);
        NEXT;
    }
    CASE(REF_IS_NULL) : {
        tos = tos == 0;
        NEXT;
    }
    CASE(REF_FUNC) : {
        READ_U32(idx)
        PUSH((gbx_slot)(uintptr_t)inst->funcs[idx]);
        NEXT;
    }

    /* Memory. */
    LOAD(I32_LOAD, u32, v)
    LOAD(I64_LOAD, u64, v)
    LOAD(F32_LOAD, u32, v)
    LOAD(F64_LOAD, u64, v)
    LOAD(I32_LOAD8_S, i8, SLOT_PUT_i32(v))
    LOAD(I32_LOAD8_U, u8, v)
    LOAD(I32_LOAD16_S, i16, SLOT_PUT_i32(v))
    LOAD(I32_LOAD16_U, u16, v)
    LOAD(I64_LOAD8_S, i8, SLOT_PUT_i64((i64)v))
    LOAD(I64_LOAD8_U, u8, v)
    LOAD(I64_LOAD16_S, i16, SLOT_PUT_i64((i64)v))
    LOAD(I64_LOAD16_U, u16, v)
    LOAD(I64_LOAD32_S, i32, SLOT_PUT_i64((i64)v))
    LOAD(I64_LOAD32_U, u32, v)
    STORE(I32_STORE, u32)
    STORE(I64_STORE, u64)
    STORE(F32_STORE, u32)
    STORE(F64_STORE, u64)
    STORE(I32_STORE8, u8)
    STORE(I32_STORE16, u16)
    STORE(I64_STORE8, u8)
    STORE(I64_STORE16, u16)
    STORE(I64_STORE32, u32)
    CASE(MEMORY_SIZE) : {
        READ_U32(idx)
        PUSH(inst->memories[idx]->bytes >> 16);
        NEXT;
    }
    CASE(MEMORY_GROW) : {
        u64 old_pages = 0;
        READ_U32(idx)
        FUEL_OUT
        trap = inst->libcalls->memory_grow(x, inst, idx, tos, &old_pages);
        FUEL_IN
        if (GBX_UNLIKELY(trap != GBX_TRAP_NONE)) goto trapped;
        mem = interp_mem_of(inst);
        tos = inst->memories[idx]->is_64 ? old_pages : (u32)old_pages;
        NEXT;
    }

    /* Constants. */
    CASE(I32_CONST) : {
        READ_I64(v)
        PUSH((u32)v);
        NEXT;
    }
    CASE(I64_CONST) : {
        READ_I64(v)
        PUSH(v);
        NEXT;
    }
    CASE(F32_CONST) : {
        u32 v;
        memcpy(&v, pc, sizeof v);
        pc += sizeof v;
        PUSH(v);
        NEXT;
    }
    CASE(F64_CONST) : {
        u64 v;
        memcpy(&v, pc, sizeof v);
        pc += sizeof v;
        PUSH(v);
        NEXT;
    }

    /* Arithmetic, one row of numeric.def each. */
#define UN(name, in, out, expr)              \
    CASE(name) : {                           \
        in const v = SLOT_GET_##in(tos);     \
        tos = SLOT_PUT_##out(expr);          \
        NEXT;                                \
    }
#define BIN(name, in, out, expr)             \
    CASE(name) : {                           \
        in const b = SLOT_GET_##in(tos);     \
        in const a = SLOT_GET_##in(*--sp);   \
        tos = SLOT_PUT_##out(expr);          \
        NEXT;                                \
    }
#define DIV(name, in, expr, overflows)                 \
    CASE(name) : {                                     \
        in const b = SLOT_GET_##in(tos);               \
        in const a = SLOT_GET_##in(*--sp);             \
        if (GBX_UNLIKELY(b == 0)) TRAP(INT_DIV_ZERO);  \
        if (GBX_UNLIKELY(overflows)) TRAP(INT_OVERFLOW); \
        tos = SLOT_PUT_##in(expr);                     \
        NEXT;                                          \
    }
#define TRUNC(name, in, out, low, high)                             \
    CASE(name) : {                                                  \
        in const v = SLOT_GET_##in(tos);                            \
        if (GBX_UNLIKELY(v != v)) TRAP(BAD_CONVERSION);             \
        if (GBX_UNLIKELY(!(v > (low) && v < (high)))) TRAP(INT_OVERFLOW); \
        tos = SLOT_PUT_##out((out)v);                               \
        NEXT;                                                       \
    }
#include "interp/numeric.def"
#undef UN
#undef BIN
#undef DIV
#undef TRUNC

#include "interp/fused.inc"
#include "interp/fused_narrow.inc"
#include "interp/general.inc"
#include "interp/canon.inc"

    CASE(FC) : {
        READ_U32(sub)
        switch (sub) {
        case OP_FC_I32_TRUNC_SAT_F32_S: tos = SLOT_PUT_i32(interp_sat_i32((f64)interp_to_f32(tos))); NEXT;
        case OP_FC_I32_TRUNC_SAT_F32_U: tos = interp_sat_u32((f64)interp_to_f32(tos)); NEXT;
        case OP_FC_I32_TRUNC_SAT_F64_S: tos = SLOT_PUT_i32(interp_sat_i32(interp_to_f64(tos))); NEXT;
        case OP_FC_I32_TRUNC_SAT_F64_U: tos = interp_sat_u32(interp_to_f64(tos)); NEXT;
        case OP_FC_I64_TRUNC_SAT_F32_S: tos = SLOT_PUT_i64(interp_sat_i64((f64)interp_to_f32(tos))); NEXT;
        case OP_FC_I64_TRUNC_SAT_F32_U: tos = interp_sat_u64((f64)interp_to_f32(tos)); NEXT;
        case OP_FC_I64_TRUNC_SAT_F64_S: tos = SLOT_PUT_i64(interp_sat_i64(interp_to_f64(tos))); NEXT;
        case OP_FC_I64_TRUNC_SAT_F64_U: tos = interp_sat_u64(interp_to_f64(tos)); NEXT;
        default: break;
        }
        READ_U32(first)
        u32 second = 0;
        if (gbx_wasm_ops_fc[sub].imm == IMM_IDX2) {
            READ_U32(idx)
            second = idx;
        }
        *sp = tos;
        gbx_slot *const args = sp + 1 - interp_bulk_shape[sub].takes;
        FUEL_OUT
        trap = gbx_interp_bulk(x, inst, sub, first, second, args);
        FUEL_IN
        if (GBX_UNLIKELY(trap != GBX_TRAP_NONE)) goto trapped;
        sp = args + interp_bulk_shape[sub].gives - 1;
        tos = *sp;
        NEXT;
    }
    CASE(BAD) : GBX_UNREACHABLE("validated code holds known opcodes only");

shuffling: {
        u32 const keep = WASM_SIDE_KEEP(shuffle), drop = WASM_SIDE_DROP(shuffle);
        sp -= drop;
        if (GBX_UNLIKELY(shuffle & WASM_SIDE_V128))
            memmove(sp - (keep - 1) + x->high, sp + drop - (keep - 1) + x->high, keep * sizeof *sp);
        if (keep)
            memmove(sp - (keep - 1), sp + drop - (keep - 1), (keep - 1) * sizeof *sp);
        else
            tos = *sp;
        if (INTERP_ATTENDED()) {
            span = INTERP_SHUFFLE_SPAN;
            goto attending;
        }
        NEXT;
    }
attending: {
        if (INTERP_STOPPED()) goto stopped;
        callee = rec->func;
        if (!callee->cell || !x->tier) NEXT;
        head = interp_head(x, callee, span, pc);
        if (!head || sp != (gbx_slot *)(rec + 1)) NEXT;
        if (GBX_UNLIKELY((u64)(x->stack_end - (gbx_slot *)(rec + 1)) <
                         GBX_SEGMENT_SLOTS + GBX_RECORD_SLACK + callee->result_count))
            NEXT;
        goto native_entering;
    }
host_trapped:
    if (trap == GBX_TRAP_EXCEPTION && x->exn) { /* of a guest that the host called */
        pc = rec->resume;
        goto throwing;
    }
uncaught:
    /* A guest call that the host made in between has recorded the frames, ours among them. */
    if (x->frame_count) {
        FUEL_OUT
        return trap;
    }
    goto trapped;
stopped:
    trap = (gbx_trap_code)atomic_load_explicit(&x->stop, memory_order_acquire);
trapped:
    FUEL_TRAP
    FUEL_OUT
    interp_record_trap(x, rec, pc);
    return trap;
}

#ifndef INTERP_AGAIN
#include "interp/metered.inc"
#define INTERP_AGAIN
#include "interp/interp.c"
#undef INTERP_AGAIN
#pragma GCC diagnostic pop

static gbx_trap_code
interp_loop(gbx_exec *x, gbx_record *rec, gbx_slot *fp, gbx_status status)
{
    interp_around const around = interp_loops(x, rec);
    gbx_trap_code const trap = (x->is_metered ? interp_run_metered : interp_run)(x, rec, fp, status);
    interp_looped(x, around);
    return trap;
}

/* Where high halves stand in the slots that gbx_interp_call is given. */
static u32
interp_values(const gbx_func *f)
{
    return f->param_count > f->result_count ? f->param_count : f->result_count;
}

/* A host function that the host calls, with a v128 among its values: they go onto the guest's stack,
 * where it looks for high halves. */
static gbx_trap_code
interp_call_host_v(gbx_exec *x, const gbx_func *f, gbx_slot *slots)
{
    u32 const most = interp_values(f);
    gbx_slot *const at = x->sp;
    x->native.laid = NULL;
    if ((u64)(x->stack_end - at) < most + (u64)GBX_RECORD_SLACK) return GBX_TRAP_STACK_EXHAUSTED;
    memcpy(at, slots, f->param_count * sizeof *at);
    memcpy(at + x->high, slots + most, f->param_count * sizeof *at);
    x->sp = at + most;
    gbx_trap_code const trap = f->host(x, NULL, f->host_data, at);
    x->sp = at;
    if (trap != GBX_TRAP_NONE) return trap;
    memcpy(slots, at, f->result_count * sizeof *at);
    memcpy(slots + most, at + x->high, f->result_count * sizeof *at);
    return GBX_TRAP_NONE;
}

u64
gbx_interp_frames(gbx_exec *x, gbx_frame_ref out[GBX_TRAP_FRAMES])
{
    const gbx_record *const rec = x->frame;
    if (!rec) return 0;
    interp_record_trap(x, rec, rec->resume);
    u64 const total = x->frames_total;
    memcpy(out, x->frames, x->frame_count * sizeof *out);
    x->frame_count = 0; /* as the host's function found it: it has not trapped */
    return total;
}

gbx_trap_code
gbx_interp_exhausted(gbx_exec *x)
{
    const gbx_record *const outer = x->frame;
    interp_record_trap(x, outer, outer ? outer->resume : NULL);
    return GBX_TRAP_STACK_EXHAUSTED;
}

static gbx_trap_code
interp_call_body(gbx_exec *x, const gbx_func *f, gbx_slot *slots)
{
    if (!wasm_code_is_ready(f->code)) {
        gbx_trap_code const unready = f->inst->libcalls->make_ready(x, f->inst, f->func_idx);
        if (unready != GBX_TRAP_NONE) return unready;
    }
    /* One slot is left free below: a function without results leaves rubbish there. */
    gbx_slot *const fp = x->sp + 1;
    gbx_record *const rec = (gbx_record *)(fp + f->code->local_count);
    x->native.laid = NULL;
    u64 const need = f->code->local_count + GBX_RECORD_SLOTS + f->code->stack_max + 1 + GBX_RECORD_SLACK +
                     GBX_SEGMENT_SLOTS + f->result_count;
    if (x->reentries >= WASM_MAX_REENTRY || (u64)(x->stack_end - x->sp) < need)
        return gbx_interp_exhausted(x);
    memcpy(fp, slots, f->param_count * sizeof *fp);
    memset(fp + f->param_count, 0, (f->code->local_count - f->param_count) * sizeof *fp);
    if (f->code->has_v128) {
        memset(fp + x->high, 0, f->code->local_count * sizeof *fp);
        if (f->has_v128) memcpy(fp + x->high, slots + interp_values(f), f->param_count * sizeof *fp);
    }
    *rec = (gbx_record){gbx_interp_return_host, NULL, NULL, x->frame, f, NULL};
    x->exn = NULL;
    x->is_untidy = true;
    x->reentries++;
    gbx_trap_code const trap = interp_loop(x, rec, fp, GBX_STATUS_OK);
    x->reentries--;
    if (trap != GBX_TRAP_NONE) return trap;
    memcpy(slots, fp, f->result_count * sizeof *slots);
    if (f->has_v128) memcpy(slots + interp_values(f), fp + x->high, f->result_count * sizeof *slots);
    return GBX_TRAP_NONE;
}

gbx_trap_code
gbx_interp_go_on(gbx_exec *x, gbx_record *rec, gbx_slot *fp, gbx_status status)
{
    x->is_untidy = true;
    return interp_loop(x, rec, fp, status);
}

gbx_trap_code
gbx_interp_call(gbx_exec *x, const gbx_func *f, gbx_slot *slots)
{
    if (!f->code) {
        x->frames_total = x->frame_count = 0;
        return f->has_v128 ? interp_call_host_v(x, f, slots) : f->host(x, NULL, f->host_data, slots);
    }
    gbx_slot *const saved_sp = x->sp;
    void *const saved_frame = x->frame;
    gbx_entry *const saved_entry = x->entry;
    gbx_segment *const saved_segment = x->native.segment;
    gbx_trap_code const trap = interp_call_body(x, f, slots);
    x->sp = saved_sp;
    x->frame = saved_frame;
    x->entry = saved_entry; /* segments that a trap left are over */
    x->native.segment = saved_segment;
    if (saved_segment) x->tier->show(x, saved_segment);
    return trap;
}
#endif

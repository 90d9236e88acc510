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
#include "interp/interp.h"

#include "interp/access.h"
#include "interp/frames.h"
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
                   (stack_max + INTERP_SLACK) * sizeof *base;
}

/* Zero the locals of a new frame, [from, to). May zero up to INTERP_ZEROED slots behind `to`: the frame's
 * record, written next, and free operand slots.
 * PERF: a fixed number needs no branch; most functions have fewer locals, and how many differs from
 * call to call. */
#define INTERP_ZEROED 8u
_Static_assert(INTERP_ZEROED <= INTERP_REC_SLOTS + INTERP_SLACK, "has_room has seen to the slots behind");
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

#define INTERP_STOPPED() \
    GBX_UNLIKELY(atomic_load_explicit(&x->stop, memory_order_relaxed) != 0)
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

/* The loop for engines that count nothing. */
#define NEXT goto *labels[*pc++]
#define TAKE_BRANCH(entry)                                                      \
    do {                                                                        \
        const wasm_side *const e_ = (entry);                                    \
        pc += e_->pc_delta;                                                     \
        side = e_ + e_->side_delta;                                             \
        shuffle = e_->shuffle;                                                  \
        if (GBX_UNLIKELY(shuffle)) goto shuffling;                              \
        if (e_->pc_delta < 0 && INTERP_ATTENDED()) {                            \
            span = 0 - e_->pc_delta;                                            \
            goto attending;                                                     \
        }                                                                       \
        NEXT;                                                                   \
    } while (0)
#define FUEL_BEGIN
#define FUEL_ENTER
#define FUEL_OUT
#define FUEL_IN
#define FUEL_TEST
#define FUEL_RETURN
#define FUEL_LOST
#define FUEL_TRAP
#define INTERP_RUN interp_run
#include "interp/loop.inc"
#undef NEXT
#undef TAKE_BRANCH
#undef FUEL_BEGIN
#undef FUEL_ENTER
#undef FUEL_OUT
#undef FUEL_IN
#undef FUEL_TEST
#undef FUEL_RETURN
#undef FUEL_LOST
#undef FUEL_TRAP
#undef INTERP_RUN

/* RULE: S15. The loop that counts: `fuel` is what is left, `costs` what the bytes of a body cost. */
#define NEXT                   \
    do {                       \
        u8 const op_ = *pc++;  \
        fuel -= costs[op_];    \
        goto *labels[op_];     \
    } while (0)
#define TAKE_BRANCH(entry)                                                      \
    do {                                                                        \
        const wasm_side *const e_ = (entry);                                    \
        shuffle = e_->shuffle;                                                  \
        fuel -= INTERP_DISPATCH(shuffle);                                       \
        if (e_->pc_delta < 0 && GBX_UNLIKELY(fuel < 0)) TRAP(FUEL);             \
        shuffle &= ~WASM_SIDE_THREADED;                                         \
        pc += e_->pc_delta;                                                     \
        side = e_ + e_->side_delta;                                             \
        if (GBX_UNLIKELY(shuffle)) goto shuffling;                              \
        if (e_->pc_delta < 0 && INTERP_ATTENDED()) {                            \
            span = 0 - e_->pc_delta;                                            \
            goto attending;                                                     \
        }                                                                       \
        NEXT;                                                                   \
    } while (0)
#define INTERP_DISPATCH(shuffle) \
    (((shuffle) & WASM_SIDE_THREADED) >> WASM_SIDE_THREADED_AT) * (i64)WASM_FUEL_DISPATCH
#define FUEL_BEGIN          \
    const u8 *costs;        \
    i64 fuel = x->fuel;     \
    if (fuel < 0) return GBX_TRAP_FUEL;
#define FUEL_ENTER costs = gbx_wasm_fuel_costs[inst->module->fuse_set];
#define FUEL_OUT   x->fuel = fuel;
#define FUEL_IN    fuel = x->fuel;
#define FUEL_TEST \
    if (GBX_UNLIKELY(fuel < 0)) TRAP(FUEL);
#define FUEL_RETURN fuel += interp_is_end(rec, pc);
#define FUEL_LOST   fuel -= x->fault.fuel;
#define FUEL_TRAP   fuel += interp_unspent(rec, pc);
#define INTERP_RUN  interp_run_metered
#include "interp/loop.inc"
#pragma GCC diagnostic pop

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
    if ((u64)(x->stack_end - at) < most + (u64)INTERP_SLACK) return GBX_TRAP_STACK_EXHAUSTED;
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
    const interp_rec *const rec = x->frame;
    if (!rec) return 0;
    interp_record_trap(x, rec, rec->resume);
    u64 const total = x->frames_total;
    memcpy(out, x->frames, x->frame_count * sizeof *out);
    x->frame_count = 0; /* as the host's function found it: it has not trapped */
    return total;
}

gbx_trap_code
gbx_interp_call(gbx_exec *x, const gbx_func *f, gbx_slot *slots)
{
    if (!f->code) {
        x->frame_count = 0;
        x->frames_total = 0;
        return f->has_v128 ? interp_call_host_v(x, f, slots) : f->host(x, NULL, f->host_data, slots);
    }
    gbx_slot *const saved_sp = x->sp;
    void *const saved_frame = x->frame;
    if (!wasm_code_is_ready(f->code)) {
        gbx_trap_code const unready = f->inst->libcalls->make_ready(x, f->inst, f->func_idx);
        if (unready != GBX_TRAP_NONE) return unready;
    }
    /* One slot is left free below: a function without results leaves rubbish there. */
    gbx_slot *const fp = x->sp + 1;
    interp_rec *const rec = (interp_rec *)(fp + f->code->local_count);
    u64 const need = f->code->local_count + INTERP_REC_SLOTS + f->code->stack_max + 1 + INTERP_SLACK +
                     INTERP_SEGMENT_SLOTS + f->result_count;
    gbx_entry *const saved_entry = x->entry;
    gbx_segment *const saved_segment = x->native.segment;
    gbx_trap_code trap;
    if (x->reentries >= WASM_MAX_REENTRY || (u64)(x->stack_end - x->sp) < need) {
        interp_record_trap(x, saved_frame, saved_frame ? ((interp_rec *)saved_frame)->resume : NULL);
        return GBX_TRAP_STACK_EXHAUSTED;
    }
    memcpy(fp, slots, f->param_count * sizeof *fp);
    memset(fp + f->param_count, 0, (f->code->local_count - f->param_count) * sizeof *fp);
    if (f->code->has_v128) {
        memset(fp + x->high, 0, f->code->local_count * sizeof *fp);
        if (f->has_v128) memcpy(fp + x->high, slots + interp_values(f), f->param_count * sizeof *fp);
    }
    *rec = (interp_rec){interp_return_host, NULL, NULL, saved_frame, f, NULL};
    x->exn = NULL;
    x->reentries++;
    trap = x->is_metered ? interp_run_metered(x, rec, fp) : interp_run(x, rec, fp);
    x->reentries--;
    if (trap == GBX_TRAP_NONE) {
        memcpy(slots, fp, f->result_count * sizeof *slots);
        if (f->has_v128)
            memcpy(slots + interp_values(f), fp + x->high, f->result_count * sizeof *slots);
    }
    x->sp = saved_sp;
    x->frame = saved_frame;
    x->entry = saved_entry; /* segments that a trap left are over */
    x->native.segment = saved_segment;
    return trap;
}

/* Entries, the frame, returns. See emit.h, and codegen.h for the convention.
 *
 *     rsp + frame + 8 + 8 * i   argument i, in the caller's outgoing area; result i
 *     rsp + frame               return address
 *     rsp + 8 * (out + slot)    homes of locals and operands
 *     rsp + 8 * i               outgoing area
 *
 * RULE: S20. A function whose values all fit in registers has no frame but its return address. The first
 * touch of a frame is here, where a fault is taken for exhaustion; below the stack lies a guard that is
 * larger than any frame which is not compared. */
#include "codegen/x64/emit.h"

#define FRAME_OSR_MOST    512u /* locals, where all are taken over one by one */
#define FRAME_ZEROED_EACH 12u  /* locals without register that are zeroed one by one */

void
gbx_x64_frame_fix(x64_ctx *c, i32 addend)
{
    x64_frame_fix const fix = {c->b->len - 4, addend};
    (void)x64_push_item(c, &c->s->frame_fixes, &fix, sizeof fix);
}

static void
frame_move_sp(x64_ctx *c, x64_alu op)
{
    x64_rr(c->b, 0x81, op, RSP, X64_64);
    x64_u32(c->b, 0);
    gbx_x64_frame_fix(c, 0);
}

/* Where argument or result i is. `flag bits` as in x64_rm: emits op reg, [rsp + frame + 8 + 8 * i]. */
static void
frame_incoming(x64_ctx *c, u32 op, u32 reg, u32 i)
{
    x64_rm(c->b, op, reg, x64_at(RSP, INT32_MAX), X64_64);
    gbx_x64_frame_fix(c, (i32)(8 + 8 * i));
}

/* Make the frame, if there is one, whichever way the function is entered. */
static void
frame_open(x64_ctx *c)
{
    c->wasm_offset = c->code->body_off; /* no instruction: the caller's call is what fails */
    if (!c->has_frame) return;
    frame_move_sp(c, ALU_SUB);
    if (c->is_large) {
        i32 const low = (i32)(offsetof(gbx_exec, native) + offsetof(gbx_native, low));
        x64_alu_rm(c->b, ALU_CMP, RSP, x64_at(X64_EXEC, low), X64_64);
        gbx_x64_trap_if(c, CC_B, GBX_TRAP_STACK_EXHAUSTED);
    }
    x64_row(c, GBX_TRAP_STACK_EXHAUSTED);
    x64_rm(c->b, 0x85, RAX, x64_at(RSP, 0), X64_32);
}

/* Locals that pass A did not rank: all of them, since nothing says which are read. */
static void
frame_zero_unranked(x64_ctx *c)
{
    x64_buf *const b = c->b;
    u32 const params = c->code->param_count;
    if (c->f.locals_used == c->f.local_count || params == c->local_count) return;
    u32 const count = c->local_count - params;
    if (c->locals[params].home == X64_NO_SLOT) {
        for (u32 i = params; i < c->local_count; i++) c->locals[i].home = c->slots++;
    }
    x64_mem m = gbx_x64_slot(c, c->locals[params].home);
    if (count <= FRAME_ZEROED_EACH) {
        for (u32 i = 0; i < count; i++, m.disp += 8) {
            x64_rm(b, 0xc7, 0, m, X64_64);
            x64_u32(b, 0);
        }
        return;
    }
    x64_lea(b, RDI, m, X64_64);
    x64_mov_imm(b, RCX, count);
    x64_zero(b, RAX);
    x64_u8(b, 0xf3); /* rep stosq */
    x64_u8(b, 0x48);
    x64_u8(b, 0xab);
}

static void
frame_zero_local(x64_ctx *c, u32 idx)
{
    if (idx == c->copy) return;
    const x64_local *const l = &c->locals[idx];
    if (l->reg == X64_NO_REG) {
        x64_rm(c->b, 0xc7, 0, gbx_x64_local_home(c, idx), X64_64);
        x64_u32(c->b, 0);
    } else if (l->is_float) {
        x64_xorps(c->b, l->reg, l->reg);
    } else {
        x64_zero(c->b, l->reg);
    }
}

static void
frame_param(x64_ctx *c, u32 i, u64 live)
{
    if (i == c->copy) return;
    const x64_local *const l = &c->locals[i];
    bool const is_used =
            l->rank < FACTS_RANKED ? live >> l->rank & 1 : c->f.locals_used != c->f.local_count;
    if (!is_used) return;
    x64_room(c->b);
    if (l->reg == X64_NO_REG) {
        frame_incoming(c, 0x8b, RAX, i);
        x64_store(c->b, gbx_x64_local_home(c, i), RAX, X64_64);
    } else if (l->is_float) {
        x64_rm(c->b, X64_F(0xf3, 0x7e), l->reg, x64_at(RSP, INT32_MAX), X64_32);
        gbx_x64_frame_fix(c, (i32)(8 + 8 * i));
    } else {
        frame_incoming(c, 0x8b, l->reg, i);
    }
}

/* Up to the first instruction. `live`: locals that are read before they are written. RULE: S8. */
void
gbx_x64_entry(x64_ctx *c, bool is_fresh, u64 live)
{
    x64_room(c->b);
    c->spent = 0;
    if (is_fresh)
        c->fresh = c->b->len;
    else
        c->general = c->b->len;
    frame_open(c);
    if (c->f.has & (FACTS_CALL | FACTS_CALL_INDIRECT)) gbx_x64_poll(c);
    x64_room(c->b);
    frame_zero_unranked(c);
    for (u32 i = 0; i < c->code->param_count && !is_fresh; i++) frame_param(c, i, live);
    u64 zeroed = live & ~(is_fresh ? 0 : c->f.params);
    for (; zeroed; zeroed &= zeroed - 1) {
        x64_room(c->b);
        frame_zero_local(c, c->f.locals[__builtin_ctzll(zeroed)].idx);
    }
    if (is_fresh && c->locals[0].rank == 255 && c->f.locals_used != c->f.local_count) {
        x64_room(c->b);
        frame_zero_local(c, 0);
    }
}

void
gbx_x64_leave_frame(x64_ctx *c)
{
    if (c->has_frame) frame_move_sp(c, ALU_ADD);
}

/* Return what is on top of the stack. */
void
gbx_x64_epilogue(x64_ctx *c)
{
    x64_buf *const b = c->b;
    gbx_x64_spend(c);
    for (u32 i = c->sig->result_count; i-- > 1;) {
        x64_val v = *x64_pop(c);
        x64_room(b);
        u32 const reg = gbx_x64_gpr(c, &v, false);
        frame_incoming(c, 0x89, reg, i);
        gbx_x64_drop(c, &v);
    }
    if (c->sig->result_count) {
        x64_val v = *x64_pop(c);
        if (v.kind == VAL_CONST && v.bits == 0)
            x64_zero(b, RAX);
        else
            (void)gbx_x64_own(c, &v, RAX); /* whoever has it is not needed any more */
    }
    gbx_x64_leave_frame(c);
    x64_ret(b);
}

/* RULE: S13. From the interpreter into the head of a loop: rdx points to the locals, gbx_native.call_target
 * says where. No operands are pending there. */
void
gbx_x64_osr_entry(x64_ctx *c)
{
    x64_buf *const b = c->b;
    if (c->f.locals_used != c->f.local_count && c->local_count > FRAME_OSR_MOST) return;
    x64_room(b);
    c->osr = b->len;
    c->spent = 0;
    frame_open(c);
    bool const all = c->f.locals_used != c->f.local_count;
    for (u32 i = 0; i < c->local_count; i++) {
        const x64_local *const l = &c->locals[i];
        x64_mem const from = x64_at(RDX, (i32)(i * 8));
        x64_room(b);
        if ((l->rank == 255 && !all) || i == c->copy) continue;
        if (l->reg == X64_NO_REG) {
            x64_load(b, RAX, from, X64_64);
            x64_store(b, gbx_x64_local_home(c, i), RAX, X64_64);
        } else if (l->is_float) {
            x64_sse_m(b, 0xf3, 0x7e, l->reg, from);
        } else {
            x64_load(b, l->reg, from, X64_64);
        }
    }
    x64_rm(b, 0xff, 4,
           x64_at(X64_EXEC, (i32)(offsetof(gbx_exec, native) + offsetof(gbx_native, call_target))),
           X64_32);
}

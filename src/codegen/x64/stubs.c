/* Code that a module has once: entering, leaving, calling out. See codegen.h and runtime/enter.h.
 *
 * RULE: S9. Pinned globals are written back before anything that is not our code runs, and loaded whenever
 * our code goes on; code of C never sees a stale one. Nothing here writes to the stack but where enter.h says
 * that there is room: a fault in a stub would have no row. */
#include "codegen/x64/emit.h"

static const u8 stubs_pin_regs[CODEGEN_PINS] = {X64_PIN0, X64_PIN1};

static x64_mem
stubs_native(size_t offset)
{
    return x64_at(X64_EXEC, (i32)(offsetof(gbx_exec, native) + offset));
}

/* Uses rcx. */
static void
stubs_pins(x64_buf *b, const codegen_env *env, bool is_load)
{
    for (u32 i = 0; i < CODEGEN_PINS; i++) {
        if (env->pins[i] == FACTS_NONE) continue;
        x64_load(b, RCX, stubs_native(offsetof(gbx_native, pins) + i * sizeof(u64 *)), X64_64);
        if (is_load)
            x64_load(b, stubs_pin_regs[i], x64_at(RCX, 0), X64_64);
        else
            x64_store(b, x64_at(RCX, 0), stubs_pin_regs[i], X64_64);
    }
}

static void
stubs_begin(x64_buf *b, const codegen_env *env)
{
    x64_mov(b, X64_EXEC, RDI, X64_64);
    x64_load(b, X64_MEMORY, stubs_native(offsetof(gbx_native, memory_base)), X64_64);
    stubs_pins(b, env, true);
}

static void
stubs_leave(x64_buf *b, const codegen_env *env, gbx_status status)
{
    x64_load(b, RDI, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, entry)), X64_64);
    x64_mov_imm(b, RAX, status);
    x64_mov_imm(b, RCX, (u64)(uintptr_t)env->leave);
    x64_rr(b, 0xff, 4, RCX, X64_32);
}

/* Arguments go from the slots to the stack, results back; gbx_native.segment is that of this code again when
 * it returns. PERF: it returns to gbx_runtime_enter_raw, and does not jump to gbx_runtime_leave: a return too few, and
 * the processor takes all those of C that follow for others. */
static void
stubs_enter(x64_buf *b, const codegen_env *env)
{
    stubs_begin(b, env);
    x64_load(b, RSI, stubs_native(offsetof(gbx_native, segment)), X64_64);
    x64_load(b, RCX, x64_at(RSI, (i32)offsetof(gbx_segment, func)), X64_64);
    x64_alu_rm(b, ALU_SUB, RSP, x64_at(RSI, (i32)offsetof(gbx_segment, area_bytes)), X64_64);
    x64_load(b, RCX, x64_at(RCX, (i32)offsetof(gbx_func, param_count)), X64_32);
    x64_test(b, RCX, RCX, X64_32);
    u32 const none = x64_jcc_short(b, CC_E);
    u32 const more = b->len;
    x64_load(b, RAX, (x64_mem){RDX, RCX, 3, -8}, X64_64);
    x64_store(b, (x64_mem){RSP, RCX, 3, -8}, RAX, X64_64);
    x64_alu_imm(b, ALU_SUB, RCX, 1, X64_32);
    x64_jcc_back(b, CC_NE, more);
    x64_bind_short(b, none);
    x64_rm(b, 0xff, 2, stubs_native(offsetof(gbx_native, call_code)), X64_32);
    x64_load(b, RSI, stubs_native(offsetof(gbx_native, segment)), X64_64);
    x64_load(b, RDX, x64_at(RSI, (i32)offsetof(gbx_segment, results)), X64_64);
    x64_load(b, RDI, x64_at(RSI, (i32)offsetof(gbx_segment, func)), X64_64);
    x64_load(b, RCX, x64_at(RDI, (i32)offsetof(gbx_func, result_count)), X64_32);
    x64_test(b, RCX, RCX, X64_32);
    u32 const empty = x64_jcc_short(b, CC_E);
    x64_store(b, x64_at(RDX, 0), RAX, X64_64);
    u32 const next = b->len;
    x64_alu_imm(b, ALU_SUB, RCX, 1, X64_32);
    u32 const done = x64_jcc_short(b, CC_E);
    x64_load(b, RAX, (x64_mem){RSP, RCX, 3, 0}, X64_64);
    x64_store(b, (x64_mem){RDX, RCX, 3, 0}, RAX, X64_64);
    x64_jmp_back(b, next);
    x64_bind_short(b, empty);
    x64_bind_short(b, done);
    stubs_pins(b, env, false);
    x64_alu_rm(b, ALU_ADD, RSP, x64_at(RSI, (i32)offsetof(gbx_segment, area_bytes)), X64_64);
    x64_zero(b, RAX);
    _Static_assert(GBX_STATUS_OK == 0, "as in rax");
    x64_ret(b);
}

/* From below what gbx_runtime_enter_raw pushed: record, a word of alignment, its return address. */
static void
stubs_resume(x64_buf *b, const codegen_env *env)
{
    x64_lea(b, RSP, x64_at(RSP, 24), X64_64);
    stubs_begin(b, env);
    x64_load(b, RAX, stubs_native(offsetof(gbx_native, result)), X64_64);
    x64_ret(b);
}

/* lea: an address within this code, which x64_patch says. */
static u32
stubs_here(x64_buf *b, u32 dst)
{
    x64_u8(b, dst < 8 ? 0x48 : 0x4c);
    x64_u8(b, 0x8d);
    x64_u8(b, (dst & 7) << 3 | 5);
    x64_u32(b, 0);
    return b->len - 4;
}

/* A function of the host's is called where the code stands, on its arguments: the segment waits, as when it has
 * called out. Goes on behind it, with rax as it was, where the function is none of the host's, has vectors, or
 * the call is to stop: the interpreter knows what to do. PERF: leaving and resuming take three times as long
 * (bench/calls). */
static void
stubs_host(x64_buf *b, const codegen_env *env)
{
    x64_alu_mem_imm(b, ALU_CMP, x64_at(RAX, (i32)offsetof(gbx_func, code)), 0, X64_64);
    u32 const has_code = x64_jcc(b, CC_NE);
    x64_rm(b, 0x80, 7, x64_at(RAX, (i32)offsetof(gbx_func, has_v128)), X64_32); /* cmp byte */
    x64_u8(b, 0);
    u32 const has_v128 = x64_jcc(b, CC_NE);
    x64_alu_mem_imm(b, ALU_CMP, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, stop)), 0, X64_32);
    u32 const stops = x64_jcc(b, CC_NE);
    stubs_pins(b, env, false);
    x64_load(b, RCX, stubs_native(offsetof(gbx_native, segment)), X64_64);
    x64_store(b, x64_at(RCX, (i32)offsetof(gbx_segment, suspended)), RSP, X64_64);
    x64_zero(b, RCX);
    x64_store(b, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, frame_count)), RCX, X64_32);
    x64_mov(b, RDI, X64_EXEC, X64_64);
    x64_load(b, RSI, stubs_native(offsetof(gbx_native, inst)), X64_64);
    x64_load(b, RDX, x64_at(RAX, (i32)offsetof(gbx_func, host_data)), X64_64);
    x64_lea(b, RCX, x64_at(RSP, 8), X64_64);
    x64_load(b, RAX, x64_at(RAX, (i32)offsetof(gbx_func, host)), X64_64);
    x64_load(b, R10, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, entry)), X64_64);
    u32 const back = stubs_here(b, R11);
    x64_mov_imm(b, R9, (u64)(uintptr_t)env->call_host);
    x64_rr(b, 0xff, 4, R9, X64_32);
    x64_patch(b, back, b->len);
    x64_test(b, RAX, RAX, X64_32);
    u32 const trapped = x64_jcc(b, CC_NE);
    stubs_pins(b, env, true);
    x64_load(b, RAX, x64_at(RSP, 8), X64_64);
    x64_ret(b);
    x64_room(b);
    x64_patch(b, trapped, b->len);
    x64_store(b, stubs_native(offsetof(gbx_native, trap)), RAX, X64_32);
    stubs_leave(b, env, GBX_STATUS_EXIT);
    x64_patch(b, has_code, b->len);
    x64_patch(b, has_v128, b->len);
    x64_patch(b, stops, b->len);
}

/* rax: the gbx_func; on the stack the return address, and behind it arguments unless `is_fresh`. */
static void
stubs_call_out(x64_buf *b, const codegen_env *env, bool is_fresh)
{
    if (!is_fresh) stubs_host(b, env);
    x64_store(b, stubs_native(offsetof(gbx_native, callee)), RAX, X64_64);
    if (is_fresh)
        x64_zero(b, RCX);
    else
        x64_lea(b, RCX, x64_at(RSP, 8), X64_64);
    x64_store(b, stubs_native(offsetof(gbx_native, args)), RCX, X64_64);
    x64_store(b, stubs_native(offsetof(gbx_native, suspended)), RSP, X64_64);
    x64_load(b, RDX, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, entry)), X64_64);
    x64_store(b, x64_at(RDX, GBX_ENTRY_GUEST_SP), RSP, X64_64);
    stubs_pins(b, env, false);
    stubs_leave(b, env, GBX_STATUS_CALL);
}

/* rax: the cell of a function of the running instance. */
static void
stubs_interp(x64_buf *b, const codegen_env *env, bool is_fresh)
{
    x64_alu_rm(b, ALU_SUB, RAX, stubs_native(offsetof(gbx_native, cells)), X64_64);
    x64_shift_imm(b, SHIFT_SHR, RAX, GBX_CELL_SHIFT, X64_64);
    x64_load(b, RCX, stubs_native(offsetof(gbx_native, inst)), X64_64);
    x64_load(b, RCX, x64_at(RCX, (i32)offsetof(gbx_instance, funcs)), X64_64);
    x64_load(b, RAX, (x64_mem){RCX, RAX, 3, 0}, X64_64);
    stubs_call_out(b, env, is_fresh);
}

/* As a function of C: returns to who called the stub. Its other arguments are set but for the first. */
static void
stubs_libcall(x64_buf *b, const codegen_env *env)
{
    x64_mov(b, R11, RCX, X64_64);
    stubs_pins(b, env, false);
    x64_mov(b, RCX, R11, X64_64);
    x64_mov(b, RDI, X64_EXEC, X64_64);
    x64_load(b, R10, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, entry)), X64_64);
    x64_mov_imm(b, R11, (u64)(uintptr_t)env->call_c);
    x64_rr(b, 0xff, 4, R11, X64_32);
}

/* ---- memory.copy, memory.fill: see codegen.h. In rax the target, in rdx the source or the byte, in rcx the
 * length; r11 is kept in gbx_native.saved[15]. */

#define STUBS_BULK_MOST 1024 /* bytes: C's memmove knows better, and looks at the stop word */

#define STUBS_LOAD16  X64_F(0, 0x10)
#define STUBS_STORE16 X64_F(0, 0x11)
#define STUBS_LOAD8   X64_F(0xf3, 0x7e)
#define STUBS_STORE8  X64_F(0x66, 0xd6)
#define STUBS_LOAD4   X64_F(0x66, 0x6e)
#define STUBS_STORE4  X64_F(0x66, 0x7e)

/* An end of a range that begins in `base`: its first or last `bytes`. */
static x64_mem
stubs_end(u32 base, bool is_last, i32 bytes)
{
    return is_last ? (x64_mem){(u8)base, RCX, 0, -bytes} : x64_at(base, 0);
}

/* Both ends of the ranges, which overlap where the length is not twice as much; loads before stores. */
static void
stubs_ends(x64_buf *b, bool is_copy, u32 load, u32 store, i32 bytes)
{
    u32 const last = is_copy ? X64_SCRATCH1 : X64_SCRATCH0;
    if (is_copy) {
        x64_rm(b, load, X64_SCRATCH0, stubs_end(RDX, false, bytes), X64_32);
        x64_rm(b, load, X64_SCRATCH1, stubs_end(RDX, true, bytes), X64_32);
    }
    x64_rm(b, store, X64_SCRATCH0, stubs_end(RAX, false, bytes), X64_32);
    x64_rm(b, store, last, stubs_end(RAX, true, bytes), X64_32);
}

/* One to three bytes: first, middle, last. */
static void
stubs_bytes(x64_buf *b, bool is_copy)
{
    x64_mov(b, R11, RCX, X64_32);
    x64_shift_imm(b, SHIFT_SHR, R11, 1, X64_32);
    if (!is_copy) {
        x64_rm(b, 0x88, RDX, x64_at(RAX, 0), X64_8);
        x64_rm(b, 0x88, RDX, (x64_mem){RAX, R11, 0, 0}, X64_8);
        x64_rm(b, 0x88, RDX, (x64_mem){RAX, RCX, 0, -1}, X64_8);
        return;
    }
    x64_rm(b, X64_F3A(0x66, 0x20), X64_SCRATCH0, x64_at(RDX, 0), X64_32); /* pinsrb */
    x64_u8(b, 0);
    x64_rm(b, X64_F3A(0x66, 0x20), X64_SCRATCH1, (x64_mem){RDX, RCX, 0, -1}, X64_32);
    x64_u8(b, 0);
    x64_rm(b, X64_F(0, 0xb6), RDX, (x64_mem){RDX, R11, 0, 0}, X64_32);
    x64_rm(b, 0x88, RDX, (x64_mem){RAX, R11, 0, 0}, X64_8);
    x64_rm(b, X64_F3A(0x66, 0x14), X64_SCRATCH0, x64_at(RAX, 0), X64_32); /* pextrb */
    x64_u8(b, 0);
    x64_rm(b, X64_F3A(0x66, 0x14), X64_SCRATCH1, (x64_mem){RAX, RCX, 0, -1}, X64_32);
    x64_u8(b, 0);
}

/* More than 32 bytes, upwards, 16 at once; the last 16 of a copy are read first. */
static void
stubs_loop(x64_buf *b, bool is_copy)
{
    u32 const last = is_copy ? X64_SCRATCH1 : X64_SCRATCH0;
    if (is_copy) x64_rm(b, STUBS_LOAD16, X64_SCRATCH1, stubs_end(RDX, true, 16), X64_32);
    x64_alu_imm(b, ALU_SUB, RCX, 16, X64_32);
    x64_zero(b, R11);
    u32 const next = b->len;
    if (is_copy) x64_rm(b, STUBS_LOAD16, X64_SCRATCH0, (x64_mem){RDX, R11, 0, 0}, X64_32);
    x64_rm(b, STUBS_STORE16, X64_SCRATCH0, (x64_mem){RAX, R11, 0, 0}, X64_32);
    x64_alu_imm(b, ALU_ADD, R11, 16, X64_32);
    x64_alu_rr(b, ALU_CMP, R11, RCX, X64_32);
    x64_jcc_back(b, CC_B, next);
    x64_rm(b, STUBS_STORE16, last, (x64_mem){RAX, RCX, 0, 0}, X64_32);
}

static void
stubs_return(x64_buf *b, u32 result)
{
    x64_load(b, R11, stubs_native(offsetof(gbx_native, saved) + 15 * sizeof(u64)), X64_64);
    x64_mov_imm(b, RAX, result);
    x64_ret(b);
}

/* What the operands are compared with is what the instruction says; whatever does not fit is left to C, which
 * traps. RULE: S3. */
static void
stubs_bulk(x64_buf *b, bool is_copy)
{
    u32 slow[5], slows = 0, done[4], dones = 0;
    x64_store(b, stubs_native(offsetof(gbx_native, saved) + 15 * sizeof(u64)), R11, X64_64);
    x64_load(b, RCX, stubs_native(offsetof(gbx_native, bulk) + 16), X64_64);
    x64_alu_imm(b, ALU_CMP, RCX, STUBS_BULK_MOST, X64_64);
    slow[slows++] = x64_jcc(b, CC_A);
    x64_load(b, RAX, stubs_native(offsetof(gbx_native, bulk)), X64_64);
    x64_load(b, RDX, stubs_native(offsetof(gbx_native, bulk) + 8), X64_64);
    x64_load(b, R11, stubs_native(offsetof(gbx_native, memory)), X64_64);
    x64_load(b, R11, x64_at(R11, (i32)offsetof(gbx_memory, bytes)), X64_64);
    x64_alu_rr(b, ALU_SUB, R11, RCX, X64_64);
    slow[slows++] = x64_jcc(b, CC_B);
    x64_alu_rr(b, ALU_CMP, RAX, R11, X64_64);
    slow[slows++] = x64_jcc(b, CC_A);
    x64_alu_rr(b, ALU_ADD, RAX, X64_MEMORY, X64_64);
    if (is_copy) {
        x64_alu_rr(b, ALU_CMP, RDX, R11, X64_64);
        slow[slows++] = x64_jcc(b, CC_A);
        x64_alu_rr(b, ALU_ADD, RDX, X64_MEMORY, X64_64);
    } else {
        x64_rr(b, X64_F(0, 0xb6), RDX, RDX, X64_RM8);
        x64_rr(b, 0x69, RDX, RDX, X64_32);
        x64_u32(b, 0x01010101);
        x64_movq_to_xmm(b, X64_SCRATCH0, RDX, X64_32);
        x64_rr(b, X64_F(0x66, 0x70), X64_SCRATCH0, X64_SCRATCH0, X64_32); /* pshufd */
        x64_u8(b, 0);
    }
    x64_alu_imm(b, ALU_CMP, RCX, 16, X64_32);
    x64_room(b);
    u32 const short16 = x64_jcc(b, CC_B);
    x64_alu_imm(b, ALU_CMP, RCX, 32, X64_32);
    u32 const long32 = x64_jcc(b, CC_A);
    stubs_ends(b, is_copy, STUBS_LOAD16, STUBS_STORE16, 16);
    done[dones++] = x64_jmp(b);
    x64_patch(b, short16, b->len);
    x64_alu_imm(b, ALU_CMP, RCX, 8, X64_32);
    u32 const short8 = x64_jcc(b, CC_B);
    stubs_ends(b, is_copy, STUBS_LOAD8, STUBS_STORE8, 8);
    done[dones++] = x64_jmp(b);
    x64_patch(b, short8, b->len);
    x64_alu_imm(b, ALU_CMP, RCX, 4, X64_32);
    u32 const short4 = x64_jcc(b, CC_B);
    stubs_ends(b, is_copy, STUBS_LOAD4, STUBS_STORE4, 4);
    done[dones++] = x64_jmp(b);
    x64_patch(b, short4, b->len);
    x64_test(b, RCX, RCX, X64_32);
    done[dones++] = x64_jcc(b, CC_E);
    stubs_bytes(b, is_copy);
    for (u32 i = 0; i < dones; i++) x64_patch(b, done[i], b->len);
    stubs_return(b, 0);
    x64_room(b);
    x64_patch(b, long32, b->len);
    if (is_copy) { /* a target above an overlapping source is copied downwards, by C */
        x64_mov(b, R11, RAX, X64_64);
        x64_alu_rr(b, ALU_SUB, R11, RDX, X64_64);
        x64_alu_rr(b, ALU_CMP, R11, RCX, X64_64);
        slow[slows++] = x64_jcc(b, CC_B);
    }
    stubs_loop(b, is_copy);
    stubs_return(b, 0);
    for (u32 i = 0; i < slows; i++) x64_patch(b, slow[i], b->len);
    stubs_return(b, 1);
}

gbx_code
gbx_codegen_stubs(codegen_space *s, const codegen_env *env, codegen_out *out,
                  u32 offsets[CODEGEN_STUB_COUNT])
{
    x64_buf *const b = &s->b;
    *out = (codegen_out){0};
    b->len = 0;
    b->failed = false;
    for (u32 i = 0; i < CODEGEN_STUB_COUNT; i++) {
        x64_room(b);
        while (b->len % 16) x64_u8(b, 0xcc);
        offsets[i] = b->len;
        switch ((codegen_stub)i) {
        case CODEGEN_STUB_EXIT:
            stubs_pins(b, env, false);
            stubs_leave(b, env, GBX_STATUS_TRAP);
            break;
        case CODEGEN_STUB_ENTER: stubs_enter(b, env); break;
        case CODEGEN_STUB_RESUME: stubs_resume(b, env); break;
        case CODEGEN_STUB_INTERP: stubs_interp(b, env, false); break;
        case CODEGEN_STUB_INTERP_FRESH: stubs_interp(b, env, true); break;
        case CODEGEN_STUB_FUNC: stubs_call_out(b, env, false); break;
        case CODEGEN_STUB_COPY: stubs_bulk(b, true); break;
        case CODEGEN_STUB_FILL: stubs_bulk(b, false); break;
        case CODEGEN_STUB_FUNC_FRESH: stubs_call_out(b, env, true); break;
        default: stubs_libcall(b, env); break;
        }
    }
    if (b->failed) return GBX_NO_MEMORY;
    out->bytes = b->bytes;
    out->len = b->len;
    return GBX_OK;
}

u32
gbx_codegen_exec_reg(void)
{
    return X64_EXEC;
}

u32
gbx_codegen_sp_reg(void)
{
    return RSP;
}

u32
gbx_codegen_pin_reg(u32 pin)
{
    return stubs_pin_regs[pin];
}

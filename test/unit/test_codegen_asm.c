/* The encoder of x86-64 (codegen/x64/asm.h) against Zydis, which is somebody else's decoder.
 *
 * What is asked of the encoder is said a second time in operands, and must be what Zydis reads from the
 * bytes: mnemonic, every visible operand with its width, and a length that leaves no byte over. All
 * registers stand in all places, so that those that need a SIB byte, a displacement or a prefix of their
 * own (rsp, rbp, r12, r13; sil, dil) are among them. Besides the functions of asm.h the raw forms that the
 * back end spells with x64_rr and x64_rm are decoded: an opcode's number is nowhere else looked at. */
#include <Zydis/Zydis.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/x64/asm.h"

typedef struct bench {
    ZydisDecoder decoder;
    x64_buf b;
} bench;

typedef enum want_kind { WANT_REG, WANT_MEM, WANT_IMM } want_kind;

/* An operand as it was asked for. */
typedef struct want {
    want_kind kind;
    u32 bits; /* its width; 0: of no interest. Of an immediate: what is compared */
    ZydisRegister reg;
    x64_mem mem;
    u64 imm;
} want;

static const i32 displacements[] = {0,   1,    -1,   127,   -127,       128,       -128,
                                    129, -129, 4096, -4096, 0x12345678, INT32_MAX, INT32_MIN};
static const i32 immediates[] = {0,   1,    -1,     127,        -127,      128,      -128,
                                 129, -129, 0x7fff, 0x12345678, INT32_MAX, INT32_MIN};

static u32
bits_of(u32 w)
{
    return w & X64_64 ? 64 : w & X64_16 ? 16 : w & X64_8 ? 8 : 32;
}

static ZydisRegister
general(u32 reg, u32 bits)
{
    u32 const first = bits == 64   ? ZYDIS_REGISTER_RAX
                      : bits == 32 ? ZYDIS_REGISTER_EAX
                                   : ZYDIS_REGISTER_AX;
    if (bits != 8) return (ZydisRegister)(first + reg);
    return (ZydisRegister)(reg < RSP ? (u32)ZYDIS_REGISTER_AL + reg
                                     : (u32)ZYDIS_REGISTER_SPL + reg - RSP);
}

static want
gpr(u32 reg, u32 bits)
{
    return (want){.kind = WANT_REG, .bits = bits, .reg = general(reg, bits)};
}

static want
xmm(u32 reg)
{
    return (want){.kind = WANT_REG, .reg = (ZydisRegister)((u32)ZYDIS_REGISTER_XMM0 + reg)};
}

static want
mem(x64_mem m, u32 bits)
{
    return (want){.kind = WANT_MEM, .bits = bits, .mem = m};
}

static want
imm(u64 v, u32 bits)
{
    return (want){.kind = WANT_IMM, .bits = bits, .imm = v};
}

static void
expect_mem(const ZydisDecodedOperandMem *m, x64_mem w)
{
    u32 const none = ZYDIS_REGISTER_NONE;
    assert_int_equal(m->base, w.base == X64_NO_REG ? none : general(w.base, 64));
    assert_int_equal(m->index, w.index == X64_NO_REG ? none : general(w.index, 64));
    if (w.index != X64_NO_REG) assert_int_equal(m->scale, 1u << w.scale);
    assert_int_equal(m->disp.value, w.disp);
}

static void
expect_operand(const ZydisDecodedOperand *o, const want *w)
{
    switch (w->kind) {
    case WANT_REG:
        assert_int_equal(o->type, ZYDIS_OPERAND_TYPE_REGISTER);
        assert_string_equal(ZydisRegisterGetString(o->reg.value), ZydisRegisterGetString(w->reg));
        break;
    case WANT_MEM:
        assert_int_equal(o->type, ZYDIS_OPERAND_TYPE_MEMORY);
        expect_mem(&o->mem, w->mem);
        if (w->bits) assert_int_equal(o->size, w->bits);
        break;
    default: {
        u64 const mask = w->bits == 64 ? ~0ull : (1ull << w->bits) - 1;
        assert_int_equal(o->type, ZYDIS_OPERAND_TYPE_IMMEDIATE);
        assert_int_equal(o->imm.value.u & mask, w->imm & mask);
        break;
    }
    }
}

/* The buffer holds one instruction, this; it is empty afterwards. */
static void
expect(bench *t, ZydisMnemonic mnemonic, u32 count, const want *wants)
{
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    assert_true(
            ZYAN_SUCCESS(ZydisDecoderDecodeFull(&t->decoder, t->b.bytes, t->b.len, &insn, ops)));
    assert_string_equal(ZydisMnemonicGetString(insn.mnemonic), ZydisMnemonicGetString(mnemonic));
    assert_int_equal(insn.length, t->b.len);
    assert_int_equal(insn.operand_count_visible, count);
    for (u32 i = 0; i < count; i++) expect_operand(&ops[i], &wants[i]);
    t->b.len = 0;
}
#define EXPECT(t, name, ...)                                                                       \
    expect((t), ZYDIS_MNEMONIC_##name, sizeof((const want[]){__VA_ARGS__}) / sizeof(want),         \
           (const want[]){__VA_ARGS__})

static int
set_up(void **state)
{
    static bench t;
    assert_true(ZYAN_SUCCESS(
            ZydisDecoderInit(&t.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)));
    assert_true(x64_grow(&t.b, 2 * X64_ROOM));
    *state = &t;
    return 0;
}

/* What a test that failed left behind is not the next one's. */
static int
empty(void **state)
{
    ((bench *)*state)->b.len = 0;
    return 0;
}

static int
tear_down(void **state)
{
    bench *const t = *state;
    gbx_base_free(t->b.bytes);
    *t = (bench){0};
    return 0;
}

/* ---- Two registers */

static void
check_rr(bench *t, u32 x, u32 y, u32 w)
{
    static const ZydisMnemonic alu[] = {ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_OR,  ZYDIS_MNEMONIC_ADC,
                                        ZYDIS_MNEMONIC_SBB, ZYDIS_MNEMONIC_AND, ZYDIS_MNEMONIC_SUB,
                                        ZYDIS_MNEMONIC_XOR, ZYDIS_MNEMONIC_CMP};
    u32 const bits = bits_of(w);
    want const both[] = {gpr(x, bits), gpr(y, bits)};
    x64_mov(&t->b, x, y, w);
    expect(t, ZYDIS_MNEMONIC_MOV, 2, both);
    x64_test(&t->b, x, y, w);
    expect(t, ZYDIS_MNEMONIC_TEST, 2, both);
    for (u32 op = ALU_ADD; op <= ALU_CMP; op++) {
        x64_alu_rr(&t->b, (x64_alu)op, x, y, w);
        expect(t, alu[op], 2, both);
    }
    x64_rr(&t->b, 0x87, x, y, w);
    EXPECT(t, XCHG, gpr(y, bits), gpr(x, bits));
    x64_rr(&t->b, X64_F(0, 0xaf), x, y, w);
    expect(t, ZYDIS_MNEMONIC_IMUL, 2, both);
    x64_rr(&t->b, X64_F(0, 0xbc), x, y, w);
    expect(t, ZYDIS_MNEMONIC_BSF, 2, both);
    x64_rr(&t->b, X64_F(0, 0xbd), x, y, w);
    expect(t, ZYDIS_MNEMONIC_BSR, 2, both);
    x64_rr(&t->b, X64_F(0xf3, 0xbc), x, y, w);
    expect(t, ZYDIS_MNEMONIC_TZCNT, 2, both);
    x64_rr(&t->b, X64_F(0xf3, 0xbd), x, y, w);
    expect(t, ZYDIS_MNEMONIC_LZCNT, 2, both);
    x64_rr(&t->b, X64_F(0xf3, 0xb8), x, y, w);
    expect(t, ZYDIS_MNEMONIC_POPCNT, 2, both);
    x64_rr(&t->b, X64_F(0, 0xb6), x, y, w | X64_RM8);
    EXPECT(t, MOVZX, gpr(x, bits), gpr(y, 8));
    x64_rr(&t->b, X64_F(0, 0xbe), x, y, w | X64_RM8);
    EXPECT(t, MOVSX, gpr(x, bits), gpr(y, 8));
    x64_rr(&t->b, X64_F(0, 0xb7), x, y, w);
    EXPECT(t, MOVZX, gpr(x, bits), gpr(y, 16));
    x64_rr(&t->b, X64_F(0, 0xbf), x, y, w);
    EXPECT(t, MOVSX, gpr(x, bits), gpr(y, 16));
    x64_rr(&t->b, 0x63, x, y, X64_64);
    EXPECT(t, MOVSXD, gpr(x, 64), gpr(y, 32));
}

static void
test_two_registers(void **state)
{
    bench *const t = *state;
    for (u32 x = 0; x < 16; x++)
        for (u32 y = 0; y < 16; y++) {
            check_rr(t, x, y, X64_32);
            check_rr(t, x, y, X64_64);
            x64_rr(&t->b, 0x89, x, y, X64_16);
            EXPECT(t, MOV, gpr(y, 16), gpr(x, 16));
            x64_rr(&t->b, 0x88, x, y, X64_8);
            EXPECT(t, MOV, gpr(y, 8), gpr(x, 8));
        }
}

/* ---- One register, and what is counted */

static void
check_one(bench *t, u32 x, u32 w)
{
    u32 const bits = bits_of(w);
    want const only = gpr(x, bits);
    x64_rr(&t->b, 0xf7, 3, x, w);
    EXPECT(t, NEG, only);
    x64_rr(&t->b, 0xf7, 2, x, w);
    EXPECT(t, NOT, only);
    x64_rr(&t->b, 0xf7, 6, x, w);
    expect(t, ZYDIS_MNEMONIC_DIV, 1, &only);
    x64_rr(&t->b, 0xf7, 7, x, w);
    expect(t, ZYDIS_MNEMONIC_IDIV, 1, &only);
    x64_rr(&t->b, X64_F(0, 0xba), 7, x, w);
    x64_u8(&t->b, 31);
    EXPECT(t, BTC, only, imm(31, 8));
}

static void
test_one_register(void **state)
{
    bench *const t = *state;
    for (u32 x = 0; x < 16; x++) {
        check_one(t, x, X64_32);
        check_one(t, x, X64_64);
        x64_zero(&t->b, x);
        EXPECT(t, XOR, gpr(x, 32), gpr(x, 32));
        x64_rr(&t->b, 0xff, 2, x, X64_32);
        EXPECT(t, CALL, gpr(x, 64));
        x64_rr(&t->b, 0xff, 4, x, X64_32);
        EXPECT(t, JMP, gpr(x, 64));
    }
}

static void
test_shifts(void **state)
{
    static const struct {
        x64_shift op;
        ZydisMnemonic name;
    } rows[] = {{SHIFT_ROL, ZYDIS_MNEMONIC_ROL},
                {SHIFT_ROR, ZYDIS_MNEMONIC_ROR},
                {SHIFT_SHL, ZYDIS_MNEMONIC_SHL},
                {SHIFT_SHR, ZYDIS_MNEMONIC_SHR},
                {SHIFT_SAR, ZYDIS_MNEMONIC_SAR}};
    bench *const t = *state;
    for (u32 r = 0; r < GBX_LEN(rows); r++)
        for (u32 x = 0; x < 16; x++)
            for (u32 w = X64_32; w <= X64_64; w++) {
                for (u32 count = 0; count < bits_of(w); count++) {
                    x64_shift_imm(&t->b, rows[r].op, x, count, w);
                    expect(t, rows[r].name, 2, (const want[]){gpr(x, bits_of(w)), imm(count, 8)});
                }
                x64_shift_cl(&t->b, rows[r].op, x, w);
                expect(t, rows[r].name, 2, (const want[]){gpr(x, bits_of(w)), gpr(RCX, 8)});
            }
}

static void
test_shifts_of_three(void **state)
{
    bench *const t = *state;
    for (u32 i = 0; i < 16 * 16 * 16 * 2; i++) {
        u32 const x = i & 15, y = i >> 4 & 15, z = i >> 8 & 15, w = i >> 12, bits = bits_of(w);
        want const all[] = {gpr(x, bits), gpr(y, bits), gpr(z, bits)};
        x64_shift_x(&t->b, SHIFT_SHL, x, y, z, w);
        expect(t, ZYDIS_MNEMONIC_SHLX, 3, all);
        x64_shift_x(&t->b, SHIFT_SHR, x, y, z, w);
        expect(t, ZYDIS_MNEMONIC_SHRX, 3, all);
        x64_shift_x(&t->b, SHIFT_SAR, x, y, z, w);
        expect(t, ZYDIS_MNEMONIC_SARX, 3, all);
        if (z) continue;
        x64_vex(&t->b, 0xf2, 3, 0xf0, x, 0, y, w);
        x64_u8(&t->b, 7);
        EXPECT(t, RORX, gpr(x, bits), gpr(y, bits), imm(7, 8));
    }
}

static void
test_conditions(void **state)
{
    static const char *const names[] = {"o", "no", "b", "nb", "z", "nz", "be", "nbe",
                                        "s", "ns", "p", "np", "l", "nl", "le", "nle"};
    bench *const t = *state;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    for (u32 cc = CC_O; cc <= CC_G; cc++) {
        char set[8], move[8], jump[8];
        (void)snprintf(set, sizeof set, "set%s", names[cc]);
        (void)snprintf(move, sizeof move, "cmov%s", names[cc]);
        (void)snprintf(jump, sizeof jump, "j%s", names[cc]);
        x64_setcc(&t->b, (x64_cc)cc, RAX);
        assert_true(ZYAN_SUCCESS(
                ZydisDecoderDecodeFull(&t->decoder, t->b.bytes, t->b.len, &insn, ops)));
        assert_string_equal(ZydisMnemonicGetString(insn.mnemonic), set);
        ZydisMnemonic const set_name = insn.mnemonic;
        t->b.len = 0;
        x64_cmov(&t->b, (x64_cc)cc, RAX, RCX, X64_32);
        assert_true(ZYAN_SUCCESS(
                ZydisDecoderDecodeFull(&t->decoder, t->b.bytes, t->b.len, &insn, ops)));
        assert_string_equal(ZydisMnemonicGetString(insn.mnemonic), move);
        ZydisMnemonic const move_name = insn.mnemonic;
        t->b.len = 0;
        (void)x64_jcc(&t->b, (x64_cc)cc);
        assert_true(ZYAN_SUCCESS(
                ZydisDecoderDecodeFull(&t->decoder, t->b.bytes, t->b.len, &insn, ops)));
        assert_string_equal(ZydisMnemonicGetString(insn.mnemonic), jump);
        t->b.len = 0;
        for (u32 x = 0; x < 16; x++) {
            x64_setcc(&t->b, (x64_cc)cc, x);
            expect(t, set_name, 1, (const want[]){gpr(x, 8)});
            for (u32 i = 0; i < 32; i++) {
                u32 const y = i & 15, w = i >> 4;
                x64_cmov(&t->b, (x64_cc)cc, x, y, w);
                expect(t, move_name, 2, (const want[]){gpr(x, bits_of(w)), gpr(y, bits_of(w))});
            }
        }
    }
}

/* ---- Immediates */

static void
check_immediates(bench *t, u32 x, u32 w)
{
    static const ZydisMnemonic alu[] = {ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_OR,  ZYDIS_MNEMONIC_ADC,
                                        ZYDIS_MNEMONIC_SBB, ZYDIS_MNEMONIC_AND, ZYDIS_MNEMONIC_SUB,
                                        ZYDIS_MNEMONIC_XOR, ZYDIS_MNEMONIC_CMP};
    u32 const bits = bits_of(w);
    x64_mem const m = x64_at(x, 8);
    for (u32 i = 0; i < GBX_LEN(immediates); i++) {
        i32 const v = immediates[i];
        want const value = imm((u64)(i64)v, bits);
        for (u32 op = ALU_ADD; op <= ALU_CMP; op++) {
            x64_alu_imm(&t->b, (x64_alu)op, x, v, w);
            u32 const len = t->b.len;
            expect(t, alu[op], 2, (const want[]){gpr(x, bits), value});
            assert_int_equal(len, (w == X64_64 || x >= 8 ? 1u : 0) + (v == (i8)v ? 3u : 6u));
            x64_alu_mem_imm(&t->b, (x64_alu)op, m, v, w);
            expect(t, alu[op], 2, (const want[]){mem(m, bits), value});
        }
        x64_rr(&t->b, 0x69, x, 15 - x, w);
        x64_u32(&t->b, (u32)v);
        EXPECT(t, IMUL, gpr(x, bits), gpr(15 - x, bits), value);
        x64_rm(&t->b, 0xc7, 0, m, w);
        x64_u32(&t->b, (u32)v);
        EXPECT(t, MOV, mem(m, bits), value);
    }
    x64_rm(&t->b, 0xc7, 0, m, X64_16);
    x64_u8(&t->b, 0x34);
    x64_u8(&t->b, 0x92);
    EXPECT(t, MOV, mem(m, 16), imm(0x9234, 16));
    x64_rm(&t->b, 0xc6, 0, m, X64_32);
    x64_u8(&t->b, 0xfe);
    EXPECT(t, MOV, mem(m, 8), imm(0xfe, 8));
}

static void
test_immediates(void **state)
{
    bench *const t = *state;
    for (u32 x = 0; x < 16; x++) {
        check_immediates(t, x, X64_32);
        check_immediates(t, x, X64_64);
    }
}

/* All 64 bits of the register are v, in the shortest of three forms. */
static void
test_constants(void **state)
{
    static const u64 values[] = {0,
                                 1,
                                 0x7f,
                                 0x80,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x100000000,
                                 0x123456789abcdef0,
                                 ~0ull,
                                 (u64)INT64_MIN,
                                 INT64_MAX,
                                 (u64)(i64)INT32_MIN,
                                 (u64)(i64)INT32_MIN - 1};
    bench *const t = *state;
    for (u32 x = 0; x < 16; x++)
        for (u32 i = 0; i < GBX_LEN(values); i++) {
            u64 const v = values[i];
            bool const is_low = v <= UINT32_MAX, is_signed = (i64)v == (i32)v;
            x64_mov_imm(&t->b, x, v);
            u32 const len = t->b.len;
            EXPECT(t, MOV, gpr(x, is_low ? 32 : 64),
                   imm(v, is_low ? 32 : 64)); /* 32 bits clear the upper half */
            assert_int_equal(len, is_low ? 5 + (x >= 8) : is_signed ? 7 : 10);
        }
}

/* ---- Memory */

static void
check_mem(bench *t, u32 x, x64_mem m)
{
    for (u32 w = X64_32; w <= X64_64; w++) {
        u32 const bits = bits_of(w);
        x64_load(&t->b, x, m, w);
        EXPECT(t, MOV, gpr(x, bits), mem(m, bits));
        x64_store(&t->b, m, x, w);
        EXPECT(t, MOV, mem(m, bits), gpr(x, bits));
        x64_lea(&t->b, x, m, w);
        EXPECT(t, LEA, gpr(x, bits), mem(m, 0));
        x64_alu_rm(&t->b, ALU_CMP, x, m, w);
        EXPECT(t, CMP, gpr(x, bits), mem(m, bits));
    }
    x64_rm(&t->b, 0x88, x, m, X64_8);
    EXPECT(t, MOV, mem(m, 8), gpr(x, 8));
    x64_rm(&t->b, 0x89, x, m, X64_16);
    EXPECT(t, MOV, mem(m, 16), gpr(x, 16));
    x64_sse_m(&t->b, 0xf3, 0x7e, x, m);
    EXPECT(t, MOVQ, xmm(x), mem(m, 64));
}

/* Every base, index, scale and displacement; the register goes round all of them. */
static void
test_memory(void **state)
{
    bench *const t = *state;
    u32 x = 0;
    for (u32 base = 0; base <= 16; base++)
        for (u32 index = 0; index <= 16; index++) {
            if (index == RSP || (base == 16 && index == 16)) continue; /* rsp is no index */
            for (u32 scale = 0; scale < (index == 16 ? 1 : 4); scale++)
                for (u32 d = 0; d < GBX_LEN(displacements); d++) {
                    x64_mem const m = {(u8)(base == 16 ? X64_NO_REG : base),
                                       (u8)(index == 16 ? X64_NO_REG : index), (u8)scale,
                                       displacements[d]};
                    check_mem(t, x++ & 15, m);
                    check_mem(t, x++ & 15, m);
                    check_mem(t, x++ & 15, m);
                }
            x++;
        }
}

/* Every register with every base: prefixes of both ends. */
static void
check_loads(bench *t, u32 x, x64_mem m)
{
    static const struct {
        u32 op;
        ZydisMnemonic name;
        u32 from, flags;
    } rows[] = {{X64_F(0, 0xb6), ZYDIS_MNEMONIC_MOVZX, 8, X64_32},
                {X64_F(0, 0xbe), ZYDIS_MNEMONIC_MOVSX, 8, X64_32},
                {X64_F(0, 0xb7), ZYDIS_MNEMONIC_MOVZX, 16, X64_32},
                {X64_F(0, 0xbf), ZYDIS_MNEMONIC_MOVSX, 16, X64_32},
                {X64_F(0, 0xbe), ZYDIS_MNEMONIC_MOVSX, 8, X64_64},
                {X64_F(0, 0xbf), ZYDIS_MNEMONIC_MOVSX, 16, X64_64},
                {0x63, ZYDIS_MNEMONIC_MOVSXD, 32, X64_64},
                {0x03, ZYDIS_MNEMONIC_ADD, 64, X64_64}};
    for (u32 r = 0; r < GBX_LEN(rows); r++) {
        x64_rm(&t->b, rows[r].op, x, m, rows[r].flags);
        expect(t, rows[r].name, 2,
               (const want[]){gpr(x, bits_of(rows[r].flags)), mem(m, rows[r].from)});
    }
    for (u32 op = ALU_ADD; op <= ALU_CMP; op++) {
        x64_alu_rm(&t->b, (x64_alu)op, x, m, X64_64);
        assert_int_equal(t->b.bytes[1], op << 3 | 3);
        t->b.len = 0;
    }
    x64_rm(&t->b, 0x85, x, m, X64_32);
    EXPECT(t, TEST, mem(m, 32), gpr(x, 32));
    check_mem(t, x, m);
    if (x) return;
    x64_rm(&t->b, 0xff, 2, m, X64_32);
    EXPECT(t, CALL, mem(m, 64));
    x64_rm(&t->b, 0xff, 4, m, X64_32);
    EXPECT(t, JMP, mem(m, 64));
}

static void
test_registers_and_bases(void **state)
{
    bench *const t = *state;
    for (u32 x = 0; x < 16; x++)
        for (u32 base = 0; base < 16; base++) {
            for (u32 d = 0; d < GBX_LEN(displacements); d++)
                check_loads(t, x, x64_at(base, displacements[d]));
            for (u32 index = 0; index < 16; index++)
                if (index != RSP) check_loads(t, x, (x64_mem){(u8)base, (u8)index, 0, -4});
        }
}

/* lea x, [rip + n], as jump tables are found: a register form whose mod is cleared. */
static void
test_relative_address(void **state)
{
    bench *const t = *state;
    for (u32 x = 0; x < 16; x++) {
        ZydisDecodedInstruction insn;
        ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
        x64_rr(&t->b, 0x8d, x, 5, X64_64);
        t->b.bytes[t->b.len - 1] &= 0x3f;
        x64_u32(&t->b, 0x1234);
        assert_true(ZYAN_SUCCESS(
                ZydisDecoderDecodeFull(&t->decoder, t->b.bytes, t->b.len, &insn, ops)));
        assert_int_equal(insn.mnemonic, ZYDIS_MNEMONIC_LEA);
        assert_int_equal(insn.length, t->b.len);
        assert_int_equal(ops[0].reg.value, general(x, 64));
        assert_int_equal(ops[1].mem.base, ZYDIS_REGISTER_RIP);
        assert_int_equal(ops[1].mem.disp.value, 0x1234);
        t->b.len = 0;
    }
}

/* ---- Floats */

typedef struct sse_row {
    u32 prefix, op;
    ZydisMnemonic name;
    u32 bits; /* of the operand in memory */
} sse_row;

static const sse_row sse_rows[] = {
        {0xf3, 0x58, ZYDIS_MNEMONIC_ADDSS, 32},    {0xf2, 0x58, ZYDIS_MNEMONIC_ADDSD, 64},
        {0xf3, 0x5c, ZYDIS_MNEMONIC_SUBSS, 32},    {0xf2, 0x5c, ZYDIS_MNEMONIC_SUBSD, 64},
        {0xf3, 0x59, ZYDIS_MNEMONIC_MULSS, 32},    {0xf2, 0x59, ZYDIS_MNEMONIC_MULSD, 64},
        {0xf3, 0x5e, ZYDIS_MNEMONIC_DIVSS, 32},    {0xf2, 0x5e, ZYDIS_MNEMONIC_DIVSD, 64},
        {0xf3, 0x5d, ZYDIS_MNEMONIC_MINSS, 32},    {0xf2, 0x5d, ZYDIS_MNEMONIC_MINSD, 64},
        {0xf3, 0x5f, ZYDIS_MNEMONIC_MAXSS, 32},    {0xf2, 0x5f, ZYDIS_MNEMONIC_MAXSD, 64},
        {0xf3, 0x51, ZYDIS_MNEMONIC_SQRTSS, 32},   {0xf2, 0x51, ZYDIS_MNEMONIC_SQRTSD, 64},
        {0, 0x2e, ZYDIS_MNEMONIC_UCOMISS, 32},     {0x66, 0x2e, ZYDIS_MNEMONIC_UCOMISD, 64},
        {0xf3, 0x5a, ZYDIS_MNEMONIC_CVTSS2SD, 32}, {0xf2, 0x5a, ZYDIS_MNEMONIC_CVTSD2SS, 64},
        {0, 0x54, ZYDIS_MNEMONIC_ANDPS, 128},      {0, 0x55, ZYDIS_MNEMONIC_ANDNPS, 128},
        {0, 0x56, ZYDIS_MNEMONIC_ORPS, 128},       {0, 0x57, ZYDIS_MNEMONIC_XORPS, 128},
        {0, 0x28, ZYDIS_MNEMONIC_MOVAPS, 128},     {0xf3, 0x7e, ZYDIS_MNEMONIC_MOVQ, 64},
        {0xf3, 0x10, ZYDIS_MNEMONIC_MOVSS, 32},    {0xf2, 0x10, ZYDIS_MNEMONIC_MOVSD, 64},
};

static void
check_floats(bench *t, u32 x, u32 y)
{
    x64_mem const m = {(u8)y, (u8)(x == RSP ? RBX : x), 3, -128};
    for (u32 r = 0; r < GBX_LEN(sse_rows); r++) {
        const sse_row *const row = &sse_rows[r];
        x64_sse(&t->b, row->prefix, row->op, x, y);
        expect(t, row->name, 2, (const want[]){xmm(x), xmm(y)});
        x64_sse_m(&t->b, row->prefix, row->op, x, m);
        expect(t, row->name, 2, (const want[]){xmm(x), mem(m, row->bits)});
    }
    x64_movaps(&t->b, x, y);
    EXPECT(t, MOVAPS, xmm(x), xmm(y));
    x64_xorps(&t->b, x, y);
    EXPECT(t, XORPS, xmm(x), xmm(y));
    x64_rm(&t->b, X64_F(0x66, 0xd6), x, m, X64_32);
    EXPECT(t, MOVQ, mem(m, 64), xmm(x));
    x64_rm(&t->b, X64_F(0xf3, 0x11), x, m, X64_32);
    EXPECT(t, MOVSS, mem(m, 32), xmm(x));
    x64_rm(&t->b, X64_F(0xf2, 0x11), x, m, X64_32);
    EXPECT(t, MOVSD, mem(m, 64), xmm(x));
    x64_rr(&t->b, X64_F3A(0x66, 0x0a), x, y, X64_32);
    x64_u8(&t->b, 9);
    EXPECT(t, ROUNDSS, xmm(x), xmm(y), imm(9, 8));
    x64_rr(&t->b, X64_F3A(0x66, 0x0b), x, y, X64_32);
    x64_u8(&t->b, 11);
    EXPECT(t, ROUNDSD, xmm(x), xmm(y), imm(11, 8));
    x64_rr(&t->b, X64_F38(0x66, 0x17), x, y, X64_32);
    EXPECT(t, PTEST, xmm(x), xmm(y));
}

/* Between the two register files: the xmm stands first, whichever way it goes. */
static void
check_files(bench *t, u32 x, u32 y)
{
    x64_movq_to_xmm(&t->b, x, y, X64_32);
    EXPECT(t, MOVD, xmm(x), gpr(y, 32));
    x64_movq_to_xmm(&t->b, x, y, X64_64);
    EXPECT(t, MOVQ, xmm(x), gpr(y, 64));
    x64_movq_from_xmm(&t->b, x, y, X64_32);
    EXPECT(t, MOVD, gpr(x, 32), xmm(y));
    x64_movq_from_xmm(&t->b, x, y, X64_64);
    EXPECT(t, MOVQ, gpr(x, 64), xmm(y));
    for (u32 w = X64_32; w <= X64_64; w++) {
        u32 const bits = bits_of(w);
        x64_rr(&t->b, X64_F(0xf3, 0x2a), x, y, w);
        EXPECT(t, CVTSI2SS, xmm(x), gpr(y, bits));
        x64_rr(&t->b, X64_F(0xf2, 0x2a), x, y, w);
        EXPECT(t, CVTSI2SD, xmm(x), gpr(y, bits));
        x64_rr(&t->b, X64_F(0xf3, 0x2c), x, y, w);
        EXPECT(t, CVTTSS2SI, gpr(x, bits), xmm(y));
        x64_rr(&t->b, X64_F(0xf2, 0x2c), x, y, w);
        EXPECT(t, CVTTSD2SI, gpr(x, bits), xmm(y));
    }
}

static void
test_floats(void **state)
{
    bench *const t = *state;
    for (u32 x = 0; x < 16; x++)
        for (u32 y = 0; y < 16; y++) {
            check_floats(t, x, y);
            check_files(t, x, y);
        }
}

/* ---- Control */

/* The jump at `at` is this long and leads there. */
static void
expect_jump(const bench *t, u32 at, ZydisMnemonic name, u32 len, u32 target)
{
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    ZyanU64 to;
    assert_true(ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&t->decoder, t->b.bytes + at, t->b.len - at, &insn, ops)));
    assert_string_equal(ZydisMnemonicGetString(insn.mnemonic), ZydisMnemonicGetString(name));
    assert_int_equal(insn.length, len);
    assert_int_equal(insn.operand_count_visible, 1);
    assert_true(ops[0].imm.is_relative);
    assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&insn, &ops[0], at, &to)));
    assert_int_equal(to, target);
}

static void
fill(bench *t, u32 count)
{
    for (u32 i = 0; i < count; i++) x64_u8(&t->b, 0x90);
}

static void
test_jumps_back(void **state)
{
    bench *const t = *state;
    for (u32 gap = 0; gap < 300; gap++) {
        bool const is_short = gap + 2 <= 128;
        t->b.len = 0;
        fill(t, 7 + gap);
        u32 at = t->b.len;
        x64_jmp_back(&t->b, 7);
        expect_jump(t, at, ZYDIS_MNEMONIC_JMP, is_short ? 2 : 5, 7);
        t->b.len = at;
        x64_jcc_back(&t->b, CC_G, 7);
        expect_jump(t, at, ZYDIS_MNEMONIC_JNLE, is_short ? 2 : 6, 7);
        assert_int_equal(t->b.len, at + (is_short ? 2 : 6));
    }
    t->b.len = 0;
}

static void
test_jumps_forward(void **state)
{
    bench *const t = *state;
    for (u32 gap = 0; gap < 300; gap++) {
        t->b.len = 3;
        u32 at = x64_jmp(&t->b);
        assert_int_equal(at, 4);
        fill(t, gap);
        x64_patch(&t->b, at, t->b.len);
        expect_jump(t, 3, ZYDIS_MNEMONIC_JMP, 5, 8 + gap);
        t->b.len = 3;
        at = x64_jcc(&t->b, CC_B);
        assert_int_equal(at, 5);
        fill(t, gap);
        x64_patch(&t->b, at, t->b.len);
        expect_jump(t, 3, ZYDIS_MNEMONIC_JB, 6, 9 + gap);
        x64_patch(&t->b, at, 0); /* and backwards */
        expect_jump(t, 3, ZYDIS_MNEMONIC_JB, 6, 0);
        if (gap > 127) continue;
        t->b.len = 3;
        at = x64_jmp_short(&t->b);
        fill(t, gap);
        x64_bind_short(&t->b, at);
        expect_jump(t, 3, ZYDIS_MNEMONIC_JMP, 2, 5 + gap);
        t->b.len = 3;
        at = x64_jcc_short(&t->b, CC_NP);
        fill(t, gap);
        x64_bind_short(&t->b, at);
        expect_jump(t, 3, ZYDIS_MNEMONIC_JNP, 2, 5 + gap);
    }
    t->b.len = 0;
}

/* One byte further than a short jump reaches is our own bug, which ends the process. */
static void
test_short_too_far(void **state)
{
    bench *const t = *state;
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit const no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)close(2);
        (void)signal(SIGABRT, SIG_DFL);
        u32 const at = x64_jmp_short(&t->b);
        fill(t, 128);
        x64_bind_short(&t->b, at);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
test_bare(void **state)
{
    bench *const t = *state;
    x64_ret(&t->b);
    expect(t, ZYDIS_MNEMONIC_RET, 0, NULL);
    x64_ud2(&t->b);
    expect(t, ZYDIS_MNEMONIC_UD2, 0, NULL);
    x64_u8(&t->b, 0x99);
    expect(t, ZYDIS_MNEMONIC_CDQ, 0, NULL);
    x64_u8(&t->b, 0x48);
    x64_u8(&t->b, 0x99);
    expect(t, ZYDIS_MNEMONIC_CQO, 0, NULL);
}

/* ---- The buffer */

static void
test_room(void **state)
{
    (void)state;
    x64_buf b = {.most = X64_MOST};
    assert_true(x64_grow(&b, X64_ROOM));
    for (u32 i = 0; i < 10000; i++) {
        x64_room(&b);
        assert_true(b.cap - b.len >= X64_ROOM);
        x64_u64(&b, i);
    }
    assert_false(b.failed);
    assert_int_equal(b.len, 80000);
    for (u32 i = 0; i < 10000; i++) {
        u64 v;
        memcpy(&v, b.bytes + i * 8, sizeof v);
        assert_int_equal(v, i);
    }
    gbx_base_free(b.bytes);
}

/* Memory is short: what follows stays within what there is, patches too. */
static void
test_room_fails(void **state)
{
    (void)state;
    x64_buf b = {.most = X64_MOST};
    assert_true(x64_grow(&b, X64_ROOM));
    u32 const early = x64_jmp(&b);
    gbx_base_fault_arm(1);
    x64_room(&b);
    gbx_base_fault_arm(0);
    assert_true(b.failed);
    assert_false(b.is_long);
    assert_int_equal(b.len, 0);
    for (u32 i = 0; i < 1000; i++) {
        x64_room(&b);
        assert_true(b.cap - b.len >= X64_ROOM);
        for (u32 k = 0; k < X64_ROOM / 8; k++) x64_u64(&b, 0x9090909090909090);
    }
    assert_int_equal(b.cap, X64_ROOM);
    assert_true(b.failed);
    x64_patch(&b, early, 1234);
    assert_int_equal(b.bytes[early], 0x90);
    gbx_base_free(b.bytes);
}

/* The most there may be is far below 2^32, where twice the capacity would be nothing. */
static void
test_room_ends(void **state)
{
    (void)state;
    x64_buf b = {0};
    assert_true(x64_grow(&b, X64_ROOM));
    for (u32 cap = X64_ROOM; cap; cap *= 2) {
        x64_buf large = {.bytes = b.bytes, .len = cap - 1, .cap = cap, .most = X64_MOST};
        gbx_base_fault_arm(1); /* none is really asked for */
        x64_room(&large);
        bool const was_asked = gbx_base_fault_count() == 1;
        gbx_base_fault_arm(0);
        assert_true(large.failed);
        assert_int_equal(large.len, 0);
        assert_int_equal(large.cap, cap);
        assert_int_equal(was_asked, cap <= X64_MOST);
        assert_int_equal(large.is_long, cap > X64_MOST);
    }
    gbx_base_free(b.bytes);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, empty)
    const struct CMUnitTest tests[] = {
            TEST(test_two_registers),
            TEST(test_one_register),
            TEST(test_shifts),
            TEST(test_shifts_of_three),
            TEST(test_conditions),
            TEST(test_immediates),
            TEST(test_constants),
            TEST(test_memory),
            TEST(test_registers_and_bases),
            TEST(test_relative_address),
            TEST(test_floats),
            TEST(test_jumps_back),
            TEST(test_jumps_forward),
            TEST(test_short_too_far),
            TEST(test_bare),
            TEST(test_room),
            TEST(test_room_fails),
        TEST(test_room_ends),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

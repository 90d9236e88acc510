/* Every row of wasm/fuse.def: a body whose code is that sequence, run with the plain instructions and
 * with the fused one, must give the same results, traps, trap offsets, globals and memory.
 *
 * Rows that stand in both sets of fused opcodes are run under both.
 *
 * Bodies are made from the rows themselves: the sequence's instructions are type-checked with each
 * choice of types for its locals, what they take beyond what they make is pushed before, what they leave
 * is mixed into a global after. A new row is tested without a change here, as long as its instructions
 * are among those of fused_effect. */
#include "wasm_build.h"

#define SEQ1(a) ((u64)OP_##a)
#define SEQ2(a, b) (SEQ1(a) << 8 | OP_##b)
#define SEQ3(a, b, c) (SEQ2(a, b) << 8 | OP_##c)
#define SEQ4(a, b, c, d) (SEQ3(a, b, c) << 8 | OP_##d)
#define SEQ5(a, b, c, d, e) (SEQ4(a, b, c, d) << 8 | OP_##e)
#define SEQ6(a, b, c, d, e, f) (SEQ5(a, b, c, d, e) << 8 | OP_##f)
#define SEQ7(a, b, c, d, e, f, g) (SEQ6(a, b, c, d, e, f) << 8 | OP_##g)
#define SEQ8(a, b, c, d, e, f, g, h) (SEQ7(a, b, c, d, e, f, g) << 8 | OP_##h)

typedef struct fused_row {
    const char *name;
    wasm_fuse_set set;
    u8 number;
    u32 count;
    u64 seq;
} fused_row;

static const fused_row fused_rows[] = {
#define FUSE_WIDE(number, name, count, seq) {#name, WASM_FUSE_WIDE, number, count, seq},
#define FUSE_NARROW(number, name, count, seq) {#name, WASM_FUSE_NARROW, number, count, seq},
#define FUSE_BOTH(number, name, count, seq) \
    FUSE_WIDE(number, name, count, seq) FUSE_NARROW(number, name, count, seq)
#define FUSE_FIRST(number, name, first)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
};

static u8
fused_op(const fused_row *row, u32 i)
{
    return (u8)(row->seq >> 8 * (row->count - 1 - i));
}

/* Globals: 0 and 1 are those the sequence names (i32, i64), 2 collects, 3 tells the way taken. */
#define FUSED_GLOBALS "illl"
/* Locals by the types the checker chooses: two of each, all parameters. */
#define FUSED_PARAMS "iill"
enum { FUSED_LOCAL_I32 = 0, FUSED_LOCAL_I64 = 2 };

typedef struct fused_state {
    char stack[32], prefix[32]; /* types; the prefix grows as operands are missing, first missing first */
    u32 len, prefix_len;
    u32 choices; /* bit n: the n-th local or global index of the sequence is an i64 */
    u32 choice_count;
    bool ok;
} fused_state;

static void
fused_push(fused_state *s, char t)
{
    s->stack[s->len++] = t;
}

static void
fused_pop(fused_state *s, char want)
{
    if (s->len == 0) {
        s->prefix[s->prefix_len++] = want;
    } else if (s->stack[--s->len] != want) {
        s->ok = false;
    }
}

static char
fused_choice(fused_state *s)
{
    return s->choices >> s->choice_count++ & 1 ? 'l' : 'i';
}

static char
fused_letter(u8 type)
{
    return type == WASM_I64 ? 'l' : type == WASM_F64 ? 'd' : 'i';
}

/* What one instruction of a sequence does to the types. */
static void
fused_effect(fused_state *s, u8 op)
{
    const op_row *const row = &gbx_wasm_ops[op];
    char t;
    switch (op) {
    case OP_NOP: return;
    case OP_LOCAL_GET:
    case OP_GLOBAL_GET: fused_push(s, fused_choice(s)); return;
    case OP_LOCAL_SET:
    case OP_GLOBAL_SET: fused_pop(s, fused_choice(s)); return;
    case OP_LOCAL_TEE:
        t = fused_choice(s);
        fused_pop(s, t);
        fused_push(s, t);
        return;
    case OP_I32_CONST: fused_push(s, 'i'); return;
    case OP_I64_CONST: fused_push(s, 'l'); return;
    case OP_IF:
    case OP_BR_IF: fused_pop(s, 'i'); return;
    case OP_BR: s->len = 0; return;
    case OP_BR_TABLE:
        fused_pop(s, 'i');
        s->len = 0;
        return;
    case OP_CALL:   /* the helper takes an i32 and gives nothing */
    case OP_RETURN: /* of an i32 */ fused_pop(s, 'i'); return;
    default:
        if (!row->a && !row->out) fail_msg("this test does not know instruction 0x%02x", op);
        if (row->b) fused_pop(s, fused_letter(row->b));
        if (row->a) fused_pop(s, fused_letter(row->a));
        if (row->out) fused_push(s, fused_letter(row->out));
    }
}

static fused_state
fused_check(const fused_row *row, u32 choices)
{
    fused_state s = {.choices = choices, .ok = true};
    for (u32 i = 0; i < row->count; i++) fused_effect(&s, fused_op(row, i));
    return s;
}

/* How immediates are spelt. */
typedef struct fused_spelling {
    i64 constant;
    u32 offset, offset_bytes; /* of accesses; 0 bytes: as short as it goes */
} fused_spelling;

static const fused_spelling fused_spellings[] = {
    {0, 0, 0}, {8, 8, 0}, {-8, 1000, 0}, {63, 0, 5}, {64, 24, 3}, {-64, 0, 2}, {-65, 65520, 0},
    {0x12345678, 1u << 20, 5}, {-0x12345678, UINT32_MAX, 0}, {7, 0x7fff0000, 0},
};

/* One instruction with its immediates. Locals of one type are used in turn. */
static void
fused_emit(build *b, fused_state *s, u8 op, const fused_spelling *how, u32 index_bytes)
{
    op_imm const imm = gbx_wasm_ops[op].imm;
    BUILD(b, op);
    if (imm == IMM_IDX && op == OP_CALL) {
        build_u32(b, 1);
    } else if (imm == IMM_IDX) {
        u32 const n = s->choice_count;
        bool const is_global = op == OP_GLOBAL_GET || op == OP_GLOBAL_SET;
        bool const is_i64 = fused_choice(s) == 'l';
        u32 const idx = is_global ? is_i64 : (is_i64 ? FUSED_LOCAL_I64 : FUSED_LOCAL_I32) + (n & 1);
        if (index_bytes) build_u32_wide(b, idx, index_bytes);
        else build_u32(b, idx);
    } else if (imm == IMM_I32) {
        build_i64(b, (i32)how->constant);
    } else if (imm == IMM_I64) {
        build_i64(b, how->constant);
    } else if (imm >= IMM_MEM1 && imm <= IMM_MEM8) {
        BUILD(b, (u8)(imm - IMM_MEM1));
        if (how->offset_bytes) build_u32_wide(b, how->offset, how->offset_bytes);
        else build_u32(b, how->offset);
    } else if (imm == IMM_BLOCK) {
        BUILD(b, 0x40);
    } else if (imm == IMM_LABEL) {
        build_u32(b, 0);
    } else if (imm == IMM_TABLE) {
        BUILD(b, 2, 0, 1, 0); /* 1 goes past the block around, everything else to its end */
    }
}

/* An operand of the sequence, from the parameters. */
static void
fused_operand(build *b, char type)
{
    BUILD(b, OP_LOCAL_GET, type == 'i' ? FUSED_LOCAL_I32 + 1 : FUSED_LOCAL_I64 + 1);
    if (type == 'd') BUILD(b, OP_F64_REINTERPRET_I64);
}

/* collector = collector * 31 + the topmost operand */
static void
fused_collect(build *b, char type)
{
    if (type == 'i') BUILD(b, OP_I64_EXTEND_I32_U);
    if (type == 'd') BUILD(b, OP_I64_REINTERPRET_F64);
    BUILD(b, OP_GLOBAL_GET, 2, OP_I64_CONST, 31, OP_I64_MUL, OP_I64_ADD, OP_GLOBAL_SET, 2);
}

/* Ends a run of instructions that could be matched together. */
static void
fused_fence(build *b)
{
    BUILD(b, OP_BLOCK, 0x40, OP_END);
}

/* Body of the row; *at: where the sequence stands in it. */
static build
fused_body(const fused_row *row, u32 choices, const fused_spelling *how, u32 index_bytes, size_t *at)
{
    build b = {0};
    fused_state const shape = fused_check(row, choices);
    u8 const last = fused_op(row, row->count - 1);
    bool const in_block = last == OP_BR || last == OP_BR_IF || last == OP_BR_TABLE;
    if (in_block) BUILD(&b, OP_BLOCK, 0x40);
    if (last == OP_BR_TABLE) BUILD(&b, OP_BLOCK, 0x40);
    for (u32 i = shape.prefix_len; i-- > 0;)
        fused_operand(&b, shape.prefix[i]);
    fused_fence(&b);
    *at = b.len;
    fused_state s = {.choices = choices};
    for (u32 i = 0; i < row->count; i++) fused_emit(&b, &s, fused_op(row, i), how, index_bytes);
    if (last == OP_IF) {
        BUILD(&b, OP_I64_CONST, 5, OP_GLOBAL_SET, 3, OP_ELSE, OP_I64_CONST, 6, OP_GLOBAL_SET, 3, OP_END);
    } else if (in_block) {
        if (last == OP_BR_TABLE) BUILD(&b, OP_END);
        BUILD(&b, OP_I64_CONST, 7, OP_GLOBAL_SET, 3, OP_END);
    } else if (last != OP_RETURN) {
        fused_fence(&b);
        for (u32 i = shape.len; i-- > 0;) fused_collect(&b, shape.stack[i]);
    }
    for (u32 i = 0; i < 4; i++) {
        BUILD(&b, OP_LOCAL_GET, (u8)i);
        fused_collect(&b, FUSED_PARAMS[i]);
    }
    BUILD(&b, OP_I32_CONST, 77, OP_END);
    return b;
}

/* A module that runs with the row's set: a dispatch loop among its functions asks for the wide one. */
static build
fused_module(const fused_row *row, const build *body)
{
    build_func const funcs[] = {
        {FUSED_PARAMS, "i", "", body->data, body->len},
        /* global 3 = its argument */
        {"i", "", "", BODY(OP_LOCAL_GET, 0, OP_I64_EXTEND_I32_U, OP_GLOBAL_SET, 3, OP_END)},
        {"i", "", "", BODY(OP_LOOP, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 0, 1, OP_END, OP_END)},
    };
    return build_whole(&(build_module){.funcs = funcs,
                                       .func_count = row->set == WASM_FUSE_WIDE ? 3 : 2,
                                       .pages = 1,
                                       .globals = FUSED_GLOBALS});
}

static void
fused_fill(gbx_instance *inst)
{
    static u8 pattern[65536];
    u8 *data;
    size_t bytes;
    if (!pattern[1])
        for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (u8)(i * 7 + (i >> 8));
    assert_true(gbx_instance_memory(inst, "m", &data, &bytes));
    assert_int_equal(bytes, sizeof pattern);
    memcpy(data, pattern, sizeof pattern);
    inst->globals[0]->value = 0x1230;
    inst->globals[1]->value = 0x0000000100000040;
    inst->globals[2]->value = inst->globals[3]->value = 0;
}

/* Run both ways with these arguments; true when it trapped. */
static bool
fused_compare(gbx_instance *plain, gbx_instance *fused, const gbx_slot *args, const char *what)
{
    gbx_slot a[4], b[4];
    gbx_trap trap_a = {0}, trap_b = {0};
    u8 *mem_a, *mem_b;
    size_t bytes;
    memcpy(a, args, sizeof a);
    memcpy(b, args, sizeof b);
    fused_fill(plain);
    fused_fill(fused);
    gbx_trap_code const code_a = world_call(plain, "f0", a, &trap_a);
    gbx_trap_code const code_b = world_call(fused, "f0", b, &trap_b);
    if (code_a != code_b) fail_msg("%s: plain %s, fused %s", what, gbx_trap_slug(code_a), gbx_trap_slug(code_b));
    if (code_a == GBX_TRAP_NONE && a[0] != b[0]) fail_msg("%s: results differ", what);
    if (code_a != GBX_TRAP_NONE) {
        assert_int_equal(trap_a.frame_count, 1);
        if (trap_a.frames[0].offset != trap_b.frames[0].offset)
            fail_msg("%s: trap at 0x%x plain, 0x%x fused", what, trap_a.frames[0].offset,
                     trap_b.frames[0].offset);
    }
    for (u32 i = 0; i < 4; i++)
        if (plain->globals[i]->value != fused->globals[i]->value) fail_msg("%s: global %u differs", what, i);
    assert_true(gbx_instance_memory(plain, "m", &mem_a, &bytes));
    assert_true(gbx_instance_memory(fused, "m", &mem_b, &bytes));
    if (memcmp(mem_a, mem_b, bytes) != 0) fail_msg("%s: memories differ", what);
    return code_a != GBX_TRAP_NONE;
}

/* One body, many arguments; counts its runs and traps. True when the sequence was marked as the row. */
static bool
fused_run(const fused_row *row, u32 choices, const fused_spelling *how, u32 *runs, u32 *traps)
{
    static const u64 values[] = {0, 1, 8, 63, 64, 65520, 65528, 65529, 65535, 65536, 0x7fffffff,
                                 0x80000000, 0xfffffff8, 0xffffffff, 0x100000000, 0xffffffffffffffff,
                                 0x8000000000000000, 0x12340000ffff};
    size_t at;
    build body = fused_body(row, choices, how, 0, &at);
    world w = world_open(0, 0);
    gbx_instance *const plain = world_load(&w, fused_module(row, &body));
    gbx_instance *const fused = world_load(&w, fused_module(row, &body));
    world_fuse(&w, plain, false);
    u64 seed = row->number;
    for (u32 i = 0; i < 100; i++) {
        gbx_slot args[4];
        for (u32 k = 0; k < 4; k++) {
            args[k] = i < 20 && k < 2 ? values[i % GBX_LEN(values)]
                                      : values[build_random(&seed, GBX_LEN(values))];
            if (build_random(&seed, 3) == 0) args[k] = build_random(&seed, 70000);
            if (k < 2) args[k] = (u32)args[k];
        }
        *traps += fused_compare(plain, fused, args, row->name);
        ++*runs;
    }
    const wasm_code *const code = world_code(fused, "f0");
    u8 const have = fused->module->bytes[code->insns_off + at];
    assert_int_equal(fused->module->fuse_set, row->set);
    assert_int_equal(plain->module->bytes[world_code(plain, "f0")->insns_off + at], fused_op(row, 0));
    world_close(&w);
    build_free(&body);
    return have == row->number;
}

static bool
fused_can_trap(const fused_row *row)
{
    for (u32 i = 0; i < row->count; i++) {
        op_imm const imm = gbx_wasm_ops[fused_op(row, i)].imm;
        if (imm >= IMM_MEM1 && imm <= IMM_MEM8) return true;
    }
    return false;
}

static void
test_rows(void **state)
{
    (void)state;
    u32 unmarked = 0;
    for (const fused_row *row = fused_rows; row < GBX_END(fused_rows); row++) {
        u32 const bits = fused_check(row, 0).choice_count;
        u32 fits = 0, runs = 0, traps = 0, marked = 0;
        for (u32 choices = 0; choices < 1u << bits; choices++) {
            if (!fused_check(row, choices).ok) continue;
            fits++;
            for (size_t i = 0; i < GBX_LEN(fused_spellings); i++)
                marked += fused_run(row, choices, &fused_spellings[i], &runs, &traps);
        }
        if (marked != fits * GBX_LEN(fused_spellings)) {
            print_error("%s: marked in %u of %zu bodies\n", row->name, marked,
                        fits * GBX_LEN(fused_spellings));
            unmarked++;
        }
        if (!fits) fail_msg("%s: no types fit the sequence", row->name);
        if (fused_can_trap(row)) {
            if (traps == 0 || traps == runs) fail_msg("%s: %u of %u runs trapped", row->name, traps, runs);
        } else {
            assert_int_equal(traps, 0);
        }
    }
    assert_int_equal(unmarked, 0);
}

/* The instruction at `offset` of a module is the one that trapped: an access, not its neighbours. */
static void
test_trap_offsets(void **state)
{
    (void)state;
    for (const fused_row *row = fused_rows; row < GBX_END(fused_rows); row++) {
        if (!fused_can_trap(row)) continue;
        u32 choices = 0;
        while (!fused_check(row, choices).ok) choices++;
        size_t at;
        fused_spelling const how = {.constant = 0, .offset = 0x7fffffff};
        build body = fused_body(row, choices, &how, 0, &at);
        world w = world_open(0, 0);
        gbx_instance *const inst = world_load(&w, fused_module(row, &body));
        gbx_slot slots[4] = {0};
        gbx_trap trap;
        assert_int_equal(world_call(inst, "f0", slots, &trap), GBX_TRAP_MEM_OOB);
        /* The first access of the sequence traps. */
        u32 want = world_code(inst, "f0")->insns_off + (u32)at;
        for (u32 i = 0; gbx_wasm_ops[fused_op(row, i)].imm < IMM_MEM1 ||
                        gbx_wasm_ops[fused_op(row, i)].imm > IMM_MEM8; i++)
            want += gbx_wasm_insn_len(inst->module, inst->module->bytes + want);
        assert_int_equal(trap.frames[0].offset, want);
        assert_int_equal(trap.frames_total, 1);
        world_close(&w);
        build_free(&body);
    }
}

/* An index of more than one byte keeps its instruction out of every sequence. */
static void
test_wide_indices(void **state)
{
    (void)state;
    for (const fused_row *row = fused_rows; row < GBX_END(fused_rows); row++) {
        u32 choices = 0;
        while (!fused_check(row, choices).ok) choices++;
        if (fused_check(row, 0).choice_count == 0) continue;
        size_t at;
        build body = fused_body(row, choices, &fused_spellings[1], 2, &at);
        world w = world_open(0, 0);
        gbx_instance *const plain = world_load(&w, fused_module(row, &body));
        gbx_instance *const fused = world_load(&w, fused_module(row, &body));
        world_fuse(&w, plain, false);
    world_fuse(&w, plain, false);
        (void)fused_compare(plain, fused, (gbx_slot[4]){16, 24, 32, 40}, row->name);
        u8 const have = fused->module->bytes[world_code(fused, "f0")->insns_off + at];
        if (have == row->number) fail_msg("%s is marked", row->name);
        world_close(&w);
        build_free(&body);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_trap_offsets),
        cmocka_unit_test(test_wide_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* RULE: S7. Dispatch threading: `const K; local.set L; br loop` may jump straight to where the loop's
 * br_table sends K, and only where nothing else can happen in between.
 *
 * The first tests spell bodies byte by byte and look where the branch's side-table entry leads. The last
 * makes thousands of random programs of nested dispatch loops and runs each beside a twin in which a nop
 * stands between every const and set, so that nothing is threaded: both must leave the same trace. */
#include "wasm_build.h"

/* Offset in the body of where the branch at `br_off` leads (both behind the local declarations), and the
 * shuffle it makes. Walks the instructions that are run, counting side entries as validation does. */
static u32
threading_target(const gbx_instance *inst, u32 func, size_t br_off, u32 *shuffle)
{
    const wasm_code *const code = &inst->module->codes[func];
    const u8 *const insns = inst->module->bytes + code->insns_off;
    const wasm_side *side = code->side;
    const u8 *pc = code->entry;
    while (pc < insns + br_off) {
        u8 const raw = *pc, op = gbx_wasm_unfuse[inst->module->fuse_set][raw];
        if (raw == FUSED_BLOCKS || raw == FUSED_LOOPS || op == OP_IF || op == OP_ELSE || op == OP_BR ||
            op == OP_BR_IF)
            side++;
        if (op == OP_BR_TABLE) side += pc[1] + 1;
        pc += gbx_wasm_insn_len(inst->module, pc);
    }
    assert_ptr_equal(pc, insns + br_off);
    if (shuffle) *shuffle = side->shuffle;
    return (u32)(pc + 1 + side->pc_delta - insns);
}

/* f0(i32) with these locals, validated and loaded. */
static gbx_instance *
threading_load(world *w, const build *body)
{
    build_func const funcs[] = {{"i", "", "ii", body->data, body->len}};
    return world_load(w, build_whole(&(build_module){.funcs = funcs, .func_count = 1, .globals = "li"}));
}

/* A dispatch loop of three blocks, between their ends whatever a case puts there; `at_head` is where
 * its dispatch stands. */
typedef struct dispatch {
    build b;
    size_t at_head;
} dispatch;

/* Labels inside the blocks: 0 C, 1 B, 2 A, 3 loop, 4 an outer block, 5 the body. */
static dispatch
dispatch_open(void)
{
    dispatch d = {0};
    BUILD(&d.b, OP_BLOCK, 0x40, OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40);
    d.at_head = d.b.len;
    BUILD(&d.b, OP_LOCAL_GET, 0, OP_BR_TABLE, 5, 0, 1, 2, 3, 4, 5);
    BUILD(&d.b, OP_END); /* C */
    return d;
}

/* The places a case may lead to: behind C, B, A, behind the outer block, at the dispatch, at the end. */
enum { AT_C, AT_B, AT_A, AT_OUT, AT_HEAD, AT_RETURN, AT_COUNT };

/* A body whose part behind C is `code`, with a br or br_if at code[br_at]: it must lead to `place` and
 * drop so many operands on the way. */
static void
expect(u32 place, u32 drops, size_t br_at, const u8 *code, size_t len)
{
    size_t at[AT_COUNT];
    dispatch d = dispatch_open();
    at[AT_HEAD] = d.at_head;
    at[AT_C] = d.b.len;
    build_bytes(&d.b, code, len);
    BUILD(&d.b, OP_END);
    at[AT_B] = d.b.len;
    BUILD(&d.b, OP_LOCAL_GET, 1, OP_DROP, OP_END);
    at[AT_A] = d.b.len;
    BUILD(&d.b, OP_LOCAL_GET, 1, OP_DROP, OP_BR, 1, OP_END, OP_END); /* loop, outer block */
    at[AT_OUT] = d.b.len;
    BUILD(&d.b, OP_LOCAL_GET, 1, OP_DROP);
    at[AT_RETURN] = d.b.len;
    BUILD(&d.b, OP_END);
    world w = world_open(0, 0);
    u32 shuffle;
    assert_int_equal(threading_target(threading_load(&w, &d.b), 0, at[AT_C] + br_at, &shuffle), at[place]);
    assert_int_equal(WASM_SIDE_DROP(shuffle), drops);
    assert_int_equal(WASM_SIDE_KEEP(shuffle), 0);
    world_close(&w);
    build_free(&d.b);
}
#define CASE(...) (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})

static void
test_forward(void **state)
{
    (void)state;
    expect(AT_B, 0, 4, CASE(OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_A, 0, 4, CASE(OP_I32_CONST, 2, OP_LOCAL_SET, 0, OP_BR, 2));
    /* Out of the loop; and to the body's end, that is its return. */
    expect(AT_OUT, 0, 4, CASE(OP_I32_CONST, 4, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_RETURN, 0, 4, CASE(OP_I32_CONST, 5, OP_LOCAL_SET, 0, OP_BR, 2));
}

/* To the block that has ended: backwards, over the branch itself. */
static void
test_backward(void **state)
{
    (void)state;
    expect(AT_C, 0, 4, CASE(OP_I32_CONST, 0, OP_LOCAL_SET, 0, OP_BR, 2));
}

/* Beyond the table is the default, and indices are unsigned. */
static void
test_clamped(void **state)
{
    (void)state;
    expect(AT_RETURN, 0, 4, CASE(OP_I32_CONST, 6, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_RETURN, 0, 4, CASE(OP_I32_CONST, 63, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_RETURN, 0, 4, CASE(OP_I32_CONST, 0x7f, OP_LOCAL_SET, 0, OP_BR, 2)); /* -1 */
    /* -2^31, and 65536, which must not be cut to 16 bits */
    expect(AT_RETURN, 0, 8, CASE(OP_I32_CONST, 0x80, 0x80, 0x80, 0x80, 0x78, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_RETURN, 0, 6, CASE(OP_I32_CONST, 0x80, 0x80, 0x04, OP_LOCAL_SET, 0, OP_BR, 2));
}

/* The loop itself, which is a loop without end, stays one: see test_stop in test_interp_calls.c. */
static void
test_to_itself(void **state)
{
    (void)state;
    expect(AT_HEAD, 0, 4, CASE(OP_I32_CONST, 3, OP_LOCAL_SET, 0, OP_BR, 2));
}

/* Surplus bytes in numbers change nothing. */
static void
test_overlong(void **state)
{
    (void)state;
    expect(AT_B, 0, 10, CASE(OP_I32_CONST, 0x81, 0x80, 0x80, 0x80, 0x00, OP_LOCAL_SET, 0x80, 0x80,
                             0x00, OP_BR, 0x82, 0x80, 0x00));
    expect(AT_RETURN, 0, 9, CASE(OP_I32_CONST, 0xff, 0x7f, OP_LOCAL_SET, 0x80, 0x80, 0x80, 0x80, 0x00,
                                  OP_BR, 0x82, 0x00));
}

/* Whatever is not these three instructions side by side, on the loop's own local, dispatches. */
static void
test_not_threaded(void **state)
{
    (void)state;
    expect(AT_HEAD, 0, 5, CASE(OP_I32_CONST, 1, OP_NOP, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_HEAD, 0, 5, CASE(OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_NOP, OP_BR, 2));
    expect(AT_HEAD, 0, 4, CASE(OP_I32_CONST, 1, OP_LOCAL_SET, 1, OP_BR, 2));
    expect(AT_HEAD, 1, 4, CASE(OP_I32_CONST, 1, OP_LOCAL_TEE, 0, OP_BR, 2));
    expect(AT_HEAD, 0, 4, CASE(OP_LOCAL_GET, 1, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_HEAD, 0, 6, CASE(OP_LOCAL_GET, 1, OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_BR_IF, 2));
    /* const and set, then another set of the local, then br */
    expect(AT_HEAD, 0, 8, CASE(OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_LOCAL_GET, 1, OP_LOCAL_SET, 0, OP_BR, 2));
    /* const; block end between: a branch may land there */
    expect(AT_HEAD, 0, 7, CASE(OP_BLOCK, 0x40, OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_END, OP_BR, 2));
    expect(AT_HEAD, 0, 7, CASE(OP_BLOCK, WASM_I32, OP_I32_CONST, 1, OP_END, OP_LOCAL_SET, 0, OP_BR, 2));
}

/* A loop that does anything else before its br_table, or computes the index, is no dispatch loop. */
static void
test_guarded_heads(void **state)
{
    (void)state;
    static const struct {
        u8 bytes[16];
        u32 len;
    } heads[] = {
        {{OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_ADD}, 5},
        {{OP_NOP, OP_LOCAL_GET, 0}, 3},
        {{OP_LOCAL_GET, 1, OP_LOCAL_SET, 0, OP_LOCAL_GET, 0}, 6},
        {{OP_LOCAL_GET, 0, OP_NOP}, 3},
        {{OP_LOCAL_GET, 1, OP_DROP, OP_LOCAL_GET, 0}, 5},
        {{OP_LOCAL_GET, 0, OP_LOCAL_TEE, 1}, 4},
        {{OP_GLOBAL_GET, 1}, 2},
        {{OP_LOCAL_GET, 0x80, 0}, 3}, /* overlong: could be threaded, is not looked for */
    };
    for (size_t i = 0; i < GBX_LEN(heads); i++) {
        build b = {0};
        BUILD(&b, OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40);
        size_t const head = b.len;
        build_bytes(&b, heads[i].bytes, heads[i].len);
        BUILD(&b, OP_BR_TABLE, 1, 0, 1, OP_END, OP_I32_CONST, 1, OP_LOCAL_SET, 0);
        size_t const br = b.len;
        BUILD(&b, OP_BR, 1, OP_END, OP_END, OP_END);
        world w = world_open(0, 0);
        assert_int_equal(threading_target(threading_load(&w, &b), 0, br, NULL), head);
        world_close(&w);
        build_free(&b);
    }
}

/* Operands that are pending at the branch are dropped on the way, from inside ifs and blocks too. */
static void
test_heights(void **state)
{
    (void)state;
    expect(AT_B, 2, 8, CASE(OP_I64_CONST, 1, OP_I64_CONST, 2, OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_BR, 2));
    expect(AT_C, 2, 12, CASE(OP_I64_CONST, 1, OP_LOCAL_GET, 1, OP_IF, 0x40, OP_LOCAL_GET, 1, OP_I32_CONST, 0,
                            OP_LOCAL_SET, 0, OP_BR, 3, OP_END, OP_DROP));
    expect(AT_OUT, 2, 20, CASE(OP_F64_CONST, 0, 0, 0, 0, 0, 0, 0, 0, OP_BLOCK, 0x40, OP_F32_CONST, 0, 0, 0, 0,
                            OP_I32_CONST, 4, OP_LOCAL_SET, 0, OP_BR, 3, OP_END, OP_DROP));
}

/* Loops in loops on one local: a branch to either is threaded by that one's own table. */
static void
test_nested(void **state)
{
    (void)state;
    build b = {0};
    BUILD(&b, OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 1, 0, 1, OP_END);
    size_t const outer0 = b.len; /* labels: 0 outer block 1, 1 outer loop */
    BUILD(&b, OP_LOCAL_GET, 1, OP_DROP);
    BUILD(&b, OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 2, 1, 0, 4, OP_END);
    size_t const inner1 = b.len; /* labels: 0 inner block 0, 1 inner loop, 2 outer block 1, 3 outer loop */
    BUILD(&b, OP_LOCAL_GET, 1, OP_IF, 0x40, OP_I32_CONST, 0, OP_LOCAL_SET, 0);
    size_t const br_inner0 = b.len;
    BUILD(&b, OP_BR, 2, OP_END, OP_LOCAL_GET, 1, OP_IF, 0x40, OP_I32_CONST, 0, OP_LOCAL_SET, 0);
    size_t const br_outer0 = b.len;
    BUILD(&b, OP_BR, 4, OP_END, OP_LOCAL_GET, 1, OP_IF, 0x40, OP_I32_CONST, 1, OP_LOCAL_SET, 0);
    size_t const br_outer1 = b.len;
    BUILD(&b, OP_BR, 4, OP_END, OP_I32_CONST, 1, OP_LOCAL_SET, 0);
    size_t const br_inner1 = b.len;
    BUILD(&b, OP_BR, 1, OP_END);
    size_t const inner0 = b.len;
    BUILD(&b, OP_LOCAL_GET, 1, OP_DROP, OP_I32_CONST, 2, OP_LOCAL_SET, 0);
    size_t const br_inner2 = b.len; /* the inner table sends 2 to the outer loop: as its head */
    BUILD(&b, OP_BR, 0, OP_END, OP_END);
    size_t const outer1 = b.len;
    BUILD(&b, OP_LOCAL_GET, 1, OP_DROP, OP_END, OP_END);
    world w = world_open(0, 0);
    const gbx_instance *const inst = threading_load(&w, &b);
    assert_int_equal(threading_target(inst, 0, br_inner0, NULL), inner0);
    assert_int_equal(threading_target(inst, 0, br_inner1, NULL), inner1);
    assert_int_equal(threading_target(inst, 0, br_outer0, NULL), outer0);
    assert_int_equal(threading_target(inst, 0, br_outer1, NULL), outer1);
    assert_int_equal(threading_target(inst, 0, br_inner2, NULL), 6); /* the outer local.get */
    world_close(&w);
    build_free(&b);
}

/* Code that is never reached validates, whatever it looks like. */
static void
test_unreachable(void **state)
{
    (void)state;
    build b = {0};
    BUILD(&b, OP_UNREACHABLE, OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 1, 0, 1, OP_END,
          OP_I32_CONST, 0, OP_LOCAL_SET, 0, OP_BR, 0,                /* live within dead code */
          OP_I32_ADD, OP_DROP, OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_BR, 0, /* dead, and pops nothing */
          OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 2, 0, 1, 2, OP_END,
          OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_BR, 0, OP_END, OP_END, OP_END);
    world w = world_open(0, 0);
    gbx_instance *const inst = threading_load(&w, &b);
    gbx_slot slots[1] = {0};
    gbx_trap trap;
    assert_int_equal(world_call(inst, "f0", slots, &trap), GBX_TRAP_UNREACHABLE);
    world_close(&w);
    build_free(&b);
}

/* ---- Random programs */

typedef struct random_label {
    bool is_dispatch; /* a loop with a dispatch on `local` */
    u8 local;
} random_label;

typedef struct random_program {
    build b;
    u64 seed;
    bool twin; /* a nop between const and set */
    random_label labels[64];
    u32 depth, budget;
    u32 threaded;
} random_program;

static u32
random_below(random_program *p, u32 below)
{
    return build_random(&p->seed, below);
}

/* Mix a number and all locals into global 0; leave when the fuel in global 1 is used up. */
static void
random_trace(random_program *p)
{
    BUILD(&p->b, OP_GLOBAL_GET, 1, OP_I32_EQZ, OP_IF, 0x40, OP_RETURN, OP_END);
    BUILD(&p->b, OP_GLOBAL_GET, 1, OP_I32_CONST, 1, OP_I32_SUB, OP_GLOBAL_SET, 1);
    for (u8 i = 0; i < 3; i++)
        BUILD(&p->b, OP_GLOBAL_GET, 0, OP_I64_CONST, 31, OP_I64_MUL, OP_LOCAL_GET, i, OP_I64_EXTEND_I32_U,
              OP_I64_ADD, OP_GLOBAL_SET, 0);
    BUILD(&p->b, OP_GLOBAL_GET, 0, OP_I64_CONST);
    build_i64(&p->b, random_below(p, 100000));
    BUILD(&p->b, OP_I64_ADD, OP_GLOBAL_SET, 0);
}

/* 0 to below - 1, from what has happened so far. */
static void
random_value(random_program *p, u8 below)
{
    BUILD(&p->b, OP_GLOBAL_GET, 0, OP_I64_CONST, (u8)random_below(p, 40), OP_I64_SHR_U, OP_I32_WRAP_I64,
          OP_I32_CONST, below, OP_I32_REM_U);
}

/* Depth of a dispatch loop around here; UINT32_MAX: none. */
static u32
random_loop(random_program *p)
{
    u32 found[64], count = 0;
    for (u32 i = 0; i < p->depth; i++)
        if (p->labels[i].is_dispatch) found[count++] = p->depth - 1 - i;
    return count ? found[random_below(p, count)] : UINT32_MAX;
}

static void random_stmts(random_program *p);

static void
random_dispatch(random_program *p)
{
    u32 const blocks = 1 + random_below(p, 5);
    u32 const targets = 1 + random_below(p, 7);
    u8 const local = (u8)random_below(p, 3);
    u32 const outside = p->depth + 1; /* labels beyond the loop, the body's included */
    BUILD(&p->b, OP_LOOP, 0x40);
    p->labels[p->depth++] = (random_label){true, local};
    for (u32 i = 0; i < blocks; i++) {
        BUILD(&p->b, OP_BLOCK, 0x40);
        p->labels[p->depth++] = (random_label){false, 0};
    }
    BUILD(&p->b, OP_LOCAL_GET, local, OP_BR_TABLE);
    build_u32(&p->b, targets);
    for (u32 i = 0; i <= targets; i++) {
        u32 t = random_below(p, blocks + outside / 2);
        if (t >= blocks) t++; /* not the loop itself: nothing would end it */
        build_u32(&p->b, t);
    }
    for (u32 i = 0; i < blocks; i++) {
        BUILD(&p->b, OP_END);
        p->depth--;
        random_stmts(p);
    }
    BUILD(&p->b, OP_END);
    p->depth--;
}

/* const, set, branch to a loop, in one of the ways that are threaded or look like it. */
static void
random_jump(random_program *p)
{
    static const i32 odd[] = {-1, INT32_MIN, INT32_MAX, 63, 64, 127, 128, 65536, 8};
    u32 const loop = random_loop(p);
    if (loop == UINT32_MAX) return;
    u8 local = p->labels[p->depth - 1 - loop].local;
    u32 const way = random_below(p, 8);
    i32 const k = random_below(p, 4) ? (i32)random_below(p, 8) : odd[random_below(p, GBX_LEN(odd))];
    if (way == 0) local = (u8)random_below(p, 3);
    if (way == 1) random_value(p, 2);
    BUILD(&p->b, OP_I32_CONST);
    build_i64(&p->b, k);
    if (p->twin) BUILD(&p->b, OP_NOP);
    if (way == 2) BUILD(&p->b, OP_LOCAL_TEE, local, OP_DROP);
    else if (way == 3) BUILD(&p->b, OP_LOCAL_SET, (u8)(0x80 | local), 0x80, 0);
    else BUILD(&p->b, OP_LOCAL_SET, local);
    BUILD(&p->b, way == 1 ? OP_BR_IF : OP_BR);
    build_u32_wide(&p->b, loop, way == 4 ? 3 : 1);
    p->threaded += way > 2;
}

static void
random_stmt(random_program *p)
{
    switch (random_below(p, 9)) {
    case 0:
    case 1:
    case 2: random_jump(p); return;
    case 3: {
        random_value(p, 2);
        BUILD(&p->b, OP_IF, 0x40);
        p->labels[p->depth++] = (random_label){false, 0};
        random_stmts(p);
        if (random_below(p, 2)) {
            BUILD(&p->b, OP_ELSE);
            random_stmts(p);
        }
        BUILD(&p->b, OP_END);
        p->depth--;
        return;
    }
    case 4: {
        u32 const operands = 1 + random_below(p, 3);
        BUILD(&p->b, OP_BLOCK, 0x40);
        p->labels[p->depth++] = (random_label){false, 0};
        for (u32 i = 0; i < operands; i++) BUILD(&p->b, OP_I64_CONST, (u8)random_below(p, 64));
        random_stmts(p);
        for (u32 i = 0; i < operands; i++) BUILD(&p->b, OP_DROP);
        BUILD(&p->b, OP_END);
        p->depth--;
        return;
    }
    case 5: {
        random_value(p, 9);
        BUILD(&p->b, OP_LOCAL_SET, (u8)random_below(p, 3));
        return;
    }
    case 6: {
        random_value(p, 3);
        BUILD(&p->b, OP_BR_IF);
        build_u32(&p->b, random_below(p, p->depth + 1));
        return;
    }
    default:
        if (p->depth < 40) random_dispatch(p);
    }
}

static void
random_stmts(random_program *p)
{
    random_trace(p);
    u32 const count = random_below(p, 4);
    for (u32 i = 0; i < count && p->budget; i++) {
        p->budget--;
        random_stmt(p);
    }
    if (random_below(p, 2)) random_jump(p);
}

/* Runs f0(start): trace and what is left of the fuel. */
static u64
random_run(world *w, gbx_instance *inst, u64 start, bool fused)
{
    inst->globals[0]->value = 1;
    inst->globals[1]->value = 300;
    world_fuse(w, inst, fused);
    (void)world_value(inst, "f0", start);
    return inst->globals[0]->value * 1000 + inst->globals[1]->value;
}

static void
test_random(void **state)
{
    (void)state;
    u32 threaded = 0, unlike = 0;
    for (u64 seed = 1; seed <= 2000; seed++) {
        random_program p[2] = {{.seed = seed, .budget = 40}, {.seed = seed, .budget = 40, .twin = true}};
        gbx_instance *inst[2];
        world w = world_open(0, 0);
        for (u32 i = 0; i < 2; i++) {
            random_dispatch(&p[i]);
            random_stmts(&p[i]);
            BUILD(&p[i].b, OP_END);
            inst[i] = threading_load(&w, &p[i].b);
        }
        threaded += p[0].threaded;
        u64 first = 0;
        for (u32 start = 0; start < 8; start++) {
            u64 const arg = start == 7 ? UINT32_MAX : start;
            u64 const want = random_run(&w, inst[1], arg, false);
            first = start ? first : want;
            unlike += want != first;
            if (random_run(&w, inst[0], arg, false) != want || random_run(&w, inst[0], arg, true) != want)
                fail_msg("seed %llu, argument %u: the traces differ", (unsigned long long)seed, start);
        }
        world_close(&w);
        build_free(&p[0].b);
        build_free(&p[1].b);
    }
    assert_true(threaded > 5000); /* the programs are of the kind this test is about, */
    assert_true(unlike > 5000);   /* and what they do depends on where they go */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),       cmocka_unit_test(test_backward),
        cmocka_unit_test(test_clamped),       cmocka_unit_test(test_to_itself),
        cmocka_unit_test(test_overlong),      cmocka_unit_test(test_not_threaded),
        cmocka_unit_test(test_guarded_heads), cmocka_unit_test(test_heights),
        cmocka_unit_test(test_nested),        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

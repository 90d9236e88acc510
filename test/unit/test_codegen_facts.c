/* Pass A of the compiler (codegen/facts.h): blocks, edges, liveness.
 *
 * The first tests spell bodies byte by byte. The random one executes thousands of bodies by the
 * specification, with labels found from the blocks' structure and not from the side table, and wants every
 * step to be in the facts: transitions are edges, operands stand as high as it says, accesses are those
 * of the block, and what is read before it is written was live. A second, naive computation of liveness
 * must agree bit by bit. RULE: S7, S8, S14. */
#include "codegen/facts.h"
#include "wasm_build.h"

typedef struct facts_case {
    wasm_module *m;
    facts_space *s;
    facts f;
    u32 base; /* offset of the first instruction in the file */
} facts_case;

static wasm_module *
module_of(const build_module *bm)
{
    gbx_err err;
    wasm_module *m;
    build bytes = build_whole(bm);
    if (gbx_wasm_module_new(bytes.data, bytes.len, 0, &m, &err) != GBX_OK) fail_msg("%s", err.text);
    return m;
}

static facts_case
case_open(const char *params, const char *results, const char *locals, const u8 *body, size_t len)
{
    build_func const funcs[] = {{params, results, locals, body, len}};
    build_module const bm = {.funcs = funcs, .func_count = 1, .pages = 1, .globals = "li"};
    facts_case c = {.m = module_of(&bm)};
    c.s = gbx_codegen_facts_space_new();
    assert_non_null(c.s);
    assert_int_equal(gbx_codegen_facts(c.s, c.m, &c.m->codes[0], &c.f), GBX_OK);
    c.base = c.m->codes[0].insns_off;
    return c;
}

static void
case_close(facts_case *c)
{
    gbx_codegen_facts_space_free(c->s);
    gbx_wasm_module_free(c->m);
}

/* Block `i`: where it begins, how it is left, and where to (FACTS_NONE ends the list). */
static void
expect_block(const facts_case *c, u32 i, u32 off, facts_exit exit, u32 to0, u32 to1)
{
    assert_true(i < c->f.block_count);
    const facts_block *const b = &c->f.blocks[i];
    u32 const count = to0 == FACTS_NONE ? 0 : to1 == FACTS_NONE ? 1 : 2;
    assert_int_equal(b->off - c->base, off);
    assert_int_equal(b->exit, exit);
    if (exit == FACTS_SWITCH) return;
    assert_int_equal(b->edge_count, count);
    if (count > 0) assert_int_equal(c->f.edges[b->edge].to, to0);
    if (count > 1) assert_int_equal(c->f.edges[b->edge + 1].to, to1);
}

/* The bit of a local in the masks; 0: it has none. */
static u64
bit_of(const facts *f, u32 local)
{
    for (u32 r = 0; r < f->local_count; r++)
        if (f->locals[r].idx == local) return 1ull << r;
    return 0;
}

/* A Go-shaped function: two entries, a loop back by a threaded jump, local 0 as an index besides. */
static void
test_dispatch(void **state)
{
    (void)state;
    facts_case c = case_open("i", "i", "iii", BODY(
        OP_I32_CONST, 7, OP_LOCAL_SET, 1,                                            /* 0 */
        OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40,               /* 4 */
        OP_LOCAL_GET, 0, OP_BR_TABLE, 2, 0, 1, 2,                                    /* 12 */
        OP_END, OP_LOCAL_GET, 1, OP_LOCAL_SET, 2,                                    /* 19: block 2 at 20 */
        OP_END, OP_LOCAL_GET, 2, OP_IF, 0x40,                                        /* 24: block 3 at 25 */
        OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_BR, 2, OP_END,                          /* 29: block 4 */
        OP_END, OP_LOCAL_GET, 3, OP_RETURN,                                          /* 36: block 5 at 37 */
        OP_END, OP_I32_CONST, 0, OP_END));
    assert_int_equal(c.f.block_count, 6);
    expect_block(&c, 0, 0, FACTS_FALL, 1, FACTS_NONE);
    expect_block(&c, 1, 12, FACTS_SWITCH, 0, 0);
    assert_int_equal(c.f.blocks[1].edge_count, 3);
    static const u32 table[] = {2, 3, 5};
    for (u32 k = 0; k < 3; k++) assert_int_equal(c.f.edges[c.f.blocks[1].edge + k].to, table[k]);
    expect_block(&c, 2, 20, FACTS_FALL, 3, FACTS_NONE);
    expect_block(&c, 3, 25, FACTS_IF, 5, 4);
    expect_block(&c, 4, 29, FACTS_JUMP, 3, FACTS_NONE);
    expect_block(&c, 5, 37, FACTS_RETURN, FACTS_NONE, FACTS_NONE);
    assert_int_equal(c.f.dispatch, 1);
    assert_int_equal(c.f.dispatch_local, 0);
    assert_int_equal(c.f.fresh, 2);
    assert_int_equal(c.f.has, FACTS_LOOP);
    assert_int_equal(c.f.jumps, 1);
    assert_int_equal(c.f.jumps_threaded, 1);
    u64 const b0 = bit_of(&c.f, 0), b1 = bit_of(&c.f, 1), b2 = bit_of(&c.f, 2), b3 = bit_of(&c.f, 3);
    assert_int_equal(c.f.params, b0);
    assert_int_equal(c.f.blocks[2].live_in, b1 | b3);
    assert_int_equal(c.f.blocks[3].live_in, b2 | b3);
    assert_int_equal(c.f.blocks[4].live_in, b2 | b3);
    assert_int_equal(c.f.blocks[5].live_in, b3);
    assert_int_equal(c.f.blocks[4].live_out, b2 | b3); /* the store to local 0 is dead at its target */
    assert_int_equal(c.f.fresh_live, b3);
    assert_int_equal(c.f.resume_live, b0 | b2 | b3);
    assert_true(c.f.blocks[3].marks & FACTS_MARK_HEAD && c.f.blocks[4].has & FACTS_LOOP);
    assert_int_equal(c.f.blocks[3].depth, 1);
    assert_int_equal(c.f.blocks[4].depth, 1);
    assert_int_equal(c.f.blocks[5].depth, 0);
    assert_true(c.f.blocks[4].weight > c.f.blocks[5].weight);
    case_close(&c);
}

/* What is behind the dispatch's local decides whether there are two entries. */
static void
test_entries(void **state)
{
    (void)state;
    facts_case c = case_open("i", "", "", BODY(OP_I32_CONST, 1, OP_LOCAL_SET, 0, OP_LOOP, 0x40, OP_BLOCK, 0x40,
        OP_LOCAL_GET, 0, OP_BR_TABLE, 0, 0, OP_END, OP_END, OP_END));
    assert_int_equal(c.f.dispatch, FACTS_NONE); /* written before */
    case_close(&c);
    c = case_open("i", "", "", BODY(OP_GLOBAL_GET, 1, OP_GLOBAL_SET, 1, OP_BLOCK, 0x40, OP_BLOCK, 0x40,
        OP_LOCAL_GET, 0, OP_BR_TABLE, 1, 0, 1, OP_END, OP_NOP, OP_UNREACHABLE, OP_END, OP_END));
    assert_int_equal(c.f.dispatch, 1); /* no loop is needed, and the bytes before are a block of their own */
    expect_block(&c, 1, 8, FACTS_SWITCH, 0, 0);
    expect_block(&c, c.f.fresh, 16, FACTS_TRAP, FACTS_NONE, FACTS_NONE);
    assert_true(c.f.blocks[c.f.fresh].marks & FACTS_MARK_COLD);
    assert_int_equal(c.f.global_count, 1);
    assert_int_equal(c.f.globals[0].reads, 1);
    assert_int_equal(c.f.globals[0].writes, 1);
    case_close(&c);
    c = case_open("i", "", "", BODY(OP_LOOP, 0x40, OP_LOCAL_GET, 0, OP_BR_IF, 0, OP_BLOCK, 0x40, OP_LOCAL_GET, 0,
        OP_BR_TABLE, 0, 0, OP_END, OP_END, OP_END));
    assert_int_equal(c.f.dispatch, FACTS_NONE); /* not the first thing */
    case_close(&c);
    c = case_open("i", "", "", BODY(OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_IF, 0, OP_LOCAL_GET, 0,
        OP_BR_TABLE, 0, 0, OP_END, OP_END));
    assert_true(c.f.blocks[1].marks & FACTS_MARK_DISPATCH);
    assert_int_equal(c.f.dispatch, FACTS_NONE); /* perhaps not reached */
    case_close(&c);
}

/* Bytes nothing leads to are in no block; a loop nobody repeats is none; heights; else and joins. */
static void
test_shapes(void **state)
{
    (void)state;
    facts_case c = case_open("i", "i", "i", BODY(
        OP_LOOP, 0x40, OP_NOP, OP_LOCAL_GET, 1, OP_DROP, OP_END,                       /* 0: joined */
        OP_I32_CONST, 5, OP_LOCAL_GET, 0, OP_IF, WASM_I32,                             /* 7 */
        OP_I32_CONST, 1, OP_ELSE, OP_I32_CONST, 2, OP_END,                             /* 13, 16 */
        OP_I32_ADD, OP_RETURN,                                                         /* 19 */
        OP_LOOP, 0x40, OP_LOCAL_GET, 0, OP_BR_IF, 0, OP_END, OP_UNREACHABLE, OP_END)); /* never reached */
    assert_int_equal(c.f.block_count, 4);
    expect_block(&c, 0, 0, FACTS_IF, 2, 1);
    expect_block(&c, 1, 13, FACTS_JUMP, 3, FACTS_NONE);
    expect_block(&c, 2, 16, FACTS_FALL, 3, FACTS_NONE);
    expect_block(&c, 3, 19, FACTS_RETURN, FACTS_NONE, FACTS_NONE);
    assert_int_equal(c.f.blocks[1].height, 1);
    assert_int_equal(c.f.blocks[2].height, 1);
    assert_int_equal(c.f.blocks[3].height, 2);
    assert_int_equal(c.f.height_max, 2);
    assert_int_equal(c.f.has & FACTS_LOOP, 0);
    assert_int_equal(c.f.insns, 9);
    case_close(&c);
}

static void
test_summary(void **state)
{
    (void)state;
    build_func const import = {"", "", "", NULL, 0};
    build_func const funcs[] = {{"i", "", "d", BODY(
        OP_LOCAL_GET, 0, OP_IF, 0x40, OP_CALL, 0, OP_END,
        OP_LOCAL_GET, 0, OP_I32_LOAD, 2, 0x80, 0x80, 4, OP_DROP,
        OP_I32_CONST, 0, OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_PREFIX_FC, OP_FC_MEMORY_FILL, 0,
        OP_F64_CONST, 0, 0, 0, 0, 0, 0, 0, 0, OP_LOCAL_SET, 1,
        OP_I32_CONST, 1, OP_MEMORY_GROW, 0, OP_CALL_INDIRECT, 0, 0, OP_END)}};
    facts_case c = {.s = gbx_codegen_facts_space_new()};
    c.m = module_of(&(build_module){.import_from = "e", .imports = &import, .import_count = 1, .funcs = funcs,
                                    .func_count = 1, .pages = 1});
    assert_int_equal(gbx_codegen_facts(c.s, c.m, &c.m->codes[0], &c.f), GBX_OK);
    assert_int_equal(c.f.has, FACTS_CALL | FACTS_CALL_IMPORT | FACTS_CALL_INDIRECT | FACTS_MEMORY |
                                  FACTS_MEMORY_GROW | FACTS_BULK);
    assert_int_equal(c.f.offset_max, 65536);
    assert_int_equal(c.f.locals_used, 2);
    assert_int_equal(c.f.locals[0].idx, 0);
    assert_int_equal(c.f.locals[0].reads, 3);
    assert_int_equal(c.f.floats, bit_of(&c.f, 1));
    assert_int_equal(c.f.ints, bit_of(&c.f, 0));
    case_close(&c);
}

static void
test_beyond(void **state)
{
    (void)state;
    facts_case c = case_open("", "", "", BODY(OP_NOP, OP_PREFIX_FD, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                              0, 0, OP_DROP, OP_END));
    assert_int_equal(c.f.beyond, FACTS_BEYOND_SIMD);
    assert_int_equal(c.f.block_count, 1);
    assert_int_equal(c.f.insns, 3);
    case_close(&c);
    c = case_open("", "", "", BODY(OP_NOP, OP_REF_NULL, 0x69, OP_THROW_REF, OP_END));
    assert_int_equal(c.f.beyond, FACTS_BEYOND_EXCEPTIONS);
    assert_int_equal(c.f.beyond_off - c.base, 3);
    assert_int_equal(c.f.block_count, 0);
    case_close(&c);

    build_func const funcs[] = {{"", "", "", BODY(OP_I64_CONST, 0, OP_I32_LOAD, 2, 0, OP_DROP, OP_END)}};
    build bytes = build_whole(&(build_module){.funcs = funcs, .func_count = 1, .pages = 1});
    u8 const memory[] = {5, 3, 1, 0, 1}, wide[] = {5, 3, 1, 4, 1};
    u8 *const at = memmem(bytes.data, bytes.len, memory, sizeof memory);
    assert_non_null(at);
    memcpy(at, wide, sizeof wide);
    gbx_err err;
    c = (facts_case){.s = gbx_codegen_facts_space_new()};
    assert_int_equal(gbx_wasm_module_new(bytes.data, bytes.len, 0, &c.m, &err), GBX_OK);
    assert_int_equal(gbx_codegen_facts(c.s, c.m, &c.m->codes[0], &c.f), GBX_OK);
    assert_int_equal(c.f.beyond, FACTS_BEYOND_MEMORY64);
    assert_int_equal(c.f.beyond_off - c.m->codes[0].insns_off, 2);
    case_close(&c);
}

/* Shapes as large as validation lets through, with little to find in them. */
static void
test_large(void **state)
{
    (void)state;
    enum { DEEP = 40000, WIDE = 65520 };
    build b = {0};
    for (u32 i = 0; i < DEEP; i++) BUILD(&b, OP_LOOP, 0x40, OP_NOP);
    for (u32 i = 0; i < DEEP; i++) {
        BUILD(&b, OP_LOCAL_GET, 0, OP_BR_IF);
        build_u32(&b, i % 7 ? 0 : DEEP - 1 - i);
        BUILD(&b, OP_END);
    }
    BUILD(&b, OP_END);
    facts_case c = case_open("i", "", "", b.data, b.len);
    assert_int_equal(c.f.blocks[c.f.block_count - 1].exit, FACTS_RETURN);
    assert_true(c.f.block_count > DEEP);
    case_close(&c);
    b.len = 0;
    BUILD(&b, OP_BLOCK, 0x40, OP_LOOP, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE);
    build_u32(&b, WIDE);
    for (u32 i = 0; i <= WIDE; i++) BUILD(&b, (u8)(i & 1));
    BUILD(&b, OP_END, OP_END, OP_LOCAL_GET);
    char locals[2000];
    memset(locals, 'l', sizeof locals - 1);
    locals[sizeof locals - 1] = 0;
    build_u32(&b, sizeof locals - 1);
    BUILD(&b, OP_DROP);
    for (u32 i = 1; i < 200; i++) {
        for (u32 k = 0; k <= i % 5; k++) {
            BUILD(&b, OP_LOCAL_GET);
            build_u32(&b, i);
            BUILD(&b, OP_DROP);
        }
    }
    BUILD(&b, OP_END);
    c = case_open("i", "", locals, b.data, b.len);
    assert_int_equal(c.f.block_count, 3);
    assert_int_equal(c.f.blocks[1].edge_count, WIDE + 1);
    assert_int_equal(c.f.local_count, FACTS_RANKED);
    assert_int_equal(c.f.locals_used, 201);
    for (u32 r = 1; r < FACTS_RANKED; r++) {
        const facts_use *const u = &c.f.locals[r], *const last = u - 1;
        assert_true(last->weight > u->weight || (last->weight == u->weight && last->idx < u->idx));
        assert_int_equal(u->type, u->idx ? WASM_I64 : WASM_I32);
    }
    case_close(&c);
    build_free(&b);
}

/* ---- Random bodies */

enum { STEPS = 400, LABELS = 64 };

typedef struct gen {
    build b;
    u64 seed;
    u32 locals, depth, budget;
    struct {
        bool takes_value, is_dispatch;
        u8 local;
    } labels[LABELS];
} gen;

static u32
gen_below(gen *g, u32 below)
{
    return build_random(&g->seed, below);
}

static void
gen_local(gen *g, u8 op)
{
    BUILD(&g->b, op);
    build_u32(&g->b, gen_below(g, gen_below(g, 3) ? 4 : g->locals));
}

/* Depth of a label that takes no value. */
static u32
gen_label(gen *g)
{
    u32 const d = gen_below(g, g->depth + 1);
    return d == g->depth || !g->labels[g->depth - 1 - d].takes_value ? d : g->depth;
}

static void gen_stmts(gen *g);

static void
gen_open(gen *g, u8 op, u8 type)
{
    BUILD(&g->b, op, type);
    g->labels[g->depth].takes_value = type != 0x40;
    g->labels[g->depth++].is_dispatch = false;
}

static void
gen_close(gen *g)
{
    BUILD(&g->b, OP_END);
    g->depth--;
}

static void
gen_dispatch(gen *g)
{
    u32 const blocks = 1 + gen_below(g, 4), targets = gen_below(g, 6), at = g->depth;
    u8 const local = (u8)gen_below(g, 3);
    gen_open(g, OP_LOOP, 0x40);
    for (u32 i = 0; i < blocks; i++) gen_open(g, OP_BLOCK, 0x40);
    g->labels[at].is_dispatch = true;
    g->labels[at].local = local;
    BUILD(&g->b, OP_LOCAL_GET, local, OP_BR_TABLE);
    build_u32(&g->b, targets);
    for (u32 i = 0; i <= targets; i++) build_u32(&g->b, gen_below(g, 3) ? gen_below(g, blocks) : gen_label(g));
    for (u32 i = 0; i <= blocks; i++) {
        gen_close(g);
        if (i < blocks) gen_stmts(g);
    }
}

static void
gen_jump(gen *g)
{
    for (u32 d = 0; d < g->depth; d++) {
        if (!g->labels[g->depth - 1 - d].is_dispatch || !gen_below(g, 3)) continue;
        if (gen_below(g, 5)) BUILD(&g->b, OP_I32_CONST, (u8)(gen_below(g, 9) ? gen_below(g, 6) : 0x7f));
        else gen_local(g, OP_LOCAL_GET);
        BUILD(&g->b, OP_LOCAL_SET, gen_below(g, 6) ? g->labels[g->depth - 1 - d].local : 3, OP_BR);
        build_u32(&g->b, d);
        return;
    }
}

static void
gen_block(gen *g)
{
    u32 const kind = gen_below(g, 4);
    if (kind == 0) gen_local(g, OP_LOCAL_GET);
    if (kind == 1) {
        gen_open(g, OP_BLOCK, WASM_I32);
        gen_local(g, OP_LOCAL_GET);
        gen_local(g, OP_LOCAL_GET);
        BUILD(&g->b, OP_BR_IF, 0, OP_DROP);
        gen_stmts(g);
        gen_local(g, OP_LOCAL_GET);
        gen_close(g);
        gen_local(g, OP_LOCAL_SET);
        return;
    }
    gen_open(g, kind == 0 ? OP_IF : kind == 2 ? OP_LOOP : OP_BLOCK, 0x40);
    gen_stmts(g);
    if (kind == 0 && gen_below(g, 2)) {
        BUILD(&g->b, OP_ELSE);
        gen_stmts(g);
    }
    gen_close(g);
}

static void
gen_stmt(gen *g)
{
    switch (gen_below(g, 12)) {
    case 0: gen_jump(g); break;
    case 1: gen_local(g, OP_LOCAL_GET), BUILD(&g->b, OP_BR_IF), build_u32(&g->b, gen_label(g)); break;
    case 2: BUILD(&g->b, OP_BR), build_u32(&g->b, gen_label(g)); break;
    case 3:
        gen_local(g, OP_LOCAL_GET);
        BUILD(&g->b, OP_BR_TABLE, 2);
        for (u32 i = 0; i < 3; i++) build_u32(&g->b, gen_label(g));
        break;
    case 4: gen_local(g, OP_LOCAL_GET), gen_local(g, OP_LOCAL_TEE), BUILD(&g->b, OP_DROP, OP_NOP); break;
    case 5:
        BUILD(&g->b, OP_I32_CONST, 5);
        gen_stmts(g);
        BUILD(&g->b, OP_DROP);
        break;
    case 6:
        if (gen_below(g, 4) == 0) BUILD(&g->b, gen_below(g, 2) ? OP_RETURN : OP_UNREACHABLE);
        break;
    case 7:
    case 8:
        if (g->depth < 30) gen_block(g);
        break;
    case 9:
        if (g->depth < 30) gen_dispatch(g);
        break;
    default:
        gen_local(g, OP_LOCAL_GET);
        gen_local(g, OP_LOCAL_GET);
        BUILD(&g->b, OP_I32_ADD);
        gen_local(g, OP_LOCAL_SET);
    }
}

static void
gen_stmts(gen *g)
{
    for (u32 n = gen_below(g, 5); n && g->budget; n--) {
        g->budget--;
        gen_stmt(g);
    }
}

/* A body cut into instructions, its labels found by counting blocks. */
typedef struct ref_insn {
    u32 off, end, other; /* `end`: index of the block's end; `other`: of its else, or 0 */
    u8 op, type;
} ref_insn;

typedef struct ref_visit {
    u32 block, from; /* first of its accesses in `accesses` */
    bool is_skipped;
} ref_visit;

typedef struct ref {
    const facts_case *c;
    u64 seed;
    ref_insn *insns;
    u32 insn_count;
    u32 *block_at; /* by offset in the body: block + 1 */
    u32 stack[4096], sp;
    struct {
        u32 insn, height;
    } ctrls[LABELS + 2];
    u32 ctrl_len;
    u32 locals[256];
    ref_visit visits[STEPS + 1];
    u32 visit_len;
    u32 accesses[STEPS + 1], access_len;
    u32 ghost; /* instructions that a threaded jump goes past, still to come */
} ref;

static void
ref_cut(ref *r)
{
    const wasm_module *const m = r->c->m;
    const wasm_code *const code = &m->codes[0];
    u32 const len = code->body_end - code->insns_off;
    u32 open[LABELS + 2], depth = 0;
    r->insns = calloc(len + 1, sizeof *r->insns);
    r->block_at = calloc(len, sizeof *r->block_at);
    for (u32 i = 0; i < r->c->f.block_count; i++)
        r->block_at[r->c->f.blocks[i].off - r->c->base] = i + 1;
    for (u32 off = 0; off < len; off += gbx_wasm_insn_len(m, m->bytes + code->insns_off + off)) {
        const u8 *const pc = m->bytes + code->insns_off + off;
        ref_insn *const in = &r->insns[r->insn_count];
        u8 const op = off == len - 1 ? OP_END : gbx_wasm_unfuse[m->fuse_set][*pc];
        *in = (ref_insn){.off = off, .op = op, .type = pc[1]};
        if (in->op == OP_BLOCK || in->op == OP_LOOP || in->op == OP_IF) open[depth++] = r->insn_count;
        if (in->op == OP_ELSE) r->insns[open[depth - 1]].other = r->insn_count;
        if (in->op == OP_END && depth) {
            ref_insn *const opening = &r->insns[open[--depth]];
            opening->end = r->insn_count;
            if (opening->other) r->insns[opening->other].end = r->insn_count;
        }
        r->insn_count++;
    }
}

static u32
ref_u32(const u8 **pc)
{
    u32 v = 0;
    for (unsigned shift = 0;; shift += 7) {
        u8 const b = *(*pc)++;
        v |= (u32)(b & 0x7f) << shift;
        if (b < 0x80) return v;
    }
}

/* Take a branch: the index of the next instruction; insn_count: returned. */
static u32
ref_branch(ref *r, u32 depth)
{
    if (depth + 1 >= r->ctrl_len) return r->insn_count;
    u32 const at = r->ctrl_len - 1 - depth, insn = r->ctrls[at].insn;
    bool const is_loop = r->insns[insn].op == OP_LOOP;
    bool const keeps = !is_loop && r->insns[insn].type != 0x40;
    u32 const value = keeps ? r->stack[r->sp - 1] : 0;
    r->sp = r->ctrls[at].height;
    if (keeps) r->stack[r->sp++] = value;
    r->ctrl_len = is_loop ? at + 1 : at;
    return is_loop ? insn + 1 : r->insns[insn].end + 1;
}

static u32
ref_access(ref *r, u32 idx, u32 kind)
{
    if (r->ghost) return idx;
    const facts *const f = &r->c->f;
    const ref_visit *const v = &r->visits[r->visit_len - 1];
    const facts_block *const b = &f->blocks[v->block];
    u32 const k = r->access_len - v->from;
    assert_true(k < b->access_count);
    assert_int_equal(f->accesses[b->access + k], FACTS_ACCESS(idx, kind));
    r->accesses[r->access_len++] = FACTS_ACCESS(idx, kind);
    return idx;
}

/* Execute instruction `i`; what is tested by br_if and if is chance. */
static u32
ref_step(ref *r, u32 i)
{
    const ref_insn *const in = &r->insns[i];
    const u8 *pc = r->c->m->bytes + r->c->base + in->off + 1;
    switch (in->op) {
    case OP_BLOCK:
    case OP_LOOP:
        r->ctrls[r->ctrl_len].insn = i;
        r->ctrls[r->ctrl_len++].height = r->sp;
        return i + 1;
    case OP_IF:
        r->sp--;
        if (build_random(&r->seed, 2) == 0 && !in->other) return in->end + 1;
        r->ctrls[r->ctrl_len].insn = i;
        r->ctrls[r->ctrl_len++].height = r->sp;
        r->seed += 3;
        return in->other && build_random(&r->seed, 2) ? in->other + 1 : i + 1;
    case OP_ELSE: r->ctrl_len--; return in->end + 1;
    case OP_END: r->ctrl_len--; return r->ctrl_len ? i + 1 : r->insn_count;
    case OP_BR: return ref_branch(r, ref_u32(&pc));
    case OP_BR_IF: r->sp--; return build_random(&r->seed, 2) ? ref_branch(r, ref_u32(&pc)) : i + 1;
    case OP_BR_TABLE: {
        u32 const idx = r->stack[--r->sp], count = ref_u32(&pc);
        for (u32 k = 0; k < (idx < count ? idx : count); k++) (void)ref_u32(&pc);
        return ref_branch(r, ref_u32(&pc));
    }
    case OP_RETURN:
    case OP_UNREACHABLE: return r->insn_count;
    case OP_I32_CONST: r->stack[r->sp++] = *pc < 0x40 ? *pc : *pc | ~0x7fu; return i + 1;
    case OP_DROP: r->sp--; return i + 1;
    case OP_I32_ADD: r->sp--; r->stack[r->sp - 1] += r->stack[r->sp]; return i + 1;
    case OP_NOP: return i + 1;
    case OP_LOCAL_GET:
        r->stack[r->sp++] = r->locals[ref_access(r, ref_u32(&pc), FACTS_LOCAL_READ)];
        return i + 1;
    case OP_LOCAL_SET:
        r->locals[ref_access(r, ref_u32(&pc), FACTS_LOCAL_WRITE)] = r->stack[--r->sp];
        return i + 1;
    case OP_LOCAL_TEE:
        r->locals[ref_access(r, ref_u32(&pc), FACTS_LOCAL_WRITE)] = r->stack[r->sp - 1];
        return i + 1;
    default: fail_msg("opcode 0x%x", in->op); return 0;
    }
}

static bool
has_edge(const facts *f, u32 from, u32 to)
{
    const facts_block *const b = &f->blocks[from];
    for (u32 k = b->edge; k < b->edge + b->edge_count; k++)
        if (f->edges[k].to == to) return true;
    return false;
}

/* Run from the start: what blocks were visited, and what they accessed. */
static void
ref_run(ref *r)
{
    const facts *const f = &r->c->f;
    bool is_behind_br = false;
    r->sp = r->visit_len = r->access_len = r->ghost = 0;
    memset(r->locals, 0, sizeof r->locals);
    r->locals[0] = build_random(&r->seed, 7);
    r->ctrl_len = 1; /* the body */
    for (u32 i = 0, steps = 0; i < r->insn_count && steps < STEPS; steps++) {
        u32 const off = r->insns[i].off, block = r->block_at[off];
        u8 const op = r->insns[i].op;
        bool const is_silent =
            (op == OP_END && i + 1 < r->insn_count) || op == OP_NOP || op == OP_BLOCK || op == OP_LOOP;
        if (block) {
            const facts_block *const b = &f->blocks[block - 1];
            r->visits[r->visit_len++] = (ref_visit){block - 1, r->access_len, false};
            assert_true(b->height == r->sp || b->marks & FACTS_MARK_END);
        }
        if (r->visit_len && !is_silent) {
            const facts_block *const b = &f->blocks[r->visits[r->visit_len - 1].block];
            bool const is_inside = off + r->c->base >= b->off && off + r->c->base < b->end;
            /* A dispatch that is threaded by all who jump to it is a part of the block before. */
            if (!is_inside && op == OP_LOCAL_GET && is_behind_br && r->insns[i + 1].op == OP_BR_TABLE)
                r->ghost = 2;
            assert_true(is_inside || r->ghost);
            is_behind_br = op == OP_BR;
        }
        i = ref_step(r, i);
        r->ghost -= r->ghost && !is_silent;
    }
}

/* Each step from block to block is an edge; a jump that is threaded goes past the dispatch. */
static u32
ref_check_edges(ref *r, bool is_zero)
{
    const facts *const f = &r->c->f;
    u32 last = r->visits[0].block, skipped = 0;
    assert_int_equal(last, 0);
    for (u32 i = 1; i < r->visit_len; i++) {
        u32 const block = r->visits[i].block;
        if (has_edge(f, last, block)) {
            if (last == f->dispatch && is_zero && i == f->dispatch + 1) assert_int_equal(block, f->fresh);
            last = block;
            continue;
        }
        assert_true(f->blocks[block].marks & FACTS_MARK_DISPATCH);
        r->visits[i].is_skipped = true;
        skipped++;
    }
    return skipped;
}

/* Backwards: what is read before it is written is live where a block is entered. */
static void
ref_check_live(const ref *r)
{
    const facts *const f = &r->c->f;
    u64 live = 0;
    u32 end = r->access_len;
    for (u32 i = r->visit_len; i-- > 0; end = r->visits[i].from) {
        if (r->visits[i].is_skipped) continue;
        for (u32 k = end; k-- > r->visits[i].from;) {
            u64 const bit = bit_of(f, FACTS_ACCESS_IDX(r->accesses[k]));
            if (FACTS_ACCESS_KIND(r->accesses[k]) == FACTS_LOCAL_READ) live |= bit;
            else live &= ~bit;
        }
        assert_int_equal(live & ~f->blocks[r->visits[i].block].live_in, 0);
    }
}

/* The same sets by going round until nothing changes; predecessors and marks. */
static void
check_fixpoint(const facts *f)
{
    u64 *const in = calloc(f->block_count, sizeof *in);
    for (bool changed = true; changed;) {
        changed = false;
        for (u32 i = 0; i < f->block_count; i++) {
            const facts_block *const b = &f->blocks[i];
            u64 live = 0;
            for (u32 k = b->edge; k < b->edge + b->edge_count; k++) live |= in[f->edges[k].to];
            for (u32 k = b->access_count; k-- > 0;) {
                u64 const bit = bit_of(f, FACTS_ACCESS_IDX(f->accesses[b->access + k]));
                bool const is_read = FACTS_ACCESS_KIND(f->accesses[b->access + k]) == FACTS_LOCAL_READ;
                live = is_read ? live | bit : live & ~bit;
            }
            changed |= live != in[i];
            in[i] = live;
        }
    }
    for (u32 i = 0; i < f->block_count; i++) {
        const facts_block *const b = &f->blocks[i];
        u64 out = 0;
        for (u32 k = b->edge; k < b->edge + b->edge_count; k++) {
            out |= in[f->edges[k].to];
            if (facts_edge_is_backward(i, f->edges[k].to))
                assert_true(f->blocks[f->edges[k].to].marks & FACTS_MARK_HEAD && b->has & FACTS_LOOP);
        }
        assert_int_equal(b->live_in, in[i]);
        assert_int_equal(b->live_out, out);
        assert_true((i == 0) == (b->pred_count == 0));
        for (u32 k = 0; k < b->pred_count; k++) assert_true(has_edge(f, f->preds[b->pred + k], i));
    }
    free(in);
}

static void
test_random(void **state)
{
    (void)state;
    u32 visits = 0, skipped = 0, ranked_out = 0, dispatches = 0;
    static ref r;
    for (u64 seed = 1; seed <= 3000; seed++) {
        gen g = {.seed = seed * 7919, .budget = 60, .locals = seed % 3 ? 6 : 120};
        char locals[160] = {0};
        memset(locals, 'i', g.locals);
        for (u32 i = 0; i < g.locals && seed % 6 == 0; i++)
            if (gen_below(&g, 4)) BUILD(&g.b, OP_LOCAL_GET, (u8)i, OP_DROP);
        if (seed % 2) gen_dispatch(&g);
        for (u32 i = 0; i < 6; i++) gen_stmts(&g);
        BUILD(&g.b, OP_END);
        facts_case c = case_open("i", "", locals, g.b.data, g.b.len);
        r = (ref){.c = &c, .seed = seed};
        ref_cut(&r);
        check_fixpoint(&c.f);
        ranked_out += c.f.locals_used > FACTS_RANKED;
        dispatches += c.f.dispatch != FACTS_NONE;
        for (u32 run = 0; run < 12; run++) {
            u64 probe = r.seed;
            bool const is_zero = build_random(&probe, 7) == 0;
            ref_run(&r);
            skipped += ref_check_edges(&r, is_zero);
            ref_check_live(&r);
            visits += r.visit_len;
        }
        free(r.insns);
        free(r.block_at);
        case_close(&c);
        build_free(&g.b);
    }
    assert_true(visits > 100000); /* programs of the kind this test is about */
    assert_true(skipped > 2000);
    assert_true(dispatches > 1000);
    assert_true(ranked_out > 50);
}

/* Each allocation fails once: no memory, and the space is as good as before. */
static void
test_faults(void **state)
{
    (void)state;
    gen g = {.seed = 4, .budget = 4000, .locals = 120};
    char locals[160] = {0};
    memset(locals, 'i', g.locals);
    gen_dispatch(&g);
    while (g.budget) gen_stmts(&g);
    BUILD(&g.b, OP_GLOBAL_GET, 0, OP_GLOBAL_SET, 0, OP_END);
    facts_case c = case_open("i", "", locals, g.b.data, g.b.len);
    facts_case d = {.m = c.m};
    u32 failures = 0;
    for (u64 n = 1;; n++) {
        gbx_base_fault_arm(n);
        d.s = gbx_codegen_facts_space_new();
        gbx_code const code = d.s ? gbx_codegen_facts(d.s, d.m, &d.m->codes[0], &d.f) : GBX_NO_MEMORY;
        bool const is_done = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        assert_int_equal(code, is_done ? GBX_OK : GBX_NO_MEMORY);
        if (d.s) {
            assert_int_equal(gbx_codegen_facts(d.s, d.m, &d.m->codes[0], &d.f), GBX_OK);
            assert_int_equal(d.f.block_count, c.f.block_count);
            assert_memory_equal(d.f.blocks, c.f.blocks, c.f.block_count * sizeof *c.f.blocks);
            assert_memory_equal(d.f.locals, c.f.locals, sizeof c.f.locals);
        }
        gbx_codegen_facts_space_free(d.s);
        if (is_done) break;
        failures++;
    }
    assert_true(failures > 12);
    case_close(&c);
    build_free(&g.b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispatch), cmocka_unit_test(test_entries), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_summary),  cmocka_unit_test(test_beyond),  cmocka_unit_test(test_large),
        cmocka_unit_test(test_random),   cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Matching of fused sequences; see fuse.def.
 *
 * Validation walks over every instruction anyway and takes an automaton along that knows all rows of the
 * module's set. Sequences are taken from the left, the longest first, and marked once it is clear that they
 * do not go on; what stands behind one begins the next.
 *
 * SAFETY: bytes are only ever replaced at the start of an instruction that has been validated, by a
 * byte that no module can bring (validation refuses it), inside our own copy. Labels end a run, so no
 * branch can land inside a sequence. */
#include "wasm/fuse.h"

#include <pthread.h>
#include <string.h>

/* Rows as data, for the automata. */
typedef struct fuse_row {
    u64 seq; /* its last opcode lowest */
    u8 count, number;
} fuse_row;

static const fuse_row fuse_rows_wide[] = {
#define FUSE_WIDE(number, name, count, seq) {(seq), (count), (number)},
#define FUSE_NARROW(number, name, count, seq)
#define FUSE_BOTH(number, name, count, seq) {(seq), (count), (number)},
#define FUSE_FIRST(number, name, first)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
};

static const fuse_row fuse_rows_narrow[] = {
#define FUSE_WIDE(number, name, count, seq)
#define FUSE_NARROW(number, name, count, seq) {(seq), (count), (number)},
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
};

/* Table entries are set twice, on purpose: the later one counts. */
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define FUSE_ROW(i) (i), (i) + 1, (i) + 2, (i) + 3, (i) + 4, (i) + 5, (i) + 6, (i) + 7
#define FUSE_ROWS(i) FUSE_ROW(i), FUSE_ROW((i) + 8), FUSE_ROW((i) + 16), FUSE_ROW((i) + 24)
#define FUSE_ALL FUSE_ROWS(0), FUSE_ROWS(32), FUSE_ROWS(64), FUSE_ROWS(96), \
                 FUSE_ROWS(128), FUSE_ROWS(160), FUSE_ROWS(192), FUSE_ROWS(224)
#define FUSE_HEAD(number, count, seq) [number] = (u8)((seq) >> 8 * ((count) - 1)),
const u8 gbx_wasm_unfuse[WASM_FUSE_SETS][256] = {
    [WASM_FUSE_NONE] = {
        FUSE_ALL,
#define FUSE_WIDE(number, name, count, seq)
#define FUSE_NARROW(number, name, count, seq)
#define FUSE_BOTH(number, name, count, seq)
#define FUSE_FIRST(number, name, first) [number] = OP_##first,
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
    },
    [WASM_FUSE_WIDE] = {
        FUSE_ALL,
#define FUSE_WIDE(number, name, count, seq) FUSE_HEAD(number, count, seq)
#define FUSE_NARROW(number, name, count, seq)
#define FUSE_BOTH(number, name, count, seq) FUSE_HEAD(number, count, seq)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
    },
    [WASM_FUSE_NARROW] = {
        FUSE_ALL,
#define FUSE_WIDE(number, name, count, seq)
#define FUSE_NARROW(number, name, count, seq) FUSE_HEAD(number, count, seq)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
    },
};
#pragma GCC diagnostic pop

static fuse_automaton fuse_automata[WASM_FUSE_SETS];

/* The rows of a set as a tree of classes, from node 0. */
typedef struct fuse_tree {
    u8 next[FUSE_STATES][FUSE_CLASSES]; /* 0: none */
    u8 row[FUSE_STATES];                /* the byte of the row that ends here, 0 for none */
    u8 depth[FUSE_STATES];
    u8 path[FUSE_STATES][8];            /* the classes from the root */
    bool is_leaf[FUSE_STATES];
    u32 nodes, classes;
} fuse_tree;

static void
fuse_plant(fuse_tree *t, fuse_automaton *a, const fuse_row *rows, size_t row_count)
{
    t->nodes = t->classes = 1;
    for (const fuse_row *row = rows; row < rows + row_count; row++) {
        u8 node = 0;
        for (u32 i = row->count; i-- > 0;) {
            u8 *const class = &a->classes[(u8)(row->seq >> 8 * i)];
            if (!*class) *class = (u8)t->classes++;
            u8 const child = t->next[node][*class];
            if (!child) {
                GBX_ASSERT(t->nodes < FUSE_STATES && t->classes <= FUSE_CLASSES);
                memcpy(t->path[t->nodes], t->path[node], t->depth[node]);
                t->path[t->nodes][t->depth[node]] = *class;
                t->depth[t->nodes] = (u8)(t->depth[node] + 1);
                t->is_leaf[t->nodes] = true;
                t->is_leaf[node] = false;
                t->next[node][*class] = (u8)t->nodes++;
            }
            node = t->next[node][*class];
        }
        t->row[node] = row->number;
    }
}

/* The place of a second sequence among those of the automaton. */
static u32
fuse_second(fuse_automaton *a, fuse_edge second)
{
    u32 i = 1;
    while (i <= a->second_count && a->seconds[i] != second) i++;
    GBX_ASSERT(i < FUSE_SECONDS);
    if (i > a->second_count) a->second_count = i;
    a->seconds[i] = second;
    return i;
}

/* What `class` does in the state that stands for the node: take it in, or give the longest row on the path
 * to the node up for complete and feed what remains of the path, and the class, from the root again. */
static fuse_edge
fuse_follow(const fuse_tree *t, fuse_automaton *a, u8 node, u8 class)
{
    u8 text[9];
    u32 const len = t->depth[node] + 1u;
    fuse_edge marks[2] = {0};
    u32 mark_count = 0, state = 0;
    memcpy(text, t->path[node], t->depth[node]);
    text[len - 1] = class;
    for (u32 from = 0; from < len;) {
        u8 at = 0, row = 0;
        u32 row_len = 1, i = from;
        while (i < len && t->next[at][text[i]]) {
            at = t->next[at][text[i++]];
            if (t->row[at]) row = t->row[at], row_len = i - from;
        }
        if (i == len && !t->is_leaf[at]) {
            state = at;
            break;
        }
        if (row) {
            GBX_ASSERT(mark_count < GBX_LEN(marks));
            marks[mark_count++] = row | (len - 1 - from) << FUSE_BACK_SHIFT;
        }
        from += row_len;
    }
    u32 const second = mark_count > 1 ? fuse_second(a, marks[1]) : 0;
    return marks[0] | second << FUSE_SECOND_SHIFT | state * FUSE_CLASSES << FUSE_STATE_SHIFT;
}

static void
fuse_make(wasm_fuse_set set, const fuse_row *rows, size_t row_count)
{
    fuse_automaton *const a = &fuse_automata[set];
    fuse_tree tree = {.nodes = 0};
    fuse_plant(&tree, a, rows, row_count);
    a->classes[FUSED_RETURN1] = a->classes[OP_RETURN];
    for (u32 node = 0; node < tree.nodes; node++)
        for (u32 class = 0; class < tree.classes; class++)
            a->edges[node * FUSE_CLASSES + class] = fuse_follow(&tree, a, (u8)node, (u8)class);
}

static void
fuse_make_wide(void)
{
    fuse_make(WASM_FUSE_WIDE, fuse_rows_wide, GBX_LEN(fuse_rows_wide));
}

static void
fuse_make_narrow(void)
{
    fuse_make(WASM_FUSE_NARROW, fuse_rows_narrow, GBX_LEN(fuse_rows_narrow));
}

/* PERF: a tenth of a millisecond, once in a process for a set that is used. WASM_FUSE_NONE has no rows, and
 * its automaton nothing but zeros. */
const fuse_automaton *
gbx_wasm_fuse_automaton(wasm_fuse_set set)
{
    static pthread_once_t wide = PTHREAD_ONCE_INIT, narrow = PTHREAD_ONCE_INIT;
    int rc = 0;
    if (set == WASM_FUSE_WIDE) rc = pthread_once(&wide, fuse_make_wide);
    if (set == WASM_FUSE_NARROW) rc = pthread_once(&narrow, fuse_make_narrow);
    GBX_ASSERT(rc == 0);
    return &fuse_automata[set];
}

/* Whether the code at [pc, end), not yet validated, starts with a dispatch loop: at most so many bytes,
 * then `loop`, any number of `block`s, `local.get`, `br_table`. */
static bool
fuse_is_dispatch(const u8 *pc, const u8 *end)
{
    enum { LEAD = 12 };
    const u8 *const last = (size_t)(end - pc) > LEAD ? pc + LEAD : end;
    while (pc + 1 < last && !(pc[0] == OP_LOOP && pc[1] == 0x40)) pc++;
    if (pc + 1 >= last) return false;
    do pc += 2;
    while (pc + 1 < end && pc[0] == OP_BLOCK && pc[1] == 0x40);
    return end - pc > 2 && pc[0] == OP_LOCAL_GET && pc[1] < 0x80 && pc[2] == OP_BR_TABLE;
}

/* SAFETY: bodies are looked at before they are validated: through a reader, and with `end` in sight. */
wasm_fuse_set
gbx_wasm_fuse_choose(const wasm_module *m)
{
    enum { SAMPLES = 256 };
    if (m->uses & WASM_GENERAL_USES) return WASM_FUSE_NONE;
    u32 const count = m->func_count - m->imported_funcs;
    u32 const step = count / SAMPLES + 1;
    u32 samples = 0, dispatches = 0;
    for (u32 i = 0; i < count; i += step) {
        const wasm_code *const code = &m->codes[i];
        reader r = rd_init(m->bytes, code->body_off, code->body_end);
        u32 const groups = gbx_base_rd_u32(&r);
        for (u32 k = 0; k < groups && rd_ok(&r); k++) {
            (void)gbx_base_rd_u32(&r);
            (void)gbx_base_rd_u8(&r);
        }
        samples++;
        dispatches += rd_ok(&r) && fuse_is_dispatch(r.at, m->bytes + code->body_end);
    }
    return dispatches * 4 > samples ? WASM_FUSE_WIDE : WASM_FUSE_NARROW;
}

void
gbx_wasm_fuse_undo(wasm_module *m)
{
    for (u32 i = 0; i < m->func_count - m->imported_funcs; i++) {
        u8 *pc = m->bytes + m->codes[i].insns_off;
        const u8 *const end = m->bytes + m->codes[i].body_end;
        while (pc < end) {
            u32 const len = gbx_wasm_insn_len(m, pc);
            if (gbx_wasm_unfuse[WASM_FUSE_NONE][*pc] == *pc) *pc = gbx_wasm_unfuse[m->fuse_set][*pc];
            pc += len;
        }
    }
}

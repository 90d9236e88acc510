/* How often a block runs, as an estimate: loops of the threaded graph, by one depth-first search.
 *
 * The search is the one of Wei, Mao, Zou and Chen ("A New Algorithm for Identifying Loops in
 * Decompilation", 2007): a block's innermost loop head is known when the search has come back from all that
 * follows it; entries into the middle of a loop do no harm. It starts at the fresh entry, and goes past the
 * entry's dispatch to its first target alone where nothing else comes to that dispatch: what only a resumed
 * function reaches is searched afterwards, and weighs least.
 *
 * Weights choose registers and decide nothing about what the code does, so that the search may stop
 * looking for loops when a module makes them too deep: its work is bounded by the number of edges. */
#include <string.h>

#include "codegen/facts_int.h"

enum {
    LOOPS_WEIGHT = 4,    /* of a block outside of loops; cold ones have 1 */
    LOOPS_SHIFT = 3,     /* a loop runs eight times */
    LOOPS_DEPTH_MAX = 6, /* deeper ones weigh no more */
    LOOPS_STEPS = 32,    /* of following heads, per block and edge */
};

typedef struct facts_loops {
    facts_block *blocks;
    const facts_edge *edges;
    u32 count;
    u32 *head;   /* innermost loop head of a block + 1; 0: none */
    u32 *pos;    /* 1 and up: place on the path of the search; 0: not on it */
    u32 *next;   /* edge to look at next */
    u32 *path, *order;
    u32 ordered, path_len;
    u32 only_first; /* block of which the search sees the first edge only */
    u64 steps;
} facts_loops;

enum { LOOPS_SEEN = 1 << 7 }; /* in marks, while the search runs */

/* `h` is a loop head around `b`. */
static void
facts_loops_tag(facts_loops *l, u32 b, u32 h)
{
    u32 at = b, outer = h;
    if (at == outer) return;
    while (l->head[at]) {
        u32 const have = l->head[at] - 1;
        if (have == outer || l->steps == 0) return;
        l->steps--;
        if (l->pos[have] < l->pos[outer]) {
            l->head[at] = outer + 1;
            at = outer;
            outer = have;
        } else {
            at = have;
        }
        if (at == outer) return;
    }
    l->head[at] = outer + 1;
}

/* An edge from `b`, which is on the path, to a block that was seen before. */
static void
facts_loops_meet(facts_loops *l, u32 b, u32 to)
{
    if (l->pos[to]) {
        l->blocks[to].depth = 1; /* a loop's head */
        facts_loops_tag(l, b, to);
        return;
    }
    /* The loop around the target, if the path is in it: an entry into its middle otherwise. */
    for (u32 h = l->head[to]; h && l->steps; h = l->head[h - 1]) {
        l->steps--;
        if (l->pos[h - 1]) {
            facts_loops_tag(l, b, h - 1);
            return;
        }
    }
}

static void
facts_loops_enter(facts_loops *l, u32 b, u8 marks)
{
    l->blocks[b].marks |= LOOPS_SEEN | marks;
    l->order[l->ordered++] = b;
    l->path[l->path_len++] = b;
    l->pos[b] = l->path_len;
    l->next[b] = l->blocks[b].edge;
}

/* Everything that is reached from `root` and was not seen before gets `marks`. */
static void
facts_loops_search(facts_loops *l, u32 root, u8 marks)
{
    facts_loops_enter(l, root, marks);
    while (l->path_len) {
        u32 const b = l->path[l->path_len - 1];
        const facts_block *const block = &l->blocks[b];
        u32 const count = b == l->only_first ? 1 : block->edge_count;
        if (l->next[b] < block->edge + count) {
            u32 const to = l->edges[l->next[b]++].to;
            if (l->blocks[to].marks & LOOPS_SEEN) facts_loops_meet(l, b, to);
            else facts_loops_enter(l, to, marks);
            continue;
        }
        l->pos[b] = 0;
        if (--l->path_len == 0) return;
        u32 const head = l->head[b], from = l->path[l->path_len - 1];
        if (head && l->pos[head - 1]) facts_loops_tag(l, from, head - 1);
    }
}

/* Every way on ends in a trap. One pass from the end: what loops is not cold. */
static void
facts_loops_cold(facts_loops *l)
{
    for (u32 i = l->count; i-- > 0;) {
        facts_block *const b = &l->blocks[i];
        bool is_cold = b->exit == FACTS_TRAP || b->edge_count;
        for (u32 k = b->edge; k < b->edge + b->edge_count && is_cold; k++)
            is_cold = l->edges[k].to > i && l->blocks[l->edges[k].to].marks & FACTS_MARK_COLD;
        if (is_cold) b->marks |= FACTS_MARK_COLD;
    }
}

/* `if (c) { call }`, no more: Go's check for nil, for the end of its stack, for a write barrier. That such a
 * call is seldom made is a guess, which costs a jump where it is wrong. */
static void
facts_loops_unlikely(facts_loops *l)
{
    for (u32 i = 0; i + 1 < l->count; i++) {
        const facts_block *const b = &l->blocks[i];
        if (b->exit != FACTS_IF) continue;
        u32 const join = l->edges[b->edge].to, then = l->edges[b->edge + 1].to;
        facts_block *const t = &l->blocks[then];
        if (then != i + 1 || t->pred_count != 1 || !(t->has & (FACTS_CALL | FACTS_CALL_INDIRECT))) continue;
        if (l->edges[t->edge + t->edge_count - 1].to == join && join > then)
            t->marks |= FACTS_MARK_UNLIKELY;
    }
}

static void
facts_loops_weigh(facts_loops *l)
{
    for (u32 i = 0; i < l->count; i++) { /* heads stand before what they are heads of */
        facts_block *const b = &l->blocks[l->order[i]];
        u32 const head = l->head[l->order[i]];
        u32 const depth = b->depth + (head ? l->blocks[head - 1].depth : 0u);
        bool const is_hot = (b->marks & FACTS_MARK_FRESH) && !(b->marks & FACTS_MARK_COLD);
        b->depth = (u8)min_u64(depth, UINT8_MAX);
        b->marks &= (u16)~LOOPS_SEEN;
        b->weight = is_hot ? (u32)LOOPS_WEIGHT << LOOPS_SHIFT * min_u64(depth, LOOPS_DEPTH_MAX) : 1u;
    }
}

/* Edges by their target. */
static bool
facts_loops_preds(facts_space *s, facts_loops *l)
{
    if (!gbx_codegen_facts_grow(&s->preds, (u64)s->edge_count + 1, sizeof(u32))) return false;
    u32 *const preds = s->preds.items;
    u32 total = 0;
    for (u32 i = 0; i < l->count; i++)
        for (u32 k = 0; k < l->blocks[i].edge_count; k++)
            l->blocks[l->edges[l->blocks[i].edge + k].to].pred_count++;
    for (u32 i = 0; i < l->count; i++) {
        l->blocks[i].pred = total;
        total += l->blocks[i].pred_count;
        l->blocks[i].pred_count = 0;
    }
    for (u32 i = 0; i < l->count; i++)
        for (u32 k = 0; k < l->blocks[i].edge_count; k++) {
            facts_block *const to = &l->blocks[l->edges[l->blocks[i].edge + k].to];
            preds[to->pred + to->pred_count++] = i;
        }
    return true;
}

bool
gbx_codegen_facts_loops(facts_space *s, facts *f)
{
    facts_loops l = {.blocks = s->blocks.items, .edges = s->edges.items, .count = s->block_count,
                     .head = s->work[0].items, .pos = s->work[1].items, .next = s->work[2].items,
                     .path = s->work[3].items, .order = s->work[4].items, .only_first = FACTS_NONE,
                     .steps = LOOPS_STEPS * ((u64)s->block_count + s->edge_count)};
    memset(l.head, 0, l.count * sizeof *l.head);
    memset(l.pos, 0, l.count * sizeof *l.pos);
    if (!facts_loops_preds(s, &l)) return false;
    if (f->dispatch != FACTS_NONE) {
        const facts_block *const d = &l.blocks[f->dispatch];
        f->fresh = l.edges[d->edge].to;
        for (u32 k = 0; k < d->edge_count; k++) l.blocks[l.edges[d->edge + k].to].marks |= FACTS_MARK_RESUME;
        if (d->pred_count == f->dispatch) l.only_first = f->dispatch;
    }
    facts_loops_search(&l, 0, FACTS_MARK_FRESH);
    l.only_first = FACTS_NONE;
    for (u32 i = 0; i < l.count; i++)
        if (!(l.blocks[i].marks & LOOPS_SEEN)) facts_loops_search(&l, i, 0);
    facts_loops_cold(&l);
    facts_loops_unlikely(&l);
    facts_loops_weigh(&l);
    return true;
}

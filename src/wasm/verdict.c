/* What validation found out about a module, as bytes that can be kept, and a module made from them without
 * validating it again.
 *
 * A verdict says that the module is valid, what was noted about globals, tables and features, which
 * functions are probes (probes.def), and, of some of its functions, all that validation adds to a decoded
 * module: facts, side tables, and the body as it was left, with fused opcodes. The others are made ready
 * when they are first called (gbx_wasm_make_ready): a run needs few of a Go module's functions, and what is
 * not read costs nothing. A verdict is of one build of this library, on one kind of machine: layouts are
 * those of the structures. Side tables are used where they lie, in the bytes of the verdict, which the
 * module then owns.
 *
 * SAFETY: who restores a verdict vouches for it: these very bytes came from gbx_wasm_verdict_write for this
 * very module (RULE: S2). Sizes and places are compared all the same, before anything is changed, so that a
 * verdict of another module is refused; the contents of side tables are not. */
#include <string.h>

#include "base/alloc.h"
#include "wasm/wasm_int.h"

typedef struct verdict_head {
    u64 len, uses;
    u32 fuse_set;
    u32 codes, globals, tables; /* of the module */
    u32 kept;                   /* functions that the verdict has */
    u32 sides, tries, catches, bytes;
    u32 is_go, probes[WASM_PROBE_COUNT];
    u32 zero[2 - WASM_PROBE_COUNT % 2];
} verdict_head;
_Static_assert(sizeof(verdict_head) == 16 + (12 + WASM_PROBE_COUNT - WASM_PROBE_COUNT % 2) * 4,
               "no padding, whose bytes would be anything");

/* A function, by ascending index among those with bodies. */
typedef struct verdict_code {
    u32 code_idx;
    u32 entry_off, insns_off, local_count, stack_max, has_v128;
    u32 side_count, try_count, catch_count;
} verdict_code;

/* Where the parts stand. */
typedef struct verdict_shape {
    verdict_head head;
    u64 globals, tables, codes, tries, catches, sides, bytes, end;
} verdict_shape;

static u64
verdict_part(u64 *at, u64 count, u64 bytes)
{
    u64 const from = *at;
    *at = (from + count * bytes + 7) & ~(u64)7;
    return from;
}

static void
verdict_place(verdict_shape *s)
{
    u64 at = sizeof s->head;
    s->globals = verdict_part(&at, s->head.globals, sizeof(u32));
    s->tables = verdict_part(&at, s->head.tables, 1);
    s->codes = verdict_part(&at, s->head.kept, sizeof(verdict_code));
    s->tries = verdict_part(&at, s->head.tries, sizeof(wasm_try));
    s->catches = verdict_part(&at, s->head.catches, sizeof(wasm_catch));
    s->sides = verdict_part(&at, s->head.sides, sizeof(wasm_side));
    s->bytes = verdict_part(&at, s->head.bytes, 1);
    s->end = at;
}

/* Of a decoded module, of which nothing is kept. */
static verdict_shape
verdict_shape_of(const wasm_module *m)
{
    return (verdict_shape){.head = {.len = m->len,
                                    .codes = m->func_count - m->imported_funcs,
                                    .globals = m->global_count,
                                    .tables = m->table_count}};
}

static bool
verdict_keeps(const wasm_module *m, const u8 *keep, u32 i)
{
    return (!keep || keep[i]) && wasm_code_is_ready(&m->codes[i]);
}

static verdict_shape
verdict_shape_whole(const wasm_module *m, const u8 *keep)
{
    verdict_shape s = verdict_shape_of(m);
    s.head.uses = m->uses;
    s.head.fuse_set = (u32)m->fuse_set;
    s.head.is_go = m->is_go;
    memcpy(s.head.probes, m->probes, sizeof m->probes);
    for (u32 i = 0; i < s.head.codes; i++) {
        const wasm_code *const c = &m->codes[i];
        if (!verdict_keeps(m, keep, i)) continue;
        s.head.kept++;
        s.head.sides += c->side_count;
        s.head.tries += c->try_count;
        s.head.catches += c->catch_count;
        s.head.bytes += c->body_end - c->body_off;
    }
    verdict_place(&s);
    return s;
}

size_t
gbx_wasm_verdict_bytes(const wasm_module *m, const u8 *keep)
{
    return (size_t)verdict_shape_whole(m, keep).end;
}

static u8 *
verdict_put(u8 *to, const void *items, u32 count, size_t bytes)
{
    if (count) memcpy(to, items, count * bytes);
    return to + count * bytes;
}

void
gbx_wasm_verdict_write(const wasm_module *m, const u8 *keep, u8 *to)
{
    verdict_shape const s = verdict_shape_whole(m, keep);
    memset(to, 0, s.end);
    memcpy(to, &s.head, sizeof s.head);
    u8 *code = to + s.codes, *side = to + s.sides, *try = to + s.tries, *catch = to + s.catches;
    u8 *bytes = to + s.bytes;
    for (u32 i = 0; i < s.head.globals; i++) memcpy(to + s.globals + i * 4, &m->globals[i].uses, 4);
    for (u32 i = 0; i < s.head.tables; i++) to[s.tables + i] = m->tables[i].is_written;
    for (u32 i = 0; i < s.head.codes; i++) {
        const wasm_code *const c = &m->codes[i];
        if (!verdict_keeps(m, keep, i)) continue;
        verdict_code const v = {.code_idx = i,
                                .entry_off = (u32)(c->entry - m->bytes),
                                .insns_off = c->insns_off,
                                .local_count = c->local_count,
                                .stack_max = c->stack_max,
                                .has_v128 = c->has_v128,
                                .side_count = c->side_count,
                                .try_count = c->try_count,
                                .catch_count = c->catch_count};
        code = verdict_put(code, &v, 1, sizeof v);
        side = verdict_put(side, c->side, c->side_count, sizeof *c->side);
        try = verdict_put(try, c->tries, c->try_count, sizeof *c->tries);
        catch = verdict_put(catch, c->catches, c->catch_count, sizeof *c->catches);
        bytes = verdict_put(bytes, m->bytes + c->body_off, c->body_end - c->body_off, 1);
    }
}

/* Everything that is compared before anything is changed. */
static bool
verdict_fits(const wasm_module *m, const u8 *bytes, size_t len, verdict_shape *out)
{
    verdict_shape s = verdict_shape_of(m);
    verdict_head kept;
    if (len < sizeof kept) return false;
    memcpy(&kept, bytes, sizeof kept);
    if (kept.len != s.head.len || kept.codes != s.head.codes || kept.globals != s.head.globals ||
        kept.tables != s.head.tables || kept.kept > kept.codes || kept.fuse_set >= WASM_FUSE_SETS)
        return false;
    for (u32 i = 0; i < WASM_PROBE_COUNT; i++)
        if (kept.probes[i] != WASM_PROBE_NONE &&
            (kept.probes[i] < m->imported_funcs || kept.probes[i] >= m->func_count))
            return false;
    s.head = kept;
    verdict_place(&s);
    *out = s;
    if (s.end != len) return false;
    const verdict_code *const codes = (const void *)(bytes + s.codes);
    u64 sides = 0, tries = 0, catches = 0, bodies = 0;
    for (u32 i = 0; i < s.head.kept; i++) {
        const verdict_code *const v = &codes[i];
        if (v->code_idx >= s.head.codes || (i && v->code_idx <= codes[i - 1].code_idx)) return false;
        const wasm_code *const c = &m->codes[v->code_idx];
        if (v->insns_off < c->body_off || v->entry_off < v->insns_off || v->entry_off >= c->body_end ||
            v->stack_max >= WASM_NOT_READY)
            return false;
        sides += v->side_count;
        tries += v->try_count;
        catches += v->catch_count;
        bodies += c->body_end - c->body_off;
    }
    return sides == s.head.sides && tries == s.head.tries && catches == s.head.catches &&
           bodies == s.head.bytes;
}

/* What is known of all functions. */
static void
verdict_restore_types(wasm_module *m)
{
    for (u32 i = 0; i < m->func_count - m->imported_funcs; i++) {
        wasm_code *const c = &m->codes[i];
        c->func_idx = m->imported_funcs + i;
        c->type_idx = m->func_types[c->func_idx];
        c->param_count = m->types[c->type_idx].param_count;
        c->result_count = m->types[c->type_idx].result_count;
        c->stack_max = WASM_NOT_READY;
    }
}

/* Bodies go to where they stand in the module. What is left of the verdict, which may have moved. PERF: most
 * of it is given back, and what is allocated next finds pages that are there. */
static u8 *
verdict_restore_bodies(wasm_module *m, u8 *bytes, const verdict_shape *s)
{
    const verdict_code *v = (const void *)(bytes + s->codes);
    const u8 *body = bytes + s->bytes;
    for (u32 i = 0; i < s->head.kept; i++, v++) {
        const wasm_code *const c = &m->codes[v->code_idx];
        memcpy(m->bytes + c->body_off, body, c->body_end - c->body_off);
        body += c->body_end - c->body_off;
    }
    u8 *const less = gbx_base_realloc(bytes, max_u64(s->bytes, 1), 1);
    return less ? less : bytes;
}

bool
gbx_wasm_verdict_restore(wasm_module *m, u8 *bytes, size_t len)
{
    verdict_shape s;
    if (!verdict_fits(m, bytes, len, &s)) return false;
    bytes = verdict_restore_bodies(m, bytes, &s);
    const verdict_code *v = (const void *)(bytes + s.codes);
    const wasm_side *side = (const void *)(bytes + s.sides);
    const wasm_try *try = (const void *)(bytes + s.tries);
    const wasm_catch *catch = (const void *)(bytes + s.catches);
    verdict_restore_types(m);
    for (u32 i = 0; i < s.head.kept; i++, v++) {
        wasm_code *const c = &m->codes[v->code_idx];
        c->entry = m->bytes + v->entry_off;
        c->insns_off = v->insns_off;
        c->side = v->side_count ? side : NULL;
        c->side_count = v->side_count;
        c->local_count = v->local_count;
        c->stack_max = v->stack_max;
        c->has_v128 = v->has_v128;
        c->tries = v->try_count ? try : NULL;
        c->try_count = v->try_count;
        c->catches = v->catch_count ? catch : NULL;
        c->catch_count = v->catch_count;
        side += v->side_count;
        try += v->try_count;
        catch += v->catch_count;
    }
    for (u32 i = 0; i < s.head.globals; i++) memcpy(&m->globals[i].uses, bytes + s.globals + i * 4, 4);
    for (u32 i = 0; i < s.head.tables; i++) m->tables[i].is_written = bytes[s.tables + i];
    m->uses = s.head.uses;
    m->fuse_set = (wasm_fuse_set)s.head.fuse_set;
    m->is_go = s.head.is_go != 0;
    memcpy(m->probes, s.head.probes, sizeof m->probes);
    m->verdict = bytes;
    return true;
}

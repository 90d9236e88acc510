/* What validation found out about a module, as bytes that can be kept, and a module made from them without
 * validating it again.
 *
 * A verdict holds all that validation adds to a decoded module: the facts and side tables of its functions,
 * what it noted about globals, tables and features, and the code section as it left it, with fused
 * opcodes. It is of one build of this library, on one kind of machine: layouts are those of the structures.
 * Side tables are used where they lie, in the bytes of the verdict, which the module then owns.
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
    u32 codes, globals, tables;
    u32 sides, tries, catches;
    u32 bytes_off, bytes_len; /* of the module: all bodies, and what lies between them */
    u32 zero;
} verdict_head;
_Static_assert(sizeof(verdict_head) == 16 + 10 * 4, "no padding, whose bytes would be anything");

typedef struct verdict_code {
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
    s->codes = verdict_part(&at, s->head.codes, sizeof(verdict_code));
    s->tries = verdict_part(&at, s->head.tries, sizeof(wasm_try));
    s->catches = verdict_part(&at, s->head.catches, sizeof(wasm_catch));
    s->sides = verdict_part(&at, s->head.sides, sizeof(wasm_side));
    s->bytes = verdict_part(&at, s->head.bytes_len, 1);
    s->end = at;
}

/* Of a decoded module, whose bodies need not be validated: sides, tries and catches are left out. */
static verdict_shape
verdict_shape_of(const wasm_module *m)
{
    verdict_shape s = {.head = {.len = m->len,
                                .codes = m->func_count - m->imported_funcs,
                                .globals = m->global_count,
                                .tables = m->table_count}};
    if (s.head.codes) {
        s.head.bytes_off = m->codes[0].body_off;
        s.head.bytes_len = m->codes[s.head.codes - 1].body_end - m->codes[0].body_off;
    }
    return s;
}

static verdict_shape
verdict_shape_whole(const wasm_module *m)
{
    verdict_shape s = verdict_shape_of(m);
    s.head.uses = m->uses;
    s.head.fuse_set = (u32)m->fuse_set;
    for (u32 i = 0; i < s.head.codes; i++) {
        s.head.sides += m->codes[i].side_count;
        s.head.tries += m->codes[i].try_count;
        s.head.catches += m->codes[i].catch_count;
    }
    verdict_place(&s);
    return s;
}

size_t
gbx_wasm_verdict_bytes(const wasm_module *m)
{
    return (size_t)verdict_shape_whole(m).end;
}

static u8 *
verdict_put(u8 *to, const void *items, u32 count, size_t bytes)
{
    if (count) memcpy(to, items, count * bytes);
    return to + count * bytes;
}

void
gbx_wasm_verdict_write(const wasm_module *m, u8 *to)
{
    verdict_shape const s = verdict_shape_whole(m);
    memset(to, 0, s.bytes);
    memcpy(to, &s.head, sizeof s.head);
    u8 *side = to + s.sides, *try = to + s.tries, *catch = to + s.catches;
    for (u32 i = 0; i < s.head.globals; i++) memcpy(to + s.globals + i * 4, &m->globals[i].uses, 4);
    for (u32 i = 0; i < s.head.tables; i++) to[s.tables + i] = m->tables[i].is_written;
    for (u32 i = 0; i < s.head.codes; i++) {
        const wasm_code *const c = &m->codes[i];
        verdict_code const v = {.entry_off = (u32)(c->entry - m->bytes),
                                .insns_off = c->insns_off,
                                .local_count = c->local_count,
                                .stack_max = c->stack_max,
                                .has_v128 = c->has_v128,
                                .side_count = c->side_count,
                                .try_count = c->try_count,
                                .catch_count = c->catch_count};
        memcpy(to + s.codes + i * sizeof v, &v, sizeof v);
        side = verdict_put(side, c->side, c->side_count, sizeof *c->side);
        try = verdict_put(try, c->tries, c->try_count, sizeof *c->tries);
        catch = verdict_put(catch, c->catches, c->catch_count, sizeof *c->catches);
    }
    if (s.head.bytes_len) memcpy(to + s.bytes, m->bytes + s.head.bytes_off, s.head.bytes_len);
    memset(to + s.bytes + s.head.bytes_len, 0, s.end - s.bytes - s.head.bytes_len);
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
        kept.tables != s.head.tables || kept.bytes_off != s.head.bytes_off ||
        kept.bytes_len != s.head.bytes_len || kept.fuse_set >= WASM_FUSE_SETS)
        return false;
    s.head = kept;
    verdict_place(&s);
    *out = s;
    if (s.end != len) return false;
    const verdict_code *const codes = (const void *)(bytes + s.codes);
    u64 sides = 0, tries = 0, catches = 0;
    for (u32 i = 0; i < s.head.codes; i++) {
        const wasm_code *const c = &m->codes[i];
        const verdict_code *const v = &codes[i];
        if (v->insns_off < c->body_off || v->entry_off < v->insns_off || v->entry_off >= c->body_end)
            return false;
        sides += v->side_count;
        tries += v->try_count;
        catches += v->catch_count;
    }
    return sides == s.head.sides && tries == s.head.tries && catches == s.head.catches;
}

bool
gbx_wasm_verdict_restore(wasm_module *m, u8 *bytes, size_t len)
{
    verdict_shape s;
    if (!verdict_fits(m, bytes, len, &s)) return false;
    const verdict_code *v = (const void *)(bytes + s.codes);
    const wasm_side *side = (const void *)(bytes + s.sides);
    const wasm_try *try = (const void *)(bytes + s.tries);
    const wasm_catch *catch = (const void *)(bytes + s.catches);
    for (u32 i = 0; i < s.head.codes; i++, v++) {
        wasm_code *const c = &m->codes[i];
        u32 const func_idx = m->imported_funcs + i;
        const wasm_functype *const t = &m->types[m->func_types[func_idx]];
        c->entry = m->bytes + v->entry_off;
        c->insns_off = v->insns_off;
        c->side = v->side_count ? side : NULL;
        c->side_count = v->side_count;
        c->param_count = t->param_count;
        c->result_count = t->result_count;
        c->local_count = v->local_count;
        c->stack_max = v->stack_max;
        c->func_idx = func_idx;
        c->type_idx = m->func_types[func_idx];
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
    if (s.head.bytes_len) memcpy(m->bytes + s.head.bytes_off, bytes + s.bytes, s.head.bytes_len);
    m->uses = s.head.uses;
    m->fuse_set = (wasm_fuse_set)s.head.fuse_set;
    m->verdict = bytes;
    return true;
}

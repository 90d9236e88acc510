/* Pass A as a whole: its space, and the order of its parts. The contract is facts.h. */
#include "codegen/facts.h"

#include <string.h>

#include "base/alloc.h"
#include "codegen/codegen.h"
#include "codegen/facts_int.h"

const char *const gbx_codegen_beyond_texts[FACTS_BEYOND_COUNT] = {
#define FACTS_BEYOND(name, slug, reason) slug,
#include "codegen/facts.def"
#undef FACTS_BEYOND
};

const char *const gbx_codegen_stub_slugs[CODEGEN_STUB_COUNT] = {
#define CODEGEN_STUB(name, slug, meaning) slug,
#include "codegen/stubs.def"
#undef CODEGEN_STUB
};

bool
gbx_codegen_facts_grow(facts_array *a, u64 need, size_t bytes)
{
    if (GBX_LIKELY(need <= a->cap && a->items)) return true;
    u64 const cap = min_u64(max_u64(need, (u64)a->cap + a->cap / 2 + 64), UINT32_MAX);
    void *const grown = need <= cap ? gbx_base_realloc(a->items, cap, bytes) : NULL;
    if (!grown) return false;
    a->items = grown;
    a->cap = (u32)cap;
    return true;
}

bool
gbx_codegen_facts_grow_zero(facts_array *a, u64 need, size_t bytes)
{
    u32 const had = a->cap;
    if (!gbx_codegen_facts_grow(a, need, bytes)) return false;
    memset((u8 *)a->items + had * bytes, 0, (a->cap - had) * bytes);
    return true;
}

facts_space *
gbx_codegen_facts_space_new(void)
{
    return gbx_base_alloc_zero(1, sizeof(facts_space));
}

void
gbx_codegen_facts_space_free(facts_space *s)
{
    if (!s) return;
    facts_array *const all[] = {&s->leader_bits, &s->at, &s->leaders, &s->blocks, &s->edges, &s->preds,
                                &s->accesses, &s->locals.slots, &s->locals.uses, &s->globals.slots,
                                &s->globals.uses};
    for (size_t i = 0; i < GBX_LEN(all); i++) gbx_base_free(all[i]->items);
    for (size_t i = 0; i < GBX_LEN(s->work); i++) gbx_base_free(s->work[i].items);
    gbx_base_free(s);
}

size_t
gbx_codegen_facts_space_bytes(const facts_space *s)
{
    size_t bytes = sizeof *s + s->leader_bits.cap * sizeof(u64) + s->at.cap * sizeof(u32) +
                   s->leaders.cap * sizeof(facts_leader) + s->blocks.cap * sizeof(facts_block) +
                   s->edges.cap * sizeof(facts_edge) + (size_t)s->preds.cap * sizeof(u32) +
                   s->accesses.cap * sizeof(u32);
    for (size_t i = 0; i < GBX_LEN(s->work); i++) bytes += s->work[i].cap * sizeof(u32);
    const facts_tally *const tallies[] = {&s->locals, &s->globals};
    for (size_t i = 0; i < GBX_LEN(tallies); i++)
        bytes += tallies[i]->slots.cap * sizeof(u32) + tallies[i]->uses.cap * sizeof(facts_use);
    return bytes;
}

gbx_code
gbx_codegen_facts(facts_space *s, const wasm_module *m, const wasm_code *code, facts *f)
{
    static const facts none = {.dispatch = FACTS_NONE, .fresh = FACTS_NONE, .copy_local = FACTS_NONE,
                               .copy_global = FACTS_NONE};
    *f = none;
    if (!gbx_codegen_facts_walk(s, m, code, f)) return GBX_NO_MEMORY;
    if (f->beyond & FACTS_BEYOND_EXCEPTIONS) {
        u32 const beyond = f->beyond, beyond_off = f->beyond_off;
        *f = none;
        f->beyond = beyond;
        f->beyond_off = beyond_off;
        return GBX_OK;
    }
    if (!gbx_codegen_facts_loops(s, f) || !gbx_codegen_facts_rank(s, m, code, f) ||
        !gbx_codegen_facts_live(s, f))
        return GBX_NO_MEMORY;
    f->blocks = s->blocks.items;
    f->edges = s->edges.items;
    f->preds = s->preds.items;
    f->accesses = s->accesses.items;
    f->block_count = s->block_count;
    f->edge_count = s->edge_count;
    return GBX_OK;
}

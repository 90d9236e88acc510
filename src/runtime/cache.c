/* What of the code cache is taken over when, and when an entry is written.
 *
 * An entry belongs to the bytes of a module, this build, this processor, the features that are refused and
 * the parts of the compiler that are on: its id is a tag over all of them. The verdict of validation is taken
 * over when the module is opened, code of a function when it is first called, with the functions that this
 * code calls directly, and only into the very environment (codegen_env) that it was compiled against.
 *
 * RULE: S2. A chunk is our own copy when it is compared with its tag, and code is copied from there into code
 * memory. RULE: S5. Code is taken over exactly as if it had just been compiled: what it calls by displacement
 * is final before.
 *
 * An entry is written when the module is dropped, if what it would have saved took longer than writing it
 * does, or something in the present one is damaged. What other processes have written in the meantime stays
 * in it.
 *
 * SAFETY: what carries our tag is what we wrote: machine code and what a verdict says of a function are
 * believed and not looked at again. Sizes, places and indices of records are held against their chunk and the
 * module all the same, before they are used: whatever they say, reading them stays in bounds
 * (test/unit/test_runtime_cache.c). */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

/* Of the sources and how they were compiled, by the Makefile. */
#ifndef GBX_BUILD_ID
#define GBX_BUILD_ID ""
#endif
static const char cache_build[] = GBX_BUILD_ID;

#define CACHE_MERGE_TURNS 8u
#define CACHE_ALIGN_BYTES 8u /* before what is put into a chunk */
#define CACHE_CHUNK_BYTES ((size_t)64 << 10) /* a chunk of code is closed when it has so many */
/* PERF: what writing costs: `release` of bench/start --cache DIR, less that without. 0.8 ms for 767 KiB
 * (hello), 1.6 for 1.8 MiB (esbuild). */
#define CACHE_WRITE_NS     ((u64)200000)
#define CACHE_WRITE_KIB_NS 800u

typedef struct record_head {
    u32 func_idx;
    u32 len, general, fresh, osr, frame_bytes;
    u32 reloc_count, row_count, head_count;
} record_head;

typedef enum record_target { RECORD_STUB, RECORD_GENERAL, RECORD_FRESH, RECORD_TARGETS } record_target;

typedef struct record_reloc {
    u32 at, target, idx; /* target: record_target */
} record_reloc;

typedef struct record_view {
    record_head head;
    const record_reloc *relocs;
    const codegen_row *rows;
    const codegen_head *heads;
    const u8 *bytes;
} record_view;

/* ---- Records */

static u64
cache_record_bytes(const record_head *h)
{
    return sizeof *h + (u64)h->reloc_count * sizeof(record_reloc) + (u64)h->row_count * sizeof(codegen_row) +
           (u64)h->head_count * sizeof(codegen_head) + h->len;
}

static bool
cache_record_view(const u8 *chunk, u64 chunk_len, cache_record r, u32 func_count, record_view *v)
{
    if (r.off % 8 || r.len < sizeof v->head || r.off > chunk_len || r.len > chunk_len - r.off) return false;
    const u8 *at = chunk + r.off;
    memcpy(&v->head, at, sizeof v->head);
    const record_head *const h = &v->head;
    if (h->func_idx != r.func_idx || r.func_idx >= func_count || cache_record_bytes(h) > r.len) return false;
    v->relocs = (const void *)(at + sizeof *h);
    v->rows = (const void *)(v->relocs + h->reloc_count);
    v->heads = (const void *)(v->rows + h->row_count);
    v->bytes = (const u8 *)(v->heads + h->head_count);
    for (u32 i = 0; i < h->reloc_count; i++) {
        const record_reloc *const reloc = &v->relocs[i];
        u32 const most = reloc->target == RECORD_STUB ? CODEGEN_STUB_COUNT : func_count;
        if (reloc->target >= RECORD_TARGETS || reloc->idx >= most) return false;
        if (h->len < 4 || reloc->at > h->len - 4) return false;
    }
    return h->general < h->len && (h->fresh == FACTS_NONE || h->fresh < h->len) &&
           (h->osr == FACTS_NONE || h->osr < h->len);
}

/* The chunk, read and compared at its first use. */
static const u8 *
cache_chunk_of(cache_entry *e, u32 chunk)
{
    if (chunk >= e->file.chunk_count || e->is_bad[chunk]) return NULL;
    if (!e->chunks[chunk]) {
        e->chunks[chunk] = gbx_runtime_cache_file_chunk(&e->file, e->dir, &e->file.chunks[chunk]);
        e->is_bad[chunk] = !e->chunks[chunk];
    }
    return e->chunks[chunk];
}

static bool
cache_view(cache_entry *e, u32 record, record_view *v)
{
    cache_record const r = e->file.records[record];
    const u8 *const chunk = cache_chunk_of(e, r.chunk);
    return chunk && cache_record_view(chunk, e->file.chunks[r.chunk].len, r, e->func_count, v);
}

/* ---- Opening */

const cache_dir gbx_runtime_cache_nobodys = {
        .is_open = true, .fd = -1, .key = {{"glovebox: damage, and no trust"}}};

/* `content` tells the module, of `len` bytes, from all others. */
static mac_tag
cache_id(const mac_key *key, cache_terms terms, size_t len, mac_part content)
{
    struct {
        char domain[8];
        cache_terms terms;
        u64 build_len, len;
    } const made_for = {.domain = "gbxmodl2", .terms = terms, .build_len = sizeof cache_build, .len = len};
    mac_part const parts[] = {{&made_for, sizeof made_for}, {cache_build, sizeof cache_build}, content};
    mac_tag id;
    gbx_base_mac(key, parts, GBX_LEN(parts), &id);
    return id;
}

mac_tag
gbx_runtime_cache_id(const mac_key *key, cache_terms terms, const mac_tag *tags, size_t len)
{
    return cache_id(key, terms, len, (mac_part){tags, gbx_runtime_pieces_count(len) * sizeof *tags});
}

/* Of this processor. */
static cache_terms
cache_terms_here(u64 features_off, u32 tune)
{
    return (cache_terms){.features_off = features_off, .cpu = gbx_codegen_cpu(), .tune = tune};
}

cache_maker
gbx_runtime_cache_maker(u64 features_off, u32 tune)
{
    cache_maker maker = {.terms = cache_terms_here(features_off, tune)};
    mac_part const parts[] = {{cache_build, sizeof cache_build}};
    gbx_base_mac(&gbx_runtime_cache_nobodys.key, parts, GBX_LEN(parts), &maker.build);
    return maker;
}

static void
cache_begin_file(cache_entry *e, bool is_open, u8 **verdict, size_t *verdict_len)
{
    if (is_open) {
        *verdict = gbx_runtime_cache_file_chunk(&e->file, e->dir, &e->file.verdict);
        *verdict_len = (size_t)e->file.verdict.len;
    }
    if (e->file.is_damaged) e->why = "the entry is damaged";
}

void
gbx_runtime_cache_begin(cache_entry *e, const cache_dir *d, const mac_tag *tags, size_t len,
                        u64 features_off, u32 tune, u8 **verdict, size_t *verdict_len)
{
    *verdict = NULL;
    if (!d->is_open || sizeof cache_build == 1) return;
    e->dir = d;
    e->id = gbx_runtime_cache_id(&d->key, cache_terms_here(features_off, tune), tags, len);
    e->why = "there is no entry";
    bool const is_open = gbx_runtime_cache_file_open(&e->file, d, &e->id);
    cache_begin_file(e, is_open, verdict, verdict_len);
}

void
gbx_runtime_cache_begin_shipped(cache_entry *e, cache_file *part, const mac_tag *module, size_t len,
                                const mac_tag *root, u64 features_off, u32 tune, u8 **verdict,
                                size_t *verdict_len)
{
    *verdict = NULL;
    e->dir = &gbx_runtime_cache_nobodys;
    e->is_shipped = true;
    e->is_making = !part;
    e->id = cache_id(&e->dir->key, cache_terms_here(features_off, tune), len,
                     (mac_part){module, sizeof *module});
    if (!part) return;
    e->file = *part;
    bool const is_open = gbx_runtime_cache_file_open_part(&e->file, e->dir, &e->id, root);
    cache_begin_file(e, is_open, verdict, verdict_len);
    e->file_why = e->file.is_damaged ? "its code is damaged" : "";
}

void
gbx_runtime_cache_opened(cache_entry *e, bool is_known, u64 spent_ns)
{
    e->is_known = is_known;
    if (is_known) e->why = NULL;
    else e->spent_ns += spent_ns;
}

void
gbx_runtime_cache_end(cache_entry *e)
{
    for (u32 i = 0; e->chunks && i < e->file.chunk_count; i++) gbx_base_free(e->chunks[i]);
    for (u32 i = 0; i < e->made_count; i++) gbx_base_free(e->made[i].data);
    gbx_base_free(e->made);
    gbx_base_free(e->chunks);
    gbx_base_free(e->is_bad);
    gbx_base_free(e->is_asked);
    gbx_base_free(e->by_func);
    gbx_runtime_cache_file_close(&e->file);
    *e = (cache_entry){0};
}

/* ---- Taking over */

/* All that code of a function depends on but its own bytes and the id of the entry. */
static mac_tag
cache_env_tag(const cache_dir *d, const codegen_env *env)
{
    struct {
        char domain[8];
        u32 pins[CODEGEN_PINS];
        u32 is_guarded, tail_slots, closed_table, closed_len;
        u64 row_bytes;
    } env_facts = {.domain = "gbxenvt1",
               .is_guarded = env->is_guarded,
               .tail_slots = env->tail_slots,
               .closed_table = env->closed_table,
               .closed_len = env->closed_len};
    mac_tag tag;
    memcpy(env_facts.pins, env->pins, sizeof env_facts.pins);
    if (env->closed_table != FACTS_NONE)
        env_facts.row_bytes = env->m->type_count * sizeof *env->closed_rows;
    mac_part const parts[] = {{&env_facts, sizeof env_facts},
                              {env->closed_rows, (size_t)env_facts.row_bytes}};
    gbx_base_mac(&d->key, parts, GBX_LEN(parts), &tag);
    return tag;
}

static bool
cache_make_tables(cache_entry *e)
{
    e->chunks = gbx_base_alloc_zero(e->file.chunk_count, sizeof(u8 *));
    e->is_bad = gbx_base_alloc_zero(e->file.chunk_count, 1);
    e->is_asked = gbx_base_alloc_zero(e->file.record_count, 1);
    e->by_func = gbx_base_alloc_zero(e->func_count, sizeof *e->by_func);
    return e->chunks && e->is_bad && e->is_asked && e->by_func;
}

void
gbx_runtime_cache_env(cache_entry *e, module_code *mc)
{
    if (!e->dir) return;
    e->env = cache_env_tag(e->dir, &mc->env);
    e->has_env = true;
    e->func_count = mc->env.m->func_count;
    if (!e->file.record_count || !gbx_base_mac_equal(&e->env, &e->file.env)) return;
    if (!cache_make_tables(e)) {
        gbx_base_free(e->by_func);
        e->by_func = NULL;
        return;
    }
    for (u32 i = 0; i < e->file.record_count; i++) {
        u32 const func_idx = e->file.records[i].func_idx;
        if (func_idx < mc->env.m->imported_funcs || func_idx >= e->func_count) continue;
        e->by_func[func_idx] = i + 1;
        atomic_store_explicit(&mc->cells[func_idx].heat, 1, memory_order_relaxed);
    }
}

static bool
cache_is_final(const module_code *mc, u32 func_idx)
{
    return atomic_load_explicit(&mc->cells[func_idx].body, memory_order_relaxed) != NULL;
}

static int
cache_by_number(const void *a, const void *b)
{
    u32 x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* A list of records, as long as there are any. */
static void
cache_ask(cache_entry *e, const module_code *mc, u32 func_idx, u32 *records, u32 *count)
{
    u32 const record = e->by_func[func_idx];
    if (!record || e->is_asked[record - 1] || cache_is_final(mc, func_idx)) return;
    e->is_asked[record - 1] = 1;
    records[(*count)++] = record - 1;
}

u32
gbx_runtime_cache_closure(cache_entry *e, const module_code *mc, u32 func_idx, u32 **records)
{
    u32 count = 0;
    *records = NULL;
    if (!cache_entry_has(e, func_idx)) return 0;
    u32 *const list = gbx_base_alloc(e->file.record_count, sizeof *list);
    if (!list) return 0;
    cache_ask(e, mc, func_idx, list, &count);
    for (u32 i = 0; i < count; i++) {
        record_view v;
        if (!cache_view(e, list[i], &v)) continue;
        for (u32 k = 0; k < v.head.reloc_count; k++)
            if (v.relocs[k].target != RECORD_STUB) cache_ask(e, mc, v.relocs[k].idx, list, &count);
    }
    qsort(list, count, sizeof *list, cache_by_number);
    *records = list;
    return count;
}

static const u8 *
cache_target(const module_code *mc, const record_reloc *r)
{
    if (r->target == RECORD_STUB) return mc->env.stubs[r->idx];
    const gbx_cell *const cell = &mc->cells[r->idx];
    const gbx_body *const body = atomic_load_explicit(&cell->body, memory_order_relaxed);
    if (!body) return NULL;
    u32 const entry = r->target == RECORD_FRESH ? body->fresh : body->general;
    return entry == FACTS_NONE ? NULL : body->code + entry;
}

bool
gbx_runtime_cache_find(cache_entry *e, const module_code *mc, u32 record, codegen_out *out)
{
    record_view v;
    if (!cache_view(e, record, &v)) return false;
    codegen_reloc *const relocs = gbx_base_alloc(v.head.reloc_count, sizeof *relocs);
    if (!relocs) return false;
    for (u32 i = 0; i < v.head.reloc_count; i++) {
        relocs[i] = (codegen_reloc){v.relocs[i].at, cache_target(mc, &v.relocs[i])};
        if (relocs[i].target) continue;
        gbx_base_free(relocs);
        return false;
    }
    *out = (codegen_out){.bytes = v.bytes,
                         .len = v.head.len,
                         .general = v.head.general,
                         .fresh = v.head.fresh,
                         .osr = v.head.osr,
                         .frame_bytes = v.head.frame_bytes,
                         .relocs = relocs,
                         .rows = v.rows,
                         .heads = v.heads,
                         .reloc_count = v.head.reloc_count,
                         .row_count = v.head.row_count,
                         .head_count = v.head.head_count};
    return true;
}

/* ---- Keeping */

/* What an address is: false for what has no name. */
static bool
cache_name(const module_code *mc, const u8 *target, record_reloc *r)
{
    for (u32 i = 0; i < CODEGEN_STUB_COUNT; i++) {
        if (mc->env.stubs[i] != target) continue;
        r->target = RECORD_STUB;
        r->idx = i;
        return true;
    }
    const code_blob *const blob = gbx_runtime_code_find(mc->space.region, (uintptr_t)target);
    if (!blob || !blob->table) return false;
    r->idx = blob->table->func_idx;
    const gbx_body *const body = atomic_load_explicit(&mc->cells[r->idx].body, memory_order_relaxed);
    if (!body || body->code != blob->exec) return false;
    u32 const offset = (u32)(target - blob->exec);
    r->target = offset == body->general ? RECORD_GENERAL : RECORD_FRESH;
    return offset == body->general || offset == body->fresh;
}

static u8 *
cache_copy(u8 *to, const void *items, u32 count, size_t bytes)
{
    if (count) memcpy(to, items, count * bytes);
    return to + count * bytes;
}

/* NULL: it cannot be kept. */
static u8 *
cache_make_record(const module_code *mc, u32 func_idx, const codegen_out *out, u32 *len)
{
    record_head const h = {.func_idx = func_idx,
                           .len = out->len,
                           .general = out->general,
                           .fresh = out->fresh,
                           .osr = out->osr,
                           .frame_bytes = out->frame_bytes,
                           .reloc_count = out->reloc_count,
                           .row_count = out->row_count,
                           .head_count = out->head_count};
    u64 const bytes = cache_record_bytes(&h);
    u8 *const data = bytes <= UINT32_MAX ? gbx_base_alloc(bytes, 1) : NULL;
    if (!data) return NULL;
    *len = (u32)bytes;
    u8 *at = cache_copy(data, &h, 1, sizeof h);
    for (u32 i = 0; i < out->reloc_count; i++) {
        record_reloc r = {.at = out->relocs[i].at};
        if (!cache_name(mc, out->relocs[i].target, &r)) {
            gbx_base_free(data);
            return NULL;
        }
        at = cache_copy(at, &r, 1, sizeof r);
    }
    at = cache_copy(at, out->rows, out->row_count, sizeof *out->rows);
    at = cache_copy(at, out->heads, out->head_count, sizeof *out->heads);
    (void)cache_copy(at, out->bytes, out->len, 1);
    return data;
}

void
gbx_runtime_cache_keep(cache_entry *e, const module_code *mc, u32 func_idx, const codegen_out *out,
                       u64 spent_ns)
{
    if (!e->has_env || (e->is_shipped && !e->is_making)) return;
    if (e->made_count == e->made_cap) {
        u32 const cap = e->made_cap ? e->made_cap * 2 : 64;
        cache_made *const more = gbx_base_realloc(e->made, cap, sizeof *more);
        if (!more) return;
        e->made = more;
        e->made_cap = cap;
    }
    cache_made *const made = &e->made[e->made_count];
    made->func_idx = func_idx;
    made->data = cache_make_record(mc, func_idx, out, &made->len);
    if (!made->data) return;
    e->made_count++;
    e->made_bytes += made->len;
    e->spent_ns += spent_ns;
}

void
gbx_runtime_module_cache_use(const gbx_module *m, gbx_cache_use *out)
{
    const cache_entry *const e = &m->code.cache;
    const char *const off = m->engine->cache.why;
    pthread_mutex_t *const lock = &m->engine->compiler.lock;
    (void)pthread_mutex_lock(lock);
    bool const is_bad = e->is_shipped && e->file.is_damaged;
    *out = (gbx_cache_use){.is_on = e->dir != NULL,
                           .is_hit = e->is_known,
                           .taken = m->code.taken,
                           .compiled = m->code.figures.compiled - m->code.taken,
                           .why = e->dir ? e->why : off ? off : "it is off",
                           .compiled_file = is_bad ? "a part of its code is damaged" : e->file_why,
                           .from_file = e->is_shipped};
    (void)pthread_mutex_unlock(lock);
    if (!out->why) out->why = "";
}

/* ---- Writing */

/* What is in the draft, by function. */
typedef struct cache_merge {
    cache_draft draft;
    const cache_dir *dir;
    u8 *has; /* owned */
    u32 func_count;
    u32 left; /* fit records of the file that could not follow */
    bool is_begun; /* a chunk, there: */
    size_t from;
} cache_merge;

/* Fit, not there yet, and all that it calls is there before it. */
static bool
cache_may_follow(const cache_merge *merge, const u8 *chunk, u64 len, cache_record r)
{
    record_view v;
    if (!cache_record_view(chunk, len, r, merge->func_count, &v) || merge->has[r.func_idx]) return false;
    for (u32 i = 0; i < v.head.reloc_count; i++)
        if (v.relocs[i].target != RECORD_STUB && !merge->has[v.relocs[i].idx]) return false;
    return true;
}

/* Chunks of the file as it is now, with what is fit of them. */
static void
cache_carry_over(cache_merge *merge, cache_file *f)
{
    cache_draft *const d = &merge->draft;
    u32 next = 0; /* record: they stand in the order of their chunks */
    for (u32 i = 0; i < f->chunk_count; i++) {
        size_t const len = (size_t)f->chunks[i].len;
        u8 *const data = gbx_runtime_cache_file_chunk(f, merge->dir, &f->chunks[i]);
        u8 *const to = data ? gbx_runtime_cache_draft_room(d, len) : NULL;
        bool is_used = false;
        if (to) memcpy(to, data, len);
        for (; next < f->record_count && f->records[next].chunk <= i; next++) {
            cache_record r = f->records[next];
            if (!to || r.chunk != i) continue;
            if (!cache_may_follow(merge, data, len, r)) {
                merge->left++;
                continue;
            }
            merge->has[r.func_idx] = 1;
            r.chunk = d->chunk_count;
            gbx_runtime_cache_draft_add_record(d, r);
            is_used = true;
        }
        gbx_base_free(data);
        if (!is_used) continue;
        gbx_runtime_cache_draft_add_chunk(d, gbx_runtime_cache_draft_close(d, merge->dir, d->len - len));
    }
}

static void
cache_end_chunk(cache_merge *merge)
{
    cache_draft *const d = &merge->draft;
    if (merge->is_begun)
        gbx_runtime_cache_draft_add_chunk(d, gbx_runtime_cache_draft_close(d, merge->dir, merge->from));
    merge->is_begun = false;
}

/* One record, where it may follow. */
static bool
cache_add(cache_merge *merge, const u8 *chunk, u64 chunk_len, cache_record r)
{
    cache_draft *const d = &merge->draft;
    if (!cache_may_follow(merge, chunk, chunk_len, r)) return false;
    u8 *const to = gbx_runtime_cache_draft_room(d, r.len);
    if (!to) return false;
    if (!merge->is_begun) merge->from = d->len - r.len;
    merge->is_begun = true;
    memcpy(to, chunk + r.off, r.len);
    merge->has[r.func_idx] = 1;
    r.chunk = d->chunk_count;
    r.off = (u32)(d->len - r.len - merge->from);
    gbx_runtime_cache_draft_add_record(d, r);
    if (d->len - merge->from >= CACHE_CHUNK_BYTES) cache_end_chunk(merge);
    return true;
}

/* What called functions of a chunk that is lost, once they are there again. */
static bool
cache_add_left(cache_merge *merge, cache_file *f)
{
    bool is_more = false;
    u8 *data = NULL;
    u32 chunk = UINT32_MAX;
    for (u32 i = 0; i < f->record_count; i++) {
        cache_record const r = f->records[i];
        if (r.func_idx >= merge->func_count || merge->has[r.func_idx] || r.chunk >= f->chunk_count) continue;
        if (r.chunk != chunk) {
            gbx_base_free(data);
            data = gbx_runtime_cache_file_chunk(f, merge->dir, &f->chunks[r.chunk]);
            chunk = r.chunk;
        }
        if (data && cache_add(merge, data, f->chunks[chunk].len, r)) is_more = true;
    }
    gbx_base_free(data);
    return is_more;
}

/* In turns, where what is left of a file (`now`; NULL where nothing is) and what was made call each other. */
static void
cache_add_made(cache_merge *merge, const cache_entry *e, cache_file *now)
{
    for (u32 turn = 0; turn < CACHE_MERGE_TURNS; turn++) {
        for (u32 i = 0; i < e->made_count; i++) {
            const cache_made *const made = &e->made[i];
            (void)cache_add(merge, made->data, made->len,
                            (cache_record){.func_idx = made->func_idx, .len = made->len});
        }
        if (!merge->left || !cache_add_left(merge, now)) break;
    }
    cache_end_chunk(merge);
}

static bool
cache_is_worth_it(const cache_entry *e, u64 bytes)
{
    if (e->file.is_damaged) return true;
    return e->spent_ns > CACHE_WRITE_NS + bytes / 1024 * CACHE_WRITE_KIB_NS;
}

/* What the next process is spared, by index among functions with bodies: those that were interpreted, or that
 * will be where all others have code. The rest is hardly ever called, or there is code of it. NULL: all of
 * them, or memory is short. */
static u8 *
cache_keeps(const cache_entry *e, const gbx_module *m)
{
    const wasm_module *const w = m->wasm;
    u8 *const keep = m->code.is_open ? gbx_base_alloc_zero(w->func_count, 1) : NULL;
    if (!keep) return NULL;
    for (u32 i = w->imported_funcs; i < w->func_count; i++) {
        bool const has_code = atomic_load(&m->code.cells[i].state) == GBX_CELL_DONE;
        bool const is_used = e->is_known || e->is_making || gbx_runtime_tier_ran(m, i);
        bool const is_probe = wasm_probe_of(w, i) != WASM_PROBE_COUNT; /* its code waits for its first call */
        keep[i - w->imported_funcs] = (!has_code || is_probe) && is_used;
    }
    return keep;
}

/* A draft that has the verdict. False: memory is short, and the draft is to be freed all the same. */
static bool
cache_begin_merge(cache_merge *merge, const cache_entry *e, const wasm_module *w, const u8 *keep,
                  size_t verdict_len, size_t code_len)
{
    *merge = (cache_merge){.func_count = w->func_count,
                           .dir = e->dir,
                           .has = gbx_base_alloc_zero(w->func_count, 1)};
    gbx_runtime_cache_draft_expect(&merge->draft, verdict_len + code_len);
    u8 *const verdict = merge->has ? gbx_runtime_cache_draft_room(&merge->draft, verdict_len) : NULL;
    if (!verdict) return false;
    gbx_wasm_verdict_write(w, keep, verdict);
    merge->draft.verdict = gbx_runtime_cache_draft_close(&merge->draft, e->dir, 0);
    return true;
}

static void
cache_write(cache_entry *e, const wasm_module *w, const u8 *keep, size_t verdict_len, size_t code_len)
{
    cache_merge merge;
    cache_file now;
    if (cache_begin_merge(&merge, e, w, keep, verdict_len, code_len)) {
        bool const is_there = gbx_runtime_cache_file_open(&now, e->dir, &e->id);
        if (is_there && (!e->has_env || gbx_base_mac_equal(&e->env, &now.env)))
            cache_carry_over(&merge, &now);
        if (is_there && !e->has_env) e->env = now.env;
        cache_add_made(&merge, e, &now);
        gbx_runtime_cache_file_close(&now);
        (void)gbx_runtime_cache_draft_write(&merge.draft, e->dir, &e->id, &e->env);
    }
    gbx_runtime_cache_draft_free(&merge.draft);
    gbx_base_free(merge.has);
}

/* Of the code that is to be written, about. SAFETY: chunks that were not read yet may say of themselves what
 * they like; they are in the file. */
static u64
cache_code_bytes(const cache_entry *e)
{
    u64 in_file = 0;
    for (u32 i = 0; i < e->file.chunk_count && in_file < e->file.len; i++)
        in_file += min_u64(e->file.chunks[i].len, e->file.len);
    return min_u64(in_file, e->file.len) + e->made_bytes + (u64)e->made_count * CACHE_ALIGN_BYTES;
}

void
gbx_runtime_cache_save(cache_entry *e, const gbx_module *m)
{
    if (!e->dir || e->is_shipped) return;
    u64 const code_bytes = cache_code_bytes(e);
    u8 *const keep = cache_keeps(e, m);
    size_t const verdict_len = gbx_wasm_verdict_bytes(m->wasm, keep);
    e->spent_ns += m->ready_ns - e->counted_ns;
    e->counted_ns = m->ready_ns;
    if (cache_is_worth_it(e, verdict_len + code_bytes)) {
        cache_write(e, m->wasm, keep, verdict_len, (size_t)code_bytes);
        e->spent_ns = 0;
        e->file.is_damaged = false;
    }
    gbx_base_free(keep);
}

u8 *
gbx_runtime_cache_ship(const cache_entry *e, const gbx_module *m, cache_draft *draft, size_t *front_len,
                       mac_tag *root)
{
    const wasm_module *const w = m->wasm;
    cache_merge merge;
    u8 *const keep = cache_keeps(e, m);
    u8 *front = NULL;
    if (cache_begin_merge(&merge, e, w, keep, gbx_wasm_verdict_bytes(w, keep), (size_t)e->made_bytes)) {
        cache_add_made(&merge, e, NULL);
        front = gbx_runtime_cache_draft_front(&merge.draft, e->dir, &e->id, &e->env, front_len, root);
    }
    gbx_base_free(keep);
    gbx_base_free(merge.has);
    *draft = merge.draft;
    return front;
}

/* The shared module: a decoded wasm_module, the engine's ids of its types, and its texts for people.
 *
 * Everything but the texts is immutable after gbx_runtime_module_new and read by any thread; texts are
 * made when first asked for, under the module's lock, and then live as long as the module. Names come
 * from the module and may be anything: they are escaped here, once, and cut. */
#include <string.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

#define MODULE_NAME_SHOWN 1024u /* bytes of a name that are shown; the limit of the format is 100,000 */

static gbx_code
module_out_of_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a module");
}

void
gbx_runtime_module_rest(gbx_module *m)
{
    gbx_runtime_cache_save(&m->code.cache, m);
}

u64
gbx_runtime_module_bytes(const gbx_module *m)
{
    return sizeof *m + m->wasm->len + m->code.space.chunk_bytes + m->image.os.len;
}

void
gbx_runtime_module_free(gbx_module *m)
{
    for (u32 i = 0; m->types && i < m->wasm->type_count; i++) {
        if (m->wasm->types[i].canon == i) gbx_runtime_type_put(&m->engine->types, m->types[i]);
    }
    for (map_node *n; (n = gbx_base_map_pop(&m->names));) {
        gbx_base_free(MAP_ENTRY(n, module_name, node));
    }
    gbx_runtime_frames_deinit(m);
    gbx_base_arena_deinit(&m->texts);
    gbx_base_free(m->imports);
    gbx_base_free(m->exports);
    gbx_base_free(m->types);
    gbx_base_free(m->type_ids);
    gbx_runtime_pool_forget(&m->engine->pool, &m->idle);
    gbx_runtime_early_end(m->early);
    gbx_runtime_image_deinit(m);
    gbx_runtime_module_code_deinit(m);
    gbx_wasm_module_free(m->wasm);
    (void)pthread_mutex_destroy(&m->lock);
    gbx_base_free(m);
}

/* The last reference to one that has no entry. */
static void
module_end(gbx_module *m)
{
    gbx_engine *const e = m->engine;
    if (m->wasm) gbx_runtime_module_rest(m);
    gbx_runtime_module_free(m);
    gbx_runtime_engine_release(e);
}

static gbx_code
module_intern(gbx_module *m, gbx_err *err)
{
    const wasm_module *const w = m->wasm;
    m->type_ids = gbx_base_alloc(w->type_count, sizeof *m->type_ids);
    m->types = gbx_base_alloc_zero(w->type_count, sizeof(runtime_type *));
    if (!m->type_ids || !m->types) return module_out_of_memory(err);
    for (u32 i = 0; i < w->type_count; i++) {
        u32 const canon = w->types[i].canon;
        m->types[i] = canon == i ? gbx_runtime_type_get(&m->engine->types, &w->types[i])
                                 : m->types[canon];
        if (!m->types[i]) return module_out_of_memory(err);
        m->type_ids[i] = m->types[i]->id;
    }
    return GBX_OK;
}

/* What decoding asks when it has come to the bodies. */
typedef struct module_known {
    gbx_module *m;
    module_pieces *tagging; /* NULL: the verdict is what there is */
    size_t len;
    u8 *verdict; /* owned until it is asked for */
    size_t verdict_len;
} module_known;

static void
module_failed(void *data)
{
    module_known *const known = data;
    gbx_runtime_early_stop(known->m);
}

static u8 *
module_verdict(void *data, const wasm_module *w, size_t *len)
{
    module_known *const known = data;
    gbx_module *const m = known->m;
    const gbx_engine *const e = m->engine;
    u64 const begun_ns = gbx_base_os_now_ns();
    if (known->tagging) m->early = gbx_runtime_pieces_give_early(known->tagging);
    if (m->early) gbx_runtime_early_begin(m->early, m, w);
    bool const has_tags = known->tagging && e->cache.is_open;
    const mac_tag *const tags = has_tags ? gbx_runtime_pieces_tags(known->tagging) : NULL;
    if (tags)
        gbx_runtime_cache_begin(&m->code.cache, &e->cache, tags, known->len, e->features_off,
                                e->compiler.tune, &known->verdict, &known->verdict_len);
    u8 *const verdict = known->verdict;
    *len = known->verdict_len;
    known->verdict = NULL;
    m->lookup_ns += gbx_base_os_now_ns() - begun_ns;
    return verdict;
}

static gbx_code
module_decode(gbx_module *m, u8 *bytes, size_t len, module_pieces *tagging, shipped *with, gbx_err *err)
{
    const gbx_engine *const e = m->engine;
    cache_entry *const cache = &m->code.cache;
    module_known known = {.m = m, .len = len};
    u64 const features_off = e->features_off | (e->compiler.tune & CODEGEN_METERED ? WASM_METERED : 0);
    u64 const begun_ns = gbx_base_os_now_ns();
    if (with->is_making || (with->is_one && !*with->why_not)) {
        cache_file *const part = with->is_making ? NULL : &with->part;
        gbx_runtime_cache_begin_shipped(cache, part, &with->module, len, &with->code, e->features_off,
                                        e->compiler.tune, &known.verdict, &known.verdict_len);
        with->part = (cache_file){.fd = -1}; /* the cache's */
    } else {
        if (with->is_one) cache->file_why = with->why_not;
        if (!tagging && e->cache.is_open)
            tagging = gbx_runtime_pieces_begin(e, &e->cache, -1, bytes, 0, len);
        known.tagging = tagging;
    }
    u64 const before = gbx_base_os_now_ns(), looked_ns = m->lookup_ns;
    wasm_known const ask = {module_verdict, module_failed, &known};
    gbx_code const code =
            gbx_wasm_module_open(bytes, len, features_off, e->threads, ask, &m->wasm, err);
    m->decode_ns = gbx_base_os_now_ns() - before - (m->lookup_ns - looked_ns);
    m->lookup_ns += before - begun_ns;
    gbx_runtime_pieces_end(tagging);
    gbx_base_free(known.verdict);
    if (code == GBX_OK && e->compiler.tune & CODEGEN_CANONICAL_NANS) m->wasm->label_base = WASM_FUSE_SETS;
    if (code == GBX_OK) gbx_runtime_cache_opened(cache, m->wasm->verdict != NULL, m->decode_ns);
    else gbx_base_free(bytes);
    return code;
}

static gbx_code
module_check(gbx_engine *e, u8 *bytes, size_t len, const shipped *with, gbx_err *err)
{
    if (with->is_one && !with->is_making) GBX_TRY(gbx_runtime_shipped_check_module(with, e, bytes, len, err));
    return gbx_runtime_sniff(bytes, len, "the module", err);
}

/* The module of these bytes that the engine has or keeps; else NULL, and the caller makes it. SAFETY: of a
 * compiled file it was found out before whether its code is to be used, and it is part of the id. */
static gbx_module *
module_find(gbx_engine *e, u8 *bytes, size_t len, module_pieces **tagging, const shipped *with,
            keep_entry **mine)
{
    *mine = NULL;
    if (!e->keep.is_on || with->is_making) return NULL;
    if (!*tagging)
        *tagging = gbx_runtime_pieces_begin(e, gbx_runtime_keep_tagger(e), -1, bytes, 0, len);
    const mac_tag *const tags = *tagging ? gbx_runtime_pieces_tags(*tagging) : NULL;
    if (!tags) return NULL;
    bool const has_code = with->is_one && !*with->why_not;
    mac_tag const id = gbx_runtime_keep_id(e, tags, len, has_code ? &with->code : NULL);
    return gbx_runtime_keep_find(e, &id, mine);
}

/* The module as it is before it is decoded; NULL: memory is short. */
static gbx_module *
module_begin(gbx_engine *e)
{
    gbx_module *const m = gbx_base_alloc_zero(1, sizeof *m);
    if (!m) return NULL;
    int const rc = pthread_mutex_init(&m->lock, NULL);
    GBX_ASSERT(rc == 0);
    atomic_init(&m->refs, 1);
    m->engine = gbx_runtime_engine_retain(e);
    m->idle = (pool_link){&m->idle, &m->idle};
    return m;
}

static void
module_count(const gbx_module *m)
{
    engine_figures *const f = &m->engine->figures;
    u64 const spent_ns = m->read_ns + m->lookup_ns + m->decode_ns;
    (void)atomic_fetch_add_explicit(&f->compilations, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&f->compile_ns, spent_ns, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&f->module_bytes, m->wasm->len, memory_order_relaxed);
}

gbx_code
gbx_runtime_module_new(gbx_engine *e, u8 *bytes, size_t len, module_pieces *tagging, shipped *with,
                       gbx_module **out, gbx_err *err)
{
    shipped none = {.part = {.fd = -1}};
    if (!with) with = &none;
    *out = NULL;
    u64 const begun_ns = gbx_base_os_now_ns();
    gbx_module *m = NULL;
    keep_entry *mine = NULL;
    gbx_code code = module_check(e, bytes, len, with, err);
    if (code == GBX_OK) *out = module_find(e, bytes, len, &tagging, with, &mine);
    if (*out) {
        (void)atomic_fetch_add_explicit(&(*out)->avoided, 1, memory_order_relaxed);
        (void)atomic_fetch_add_explicit(&e->figures.avoided, 1, memory_order_relaxed);
    }
    if (code == GBX_OK && !*out && !(m = module_begin(e))) code = module_out_of_memory(err);
    if (!m) {
        gbx_runtime_keep_made(mine, NULL);
        gbx_runtime_pieces_end(tagging);
        gbx_base_free(bytes);
        gbx_runtime_shipped_end(with);
        return code;
    }
    m->read_ns = with->read_ns;
    m->lookup_ns = gbx_base_os_now_ns() - begun_ns;
    code = module_decode(m, bytes, len, tagging, with, err);
    gbx_runtime_shipped_end(with);
    if (code == GBX_OK) code = module_intern(m, err);
    if (code == GBX_OK) gbx_runtime_life_look(m);
    if (code == GBX_OK) module_count(m);
    gbx_runtime_keep_made(mine, code == GBX_OK ? m : NULL);
    if (code == GBX_OK) *out = m;
    else module_end(m);
    return code;
}

bool
gbx_runtime_module_ready(gbx_module *m, u32 func_idx)
{
    if (wasm_code_is_ready(&m->wasm->codes[func_idx - m->wasm->imported_funcs])) return true;
    (void)pthread_mutex_lock(&m->lock);
    u64 const before = gbx_base_os_now_ns();
    bool const ok = gbx_wasm_make_ready(m->wasm, func_idx);
    m->ready_ns += gbx_base_os_now_ns() - before;
    (void)pthread_mutex_unlock(&m->lock);
    return ok;
}

gbx_module *
gbx_runtime_module_mutable(const gbx_module *m)
{
    return (gbx_module *)(uintptr_t)m;
}

gbx_module *
gbx_runtime_module_retain(const gbx_module *m)
{
    gbx_module *const own = gbx_runtime_module_mutable(m);
    (void)atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
    return own;
}

void
gbx_runtime_module_release(gbx_module *m)
{
    if (!m) return;
    if (m->kept) gbx_runtime_keep_release(m);
    else if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) module_end(m);
}

const wasm_module *
gbx_runtime_module_wasm(const gbx_module *m)
{
    return m->wasm;
}

gbx_engine *
gbx_runtime_module_engine(const gbx_module *m)
{
    return m->engine;
}

const runtime_type *
gbx_runtime_module_func_type(const gbx_module *m, u32 func_idx)
{
    GBX_ASSERT(func_idx < m->wasm->func_count);
    return m->types[m->wasm->func_types[func_idx]];
}

/* Enough for every name that is shown: a byte takes at most 4 when escaped. */
#define MODULE_TEXT_CAP (MODULE_NAME_SHOWN * 4 + 8)

/* NULL when memory is short. Under the lock. */
static const char *
module_escape(gbx_module *m, rd_name name)
{
    char buf[MODULE_TEXT_CAP];
    text_buf t = gbx_base_text_init(buf, sizeof buf);
    gbx_base_text_escape(&t, name.text, name.len, MODULE_NAME_SHOWN);
    return gbx_base_arena_copy(&m->texts, buf, t.len);
}

/* The longest signature: "(externref, ...) -> (...)" with as many of each as the limits allow. */
#define MODULE_SIGNATURE_CAP ((WASM_MAX_PARAMS + WASM_MAX_RESULTS) * 11 + 16)

static const char *
module_signature(gbx_module *m, wasm_extern kind, u32 idx)
{
    char *const buf = gbx_base_alloc(MODULE_SIGNATURE_CAP, 1);
    if (!buf) return NULL;
    gbx_runtime_extern_print(gbx_runtime_extern_wanted(m->wasm, kind, idx), buf,
                             MODULE_SIGNATURE_CAP);
    const char *const copy = gbx_base_arena_copy(&m->texts, buf, strlen(buf));
    gbx_base_free(buf);
    return copy;
}

/* ORDER: wasm_extern */
static const gbx_extern_kind module_kinds[] = {GBX_EXTERN_FUNC, GBX_EXTERN_TABLE,
                                               GBX_EXTERN_MEMORY, GBX_EXTERN_GLOBAL,
                                               GBX_EXTERN_TAG};

/* Fill row idx of *rows, under the lock. A row whose name is NULL is not filled; where memory runs
 * short it stays so, and is tried again next time. */
static bool
module_info(gbx_module *m, gbx_extern_info **rows, size_t count, size_t idx,
            const wasm_import *what, gbx_extern_info *out)
{
    if (!*rows) *rows = gbx_base_alloc_zero(count, sizeof **rows);
    if (!*rows) return false;
    gbx_extern_info *const row = &(*rows)[idx];
    if (!row->name) {
        row->kind = module_kinds[what->kind];
        row->module_name = module_escape(m, what->module);
        row->signature = module_signature(m, what->kind, what->idx);
        if (row->module_name && row->signature) row->name = module_escape(m, what->name);
    }
    *out = *row;
    return row->name != NULL;
}

bool
gbx_runtime_module_import(const gbx_module *m, size_t idx, gbx_extern_info *out)
{
    gbx_module *const own = gbx_runtime_module_mutable(m);
    if (idx >= m->wasm->import_count) return false;
    (void)pthread_mutex_lock(&own->lock);
    bool const ok = module_info(own, &own->imports, m->wasm->import_count, idx,
                                &m->wasm->imports[idx], out);
    (void)pthread_mutex_unlock(&own->lock);
    return ok;
}

bool
gbx_runtime_module_export(const gbx_module *m, size_t idx, gbx_extern_info *out)
{
    gbx_module *const own = gbx_runtime_module_mutable(m);
    if (idx >= m->wasm->export_count) return false;
    const wasm_export *const e = &m->wasm->exports[idx];
    wasm_import const what = {.module = {"", 0}, .name = e->name, .kind = e->kind, .idx = e->idx};
    (void)pthread_mutex_lock(&own->lock);
    bool const ok = module_info(own, &own->exports, m->wasm->export_count, idx, &what, out);
    (void)pthread_mutex_unlock(&own->lock);
    return ok;
}

static module_name *
module_find_name(const map *names, u32 func_idx, u64 hash)
{
    for (map_node *n = gbx_base_map_first(names, hash); n; n = gbx_base_map_next(n)) {
        module_name *const name = MAP_ENTRY(n, module_name, node);
        if (name->func_idx == func_idx) return name;
    }
    return NULL;
}

static module_name *
module_add_name(gbx_module *m, u32 func_idx, u64 hash)
{
    char buf[MODULE_TEXT_CAP];
    text_buf t = gbx_base_text_init(buf, sizeof buf);
    rd_name const raw = gbx_wasm_func_name(m->wasm, func_idx);
    gbx_base_text_escape(&t, raw.text, raw.len, MODULE_NAME_SHOWN);
    module_name *const name = gbx_base_alloc(1, sizeof *name + t.len + 1);
    if (!name) return NULL;
    name->func_idx = func_idx;
    memcpy(name->text, buf, t.len + 1);
    if (gbx_base_map_add(&m->names, &name->node, hash)) return name;
    gbx_base_free(name);
    return NULL;
}

const char *
gbx_runtime_module_func_name(const gbx_module *m, u32 func_idx)
{
    gbx_module *const own = gbx_runtime_module_mutable(m);
    (void)pthread_mutex_lock(&own->lock);
    u64 const hash = gbx_base_map_hash(&own->names, 0, &func_idx, sizeof func_idx);
    module_name *name = module_find_name(&own->names, func_idx, hash);
    if (!name) name = module_add_name(own, func_idx, hash);
    (void)pthread_mutex_unlock(&own->lock);
    return name ? name->text : "";
}

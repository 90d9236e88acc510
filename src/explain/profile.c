/* Names for the frames of a profile, each once; see profile.h.
 *
 * SAFETY: names are the module's: they are escaped and cut before they are kept. A body is walked for the
 * line of an innermost frame, and tables of Go's are read for each, in all for PROFILE_WALK_BYTES and
 * PROFILE_STEPS: what comes then has the names that WebAssembly gives it. */
#include "explain/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "wasm/opcodes.h"

#define PROFILE_NAME_SHOWN 400u
#define PROFILE_NONE UINT64_MAX /* a frame that is none */
#define PROFILE_STEPS ((u64)1 << 26)
#define PROFILE_WALK_BYTES ((u64)256 << 20)

/* ---- Bytes */

void
gbx_explain_out_add(profile_out *o, const void *bytes, size_t len)
{
    if (o->failed || len == 0) return;
    if (o->cap - o->len < len) {
        size_t const cap = 2 * (o->cap + len) + 4096;
        u8 *const grown = gbx_base_realloc(o->bytes, cap, 1);
        o->failed = !grown;
        if (!grown) return;
        o->bytes = grown;
        o->cap = cap;
    }
    memcpy(o->bytes + o->len, bytes, len);
    o->len += len;
}

void
gbx_explain_out_text(profile_out *o, const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    int const n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n > 0) gbx_explain_out_add(o, text, min_u64((u64)n, sizeof text - 1));
}

/* ---- Functions and places */

void
gbx_explain_book_open(profile_book *b, const runtime_profile *p)
{
    *b = (profile_book){.p = p, .steps = PROFILE_STEPS, .walk_bytes = PROFILE_WALK_BYTES};
}

void
gbx_explain_book_close(profile_book *b)
{
    while (gbx_base_map_pop(&b->funcs)) {
    }
    while (gbx_base_map_pop(&b->places)) {
    }
    gbx_base_free(b->all_funcs);
    gbx_base_free(b->all_places);
    gbx_base_arena_deinit(&b->texts);
}

/* Room for one more pointer. */
static bool
profile_room(void *array, u32 count, u32 *cap)
{
    void **old;
    memcpy(&old, array, sizeof old);
    if (count < *cap) return true;
    u32 const more = 2 * *cap + 64;
    void **const grown = gbx_base_realloc(old, more, sizeof *grown);
    if (!grown) return false;
    memcpy(array, &grown, sizeof grown);
    *cap = more;
    return true;
}

static const profile_func *
profile_func_of(profile_book *b, const char *name, const char *file)
{
    u64 hash = gbx_base_map_hash(&b->funcs, 0, name, strlen(name) + 1);
    hash = gbx_base_map_hash(&b->funcs, hash, file, strlen(file));
    for (map_node *n = gbx_base_map_first(&b->funcs, hash); n; n = gbx_base_map_next(n)) {
        const profile_func *const f = MAP_ENTRY(n, profile_func, node);
        if (strcmp(f->name, name) == 0 && strcmp(f->file, file) == 0) return f;
    }
    profile_func *const f = gbx_base_arena_alloc(&b->texts, 1, sizeof *f);
    const char *const name_kept = gbx_base_arena_copy(&b->texts, name, strlen(name));
    const char *const file_kept = gbx_base_arena_copy(&b->texts, file, strlen(file));
    b->failed |= !f || !name_kept || !file_kept || !profile_room(&b->all_funcs, b->func_count, &b->func_cap);
    if (b->failed || !gbx_base_map_add(&b->funcs, &f->node, hash)) {
        b->failed = true;
        return NULL;
    }
    f->name = name_kept;
    f->file = file_kept;
    b->all_funcs[b->func_count++] = f;
    f->id = b->func_count;
    return f;
}

static void
profile_text(const go_world *w, u64 at, char *shown, size_t cap)
{
    char raw[PROFILE_NAME_SHOWN];
    text_buf t = gbx_base_text_init(shown, cap);
    size_t const len = at ? gbx_wasm_go_text(w->m, w->t, at, raw, sizeof raw) : 0;
    gbx_base_text_escape(&t, raw, len, sizeof raw);
}

/* The pc of Go's for an instruction; 0: it is not of a function of Go's. */
static u64
profile_go_pc(profile_book *b, const go_world *w, gbx_module *module, u64 frame)
{
    u32 const func_idx = SAMPLE_FUNC(frame);
    go_place place;
    if (!(frame & SAMPLE_IS_WASM)) return frame;
    if (w->t->func_count == 0 || func_idx < w->m->imported_funcs || func_idx >= w->m->func_count) return 0;
    if (!gbx_runtime_module_ready(module, func_idx)) return 0;
    u32 offset = SAMPLE_OFFSET(frame);
    const wasm_code *const code = &w->m->codes[func_idx - w->m->imported_funcs];
    if (frame & SAMPLE_IS_BEHIND) offset = gbx_wasm_insn_before(w->m, code, w->m->bytes + offset);
    if (!gbx_wasm_go_place(w->m, w->t, func_idx, offset, &b->walk_bytes, &place)) return 0;
    return gbx_wasm_go_pc(w, func_idx, place.block);
}

static void
profile_fill(profile_book *b, profile_place *place)
{
    gbx_module *module;
    const go_world *const sampled = gbx_runtime_profile_world(b->p, place->module, &module);
    go_table table = *sampled->t;
    go_world own = *sampled;
    const go_world *const w = &own;
    go_place found[GO_INLINE_MOST];
    char name[PROFILE_NAME_SHOWN * 4 + 8], file[PROFILE_NAME_SHOWN * 4 + 8];
    table.steps = &b->steps;
    own.t = &table;
    own.memo = NULL;
    u64 const pc = profile_go_pc(b, w, module, place->frame);
    u32 const n = pc ? gbx_wasm_go_expand(w, pc, found) : 0;
    place->lines = gbx_base_arena_alloc(&b->texts, n ? n : 1, sizeof *place->lines);
    b->failed |= !place->lines;
    for (u32 i = 0; i < n && !b->failed; i++) {
        profile_text(w, found[i].name_at, name, sizeof name);
        profile_text(w, found[i].file_at, file, sizeof file);
        place->lines[i] = (profile_line){profile_func_of(b, name, file), found[i].line};
    }
    place->line_count = n ? n : 1;
    if (n || b->failed) return;
    u32 const func_idx = SAMPLE_FUNC(place->frame);
    const char *const given = gbx_runtime_module_func_name(module, func_idx);
    (void)snprintf(name, sizeof name, "func[%u]", func_idx);
    place->lines[0] = (profile_line){profile_func_of(b, *given ? given : name, ""), 0};
}

const profile_place *
gbx_explain_place(profile_book *b, u32 module, u64 frame)
{
    u64 const key[2] = {frame, module};
    u64 const hash = gbx_base_map_hash(&b->places, 0, key, sizeof key);
    for (map_node *n = gbx_base_map_first(&b->places, hash); n; n = gbx_base_map_next(n)) {
        const profile_place *const place = MAP_ENTRY(n, profile_place, node);
        if (place->frame == frame && place->module == module) return place;
    }
    profile_place *const place = gbx_base_arena_alloc(&b->texts, 1, sizeof *place);
    b->failed |= !place || !profile_room(&b->all_places, b->place_count, &b->place_cap);
    if (b->failed) return NULL;
    place->frame = frame;
    place->module = module;
    if (frame != PROFILE_NONE) {
        profile_fill(b, place);
    } else {
        place->lines = gbx_base_arena_alloc(&b->texts, 1, sizeof *place->lines);
        if (place->lines) place->lines[0] = (profile_line){profile_func_of(b, "[glovebox]", ""), 0};
        place->line_count = place->lines ? 1 : 0;
        b->failed |= !place->lines;
    }
    if (b->failed || !gbx_base_map_add(&b->places, &place->node, hash)) {
        b->failed = true;
        return NULL;
    }
    b->all_places[b->place_count++] = place;
    place->id = b->place_count;
    return place;
}

const profile_place *
gbx_explain_place_none(profile_book *b)
{
    return gbx_explain_place(b, 0, PROFILE_NONE);
}

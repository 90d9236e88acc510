/* Backtraces for people: the frames that a trap left, with names, and with Go's functions, files and
 * lines.
 *
 * Texts belong to the module and are made when they are first asked for, under its lock, as in module.c:
 * many traps of one module share them. Where memory is short they are "".
 *
 * SAFETY: how much of the bodies is walked for one backtrace is bounded, since a guest chooses both its
 * frames and how long the bodies are: FRAMES_WALK_BYTES. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

#define FRAMES_TEXT_SHOWN 1024u /* bytes of a name or path that are shown */
#define FRAMES_WALK_BYTES ((u64)4 << 20)

typedef struct frames_text {
    map_node node;
    u64 at;
    char text[]; /* escaped, NUL-terminated */
} frames_text;

const char *
gbx_runtime_frame_name(const gbx_frame_ref *frame)
{
    return gbx_runtime_module_func_name(instance_of(frame->inst)->module, frame->func_idx);
}

/* Under the lock. */
static frames_text *
frames_text_find(gbx_module *m, u64 at, u64 hash)
{
    for (map_node *n = gbx_base_map_first(&m->go_texts, hash); n; n = gbx_base_map_next(n)) {
        frames_text *const text = MAP_ENTRY(n, frames_text, node);
        if (text->at == at) return text;
    }
    return NULL;
}

static const char *
frames_text_get(gbx_module *m, u64 at)
{
    if (at == 0) return "";
    u64 const hash = gbx_base_map_hash(&m->go_texts, 0, &at, sizeof at);
    frames_text *text = frames_text_find(m, at, hash);
    if (text) return text->text;
    char raw[FRAMES_TEXT_SHOWN], shown[FRAMES_TEXT_SHOWN * 4 + 8];
    size_t const len = gbx_wasm_go_text(m->wasm, &m->go, at, raw, sizeof raw);
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, raw, len, sizeof raw);
    text = gbx_base_alloc(1, sizeof *text + t.len + 1);
    if (!text) return "";
    text->at = at;
    memcpy(text->text, shown, t.len + 1);
    if (gbx_base_map_add(&m->go_texts, &text->node, hash)) return text->text;
    gbx_base_free(text);
    return "";
}

void
gbx_runtime_frames_deinit(gbx_module *m)
{
    for (map_node *n; (n = gbx_base_map_pop(&m->go_texts));) gbx_base_free(MAP_ENTRY(n, frames_text, node));
}

static void
frames_place(const gbx_frame_ref *ref, u64 *budget, gbx_frame *out)
{
    gbx_module *const m = instance_of(ref->inst)->module;
    const wasm_module *const w = m->wasm;
    if (ref->func_idx < w->imported_funcs || !gbx_runtime_module_ready(m, ref->func_idx)) return;
    go_place place;
    (void)pthread_mutex_lock(&m->lock);
    if (!m->go_is_known) (void)gbx_wasm_go_find(w, &m->go);
    m->go_is_known = true;
    if (gbx_wasm_go_place(w, &m->go, ref->func_idx, ref->offset, budget, &place)) {
        out->go_func = frames_text_get(m, place.name_at);
        out->file = frames_text_get(m, place.file_at);
        out->line = place.line;
        out->line_kind = (gbx_line)place.kind;
    }
    (void)pthread_mutex_unlock(&m->lock);
}

void
gbx_runtime_frames_copy(const gbx_exec *x, bool has_places, gbx_trap *trap)
{
    u64 budget = FRAMES_WALK_BYTES;
    trap->frames_total = x->frames_total;
    trap->frame_count = (u32)min_u64(x->frame_count, GBX_TRAP_FRAMES);
    for (u32 i = 0; i < trap->frame_count; i++) {
        const gbx_frame_ref *const f = &x->frames[i];
        gbx_frame *const out = &trap->frames[i];
        *out = (gbx_frame){.func_idx = f->func_idx,
                           .offset = f->offset,
                           .name = gbx_runtime_frame_name(f),
                           .go_func = "",
                           .file = ""};
        if (has_places) frames_place(f, &budget, out);
    }
}

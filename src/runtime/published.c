/* Compiled code made known to perf and gdb; see published.h. */
#include "runtime/published.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/os_code.h"
#include "base/text.h"
#include "gbx/engine.h"

#define PUBLISHED_NAME_SHOWN 200u

gbx_code
gbx_runtime_published_open(published_to *p, u32 to, gbx_err *err)
{
    p->perf.fd = -1;
    if (to & GBX_SYMBOLS_PERF) GBX_TRY(gbx_runtime_perf_open(&p->perf, err));
    p->to = to;
    return GBX_OK;
}

void
gbx_runtime_published_close(published_to *p)
{
    if (p->to & GBX_SYMBOLS_PERF) gbx_runtime_perf_close(&p->perf);
}

u32
gbx_runtime_published_ways(const published_to *p)
{
    return p->to & GBX_SYMBOLS_PERF ? OS_CODE_FLIP : OS_CODE_ANY;
}

static void
published_gdb(published_list *list, const code_symbol *symbols, u32 count)
{
    if (list->count == list->cap) {
        u32 const cap = list->cap * 2 + 16;
        gdb_code **const objects = gbx_base_realloc(list->objects, cap, sizeof(gdb_code *));
        if (!objects) return;
        list->objects = objects;
        list->cap = cap;
    }
    gdb_code *const object = gbx_runtime_gdb_add(symbols, count);
    if (object) list->objects[list->count++] = object;
}

static void
published_tell(const published_to *p, published_list *list, const code_symbol *symbols, u32 count)
{
    if (p->to & GBX_SYMBOLS_PERF) gbx_runtime_perf_add(&p->perf, symbols, count);
    if (p->to & GBX_SYMBOLS_GDB) published_gdb(list, symbols, count);
}

void
gbx_runtime_published_begin(const published_to *p, published_list *list, const wasm_module *w,
                            uintptr_t start, const u32 offsets[CODEGEN_STUB_COUNT], u32 len)
{
    char names[CODEGEN_STUB_COUNT][40];
    code_symbol symbols[CODEGEN_STUB_COUNT];
    for (u32 i = 0; i < CODEGEN_STUB_COUNT; i++) {
        u32 const end = i + 1 < CODEGEN_STUB_COUNT ? offsets[i + 1] : len;
        (void)snprintf(names[i], sizeof names[i], "glovebox stub %s", gbx_codegen_stub_slugs[i]);
        symbols[i] = (code_symbol){start + offsets[i], end - offsets[i], names[i]};
    }
    published_tell(p, list, symbols, CODEGEN_STUB_COUNT);
    list->names = gbx_base_arena_alloc(&list->texts, w->func_count, sizeof *list->names);
    if (!list->names) return;
    list->name_count = w->func_count;
    gbx_wasm_names(w, WASM_NAMES_FUNCS, w->func_count, list->names);
}

/* False: memory is short. */
static bool
published_keep(published_list *list, const code_symbol *symbol, size_t name_len)
{
    const char *const name = gbx_base_arena_copy(&list->texts, symbol->name, name_len);
    if (name) list->held[list->held_count++] = (code_symbol){symbol->start, symbol->bytes, name};
    return name != NULL;
}

/* SAFETY: names are cut to fit: an escape is at most four times as long as what it stands for. */
void
gbx_runtime_published_add(const published_to *p, published_list *list, uintptr_t start, size_t bytes,
                          u32 func_idx)
{
    char text[1024];
    text_buf t = gbx_base_text_init(text, sizeof text);
    rd_name const none = {"", 0};
    rd_name const name = func_idx < list->name_count ? list->names[func_idx] : none;
    if (name.len) gbx_base_text_escape(&t, name.text, name.len, PUBLISHED_NAME_SHOWN);
    else gbx_base_text_printf(&t, "func[%u]", func_idx);
    code_symbol const symbol = {start, bytes, text};
    bool const is_held = list->is_holding && published_keep(list, &symbol, t.len);
    if (!is_held) published_tell(p, list, &symbol, 1);
}

void
gbx_runtime_published_hold(const published_to *p, published_list *list)
{
    if (!p->to || !list->name_count || list->held) return;
    list->held = gbx_base_alloc(list->name_count, sizeof *list->held);
    list->is_holding = list->held != NULL;
}

void
gbx_runtime_published_tell(const published_to *p, published_list *list)
{
    if (list->held_count) published_tell(p, list, list->held, list->held_count);
    gbx_base_free(list->held);
    list->held = NULL;
    list->held_count = 0;
    list->is_holding = false;
}

void
gbx_runtime_published_forget(published_list *list)
{
    for (u32 i = 0; i < list->count; i++) gbx_runtime_gdb_remove(list->objects[i]);
    gbx_base_free(list->objects);
    gbx_base_arena_deinit(&list->texts);
    *list = (published_list){0};
}

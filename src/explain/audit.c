/* What a module is made of: who built it, how large each package is, which functions it has.
 *
 * Names of functions come from Go's own table where it has one, which stripping leaves, and else from the
 * name section. Each is copied once; a package is the sum of the functions of one path.
 *
 * SAFETY: names and texts are the module's word. What is copied of them is bounded by the size of the module:
 * in an honest one each name stands in the file itself. A package's name is cut, nothing is executed, and
 * all that is shown is escaped. */
#include "explain/audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "runtime/runtime.h"

enum { AUDIT_NAME = 1024, AUDIT_SHOWN = 4 * AUDIT_NAME + 8, AUDIT_SETTINGS = 4096 };

/* A function, while packages are added up. */
typedef struct audit_func {
    rd_name name;
    u32 bytes;
    const char *package; /* in the arena, "" for none */
} audit_func;

static const char *
audit_shown(gbx_audit *a, rd_name text)
{
    char buf[AUDIT_SHOWN];
    text_buf t = gbx_base_text_init(buf, sizeof buf);
    gbx_base_text_escape(&t, text.text, text.len, AUDIT_NAME);
    return gbx_base_arena_copy(&a->arena, buf, t.len);
}

/* ---- Build information */

static bool
audit_settings(gbx_audit *a, rd_name info)
{
    go_build_line line;
    u32 count = 0;
    for (rd_name rest = info; gbx_wasm_go_build_line(&rest, &line) && count < AUDIT_SETTINGS;)
        count++;
    a->settings = gbx_base_arena_alloc(&a->arena, count + 1u, sizeof *a->settings);
    if (!a->settings) return false;
    for (rd_name rest = info; a->setting_count < count && gbx_wasm_go_build_line(&rest, &line);) {
        gbx_audit_setting *const s = &a->settings[a->setting_count++];
        s->kind = audit_shown(a, line.kind);
        s->name = audit_shown(a, line.name);
        s->value = audit_shown(a, line.value);
        if (!s->kind || !s->name || !s->value) return false;
    }
    return true;
}

static bool
audit_build(gbx_audit *a, const wasm_module *w)
{
    go_build b;
    gbx_wasm_go_build(w, &b);
    a->info.language = audit_shown(a, b.language);
    a->info.version = audit_shown(a, b.version);
    a->info.tool = audit_shown(a, b.tool);
    a->info.tool_version = audit_shown(a, b.tool_version);
    return a->info.language && a->info.version && a->info.tool && a->info.tool_version &&
           audit_settings(a, b.info);
}

/* ---- Functions */

/* Names by Go's table; false: memory is short. */
static bool
audit_go_names(gbx_audit *a, const wasm_module *w, const go_table *t, audit_func *funcs,
               u64 *budget)
{
    char buf[AUDIT_NAME];
    for (u32 i = 0; i < t->func_count; i++) {
        u32 idx;
        u64 at;
        if (!gbx_wasm_go_func(w, t, i, &idx, &at)) continue;
        audit_func *const f = &funcs[idx - w->imported_funcs];
        size_t const len = gbx_wasm_go_text(w, t, at, buf, min_u64(sizeof buf, *budget));
        if (f->name.len || !len) continue;
        *budget -= len;
        const char *const copy = gbx_base_arena_copy(&a->arena, buf, len);
        if (!copy) return false;
        f->name = (rd_name){copy, (u32)len};
    }
    return true;
}

static bool
audit_section_names(const wasm_module *w, audit_func *funcs)
{
    rd_name *const names = gbx_base_alloc_zero(w->func_count, sizeof *names);
    if (!names) return false;
    gbx_wasm_names(w, WASM_NAMES_FUNCS, w->func_count, names);
    for (u32 i = w->imported_funcs; i < w->func_count; i++)
        if (names[i].len) funcs[i - w->imported_funcs].name = names[i];
    gbx_base_free(names);
    return true;
}

static int
audit_name_order(const void *a, const void *b)
{
    const rd_name *const x = a, *const y = b;
    int const order = memcmp(x->text, y->text, min_u32(x->len, y->len));
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int
audit_func_order(const void *a, const void *b)
{
    return strcmp(((const audit_func *)a)->package, ((const audit_func *)b)->package);
}

static int
audit_package_order(const void *a, const void *b)
{
    const gbx_audit_package *const x = a, *const y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* `funcs` are in any order afterwards. */
static bool
audit_packages(gbx_audit *a, audit_func *funcs, u32 count, u64 *budget)
{
    char buf[AUDIT_NAME];
    a->packages = gbx_base_arena_alloc(&a->arena, count + 1u, sizeof *a->packages);
    if (!a->packages) return false;
    const char *last = "";
    for (u32 i = 0; i < count; i++) { /* neighbours are most often of one package */
        u32 const len = gbx_wasm_go_package(funcs[i].name.text, funcs[i].name.len, buf,
                                            (u32)min_u64(sizeof buf, *budget));
        bool const is_last = strlen(last) == len && !memcmp(last, buf, len);
        if (!is_last) {
            *budget -= len;
            last = gbx_base_arena_copy(&a->arena, buf, len);
        }
        if (!last) return false;
        funcs[i].package = last;
    }
    qsort(funcs, count, sizeof *funcs, audit_func_order);
    for (u32 i = 0; i < count; i++) {
        bool const is_new = i == 0 || audit_func_order(&funcs[i - 1], &funcs[i]) != 0;
        if (is_new) a->packages[a->package_count++].name = funcs[i].package;
        gbx_audit_package *const p = &a->packages[a->package_count - 1];
        p->bytes += funcs[i].bytes;
        p->func_count++;
    }
    for (u32 i = 0; i < a->package_count; i++) {
        gbx_audit_package *const p = &a->packages[i];
        p->name = audit_shown(a, (rd_name){p->name, (u32)strlen(p->name)});
        if (!p->name) return false;
    }
    qsort(a->packages, a->package_count, sizeof *a->packages, audit_package_order);
    return true;
}

static bool
audit_funcs(gbx_audit *a, const wasm_module *w)
{
    go_table t;
    u32 const count = w->func_count - w->imported_funcs;
    u64 names = w->len, paths = w->len;
    audit_func *const funcs = gbx_base_alloc(count + 1u, sizeof *funcs);
    a->names = gbx_base_arena_alloc(&a->arena, count + 1u, sizeof *a->names);
    bool ok = funcs && a->names;
    for (u32 i = 0; ok && i < count; i++)
        funcs[i] = (audit_func){{"", 0}, w->codes[i].body_end - w->codes[i].body_off, ""};
    a->info.has_go_table = ok && gbx_wasm_go_find(w, &t);
    bool const is_go = a->info.has_go_table || strstr(a->info.tool, "TinyGo") ||
                       !strcmp(a->info.language, "Go");
    if (a->info.has_go_table)
        ok = audit_go_names(a, w, &t, funcs, &names);
    else if (ok)
        ok = audit_section_names(w, funcs);
    for (u32 i = 0; ok && i < count; i++)
        if (funcs[i].name.len) a->names[a->name_count++] = funcs[i].name;
    if (ok) qsort(a->names, a->name_count, sizeof *a->names, audit_name_order);
    if (ok && is_go) ok = audit_packages(a, funcs, count, &paths);
    gbx_base_free(funcs);
    return ok;
}

bool
gbx_explain_audit_has(const gbx_audit *a, const char *name)
{
    rd_name const key = {name, (u32)min_u64(strlen(name), UINT32_MAX)};
    return bsearch(&key, a->names, a->name_count, sizeof *a->names, audit_name_order) != NULL;
}

/* ---- The whole */

static void
audit_sizes(gbx_audit *a, const wasm_module *w)
{
    gbx_audit_info *const i = &a->info;
    i->file_bytes = w->len;
    i->code_bytes = w->code_bytes;
    for (u32 k = 0; k < w->data_count; k++) i->data_bytes += w->datas[k].bytes_len;
    wasm_custom c;
    for (u32 at = 0; gbx_wasm_next_custom(w, &at, &c);) i->custom_bytes += c.end - c.off;
    i->func_count = w->func_count - w->imported_funcs;
    i->has_names = w->name_end > w->name_off;
    i->has_start_func = w->has_start;
    i->memory_count = w->memory_count;
    i->memory_max_bytes = GBX_UNLIMITED;
    if (!w->memory_count) return;
    const wasm_limits *const m = &w->memories[0];
    u64 const pages = UINT64_MAX >> 16; /* of 64 KiB */
    i->memory_min_bytes = min_u64(m->min, pages) << 16;
    if (m->has_max) i->memory_max_bytes = min_u64(m->max, pages) << 16;
}

gbx_code
gbx_explain_audit_new(gbx_module *m, gbx_audit **out, gbx_err *err)
{
    gbx_audit *const a = gbx_base_alloc_zero(1, sizeof *a);
    *out = NULL;
    if (a) {
        const wasm_module *const w = gbx_runtime_module_wasm(m);
        a->module = gbx_runtime_module_retain(m);
        audit_sizes(a, w);
        if (audit_build(a, w) && audit_funcs(a, w)) {
            *out = a;
            return GBX_OK;
        }
    }
    gbx_explain_audit_free(a);
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory to look at the module");
}

void
gbx_explain_audit_free(gbx_audit *a)
{
    if (!a) return;
    gbx_base_arena_deinit(&a->arena);
    gbx_runtime_module_release(a->module);
    gbx_base_free(a);
}

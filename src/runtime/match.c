/* Binding a module's imports: which things match which types, and saying what does not.
 *
 * SPEC: core/valid/matching.html#external-types, core/exec/modules.html#instantiation. */
#include <string.h>

#include "base/text.h"
#include "runtime/runtime_int.h"

#define MATCH_REPORTED 20u      /* problems that stand in err; the rest is counted */
#define MATCH_NAME_SHOWN 128u   /* bytes of a name in a problem */
#define MATCH_SIGNATURE_CAP 512 /* a signature in a problem */

extern_type
gbx_runtime_extern_wanted(const wasm_module *w, wasm_extern kind, u32 idx)
{
    extern_type t = {.kind = kind};
    switch (kind) {
    case WASM_EXTERN_FUNC: t.of.func = &w->types[w->func_types[idx]]; break;
    case WASM_EXTERN_TABLE: t.of.table = w->tables[idx]; break;
    case WASM_EXTERN_MEMORY: t.of.memory = w->memories[idx]; break;
    case WASM_EXTERN_GLOBAL: t.of.global = w->globals[idx].type; break;
    case WASM_EXTERN_TAG: t.of.tag = &w->types[w->tags[idx]]; break;
    }
    return t;
}

extern_type
gbx_runtime_extern_given(runtime_extern ext)
{
    extern_type t = {.kind = ext.kind};
    switch (ext.kind) {
    case WASM_EXTERN_FUNC: t.of.func = &gbx_runtime_func_type(ext.of.func)->sig; break;
    case WASM_EXTERN_TABLE:
        t.of.table.elem = ext.of.table->elem_type;
        t.of.table.limits = (wasm_limits){.min = ext.of.table->len,
                                          .max = ext.of.table->max,
                                          .has_max = ext.of.table->has_max,
                                          .is_64 = ext.of.table->is_64};
        break;
    case WASM_EXTERN_MEMORY:
        t.of.memory = (wasm_limits){.min = ext.of.memory->bytes / MEMORY_PAGE_BYTES,
                                    .max = ext.of.memory->declared_max_pages,
                                    .has_max = ext.of.memory->has_max,
                                    .is_64 = ext.of.memory->is_64};
        break;
    case WASM_EXTERN_GLOBAL:
        t.of.global = (wasm_globaltype){.type = ext.of.global->type,
                                        .is_mutable = ext.of.global->is_mutable};
        break;
    case WASM_EXTERN_TAG: t.of.tag = ext.of.tag->sig; break;
    }
    return t;
}

static void
match_print_limits(text_buf *t, const wasm_limits *l)
{
    gbx_base_text_printf(t, "%llu", (unsigned long long)l->min);
    if (!l->has_max) gbx_base_text_printf(t, " or more");
    else if (l->max != l->min) gbx_base_text_printf(t, " to %llu", (unsigned long long)l->max);
}

void
gbx_runtime_extern_print(extern_type type, char *buf, size_t cap)
{
    text_buf t = gbx_base_text_init(buf, cap);
    switch (type.kind) {
    case WASM_EXTERN_FUNC: gbx_wasm_functype_print(type.of.func, buf, cap); break;
    case WASM_EXTERN_TABLE:
        gbx_base_text_printf(&t, "%stable of ", type.of.table.limits.is_64 ? "64-bit " : "");
        match_print_limits(&t, &type.of.table.limits);
        gbx_base_text_printf(&t, " %s", gbx_wasm_valtype_text(type.of.table.elem));
        break;
    case WASM_EXTERN_MEMORY:
        gbx_base_text_printf(&t, "%smemory of ", type.of.memory.is_64 ? "64-bit " : "");
        match_print_limits(&t, &type.of.memory);
        gbx_base_text_printf(&t, " pages");
        break;
    case WASM_EXTERN_GLOBAL:
        gbx_base_text_printf(&t, "%s %s", type.of.global.is_mutable ? "mutable" : "constant",
                             gbx_wasm_valtype_text(type.of.global.type));
        break;
    case WASM_EXTERN_TAG:
        gbx_base_text_printf(&t, "tag ");
        gbx_wasm_functype_print(type.of.tag, buf + t.len, cap - t.len);
        break;
    }
}

static bool
match_limits(const wasm_limits *wanted, const wasm_limits *given)
{
    return given->is_64 == wanted->is_64 && given->min >= wanted->min &&
           (!wanted->has_max || (given->has_max && given->max <= wanted->max));
}

static bool
match_types(const extern_type *wanted, const extern_type *given)
{
    if (wanted->kind != given->kind) return false;
    switch (wanted->kind) {
    case WASM_EXTERN_FUNC: return gbx_wasm_functype_equal(wanted->of.func, given->of.func);
    case WASM_EXTERN_TABLE:
        return wanted->of.table.elem == given->of.table.elem &&
               match_limits(&wanted->of.table.limits, &given->of.table.limits);
    case WASM_EXTERN_MEMORY: return match_limits(&wanted->of.memory, &given->of.memory);
    case WASM_EXTERN_GLOBAL:
        return wanted->of.global.type == given->of.global.type &&
               wanted->of.global.is_mutable == given->of.global.is_mutable;
    case WASM_EXTERN_TAG: return gbx_wasm_functype_equal(wanted->of.tag, given->of.tag);
    }
    return false;
}

/* The problems of one linking, as they are found. */
typedef struct match_log {
    gbx_link_report report;
    void *data;
    gbx_err *err;
    u32 said, unsaid, missing;
    bool is_full;
} match_log;

/* One problem in words; the phrases are those of the core specification's test suite. */
static void
match_words(const gbx_link_problem *p, char *buf, size_t cap)
{
    text_buf t = gbx_base_text_init(buf, cap);
    if (p->given) {
        gbx_base_text_printf(&t,
                             "incompatible import type: `%s::%s` is wanted as %s, supplied is %s",
                             p->module_name, p->name, p->wanted, p->given);
    } else {
        gbx_base_text_printf(&t, "unknown import: `%s::%s` %s", p->module_name, p->name, p->wanted);
    }
}

/* Add a problem to err as long as it fits whole, with room left for the count of the rest. */
static void
match_say(match_log *log, const gbx_link_problem *p)
{
    static const size_t room_for_rest = 48;
    char words[2 * (MATCH_NAME_SHOWN * 4 + MATCH_SIGNATURE_CAP)];
    match_words(p, words, sizeof words);
    gbx_code const code = p->given ? GBX_IMPORT_TYPE : GBX_UNKNOWN_IMPORT;
    if (log->said == 0) {
        (void)gbx_base_err_set(log->err, code, GBX_NO_OFFSET, "%s", words);
        log->said = 1;
        return;
    }
    log->is_full |= log->said == MATCH_REPORTED || !log->err ||
                    strlen(log->err->text) + strlen(words) + room_for_rest > GBX_ERR_TEXT_MAX;
    if (log->is_full) {
        log->unsaid++;
        return;
    }
    (void)gbx_base_err_add(log->err, code, "%s", words);
    log->said++;
}

static void
match_problem(match_log *log, const wasm_import *im, const extern_type *wanted,
              const extern_type *given)
{
    if (!given) log->missing++;
    if (log->is_full && !log->report) { /* of a million problems nobody reads the words */
        log->unsaid++;
        return;
    }
    char from[MATCH_NAME_SHOWN * 4 + 8], name[MATCH_NAME_SHOWN * 4 + 8];
    char wanted_text[MATCH_SIGNATURE_CAP], given_text[MATCH_SIGNATURE_CAP];
    text_buf t = gbx_base_text_init(from, sizeof from);
    gbx_base_text_escape(&t, im->module.text, im->module.len, MATCH_NAME_SHOWN);
    t = gbx_base_text_init(name, sizeof name);
    gbx_base_text_escape(&t, im->name.text, im->name.len, MATCH_NAME_SHOWN);
    gbx_runtime_extern_print(*wanted, wanted_text, sizeof wanted_text);
    if (given) gbx_runtime_extern_print(*given, given_text, sizeof given_text);
    gbx_link_problem const p = {.module_name = from,
                                .name = name,
                                .wanted = wanted_text,
                                .given = given ? given_text : NULL};
    match_say(log, &p);
    if (log->report) log->report(log->data, &p);
}

gbx_code
gbx_runtime_link(gbx_linker *l, const gbx_module *m, runtime_extern *found, gbx_link_report report,
                 void *data, gbx_err *err)
{
    match_log log = {.report = report, .data = data, .err = err};
    for (u32 i = 0; i < m->wasm->import_count; i++) {
        const wasm_import *const im = &m->wasm->imports[i];
        extern_type const wanted = gbx_runtime_extern_wanted(m->wasm, im->kind, im->idx);
        runtime_extern ext;
        if (!l || !gbx_runtime_linker_find(l, im->module, im->name, &ext)) {
            match_problem(&log, im, &wanted, NULL);
            continue;
        }
        extern_type const given = gbx_runtime_extern_given(ext);
        if (!match_types(&wanted, &given)) match_problem(&log, im, &wanted, &given);
        else if (found) found[i] = ext;
    }
    if (log.said == 0) return GBX_OK;
    gbx_code const code = log.missing ? GBX_UNKNOWN_IMPORT : GBX_IMPORT_TYPE;
    if (err) err->code = code;
    return log.unsaid ? gbx_base_err_add(err, code, "and %u more", log.unsaid) : code;
}

/* metrics.h: the same numbers as JSON and for Prometheus.
 *
 * SPEC: RFC 8259; https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
 *
 * SAFETY: the only text that is not ours are names of stores, which are UTF-8. They are escaped here as each
 * format wants it, so that none can end its line or its quotation marks. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "gbx/metrics.h"
#include "wasi/wasi.h"

/* A text that grows. Zeroed: empty. */
typedef struct metrics_out {
    char *data; /* owned */
    size_t len, cap;
    bool is_short; /* of memory */
} metrics_out;

static bool
metrics_room(metrics_out *o, size_t more)
{
    if (o->is_short || more < o->cap - o->len) return !o->is_short;
    size_t const cap = (o->cap + more + 1) * 2;
    char *const data = gbx_base_realloc(o->data, cap, 1);
    o->is_short = !data;
    if (!data) return false;
    o->data = data;
    o->cap = cap;
    return true;
}

static void GBX_PRINTF(2, 3)
metrics_put(metrics_out *o, const char *fmt, ...)
{
    char buf[1024];
    va_list args;
    va_start(args, fmt);
    int const n = vsnprintf(buf, sizeof buf, fmt, args);
    va_end(args);
    GBX_ASSERT(n >= 0 && (size_t)n < sizeof buf);
    if (!metrics_room(o, (size_t)n)) return;
    memcpy(o->data + o->len, buf, (size_t)n + 1);
    o->len += (size_t)n;
}

/* In quotation marks. Of control characters Prometheus escapes the end of a line, JSON all. */
static void
metrics_quote(metrics_out *o, const char *text, bool is_json)
{
    metrics_put(o, "\"");
    for (; *text; text++) {
        if (*text == '\n') metrics_put(o, "\\n");
        else if (*text == '\\' || *text == '"') metrics_put(o, "\\%c", *text);
        else if (is_json && (u8)*text < 0x20) metrics_put(o, "\\u%04x", (unsigned)*text);
        else metrics_put(o, "%c", *text);
    }
    metrics_put(o, "\"");
}

static gbx_code
metrics_end(metrics_out *o, char **out, gbx_err *err)
{
    if (!o->is_short) {
        *out = o->data;
        return GBX_OK;
    }
    gbx_base_free(o->data);
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for the text of metrics");
}

/* ---- JSON */

static void
metrics_json_counts(metrics_out *o, const char *what, const u64 *counts, u32 count, bool is_trap)
{
    const char *comma = "";
    metrics_put(o, ",\"%s\":{", what);
    for (u32 i = 0; i < count; i++) {
        if (!counts[i]) continue;
        const char *const name = is_trap ? gbx_trap_slug((gbx_trap_code)i) : gbx_wasi_call_name(i);
        metrics_put(o, "%s\"%s\":%llu", comma, name, (unsigned long long)counts[i]);
        comma = ",";
    }
    metrics_put(o, "}");
}

static gbx_code
metrics_json(const gbx_store *store, const gbx_metrics *m, char **out, gbx_err *err)
{
    metrics_out o = {0};
    metrics_put(&o, "{");
    if (store) {
        const char *const names[] = {gbx_runtime_store_name(store), gbx_runtime_store_tenant(store)};
        for (int i = 0; i < 2; i++) {
            metrics_put(&o, i ? ",\"tenant\":" : "\"name\":");
            if (*names[i]) metrics_quote(&o, names[i], true);
            else metrics_put(&o, "null");
        }
    }
    const char *comma = store ? "," : "";
#define GBX_METRIC(field, kind, of, name, unit, meaning)                                \
    metrics_put(&o, "%s\"" #field "\":%llu", comma, (unsigned long long)m->field);      \
    comma = ",";
#include "gbx/metrics.def"
#undef GBX_METRIC
    metrics_json_counts(&o, "traps", m->traps, GBX_TRAP_CODE_COUNT, true);
    metrics_json_counts(&o, "wasi_calls", m->wasi_calls, gbx_wasi_p1.count, false);
    metrics_put(&o, "}");
    return metrics_end(&o, out, err);
}

gbx_code
gbx_store_metrics_json(const gbx_store *store, char **out, gbx_err *err)
{
    gbx_metrics now;
    API_NEED(out, err);
    *out = NULL;
    API_NEED(store, err);
    gbx_runtime_store_figures(store, &now);
    return metrics_json(store, &now, out, err);
}

gbx_code
gbx_module_metrics_json(const gbx_module *module, char **out, gbx_err *err)
{
    gbx_metrics now;
    API_NEED(out, err);
    *out = NULL;
    API_NEED(module, err);
    gbx_runtime_module_figures(module, &now);
    return metrics_json(NULL, &now, out, err);
}

gbx_code
gbx_engine_metrics_json(const gbx_engine *engine, char **out, gbx_err *err)
{
    gbx_metrics now;
    API_NEED(out, err);
    *out = NULL;
    API_NEED(engine, err);
    gbx_runtime_engine_figures(engine, &now);
    return metrics_json(NULL, &now, out, err);
}

/* ---- Prometheus */

typedef enum metrics_kind { METRICS_COUNTER, METRICS_LEVEL, METRICS_MOST } metrics_kind;
typedef enum metrics_of { METRICS_STORE, METRICS_MODULE, METRICS_ENGINE } metrics_of;
typedef enum metrics_unit { METRICS_NUMBER, METRICS_BYTES, METRICS_NS } metrics_unit;

typedef struct metrics_row {
    const char *name, *meaning;
    metrics_kind kind;
    metrics_of of;
    metrics_unit unit;
    size_t offset; /* in gbx_metrics, or gbx_kept */
} metrics_row;

static const metrics_row metrics_rows[] = {
#define GBX_METRIC(field, kind, of, name, unit, meaning) \
    {name, meaning, METRICS_##kind, METRICS_##of, METRICS_##unit, offsetof(gbx_metrics, field)},
#include "gbx/metrics.def"
#undef GBX_METRIC
};

#define METRICS_KEPT(field, kind, name, unit, meaning) \
    {name, meaning, METRICS_##kind, METRICS_ENGINE, METRICS_##unit, offsetof(gbx_kept, field)}
static const metrics_row metrics_kept_rows[] = {
        METRICS_KEPT(engines, LEVEL, "gbx_process_engines_kept", NUMBER,
                     "engines of the process that nobody has"),
        METRICS_KEPT(modules, LEVEL, "gbx_process_modules_kept", NUMBER,
                     "modules of the process that nobody has"),
        METRICS_KEPT(bytes, LEVEL, "gbx_process_modules_kept_bytes", BYTES, "bytes that those take"),
        METRICS_KEPT(engines_reused, COUNTER, "gbx_process_engines_reused_total", NUMBER,
                     "engines that were given again after they had been released"),
        METRICS_KEPT(modules_reused, COUNTER, "gbx_process_modules_reused_total", NUMBER,
                     "compilations that gave a module which nobody had any more"),
        METRICS_KEPT(modules_shared, COUNTER, "gbx_process_modules_shared_total", NUMBER,
                     "compilations that gave a module which somebody had"),
        METRICS_KEPT(modules_dropped, COUNTER, "gbx_process_modules_dropped_total", NUMBER,
                     "modules that were kept and are freed"),
        METRICS_KEPT(engines_dropped, COUNTER, "gbx_process_engines_dropped_total", NUMBER,
                     "engines that were kept and are freed"),
        METRICS_KEPT(modules_compiled_again, COUNTER, "gbx_process_modules_compiled_again_total", NUMBER,
                     "compilations of bytes that the process had compiled before, and did not keep"),
};
#undef METRICS_KEPT

static void
metrics_head(metrics_out *o, const char *name, const char *meaning, bool is_counter)
{
    metrics_put(o, "# HELP %s %s.\n# TYPE %s %s\n", name, meaning, name, is_counter ? "counter" : "gauge");
}

/* A sample: of `who` (NULL: of the engine), and with one label more, where `label` is not NULL. */
static void
metrics_sample(metrics_out *o, const char *name, const runtime_labelled *who, const char *label,
               const char *value, u64 number, metrics_unit unit)
{
    const char *const labels[][2] = {
            {"tenant", who ? who->tenant : ""}, {"plugin", who ? who->name : ""}, {label, value}};
    const char *before = "{";
    metrics_put(o, "%s", name);
    for (size_t i = 0; i < GBX_LEN(labels); i++) {
        if (!labels[i][0] || !*labels[i][1]) continue;
        metrics_put(o, "%s%s=", before, labels[i][0]);
        metrics_quote(o, labels[i][1], false);
        before = ",";
    }
    if (*before == ',') metrics_put(o, "}");
    unsigned long long const n = number;
    if (unit == METRICS_NS) metrics_put(o, " %llu.%09llu\n", n / 1000000000u, n % 1000000000u);
    else metrics_put(o, " %llu\n", n);
}

static u64
metrics_at(const void *numbers, const metrics_row *row)
{
    u64 n;
    memcpy(&n, (const u8 *)numbers + row->offset, sizeof n);
    return n;
}

/* One series for each that is not 0. */
static void
metrics_counts(metrics_out *o, const char *name, const char *meaning, const runtime_labelled *all, u32 count,
               bool is_trap)
{
    u32 const most = is_trap ? (u32)GBX_TRAP_CODE_COUNT : gbx_wasi_p1.count;
    metrics_head(o, name, meaning, true);
    for (u32 k = 0; k < count; k++) {
        for (u32 i = 0; i < most; i++) {
            u64 const n = is_trap ? all[k].sum.traps[i] : all[k].sum.wasi_calls[i];
            const char *const what = is_trap ? gbx_trap_slug((gbx_trap_code)i) : gbx_wasi_call_name(i);
            if (n) metrics_sample(o, name, &all[k], is_trap ? "reason" : "call", what, n, METRICS_NUMBER);
        }
    }
}

gbx_code
gbx_engine_prometheus(const gbx_engine *engine, char **out, gbx_err *err)
{
    metrics_out o = {0};
    gbx_metrics sum;
    gbx_kept kept;
    runtime_labelled *all;
    u32 count;
    API_NEED(out, err);
    *out = NULL;
    API_NEED(engine, err);
    gbx_runtime_engine_figures(engine, &sum);
    gbx_runtime_keep_count(&kept);
    o.is_short = !gbx_runtime_labelled_figures(engine, &all, &count);
    for (const metrics_row *r = metrics_rows; r < GBX_END(metrics_rows); r++) {
        metrics_head(&o, r->name, r->meaning, r->kind == METRICS_COUNTER);
        if (r->of != METRICS_STORE) metrics_sample(&o, r->name, NULL, NULL, "", metrics_at(&sum, r), r->unit);
        for (u32 k = 0; r->of == METRICS_STORE && k < count; k++)
            metrics_sample(&o, r->name, &all[k], NULL, "", metrics_at(&all[k].sum, r), r->unit);
    }
    metrics_counts(&o, "gbx_traps_total", "outermost calls that a trap or an exit ended, by reason", all,
                   count, true);
    metrics_counts(&o, "gbx_wasi_calls_total", "calls of WASI by guests, by name", all, count, false);
    for (const metrics_row *r = metrics_kept_rows; r < GBX_END(metrics_kept_rows); r++) {
        metrics_head(&o, r->name, r->meaning, r->kind == METRICS_COUNTER);
        metrics_sample(&o, r->name, NULL, NULL, "", metrics_at(&kept, r), r->unit);
    }
    gbx_base_free(all);
    return metrics_end(&o, out, err);
}

/* Executes the command file that test/spec/script.py makes of an official .wast script.
 *
 * usage: driver [--tier auto|interp|eager] [--warm FACTOR] [--plain] [--fuel] [--memory BYTES] [--off FEATURE]... FILE
 *
 * Prints `FAIL line: what` for each assertion that fails, `SKIP line: feature` for each that depends on
 * a module with a feature that is not supported, and closes with `N passed, N failed, N skipped`. What
 * is skipped follows from the module's own GBX_UNSUPPORTED alone; nothing is known about scripts.
 *
 * What must hold: every directive is counted exactly once, as passed, failed or skipped. A module that
 * must be accepted counts like an assertion. Results are compared bit by bit, unused upper halves of
 * slots included. An error must name an offset inside the module, a trap the frames of guest code.
 *
 * --memory bounds each memory, which otherwise may be as large as there is.
 * --off switches a feature of WebAssembly off: scripts of earlier versions call it malformed.
 *
 * --warm compiles what has executed so many times its own bytes, with --tier auto.
 * --fuel counts it, and prints `FUEL N` before the closing line: the same in every tier, fused or not.
 * --plain takes the fused opcodes back (wasm/fuse.def): the same results must come out.
 *
 * The command file is our own: mistakes in it are asserted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/text.h"
#include "gbx/gbx.h"
#include "gbx/unstable/tiers.h"
#include "runtime/runtime.h"
#include "wasm/fuse.h"

#define DRIVER_FIELDS_MAX 2048
#define DRIVER_SLOTS 1000 /* parameters or results: the limits of a module */
#define DRIVER_STACK_BYTES ((u64)64 << 20) /* enough for the suite; recursion to its end stays quick */

/* A named module of the script: an instance, or why there is none. */
typedef struct driver_instance driver_instance;
struct driver_instance {
    driver_instance *next;
    const char *name;    /* hex as in the command file; "-": none */
    gbx_instance *inst;  /* NULL: skipped or failed */
    const char *feature; /* skipped for this */
};

typedef struct driver_definition driver_definition;
struct driver_definition {
    driver_definition *next;
    const char *name;
    gbx_module *module; /* NULL: skipped or failed */
    const char *feature;
};

/* Names registered for modules that were skipped. */
typedef struct driver_gap driver_gap;
struct driver_gap {
    driver_gap *next;
    rd_name name;
    const char *feature;
};

typedef struct driver {
    gbx_engine *engine;
    gbx_store *store;
    gbx_linker *linker;
    driver_instance *instances; /* newest first */
    driver_definition *definitions;
    driver_gap *gaps;
    arena arena;
    bool plain;
    u64 fuel; /* that actions used; not those that end with the end of their stack, which is a matter of the tier */

    char *fields[DRIVER_FIELDS_MAX];
    u32 field_count, at;
    u32 line;
    u32 passed, failed, skipped;
} driver;

typedef enum driver_end { DRIVER_RETURNED, DRIVER_TRAPPED, DRIVER_FAILED, DRIVER_SKIPPED } driver_end;

/* What an action came to. */
typedef struct driver_outcome {
    driver_end end;
    gbx_trap trap;
    const wasm_valtype *types;
    u32 count;
    const gbx_slot *highs; /* of the results; NULL: none is a v128 */
    gbx_slot slots[2 * DRIVER_SLOTS];
} driver_outcome;

/* ---- Reports */

static void
driver_pass(driver *d)
{
    d->passed++;
}

static void
driver_skip(driver *d, const char *feature)
{
    d->skipped++;
    printf("SKIP %u: %s\n", d->line, feature);
}

GBX_PRINTF(2, 3) static void
driver_fail(driver *d, const char *fmt, ...)
{
    char text[2048];
    text_buf t = gbx_base_text_init(text, sizeof text);
    va_list args;
    va_start(args, fmt);
    gbx_base_text_vprintf(&t, fmt, args);
    va_end(args);
    d->failed++;
    printf("FAIL %u: %s\n", d->line, text);
}

/* ---- The command file */

static char *
driver_next(driver *d)
{
    GBX_ASSERT(d->at < d->field_count);
    return d->fields[d->at++];
}

static u8
driver_digit(char c)
{
    if (c >= '0' && c <= '9') return (u8)(c - '0');
    GBX_ASSERT(c >= 'a' && c <= 'f');
    return (u8)(c - 'a' + 10);
}

/* The bytes that hex digits stand for. From the arena, but for a module's, which the callee frees. */
static gbx_bytes
driver_unhex(driver *d, const char *hex, bool heap)
{
    size_t const len = strlen(hex) / 2;
    u8 *const bytes = heap ? gbx_base_alloc(len + 1, 1) : gbx_base_arena_alloc(&d->arena, len + 1, 1);
    GBX_ASSERT(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (u8)(driver_digit(hex[2 * i]) << 4 | driver_digit(hex[2 * i + 1]));
    bytes[len] = 0;
    return (gbx_bytes){bytes, len};
}

/* ".hex": a string, with a NUL behind it. */
static rd_name
driver_string(driver *d)
{
    const char *const field = driver_next(d);
    GBX_ASSERT(field[0] == '.');
    gbx_bytes const b = driver_unhex(d, field + 1, false);
    return (rd_name){(const char *)b.data, (u32)b.len};
}

/* ---- Values */

static u64
driver_hex_u64(const char *text)
{
    return strtoull(text, NULL, 16);
}

static bool
driver_starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static wasm_valtype
driver_value_type(const char *text)
{
    if (driver_starts(text, "i32:")) return WASM_I32;
    if (driver_starts(text, "i64:")) return WASM_I64;
    if (driver_starts(text, "f32:")) return WASM_F32;
    if (driver_starts(text, "f64:")) return WASM_F64;
    if (driver_starts(text, "extern:")) return WASM_EXTERNREF;
    if (driver_starts(text, "func:")) return WASM_FUNCREF;
    if (driver_starts(text, "v128:")) return WASM_V128;
    return WASM_ANY;
}

/* An externref of the script's is a number from 0; ours must not be null. */
static u64
driver_extern(const char *number)
{
    return strtoull(number, NULL, 10) + 1;
}

/* Lanes of a v128 as they are written: "i16x8:0001,...". */
typedef struct driver_lanes {
    const char *at; /* the next lane */
    unsigned width, count;
    bool is_float;
} driver_lanes;

static driver_lanes
driver_lanes_of(const char *shape)
{
    char *end;
    driver_lanes l = {.is_float = shape[0] == 'f'};
    l.width = (unsigned)strtoul(shape + 1, &end, 10);
    l.count = 128 / l.width;
    l.at = strchr(end, ':') + 1;
    return l;
}

/* Lane `i` of a v128. */
static u64
driver_lane(const gbx_slot halves[2], unsigned width, unsigned i)
{
    u64 const half = halves[i * width / 64] >> (i * width % 64);
    return width == 64 ? half : half & (((u64)1 << width) - 1);
}

static void
driver_v128(const char *shape, gbx_slot halves[2])
{
    driver_lanes l = driver_lanes_of(shape);
    halves[0] = halves[1] = 0;
    for (unsigned i = 0; i < l.count; i++, l.at = strchr(l.at, ',') + 1) {
        halves[i * l.width / 64] |= strtoull(l.at, NULL, 16) << (i * l.width % 64);
        if (i + 1 == l.count) return;
    }
}

/* An argument; false when it is not of the type wanted. */
static bool
driver_argument(const char *text, wasm_valtype want, gbx_slot *out, gbx_slot *high)
{
    if (want == WASM_V128 && driver_starts(text, "v128:")) {
        gbx_slot halves[2];
        driver_v128(text + strlen("v128:"), halves);
        *out = halves[0];
        *high = halves[1];
        return true;
    }
    const char *const operand = strchr(text, ':') + 1;
    if (driver_starts(text, "null:")) {
        *out = 0;
        return wasm_is_ref(want);
    }
    if (driver_value_type(text) != want || want == WASM_FUNCREF) return false;
    *out = want == WASM_EXTERNREF ? driver_extern(operand) : driver_hex_u64(operand);
    return true;
}

/* Is `bits` a NaN of the class: canonical has the topmost bit of the payload set and no other;
 * arithmetic has that one set. */
static bool
driver_is_nan(u64 bits, unsigned width, const char *nan_class)
{
    u64 const canonical = width == 32 ? 0x7fc00000u : 0x7ff8000000000000u;
    u64 const magnitude = bits & ~((u64)1 << (width - 1));
    if (strcmp(nan_class, "canonical") == 0) return magnitude == canonical;
    return (magnitude & canonical) == canonical;
}

static bool
driver_matches_v128(const char *shape, const gbx_slot halves[2])
{
    driver_lanes l = driver_lanes_of(shape);
    for (unsigned i = 0; i < l.count; i++) {
        u64 const have = driver_lane(halves, l.width, i);
        char lane[32] = {0};
        size_t const len = strcspn(l.at, ",");
        GBX_ASSERT(len < sizeof lane);
        memcpy(lane, l.at, len);
        bool const is_class = strcmp(lane, "canonical") == 0 || strcmp(lane, "arithmetic") == 0;
        if (l.is_float && is_class ? !driver_is_nan(have, l.width, lane) : have != driver_hex_u64(lane))
            return false;
        l.at += len + 1;
    }
    return true;
}

static bool
driver_matches_one(const char *want, wasm_valtype type, gbx_slot have, gbx_slot high)
{
    if (type == WASM_V128 && driver_starts(want, "v128:"))
        return driver_matches_v128(want + strlen("v128:"), (gbx_slot[2]){have, high});
    const char *const operand = strchr(want, ':') + 1;
    if (driver_starts(want, "null:")) {
        bool const other = (strcmp(operand, "func") == 0 && type != WASM_FUNCREF) ||
                           (strcmp(operand, "extern") == 0 && type != WASM_EXTERNREF) ||
                           (strcmp(operand, "exn") == 0 && type != WASM_EXNREF);
        return wasm_is_ref(type) && !other && have == 0;
    }
    if (driver_value_type(want) != type || type == WASM_ANY) return false;
    if (strcmp(operand, "canonical") == 0 || strcmp(operand, "arithmetic") == 0) {
        unsigned const width = type == WASM_F32 ? 32 : 64;
        return (width == 64 || have >> 32 == 0) && driver_is_nan(have, width, operand);
    }
    if (type == WASM_FUNCREF || (type == WASM_EXTERNREF && operand[0] == '-')) return have != 0;
    return have == (type == WASM_EXTERNREF ? driver_extern(operand) : driver_hex_u64(operand));
}

/* `want` is a value, or alternatives with | between them. */
static bool
driver_matches(char *want, wasm_valtype type, gbx_slot have, gbx_slot high)
{
    for (char *one = want; one;) {
        char *const bar = strchr(one, '|');
        if (bar) *bar = 0;
        bool const ok = driver_matches_one(one, type, have, high);
        if (bar) *bar = '|';
        if (ok) return true;
        one = bar ? bar + 1 : NULL;
    }
    return false;
}

/* ---- Modules */

/* The feature a GBX_UNSUPPORTED message names: its words before "is not supported", or a bracket. */
static const char *
driver_feature(driver *d, const gbx_err *err)
{
    size_t len = strcspn(err->text, "\n");
    const char *const ends[] = {" is not supported", " are not supported", " is switched off",
                                " are switched off", " ("};
    for (size_t i = 0; i < GBX_LEN(ends); i++) {
        const char *const end = strstr(err->text, ends[i]);
        if (end && (size_t)(end - err->text) < len) len = (size_t)(end - err->text);
    }
    char *const text = gbx_base_arena_copy(&d->arena, err->text, len);
    GBX_ASSERT(text);
    return text;
}

/* Compile, and check that a refusal is described and stands where a module has bytes. */
static gbx_code
driver_compile(driver *d, const char *hex, gbx_module **out, gbx_err *err)
{
    gbx_bytes const b = driver_unhex(d, hex, true);
    gbx_code const code = gbx_module_compile(d->engine, b, NULL, out, err);
    if (code != GBX_OK) {
        GBX_ASSERT(*out == NULL && err->code == code && err->text[0]);
        if (code == GBX_MALFORMED || code == GBX_INVALID) GBX_ASSERT(err->offset <= b.len);
    }
    gbx_base_free((void *)(uintptr_t)b.data);
    return code;
}

/* The feature of a skipped module that `m` imports from; NULL: none. */
static const char *
driver_gap_of(const driver *d, const gbx_module *m)
{
    const wasm_module *const w = gbx_runtime_module_wasm(m);
    for (u32 i = 0; i < w->import_count; i++) {
        rd_name const name = w->imports[i].module;
        for (const driver_gap *g = d->gaps; g; g = g->next) {
            if (g->name.len == name.len && memcmp(g->name.text, name.text, name.len) == 0)
                return g->feature;
        }
    }
    return NULL;
}

static driver_instance *
driver_add_instance(driver *d, const char *name)
{
    driver_instance *const i = gbx_base_arena_alloc(&d->arena, 1, sizeof *i);
    GBX_ASSERT(i);
    i->name = gbx_base_arena_copy(&d->arena, name, strlen(name));
    i->next = d->instances;
    d->instances = i;
    return i;
}

static driver_instance *
driver_find_instance(driver *d, const char *name)
{
    driver_instance *i = d->instances;
    while (i && strcmp(name, "-") != 0 && strcmp(i->name, name) != 0) i = i->next;
    return i;
}

static gbx_code
driver_instantiate(driver *d, const gbx_module *m, gbx_instance **out, gbx_trap *trap, gbx_err *err)
{
    if (d->plain) gbx_wasm_fuse_undo((wasm_module *)(uintptr_t)gbx_runtime_module_wasm(m));
    return gbx_instance_new(d->store, m, d->linker, out, trap, err);
}

/* Instantiate m, which is released, under a name of the script's. */
static void
driver_do_instance(driver *d, const char *name, gbx_module *m)
{
    driver_instance *const i = driver_add_instance(d, name);
    gbx_err err;
    gbx_trap trap;
    i->feature = driver_gap_of(d, m);
    if (i->feature) {
        driver_skip(d, i->feature);
    } else if (driver_instantiate(d, m, &i->inst, &trap, &err) != GBX_OK) {
        driver_fail(d, "the module does not instantiate: %s", err.text);
    } else {
        driver_pass(d);
    }
    gbx_module_release(m);
}

static void
driver_do_module(driver *d)
{
    const char *const name = driver_next(d);
    gbx_module *m;
    gbx_err err;
    gbx_code const code = driver_compile(d, driver_next(d), &m, &err);
    if (code == GBX_OK) {
        driver_do_instance(d, name, m);
        return;
    }
    driver_instance *const i = driver_add_instance(d, name);
    if (code == GBX_UNSUPPORTED) {
        i->feature = driver_feature(d, &err);
        driver_skip(d, i->feature);
    } else {
        driver_fail(d, "the module is refused: %s", err.text);
    }
}

static void
driver_do_define(driver *d)
{
    driver_definition *const def = gbx_base_arena_alloc(&d->arena, 1, sizeof *def);
    GBX_ASSERT(def);
    const char *const name = driver_next(d);
    def->name = gbx_base_arena_copy(&d->arena, name, strlen(name));
    def->next = d->definitions;
    d->definitions = def;
    gbx_err err;
    gbx_code const code = driver_compile(d, driver_next(d), &def->module, &err);
    if (code == GBX_UNSUPPORTED) {
        def->feature = driver_feature(d, &err);
        driver_skip(d, def->feature);
    } else if (code != GBX_OK) {
        driver_fail(d, "the module is refused: %s", err.text);
    } else {
        driver_pass(d);
    }
}

static void
driver_do_instance_of(driver *d)
{
    const char *const name = driver_next(d);
    const char *const of = driver_next(d);
    driver_definition *def = d->definitions;
    while (def && strcmp(of, "-") != 0 && strcmp(def->name, of) != 0) def = def->next;
    if (!def || !def->module) {
        driver_add_instance(d, name)->feature = def ? def->feature : NULL;
        if (def && def->feature)
            driver_skip(d, def->feature);
        else
            driver_fail(d, "there is no such definition");
        return;
    }
    gbx_module *const m = gbx_runtime_module_retain(def->module);
    driver_do_instance(d, name, m);
}

static void
driver_do_register(driver *d)
{
    rd_name const as = driver_string(d);
    const driver_instance *const i = driver_find_instance(d, driver_next(d));
    gbx_err err;
    if (i && i->inst) {
        if (gbx_runtime_linker_define_instance(d->linker, as, i->inst, &err) != GBX_OK)
            driver_fail(d, "%s", err.text);
    } else if (i && i->feature) {
        driver_gap *const g = gbx_base_arena_alloc(&d->arena, 1, sizeof *g);
        GBX_ASSERT(g);
        *g = (driver_gap){d->gaps, as, i->feature};
        d->gaps = g;
    } else {
        driver_fail(d, "there is no module to register");
    }
}

/* ---- Actions */

static void
driver_get(driver *d, runtime_extern ext, driver_outcome *out)
{
    if (ext.kind != WASM_EXTERN_GLOBAL) {
        driver_fail(d, "the export is no global");
        return;
    }
    out->slots[0] = ext.of.global->value;
    out->highs = &ext.of.global->high;
    out->types = &ext.of.global->type;
    out->count = 1;
    out->end = DRIVER_RETURNED;
}

static void
driver_invoke(driver *d, runtime_extern ext, driver_outcome *out)
{
    if (ext.kind != WASM_EXTERN_FUNC) {
        driver_fail(d, "the export is no function");
        return;
    }
    const wasm_functype *const sig = &gbx_runtime_func_type(ext.of.func)->sig;
    u32 given = 0;
    gbx_slot *const highs =
            out->slots + (sig->param_count > sig->result_count ? sig->param_count : sig->result_count);
    out->highs = sig->has_v128 ? highs : NULL;
    while (d->at < d->field_count && strcmp(d->fields[d->at], "=") != 0) {
        const char *const arg = driver_next(d);
        if (given >= sig->param_count || !driver_argument(arg, sig->params[given], &out->slots[given], &highs[given])) {
            driver_fail(d, "argument %u, %s, does not fit the function", given, arg);
            return;
        }
        given++;
    }
    if (given != sig->param_count) {
        driver_fail(d, "%u arguments are given, the function takes %u", given, sig->param_count);
        return;
    }
    u64 before = 0, after = 0;
    (void)gbx_store_fuel(d->store, NULL, &before);
    gbx_trap_code const code = gbx_runtime_call(d->store, ext.of.func, out->slots, &out->trap);
    GBX_ASSERT(code == out->trap.code);
    (void)gbx_store_fuel(d->store, NULL, &after);
    if (code != GBX_TRAP_STACK_EXHAUSTED) d->fuel += after - before;
    out->types = sig->results;
    out->count = sig->result_count;
    out->end = code == GBX_TRAP_NONE ? DRIVER_RETURNED : DRIVER_TRAPPED;
}

/* The action at the current field. DRIVER_FAILED and DRIVER_SKIPPED have been reported. */
static void
driver_action(driver *d, driver_outcome *out)
{
    bool const is_get = strcmp(driver_next(d), "get") == 0;
    const driver_instance *const i = driver_find_instance(d, driver_next(d));
    rd_name const field = driver_string(d);
    runtime_extern ext;
    out->end = DRIVER_FAILED;
    if (i && !i->inst && i->feature) {
        out->end = DRIVER_SKIPPED;
        driver_skip(d, i->feature);
    } else if (!i || !i->inst) {
        driver_fail(d, "there is no module for this action");
    } else if (!gbx_runtime_instance_export(i->inst, field, &ext)) {
        driver_fail(d, "there is no export %s", field.text);
    } else if (is_get) {
        driver_get(d, ext, out);
    } else {
        driver_invoke(d, ext, out);
    }
}

static void
driver_fail_trap(driver *d, const char *instead_of, const gbx_trap *trap)
{
    driver_fail(d, "%s is expected, it trapped: %s%s%s", instead_of, gbx_trap_text(trap->code),
                trap->message[0] ? ": " : "", trap->message);
}

static void
driver_do_run(driver *d, driver_outcome *out)
{
    driver_action(d, out);
    if (out->end == DRIVER_TRAPPED) driver_fail_trap(d, "a return", &out->trap);
    if (out->end == DRIVER_RETURNED) driver_pass(d);
}

static void
driver_do_return(driver *d, driver_outcome *out)
{
    driver_action(d, out);
    if (out->end == DRIVER_TRAPPED) driver_fail_trap(d, "a return", &out->trap);
    if (out->end != DRIVER_RETURNED) return;
    GBX_ASSERT(strcmp(driver_next(d), "=") == 0);
    u32 const want = d->field_count - d->at;
    if (want != out->count) {
        driver_fail(d, "%u results are expected, there are %u", want, out->count);
        return;
    }
    for (u32 i = 0; i < want; i++) {
        char *const text = driver_next(d);
        if (!driver_matches(text, out->types[i], out->slots[i], out->highs ? out->highs[i] : 0)) {
            driver_fail(d, "result %u: %s is expected, there is %s 0x%" PRIx64, i, text,
                        gbx_wasm_valtype_text(out->types[i]), out->slots[i]);
            return;
        }
    }
    driver_pass(d);
}

/* The trap a message of the suite stands for. Longer messages go first: one may begin another. Older
 * scripts say "out of bounds" of memories and tables alike. */
static bool
driver_trap_is(gbx_trap_code code, const char *message)
{
    static const struct {
        const char *text;
        gbx_trap_code code;
    } rows[] = {
        {"out of bounds memory access", GBX_TRAP_MEM_OOB},
        {"out of bounds table access", GBX_TRAP_TABLE_OOB},
        {"undefined element", GBX_TRAP_UNDEFINED_ELEMENT},
        {"uninitialized element", GBX_TRAP_UNINITIALIZED_ELEMENT},
        {"uninitialized", GBX_TRAP_UNINITIALIZED_ELEMENT},
        {"undefined", GBX_TRAP_UNDEFINED_ELEMENT},
        {"indirect call", GBX_TRAP_INDIRECT_TYPE},
        {"integer divide by zero", GBX_TRAP_INT_DIV_ZERO},
        {"integer overflow", GBX_TRAP_INT_OVERFLOW},
        {"invalid conversion to integer", GBX_TRAP_BAD_CONVERSION},
        {"unreachable", GBX_TRAP_UNREACHABLE},
        {"call stack exhausted", GBX_TRAP_STACK_EXHAUSTED},
        {"null reference", GBX_TRAP_NULL_REFERENCE},
    };
    for (size_t i = 0; i < GBX_LEN(rows); i++)
        if (driver_starts(message, rows[i].text)) return code == rows[i].code;
    /* test/differ: what another runtime says, which does not tell these two apart */
    if (driver_starts(message, "table index"))
        return code == GBX_TRAP_UNDEFINED_ELEMENT || code == GBX_TRAP_TABLE_OOB;
    return driver_starts(message, "out of bounds") &&
           (code == GBX_TRAP_MEM_OOB || code == GBX_TRAP_TABLE_OOB);
}

static void
driver_do_trap(driver *d, driver_outcome *out, bool is_exception)
{
    rd_name const message = driver_string(d);
    driver_action(d, out);
    if (out->end == DRIVER_RETURNED)
        driver_fail(d, "%s is expected: %s", is_exception ? "an exception" : "a trap", message.text);
    if (out->end != DRIVER_TRAPPED) return;
    if (is_exception ? out->trap.code != GBX_TRAP_EXCEPTION
                     : !driver_trap_is(out->trap.code, message.text)) {
        driver_fail_trap(d, message.text, &out->trap);
    } else if (out->trap.frame_count == 0 || out->trap.frames_total < out->trap.frame_count) {
        driver_fail(d, "the trap has no frames");
    } else {
        driver_pass(d);
    }
}

/* ---- What a memory holds */

enum { DRIVER_SUMMED_BYTES = 1 << 22 };

/* Length and checksum of an exported memory: each 64-bit word times its odd number, up to so many bytes. */
static void
driver_do_memory(driver *d)
{
    const driver_instance *const i = driver_find_instance(d, driver_next(d));
    rd_name const name = driver_string(d);
    u64 const want_len = strtoull(driver_next(d), NULL, 10);
    u64 const want = strtoull(driver_next(d), NULL, 16);
    runtime_extern ext;
    if (i && i->feature) {
        driver_skip(d, i->feature);
    } else if (!i || !i->inst || !gbx_runtime_instance_export(i->inst, name, &ext) ||
               ext.kind != WASM_EXTERN_MEMORY) {
        driver_fail(d, "there is no memory %s", name.text);
    } else {
        const gbx_memory *const mem = ext.of.memory;
        u64 sum = 0;
        for (u64 k = 0; k < min_u64(mem->bytes, DRIVER_SUMMED_BYTES) / sizeof(u64); k++) {
            u64 word;
            memcpy(&word, mem->base + k * sizeof word, sizeof word);
            sum += word * (2 * k + 1);
        }
        if (mem->bytes != want_len || sum != want)
            driver_fail(d, "memory: %" PRIu64 " bytes of sum %" PRIx64 " are expected, there are %" PRIu64
                           " of %" PRIx64, want_len, want, mem->bytes, sum);
        else driver_pass(d);
    }
}

/* ---- Modules that must be refused */

/* A malformed module may be invalid as well, and which is found first is left open; one that is invalid
 * has been read to its end by the suite's reference and is not malformed. A number that the format
 * cannot hold is over a limit of ours, too. */
static bool
driver_is_refusal(const char *kind, const char *message, gbx_code code)
{
    if (code == GBX_INVALID) return true;
    if (strcmp(kind, "invalid") == 0) return false;
    return code == GBX_MALFORMED || code == GBX_TRUNCATED || code == GBX_BAD_MAGIC ||
           code == GBX_COMPONENT || (code == GBX_LIMIT && driver_starts(message, "too many"));
}

static void
driver_do_refused(driver *d, const char *kind)
{
    rd_name const message = driver_string(d);
    gbx_module *m;
    gbx_err err;
    gbx_code const code = driver_compile(d, driver_next(d), &m, &err);
    if (code == GBX_UNSUPPORTED) {
        driver_skip(d, driver_feature(d, &err));
    } else if (code == GBX_OK) {
        gbx_module_release(m);
        driver_fail(d, "this %s module is accepted: %s", kind, message.text);
    } else if (!driver_is_refusal(kind, message.text, code)) {
        driver_fail(d, "this %s module (%s) is refused as %s: %s", kind, message.text,
                    gbx_code_slug(code), err.text);
    } else {
        driver_pass(d);
    }
}

/* A module that is valid but does not come to be: it cannot be linked, or it traps. */
static void
driver_do_uninstantiable(driver *d, bool unlinkable)
{
    rd_name const message = driver_string(d);
    gbx_module *m;
    gbx_instance *inst;
    gbx_trap trap;
    gbx_err err;
    gbx_code code = driver_compile(d, driver_next(d), &m, &err);
    if (code != GBX_OK) {
        if (code == GBX_UNSUPPORTED)
            driver_skip(d, driver_feature(d, &err));
        else
            driver_fail(d, "the module is refused: %s", err.text);
        return;
    }
    const char *const gap = driver_gap_of(d, m);
    code = gap ? GBX_OK : driver_instantiate(d, m, &inst, &trap, &err);
    gbx_module_release(m);
    if (gap) {
        driver_skip(d, gap);
    } else if (code == GBX_OK) {
        driver_fail(d, "the module instantiates: %s", message.text);
    } else if (unlinkable) {
        gbx_code const want = driver_starts(message.text, "unknown import") ? GBX_UNKNOWN_IMPORT
                                                                            : GBX_IMPORT_TYPE;
        if (code == want)
            driver_pass(d);
        else
            driver_fail(d, "%s is expected, there is: %s", message.text, err.text);
    } else if (code != GBX_TRAPPED || !driver_trap_is(trap.code, message.text)) {
        driver_fail(d, "trap %s is expected, there is: %s", message.text, err.text);
    } else {
        driver_pass(d);
    }
}

/* ---- The script */

static void
driver_do_line(driver *d, driver_outcome *out)
{
    d->at = 0;
    d->line = (u32)strtoul(driver_next(d), NULL, 10);
    const char *const kind = driver_next(d);
    if (strcmp(kind, "module") == 0) driver_do_module(d);
    else if (strcmp(kind, "define") == 0) driver_do_define(d);
    else if (strcmp(kind, "instance") == 0) driver_do_instance_of(d);
    else if (strcmp(kind, "register") == 0) driver_do_register(d);
    else if (strcmp(kind, "run") == 0) driver_do_run(d, out);
    else if (strcmp(kind, "return") == 0) driver_do_return(d, out);
    else if (strcmp(kind, "trap") == 0 || strcmp(kind, "exhaustion") == 0) driver_do_trap(d, out, false);
    else if (strcmp(kind, "exception") == 0) driver_do_trap(d, out, true);
    else if (strcmp(kind, "memory") == 0) driver_do_memory(d);
    else if (strcmp(kind, "trapmodule") == 0) driver_do_uninstantiable(d, false);
    else if (strcmp(kind, "unlinkable") == 0) driver_do_uninstantiable(d, true);
    else if (strcmp(kind, "invalid") == 0 || strcmp(kind, "malformed") == 0) driver_do_refused(d, kind);
    else if (strcmp(kind, "text") == 0) driver_skip(d, "text format");
    else if (strcmp(kind, "feature") == 0) driver_skip(d, driver_string(d).text);
    else if (strcmp(kind, "error") == 0) driver_fail(d, "not converted: %s", driver_string(d).text);
    else GBX_UNREACHABLE("a kind of line that script.py does not write");
}

static void
driver_do_script(driver *d, char *text)
{
    static driver_outcome out; /* large */
    while (*text) {
        size_t const len = strcspn(text, "\n");
        char *const next = text + len + (text[len] != 0);
        text[len] = 0;
        d->field_count = 0;
        for (char *at = text; at;) {
            GBX_ASSERT(d->field_count < DRIVER_FIELDS_MAX);
            d->fields[d->field_count++] = at;
            at = strchr(at, ' ');
            if (at) *at++ = 0;
        }
        driver_do_line(d, &out);
        text = next;
    }
}

/* ---- The host module of the suite */

static gbx_trap_code
driver_print(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    (void)data;
    (void)args;
    (void)results;
    return GBX_TRAP_NONE;
}

static void
driver_check(gbx_code code, const gbx_err *err)
{
    if (code == GBX_OK) return;
    fprintf(stderr, "driver: %s\n", err->text);
    exit(2);
}

static void
driver_define_spectest(driver *d)
{
    static const struct {
        const char *name;
        gbx_valtype params[2];
        size_t count;
    } funcs[] = {
        {"print", {0}, 0},
        {"print_i32", {GBX_I32}, 1},
        {"print_i64", {GBX_I64}, 1},
        {"print_f32", {GBX_F32}, 1},
        {"print_f64", {GBX_F64}, 1},
        {"print_i32_f32", {GBX_I32, GBX_F32}, 2},
        {"print_f64_f64", {GBX_F64, GBX_F64}, 2},
    };
    static const struct {
        const char *name;
        gbx_val value;
    } globals[] = {
        {"global_i32", {GBX_I32, {.i32 = 666}}},
        {"global_i64", {GBX_I64, {.i64 = 666}}},
        {"global_f32", {GBX_F32, {.f32 = 666.6f}}},
        {"global_f64", {GBX_F64, {.f64 = 666.6}}},
    };
    gbx_linker *const l = d->linker;
    gbx_err err;
    for (size_t i = 0; i < GBX_LEN(funcs); i++)
        driver_check(gbx_linker_define_func(l, "spectest", funcs[i].name, funcs[i].params,
                                            funcs[i].count, NULL, 0, driver_print, NULL, &err), &err);
    for (size_t i = 0; i < GBX_LEN(globals); i++)
        driver_check(gbx_linker_define_global(l, "spectest", globals[i].name, globals[i].value, false,
                                              &err), &err);
    driver_check(gbx_linker_define_table(l, "spectest", "table", GBX_FUNCREF, 10, 20, &err), &err);
    driver_check(gbx_linker_define_memory(l, "spectest", "memory", 1, 2, &err), &err);
}

static char *
driver_read(const char *path)
{
    FILE *const f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) return NULL;
    long const len = ftell(f);
    rewind(f);
    char *const text = len < 0 ? NULL : gbx_base_alloc((size_t)len + 1, 1);
    if (text) {
        size_t const got = fread(text, 1, (size_t)len, f);
        text[got] = 0;
    }
    (void)fclose(f);
    return text;
}

int
main(int argc, char **argv)
{
    static driver d;
    GBX_ASSERT(WASM_MAX_PARAMS <= DRIVER_SLOTS && WASM_MAX_RESULTS <= DRIVER_SLOTS);
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.memory_bytes = GBX_UNLIMITED;
    long warm = -1;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--plain") == 0) {
            d.plain = true;
        } else if (strcmp(argv[at], "--fuel") == 0) {
            engine_opts.metered = 1;
        } else if (strcmp(argv[at], "--memory") == 0 && at + 1 < argc) {
            opts.memory_bytes = strtoull(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--off") == 0 && at + 1 < argc) {
            gbx_feature const feature = gbx_feature_find(argv[++at]);
            if (feature == GBX_FEATURE_COUNT) {
                fprintf(stderr, "driver: there is no feature %s\n", argv[at]);
                return 2;
            }
            engine_opts.features_off |= GBX_FEATURE_BIT(feature);
        } else if (strcmp(argv[at], "--warm") == 0 && at + 1 < argc) {
            warm = strtol(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--tier") == 0 && at + 1 < argc) {
            at++;
            if (strcmp(argv[at], "interp") == 0) {
                engine_opts.tier = GBX_TIER_INTERP;
            } else if (strcmp(argv[at], "eager") == 0) {
                engine_opts.tier = GBX_TIER_EAGER;
            } else if (strcmp(argv[at], "auto") != 0) {
                fprintf(stderr, "driver: there is no tier %s\n", argv[at]);
                return 2;
            }
        } else {
            fprintf(stderr, "driver: unknown option %s\n", argv[at]);
            return 2;
        }
    }
    char *const text = at + 1 == argc ? driver_read(argv[at]) : NULL;
    if (!text) {
        fprintf(stderr, "usage: driver [--tier auto|interp|eager] [--warm FACTOR] [--plain] [--fuel] [--memory BYTES] "
                        "[--off FEATURE]... FILE\n");
        return 2;
    }
    gbx_err err;
    opts.stack_bytes = DRIVER_STACK_BYTES;
    driver_check(gbx_engine_new(&engine_opts, &d.engine, &err), &err);
    if (warm >= 0) driver_check(gbx_engine_set_warm_factor(d.engine, (u32)warm, &err), &err);
    driver_check(gbx_store_new(d.engine, &opts, &d.store, &err), &err);
    driver_check(gbx_linker_new(d.store, &d.linker, &err), &err);
    driver_define_spectest(&d);
    driver_do_script(&d, text);
    if (engine_opts.metered) printf("FUEL %" PRIu64 "\n", d.fuel);
    printf("%u passed, %u failed, %u skipped\n", d.passed, d.failed, d.skipped);
    for (driver_definition *def = d.definitions; def; def = def->next) gbx_module_release(def->module);
    gbx_linker_release(d.linker);
    gbx_store_release(d.store);
    gbx_engine_release(d.engine);
    gbx_base_arena_deinit(&d.arena);
    gbx_base_free(text);
    return d.failed ? 1 : 0;
}

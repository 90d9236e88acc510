/* Linking: what may be bound to what, what is said when it may not, and host functions. */
#include "api/guest.h"

static gbx_trap_code
host_add(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    ++*(int *)data;
    results[0].of.i32 = args[0].of.i32 + args[1].of.i32;
    return GBX_TRAP_NONE;
}

static const gbx_valtype i32s[4] = {GBX_I32, GBX_I32, GBX_I32, GBX_I32};

static void
define_add(guest_world *w, const char *name, int *calls)
{
    GUEST_OK(gbx_linker_define_func(w->linker, "env", name, i32s, 2, i32s, 1, host_add, calls,
                                    &w->err));
}

/* The same import, twice in one module, and under two names of a guest's own. */
static void
test_host_func(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    int calls = 0;
    guest_open(w, NULL);
    define_add(w, "add", &calls);
    gbx_instance *const i = guest_instance(
            w, "(module (import \"env\" \"add\" (func $a (param i32 i32) (result i32)))"
               "(import \"env\" \"add\" (func $b (param i32 i32) (result i32)))"
               "(export \"again\" (func $b))"
               "(func (export \"f\") (param i32 i32) (result i32)"
               "  (call $a (call $b (local.get 0) (local.get 1)) (i32.const 100))))");
    int32_t const args[] = {-3, 5};
    int32_t result;
    assert_int_equal(guest_call(w, i, "f", args, 2, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 102);
    assert_int_equal(calls, 2);
    /* A host function that an instance exports again can be called directly. */
    assert_int_equal(guest_call(w, i, "again", args, 2, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 2);
    const gbx_valtype *types;
    assert_int_equal(gbx_func_params(gbx_instance_func(i, "again"), &types), 2);
    assert_int_equal(types[1], GBX_I32);
    guest_close(w);
}

/* A later definition replaces the earlier, for instances made from then on. */
static void
test_replace(void **state)
{
    (void)state;
    static const char text[] = "(module (import \"env\" \"add\" (func $a (param i32 i32) (result i32)))"
                               "(func (export \"f\") (result i32)"
                               "  (call $a (i32.const 1) (i32.const 2))))";
    guest_world world, *const w = &world;
    int first = 0, second = 0;
    int32_t result;
    guest_open(w, NULL);
    define_add(w, "add", &first);
    gbx_instance *const old = guest_instance(w, text);
    define_add(w, "add", &second);
    gbx_instance *const new = guest_instance(w, text);
    assert_int_equal(guest_call(w, old, "f", NULL, 0, &result), GBX_TRAP_NONE);
    assert_int_equal(guest_call(w, new, "f", NULL, 0, &result), GBX_TRAP_NONE);
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    guest_close(w);
}

typedef struct problems {
    char text[4096];
    unsigned count;
} problems;

static void
note_problem(void *data, const gbx_link_problem *p)
{
    problems *const all = data;
    size_t const len = strlen(all->text);
    snprintf(all->text + len, sizeof all->text - len, "%s.%s: %s / %s\n", p->module_name, p->name,
             p->wanted, p->given ? p->given : "-");
    all->count++;
}

static void
test_missing(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    int calls = 0;
    guest_open(w, NULL);
    define_add(w, "add", &calls);
    GUEST_OK(gbx_linker_define_global(w->linker, "env", "g", (gbx_val){.type = GBX_I64}, false,
                                      &w->err));
    gbx_module *const m = guest_compile(
            w, "(module (import \"env\" \"metrics_emit\" (func (param i32 i32) (result i64)))"
               "(import \"env\" \"add\" (func (param i32 i64) (result i32)))"
               "(import \"env\" \"add\" (func (param i32 i32) (result i32)))"
               "(import \"env\" \"add\" (memory 1))"
               "(import \"env\" \"g\" (global (mut i64)))"
               "(import \"other\" \"t\" (table 1 5 funcref)))");
    gbx_instance *i;
    assert_int_equal(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err),
                     GBX_UNKNOWN_IMPORT);
    assert_null(i);
    assert_int_equal(w->trap.code, GBX_TRAP_NONE);
    assert_int_equal(w->err.code, GBX_UNKNOWN_IMPORT);
    assert_string_equal(
            w->err.text,
            "unknown import: `env::metrics_emit` (i32, i32) -> (i64); "
            "incompatible import type: `env::add` is wanted as (i32, i64) -> (i32), supplied is "
            "(i32, i32) -> (i32); "
            "incompatible import type: `env::add` is wanted as memory of 1 or more pages, supplied is "
            "(i32, i32) -> (i32); "
            "incompatible import type: `env::g` is wanted as mutable i64, supplied is constant i64; "
            "unknown import: `other::t` table of 1 to 5 funcref");
    problems all = {.text = ""};
    assert_int_equal(gbx_linker_check(w->linker, m, note_problem, &all, &w->err), GBX_UNKNOWN_IMPORT);
    assert_int_equal(all.count, 5);
    assert_non_null(strstr(all.text, "env.metrics_emit: (i32, i32) -> (i64) / -\n"));
    assert_non_null(strstr(all.text, "env.g: mutable i64 / constant i64\n"));
    gbx_module_release(m);

    gbx_module *const only_type = guest_compile(w, "(module (import \"env\" \"add\" (func)))");
    assert_int_equal(gbx_instance_new(w->store, only_type, w->linker, &i, NULL, &w->err),
                     GBX_IMPORT_TYPE);
    assert_int_equal(gbx_linker_check(NULL, only_type, NULL, NULL, &w->err), GBX_UNKNOWN_IMPORT);
    assert_int_equal(gbx_linker_check(NULL, only_type, NULL, NULL, NULL), GBX_UNKNOWN_IMPORT);
    gbx_module_release(only_type);
    guest_close(w);
}

/* Of very many problems the first stand in the message, whole, and the rest is counted. */
static void
test_many_missing(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    for (int longer = 0; longer < 2; longer++) {
        char text[16384];
        size_t at = (size_t)snprintf(text, sizeof text, "(module");
        for (int k = 0; k < 50; k++) {
            at += (size_t)snprintf(text + at, sizeof text - at, " (import \"%s\" \"%d\" (func))",
                                   longer ? "a_module_with_a_name_that_takes_some_room" : "m", k);
        }
        snprintf(text + at, sizeof text - at, ")");
        gbx_module *const m = guest_compile(w, text);
        problems all = {.text = ""};
        assert_int_equal(gbx_linker_check(w->linker, m, note_problem, &all, &w->err),
                         GBX_UNKNOWN_IMPORT);
        assert_int_equal(all.count, 50);
        unsigned said = 0, more = 0;
        for (const char *p = w->err.text; (p = strstr(p, "unknown import")); p++) said++;
        const char *const rest = strstr(w->err.text, "; and ");
        assert_non_null(rest);
        assert_int_equal(sscanf(rest, "; and %u more", &more), 1);
        assert_int_equal(said + more, 50);
        assert_true(longer ? said < 20 : said == 20);
        assert_string_equal(strstr(rest, " more"), " more");
        gbx_module_release(m);
    }
    guest_close(w);
}

/* Names of hostile modules cannot act on a terminal. */
static void
test_escaped(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_module *const m = guest_compile(w, "(module (import \"\\1b[2J\" \"a\\0ab\\00\" (func)))");
    gbx_instance *i;
    assert_int_equal(gbx_instance_new(w->store, m, NULL, &i, NULL, &w->err), GBX_UNKNOWN_IMPORT);
    assert_string_equal(w->err.text, "unknown import: `\\x1b[2J::a\\nb\\x00` () -> ()");
    gbx_module_release(m);
    guest_close(w);
}

/* Two instances share a memory, a table, a global and functions. */
static void
test_instances(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const a = guest_instance(
            w, "(module (memory (export \"mem\") 1 3) (table (export \"tab\") 2 funcref)"
               "(global $g (export \"g\") (mut i32) (i32.const 5)) (global (export \"k\") i32 (i32.const 9))"
               "(func $get (export \"get\") (result i32) (i32.load (i32.const 8)))"
               "(func (export \"global\") (result i32) (global.get $g))"
               "(func (export \"trap\") unreachable) (elem (i32.const 0) $get))");
    GUEST_OK(gbx_linker_define_instance(w->linker, "a", a, &w->err));
    gbx_instance *const b = guest_instance(
            w, "(module (import \"a\" \"mem\" (memory 1 3)) (import \"a\" \"tab\" (table 2 funcref))"
               "(import \"a\" \"g\" (global $g (mut i32))) (import \"a\" \"k\" (global $k i32))"
               "(import \"a\" \"get\" (func $get (result i32))) (import \"a\" \"trap\" (func $trap))"
               "(type $t (func (result i32))) (global $own i32 (global.get $k))"
               "(func $mine (result i32) (global.get $own))"
               "(elem (i32.const 1) $mine)"
               "(func (export \"f\") (param i32) (result i32)"
               "  (i32.store (i32.const 8) (local.get 0)) (global.set $g (i32.const 6))"
               "  (i32.add (call $get) (call_indirect (type $t) (i32.const 0))))"
               "(func (export \"own\") (result i32) (call_indirect (type $t) (i32.const 1)))"
               "(func (export \"grow\") (result i32) (memory.grow (i32.const 2)))"
               "(func (export \"trap\") (call $trap)))");
    int32_t v = 21;
    assert_int_equal(guest_call(w, b, "f", &v, 1, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 42);
    assert_int_equal(guest_call(w, a, "global", NULL, 0, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 6);
    assert_int_equal(guest_call(w, b, "own", NULL, 0, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 9);
    assert_int_equal(guest_call(w, b, "grow", NULL, 0, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 1);
    uint8_t *data;
    size_t bytes;
    assert_true(gbx_instance_memory(a, "mem", &data, &bytes)); /* grown through b */
    assert_int_equal(bytes, 3 * 65536);
    assert_int_equal(guest_call(w, b, "trap", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
    assert_int_equal(w->trap.frames_total, 2);
    assert_int_equal(w->trap.frames[0].func_idx, 2);
    guest_close(w);
}

/* SPEC: core/valid/matching.html. Limits are compared with what there is now. */
static void
test_matching(void **state)
{
    (void)state;
    static const struct {
        const char *import;
        bool fits;
    } cases[] = {
            {"\"mem\" (memory 2)", true},       {"\"mem\" (memory 0)", true},
            {"\"mem\" (memory 3)", false},      {"\"mem\" (memory 2 5)", true},
            {"\"mem\" (memory 2 4)", false},    {"\"mem\" (memory 1 6)", true},
            {"\"open\" (memory 1)", true},      {"\"open\" (memory 1 65536)", false},
            {"\"tab\" (table 10 funcref)", true}, {"\"tab\" (table 11 funcref)", false},
            {"\"tab\" (table 10 20 funcref)", true}, {"\"tab\" (table 10 19 funcref)", false},
            {"\"tab\" (table 10 externref)", false},
            {"\"g\" (global i32)", true},       {"\"g\" (global (mut i32))", false},
            {"\"g\" (global i64)", false},      {"\"m\" (global (mut i64))", true},
            {"\"m\" (global i64)", false},      {"\"g\" (func)", false},
            {"\"none\" (func)", false},
    };
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_define_memory(w->linker, "h", "mem", 2, 5, &w->err));
    GUEST_OK(gbx_linker_define_memory(w->linker, "h", "open", 1, GBX_UNLIMITED, &w->err));
    GUEST_OK(gbx_linker_define_table(w->linker, "h", "tab", GBX_FUNCREF, 10, 20, &w->err));
    GUEST_OK(gbx_linker_define_global(w->linker, "h", "g", guest_i32(666), false, &w->err));
    GUEST_OK(gbx_linker_define_global(w->linker, "h", "m",
                                      (gbx_val){.type = GBX_I64, .of.i64 = -1}, true, &w->err));
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        char text[128];
        snprintf(text, sizeof text, "(module (import \"h\" %s))", cases[k].import);
        gbx_module *const m = guest_compile(w, text);
        gbx_instance *i;
        gbx_code const code = gbx_instance_new(w->store, m, w->linker, &i, NULL, &w->err);
        if ((code == GBX_OK) != cases[k].fits) fail_msg("%s: %s", text, w->err.text);
        gbx_module_release(m);
    }
    gbx_instance *const i = guest_instance(
            w, "(module (import \"h\" \"mem\" (memory 2)) (import \"h\" \"g\" (global $g i32))"
               "(import \"h\" \"m\" (global $m (mut i64))) (global $c i32 (global.get $g))"
               "(func (export \"f\") (result i32) (drop (memory.grow (i32.const 1)))"
               "  (global.set $m (i64.const 3)) (global.get $c)))");
    int32_t v;
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 666);
    gbx_instance_new(w->store, NULL, NULL, NULL, NULL, NULL);
    gbx_module *const m = guest_compile(w, "(module (import \"h\" \"mem\" (memory 3)))");
    gbx_instance *now; /* has grown to 3 */
    assert_int_equal(gbx_instance_new(w->store, m, w->linker, &now, NULL, &w->err), GBX_OK);
    gbx_module_release(m);
    guest_close(w);
}

static void
test_define_arguments(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_linker *const l = w->linker;
    gbx_err *const e = &w->err;
    int n;
    gbx_valtype const bad = (gbx_valtype)99;
    gbx_valtype *const many = calloc(1001, sizeof *many);
    assert_non_null(many);
#define BAD(call) assert_int_equal(call, GBX_ARGUMENT)
    BAD(gbx_linker_define_func(NULL, "m", "f", NULL, 0, NULL, 0, host_add, &n, e));
    BAD(gbx_linker_define_func(l, NULL, "f", NULL, 0, NULL, 0, host_add, &n, e));
    BAD(gbx_linker_define_func(l, "m", NULL, NULL, 0, NULL, 0, host_add, &n, e));
    BAD(gbx_linker_define_func(l, "m", "f", NULL, 1, NULL, 0, host_add, &n, e));
    BAD(gbx_linker_define_func(l, "m", "f", NULL, 0, NULL, 1, host_add, &n, e));
    BAD(gbx_linker_define_func(l, "m", "f", NULL, 0, NULL, 0, NULL, &n, e));
    BAD(gbx_linker_define_func(l, "m", "f", &bad, 1, NULL, 0, host_add, &n, e));
    BAD(gbx_linker_define_func(l, "m", "f", many, 1001, NULL, 0, host_add, &n, e));
    assert_int_equal(gbx_linker_define_func(l, "m", "f", many, 1000, many, 1000, host_add, &n, e), 0);
    BAD(gbx_linker_define_memory(l, "m", "f", 65537, GBX_UNLIMITED, e));
    BAD(gbx_linker_define_memory(l, "m", "f", 2, 1, e));
    BAD(gbx_linker_define_table(l, "m", "f", GBX_I32, 2, 3, e));
    BAD(gbx_linker_define_global(l, "m", "f", (gbx_val){.type = bad}, true, e));
    BAD(gbx_linker_define_instance(l, "m", NULL, e));
    BAD(gbx_linker_check(l, NULL, NULL, NULL, e));
    assert_int_equal(gbx_linker_define_memory(l, "m", "f", 65536, GBX_UNLIMITED, e), GBX_LIMIT);
    assert_int_equal(gbx_linker_define_table(l, "m", "f", GBX_FUNCREF, UINT32_MAX, GBX_UNLIMITED, e),
                     GBX_LIMIT);
    free(many);

    /* Objects of another engine or store. */
    guest_world other_world, *const o = &other_world;
    guest_open(o, NULL);
    gbx_module *const m = guest_compile(o, "(module)");
    gbx_instance *i;
    BAD(gbx_instance_new(w->store, m, NULL, &i, NULL, e));
    BAD(gbx_instance_new(o->store, m, l, &i, NULL, e));
    assert_int_equal(gbx_instance_new(o->store, m, NULL, &i, NULL, e), GBX_OK);
    BAD(gbx_linker_define_instance(l, "m", i, e));
    gbx_module_release(m);
    guest_close(o);
    guest_close(w);
#undef BAD
}

/* A linker that outlives its store can be released, and says what it is. */
static void
test_orphan(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    int calls;
    guest_open(w, NULL);
    gbx_linker *second, *third;
    GUEST_OK(gbx_linker_new(w->store, &second, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &third, &w->err));
    define_add(w, "add", &calls);
    gbx_linker_release(second);
    gbx_store_release(w->store);
    w->store = NULL;
    assert_int_equal(gbx_linker_define_func(w->linker, "m", "f", NULL, 0, NULL, 0, host_add, NULL,
                                            &w->err),
                     GBX_STATE);
    gbx_linker_release(third);
    guest_close(w);
}

/* ---- host functions that fail, call back, and look at memory */

typedef struct host_plan {
    gbx_trap_code code;
    const char *message;
    int32_t exit;
    bool wrong_type;
} host_plan;

static gbx_trap_code
host_plan_run(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    const host_plan *const p = data;
    (void)args;
    assert_int_equal(results[0].type, GBX_I32);
    assert_int_equal(results[0].of.i32, 0);
    if (p->message) gbx_caller_set_message(caller, p->message);
    if (p->code == GBX_TRAP_EXIT) gbx_caller_set_exit(caller, p->exit);
    if (p->wrong_type) results[0] = (gbx_val){.type = GBX_FUNCREF, .of.ref = 0x1234};
    return p->code;
}

static void
test_host_traps(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    host_plan plan = {.code = GBX_TRAP_NONE};
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "plan\x1b", NULL, 0, i32s, 1, host_plan_run,
                                    &plan, &w->err));
    gbx_instance *const i = guest_instance(
            w, "(module (import \"env\" \"plan\\1b\" (func $p (result i32)))"
               "(func (export \"f\") (result i32) (call $p)))");
    gbx_trap *const t = &w->trap;
    int32_t v;
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 0);

    plan = (host_plan){.code = GBX_TRAP_HOST, .message = "no \x1b[1m budget\nleft"};
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_HOST);
    assert_string_equal(t->message, "no \\x1b[1m budget\\nleft");
    assert_int_equal(t->frame_count, 1);

    plan = (host_plan){.code = GBX_TRAP_HOST};
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_HOST);
    assert_string_equal(t->message, "host function `env::plan\\x1b` failed");

    plan = (host_plan){.code = GBX_TRAP_EXIT, .exit = -7};
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_EXIT);
    assert_int_equal(t->exit_status, -7);

    plan = (host_plan){.code = GBX_TRAP_UNREACHABLE};
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_UNREACHABLE);
    assert_string_equal(t->message, "");
    assert_int_equal(t->exit_status, 0);

    plan = (host_plan){.code = (gbx_trap_code)4711};
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_HOST);
    assert_non_null(strstr(t->message, "no trap"));

    plan = (host_plan){.wrong_type = true};
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_HOST);
    assert_non_null(strstr(t->message, "another type"));

    char text[1000];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = 0;
    plan = (host_plan){.code = GBX_TRAP_HOST, .message = text};
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_HOST);
    assert_int_equal(strlen(t->message), 255);
    guest_close(w);
}

static gbx_trap_code
host_peek(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)data;
    char buf[8] = "--------";
    uint8_t *mem;
    size_t bytes;
    uint32_t const addr = (uint32_t)args[0].of.i32;
    size_t const len = (size_t)(uint32_t)args[1].of.i32;
    assert_true(gbx_caller_memory(caller, &mem, &bytes));
    assert_int_equal(bytes, 65536);
    bool const ok = gbx_caller_read(caller, addr, buf, len > 8 ? (size_t)-1 : len);
    assert_int_equal(ok, addr <= bytes && len <= 8 && len <= bytes - addr);
    if (ok) assert_memory_equal(buf, mem + addr, len);
    else assert_memory_equal(buf, "--------", 8);
    if (ok) assert_true(gbx_caller_write(caller, addr, "ABCDEFGH", len));
    else assert_false(gbx_caller_write(caller, addr, "ABCDEFGH", len));
    results[0].of.i32 = ok;
    return GBX_TRAP_NONE;
}

static gbx_trap_code
host_alone(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)data;
    (void)args;
    uint8_t *mem;
    size_t bytes;
    char c;
    results[0].of.i32 = gbx_caller_instance(caller) != NULL;
    assert_false(gbx_caller_memory(caller, &mem, &bytes));
    assert_false(gbx_caller_read(caller, 0, &c, 1));
    assert_false(gbx_caller_write(caller, 0, &c, 0));
    return GBX_TRAP_NONE;
}

/* Guests pass any number as pointer and length. */
static void
test_host_memory(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "peek", i32s, 2, i32s, 1, host_peek, NULL,
                                    &w->err));
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "alone", NULL, 0, i32s, 1, host_alone, NULL,
                                    &w->err));
    gbx_instance *i = guest_instance(
            w, "(module (import \"env\" \"peek\" (func $p (param i32 i32) (result i32)))"
               "(memory 1) (data (i32.const 65532) \"last\")"
               "(func (export \"f\") (param i32 i32) (result i32)"
               "  (call $p (local.get 0) (local.get 1)))"
               "(func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0))))");
    static const int32_t cases[][3] = {{0, 8, 1},      {65532, 4, 1}, {65532, 5, 0}, {65536, 0, 1},
                                       {65536, 1, 0},  {65537, 0, 0}, {-1, 1, 0},    {-1, 8, 0},
                                       {0, -1, 0},     {-1, -1, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        int32_t v;
        assert_int_equal(guest_call(w, i, "f", cases[k], 2, &v), GBX_TRAP_NONE);
        assert_int_equal(v, cases[k][2]);
    }
    int32_t at = 65535, v;
    assert_int_equal(guest_call(w, i, "load", &at, 1, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 'D');
    i = guest_instance(w, "(module (import \"env\" \"alone\" (func $a (result i32)))"
                          "(export \"direct\" (func $a)) (func (export \"f\") (result i32) (call $a)))");
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_NONE); /* an instance, no memory */
    assert_int_equal(v, 1);
    assert_int_equal(guest_call(w, i, "direct", NULL, 0, &v), GBX_TRAP_NONE); /* no instance */
    assert_int_equal(v, 0);
    guest_close(w);
}

typedef struct nesting {
    guest_world *w;
    gbx_trap_code seen;
    int32_t deepest;
    bool swallow;
} nesting;

/* Calls the guest's "down" with one less; how the innermost call ends is passed up. */
static gbx_trap_code
host_down(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    nesting *const n = data;
    n->deepest++;
    gbx_func *const f = gbx_instance_func(gbx_caller_instance(caller), "down");
    gbx_trap trap;
    gbx_trap_code const code = gbx_func_call(f, args, 1, results, 1, &trap);
    n->seen = code;
    return n->swallow ? GBX_TRAP_NONE : code;
}

static const char down_text[] =
        "(module (import \"env\" \"down\" (func $down (param i32) (result i32)))"
        "(func $f (export \"down\") (param i32) (result i32) (local i64)"
        "  (if (i32.eqz (local.get 0)) (then unreachable))"
        "  (if (i32.eq (local.get 0) (i32.const -2)) (then (return (i32.const 11))))"
        "  (local.set 1 (i64.const 77))"
        "  (i32.add (call $down (i32.sub (local.get 0) (i32.const 1)))"
        "    (i32.ne (i32.wrap_i64 (local.get 1)) (i32.const 77)))))";

static void
test_nested(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    nesting n = {.w = w};
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "down", i32s, 1, i32s, 1, host_down, &n,
                                    &w->err));
    gbx_instance *const i = guest_instance(w, down_text);
    int32_t v = -1, result;
    assert_int_equal(guest_call(w, i, "down", &v, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 11);

    v = 10; /* ten levels down it traps: frames of all levels, innermost first */
    assert_int_equal(guest_call(w, i, "down", &v, 1, &result), GBX_TRAP_UNREACHABLE);
    assert_int_equal(w->trap.frames_total, 11);
    assert_int_equal(n.seen, GBX_TRAP_UNREACHABLE);
    for (uint32_t k = 0; k < 11; k++) assert_string_equal(w->trap.frames[k].name, "f");

    n.swallow = true; /* the level above goes on with a zero */
    v = 1;
    assert_int_equal(guest_call(w, i, "down", &v, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(n.seen, GBX_TRAP_UNREACHABLE);
    assert_int_equal(result, 0);

    n.swallow = false;
    n.deepest = 0;
    v = 1000000; /* without end: a limit, not the host's stack */
    assert_int_equal(guest_call(w, i, "down", &v, 1, &result), GBX_TRAP_STACK_EXHAUSTED);
    assert_true(n.deepest >= 100 && n.deepest <= 250);
    v = -1;
    assert_int_equal(guest_call(w, i, "down", &v, 1, &result), GBX_TRAP_NONE);
    guest_close(w);
}

/* A host function that calls itself through its own export, no guest code between. */
static gbx_trap_code
host_self(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    (void)args;
    (void)results;
    return gbx_func_call(*(gbx_func **)data, NULL, 0, NULL, 0, NULL);
}

static void
test_nested_host(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_func *self = NULL;
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "self", NULL, 0, NULL, 0, host_self, &self,
                                    &w->err));
    gbx_instance *const i = guest_instance(
            w, "(module (import \"env\" \"self\" (func $s)) (export \"self\" (func $s)))");
    self = gbx_instance_func(i, "self");
    assert_int_equal(guest_call(w, i, "self", NULL, 0, NULL), GBX_TRAP_STACK_EXHAUSTED);
    guest_close(w);
}

/* The message of a nested trap that was swallowed does not turn up in a later trap. */
static gbx_trap_code
host_swallow(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)data;
    (void)args;
    (void)results;
    gbx_trap trap;
    gbx_func *const f = gbx_instance_func(gbx_caller_instance(caller), "fail");
    assert_int_equal(gbx_func_call(f, NULL, 0, NULL, 0, &trap), GBX_TRAP_HOST);
    assert_string_equal(trap.message, "inner");
    return GBX_TRAP_NONE;
}

static void
test_swallowed_message(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    host_plan plan = {.code = GBX_TRAP_HOST, .message = "inner"};
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "fail", NULL, 0, i32s, 1, host_plan_run, &plan,
                                    &w->err));
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "swallow", NULL, 0, NULL, 0, host_swallow, NULL,
                                    &w->err));
    gbx_instance *const i = guest_instance(
            w, "(module (import \"env\" \"fail\" (func $fail (result i32)))"
               "(import \"env\" \"swallow\" (func $swallow))"
               "(func (export \"fail\") (drop (call $fail)))"
               "(func (export \"f\") (call $swallow) unreachable))");
    assert_int_equal(guest_call(w, i, "f", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
    assert_string_equal(w->trap.message, "");
    assert_int_equal(w->trap.frames_total, 1);
    guest_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_host_func),    cmocka_unit_test(test_replace),
            cmocka_unit_test(test_missing),      cmocka_unit_test(test_many_missing),
            cmocka_unit_test(test_escaped),      cmocka_unit_test(test_instances),
            cmocka_unit_test(test_matching),     cmocka_unit_test(test_define_arguments),
            cmocka_unit_test(test_orphan),       cmocka_unit_test(test_host_traps),
            cmocka_unit_test(test_host_memory),  cmocka_unit_test(test_nested),
            cmocka_unit_test(test_nested_host),  cmocka_unit_test(test_swallowed_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

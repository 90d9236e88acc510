/* gbx/unstable/command.h: a first instance whose memory is made by a thread of its own begins as any other does,
 * whatever the module and the store are, and whenever it ends. */
#include <sys/resource.h>
#include <sys/stat.h>

#include "api/guest.h"
#include "base/mac.h"

#include <gbx/unstable/command.h>
#include <gbx/unstable/compiled.h>

#define PAGE 65536u
#define SEGMENTS 1300u
#define SEGMENT_BYTES 1900u /* so that the module has more than two MiB, and is read by two threads */
#define PAGES 40u

static char dir[] = "/tmp/gbx-test-XXXXXX";

/* A memory that is larger than the store will allow is not touched ahead of being refused. */
#define WIDE_SEGMENTS 1500u
#define WIDE_STRIDE ((uint64_t)2 << 20) /* a huge page each */

/* Segments overlap: the last one counts. */
static uint32_t
segment_at(uint32_t k)
{
    return k * 7919u % (PAGES * PAGE - SEGMENT_BYTES);
}

static void
fill(uint8_t *mem)
{
    memset(mem, 0, PAGES * PAGE);
    for (uint32_t k = 0; k < SEGMENTS; k++) memset(mem + segment_at(k), 'a' + (int)(k % 26), SEGMENT_BYTES);
}

/* Takes the bytes over. */
static void
write_file(const char *name, gbx_bytes b, char *path, size_t cap)
{
    assert_true(b.len > 2u << 20);
    snprintf(path, cap, "%s/%s.wasm", dir, name);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
    assert_int_equal(fclose(f), 0);
    free((void *)(uintptr_t)b.data);
}

/* The module, with `more` before its functions and `last` behind its segments, as a file. */
static void
write_module(const char *name, const char *more, const char *last, char *path, size_t cap)
{
    size_t const text_cap = SEGMENTS * (SEGMENT_BYTES + 64) + 400000;
    char *const text = malloc(text_cap);
    assert_non_null(text);
    size_t len = (size_t)snprintf(text, text_cap, "(module %s", more);
    for (uint32_t k = 0; k < SEGMENTS; k++) {
        len += (size_t)snprintf(text + len, text_cap - len, "(data (i32.const %u) \"", segment_at(k));
        memset(text + len, 'a' + (int)(k % 26), SEGMENT_BYTES);
        len += SEGMENT_BYTES;
        len += (size_t)snprintf(text + len, text_cap - len, "\")\n");
    }
    for (int f = 0; f < 60; f++) { /* enough to be worth an entry of the cache */
        len += (size_t)snprintf(text + len, text_cap - len, "(func $w%d (param i32) (result i32)", f);
        for (int k = 0; k < 60; k++)
            len += (size_t)snprintf(text + len, text_cap - len,
                                    "(local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const %d)) (i32.const %d)))",
                                    k * 2 + 1, f);
        len += (size_t)snprintf(text + len, text_cap - len, "(local.get 0))");
    }
    len += (size_t)snprintf(text + len, text_cap - len,
                            "(func (export \"work\") (param $rounds i32) (result i32) (local $x i32) (loop $again ");
    for (int f = 0; f < 60; f++)
        len += (size_t)snprintf(text + len, text_cap - len, "(local.set $x (call $w%d (local.get $x)))", f);
    len += (size_t)snprintf(text + len, text_cap - len,
                            "(br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))) (local.get $x))");
    len += (size_t)snprintf(text + len, text_cap - len, "%s)", last);
    assert_true(len < text_cap);
    write_file(name, guest_wat(text), path, cap);
    free(text);
}

/* Modules by name; each has its memory exported, and functions that are worth compiling. */
#define FUNCS                                                                                              \
    "(func $twice (param i32) (result i32) (i32.add (local.get 0) (local.get 0)))"                         \
    "(func (export \"poke\") (param i32 i32) (i32.store8 (local.get 0) (call $twice (local.get 1))))"      \
    "(func (export \"dropped\") (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))"                \
    "(func (export \"grow\") (result i32) (memory.grow (i32.const 3)))"
#define MEMORY "(memory (export \"memory\") 40 60)"
static const struct made {
    const char *name, *more, *last;
} made[] = {
        {"plain", MEMORY FUNCS, ""},
        {"passive", MEMORY FUNCS "(func (export \"late\") (memory.init $p (i32.const 5) (i32.const 0) (i32.const 4)))",
         "(data $p \"later\")"},
        {"outside", MEMORY FUNCS, "(data (i32.const 2621439) \"xy\")"},
        {"elements", MEMORY FUNCS "(table 1 funcref) (elem (i32.const 1) $twice)", ""},
        {"global", "(import \"env\" \"g\" (global $g i32))" MEMORY FUNCS, "(data (global.get $g) \"there\")"},
        {"imported", "(import \"env\" \"memory\" (memory 40 60)) (export \"memory\" (memory 0))" FUNCS, ""},
        {"invalid", MEMORY FUNCS, ""},
};
enum { PLAIN, PASSIVE, OUTSIDE, ELEMENTS, GLOBAL, IMPORTED, INVALID, MADE };
static char paths[MADE][64];

static int
setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t k = 0; k < MADE; k++) write_module(made[k].name, made[k].more, made[k].last, paths[k], sizeof paths[k]);
    /* The body of `twice`: local.get, local.get, i32.add, which becomes f32.add. */
    gbx_bytes const b = guest_read_file(paths[INVALID]);
    uint8_t *const at = memmem(b.data, b.len, "\x20\x00\x20\x00\x6a\x0b", 6);
    assert_non_null(at);
    at[4] = 0x92;
    write_file("invalid", b, paths[INVALID], sizeof paths[INVALID]);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void
open_world(guest_world *w, bool is_command, gbx_tier_mode tier, const char *cache, const gbx_store_opts *so)
{
    gbx_engine_opts const eo = {.size = sizeof eo, .tier = tier, .cache_dir = cache, .keep_ms = GBX_KEEP_OFF};
    memset(w, 0, sizeof *w);
    GUEST_OK(gbx_engine_new(&eo, &w->engine, &w->err));
    if (is_command) GUEST_OK(gbx_engine_set_command(w->engine, 0, 0, &w->err));
    GUEST_OK(gbx_store_new(w->engine, so, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    GUEST_OK(gbx_linker_define_global(w->linker, "env", "g", guest_i32(77), false, &w->err));
    GUEST_OK(gbx_linker_define_memory(w->linker, "env", "memory", 40, 60, &w->err));
}

static void
assert_begun(guest_world *w, gbx_instance *i, size_t which)
{
    static uint8_t want[PAGES * PAGE];
    uint8_t *mem;
    size_t bytes;
    fill(want);
    if (which == GLOBAL) memcpy(want + 77, "there", 5);
    assert_true(gbx_instance_memory(i, "memory", &mem, &bytes));
    assert_int_equal(bytes, sizeof want);
    assert_memory_equal(mem, want, sizeof want);
    assert_int_equal(guest_call(w, i, "dropped", NULL, 0, NULL), GBX_TRAP_MEM_OOB);
    if (which != PASSIVE) return;
    assert_int_equal(guest_call(w, i, "late", NULL, 0, NULL), GBX_TRAP_NONE);
    assert_memory_equal(mem + 5, "late", 4);
}

/* Where it runs: what it writes is there, and growing adds zeros. */
static void
use(guest_world *w, gbx_instance *i)
{
    int32_t const poke[] = {3000000 % (int32_t)(PAGES * PAGE), 0x21};
    int32_t old;
    uint8_t *mem;
    size_t bytes;
    assert_int_equal(guest_call(w, i, "poke", poke, 2, NULL), GBX_TRAP_NONE);
    assert_int_equal(guest_call(w, i, "grow", NULL, 0, &old), GBX_TRAP_NONE);
    assert_int_equal(old, PAGES);
    assert_true(gbx_instance_memory(i, "memory", &mem, &bytes));
    assert_int_equal(bytes, (PAGES + 3) * PAGE);
    assert_int_equal(mem[poke[0]], 0x42);
    for (size_t k = PAGES * PAGE; k < bytes; k++) assert_int_equal(mem[k], 0);
}

/* The same outcome as in an engine that is not a command's, or the memory as it has to be. */
static void
one_way(size_t which, bool is_command, gbx_tier_mode tier, uint64_t huge, gbx_err *err)
{
    guest_world w0, *const w = &w0;
    gbx_store_opts const so = {.size = sizeof so, .huge_pages = huge};
    gbx_module *m;
    gbx_instance *i;
    open_world(w, is_command, tier, NULL, &so);
    gbx_code code = gbx_module_compile_file(w->engine, paths[which], NULL, &m, err);
    assert_int_equal(code != GBX_OK, which == INVALID);
    if (code == GBX_OK) {
        code = gbx_instance_new(w->store, m, w->linker, &i, &w->trap, err);
        assert_int_equal(code == GBX_OK, which != OUTSIDE && which != ELEMENTS);
        if (code == GBX_OK) {
            assert_begun(w, i, which);
            use(w, i);
        }
        if (code == GBX_OK && which != IMPORTED) {
            GUEST_OK(gbx_instance_reset(i, &w->trap, &w->err));
            assert_begun(w, i, which);
            use(w, i);
            gbx_store *const other = w->store; /* a second one, which no thread has made */
            gbx_linker *const others = w->linker;
            GUEST_OK(gbx_store_new(w->engine, &so, &w->store, &w->err));
            GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
            GUEST_OK(gbx_linker_define_global(w->linker, "env", "g", guest_i32(77), false, &w->err));
            GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
            assert_begun(w, i, which);
            gbx_linker_release(others);
            gbx_store_release(other);
            use(w, i);
        }
        gbx_module_release(m);
    }
    guest_close(w);
}

static void
test_all_modules(void **state)
{
    (void)state;
    static const gbx_tier_mode tiers[] = {GBX_TIER_INTERP, GBX_TIER_EAGER, GBX_TIER_AUTO};
    for (size_t which = 0; which < MADE; which++)
        for (size_t tier = 0; tier < 3; tier++)
            for (uint64_t huge = 0; huge < 2; huge++) {
                gbx_err as_ever = {.text = ""}, err = {.text = ""};
                one_way(which, false, tiers[tier], huge, &as_ever);
                one_way(which, true, tiers[tier], huge, &err);
                assert_string_equal(err.text, as_ever.text);
            }
}

/* A store that allows less than the memory begins with says so, as ever. */
static void
test_bound(void **state)
{
    (void)state;
    for (uint64_t pages = 10; pages <= PAGES; pages += PAGES - 10) {
        guest_world w0, *const w = &w0;
        gbx_store_opts const so = {.size = sizeof so, .huge_pages = 1, .memory_bytes = pages * PAGE};
        gbx_module *m;
        gbx_instance *i;
        int32_t old;
        open_world(w, true, GBX_TIER_AUTO, NULL, NULL);
        gbx_linker_release(w->linker);
        gbx_store_release(w->store);
        GUEST_OK(gbx_store_new(w->engine, &so, &w->store, &w->err));
        GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
        GUEST_OK(gbx_module_compile_file(w->engine, paths[PLAIN], NULL, &m, &w->err));
        gbx_code const code = gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err);
        if (pages < PAGES) {
            assert_int_equal(code, GBX_LIMIT);
            assert_non_null(strstr(w->err.text, "40 pages"));
        } else {
            assert_int_equal(code, GBX_OK);
            assert_begun(w, i, PLAIN);
            assert_int_equal(guest_call(w, i, "grow", NULL, 0, &old), GBX_TRAP_NONE);
            assert_int_equal(old, -1);
        }
        gbx_module_release(m);
        guest_close(w);
    }
}

static size_t
peak_bytes(void)
{
    struct rusage u;
    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return (size_t)u.ru_maxrss * 1024;
}

static void
test_bound_is_kept_ahead(void **state)
{
    (void)state;
    size_t const cap = WIDE_SEGMENTS * (SEGMENT_BYTES + 64) + 4096;
    char path[64], *const text = malloc(cap);
    assert_non_null(text);
    size_t len = (size_t)snprintf(text, cap, "(module (memory 65536)\n");
    for (uint32_t k = 0; k < WIDE_SEGMENTS; k++) {
        len += (size_t)snprintf(text + len, cap - len, "(data (i32.const %llu) \"", (unsigned long long)(k * WIDE_STRIDE));
        memset(text + len, 'w', SEGMENT_BYTES);
        len += SEGMENT_BYTES;
        len += (size_t)snprintf(text + len, cap - len, "\")\n");
    }
    len += (size_t)snprintf(text + len, cap - len, ")");
    assert_true(len < cap);
    write_file("wide", guest_wat(text), path, sizeof path);
    free(text);
    guest_world w0, *const w = &w0;
    gbx_store_opts const so = {.size = sizeof so, .huge_pages = 1, .memory_bytes = 10 * PAGE};
    gbx_module *m;
    gbx_instance *i;
    memset(w, 0, sizeof *w);
    gbx_engine_opts const eo = {.size = sizeof eo, .keep_ms = GBX_KEEP_OFF};
    GUEST_OK(gbx_engine_new(&eo, &w->engine, &w->err));
    GUEST_OK(gbx_engine_set_command(w->engine, so.memory_bytes, 0, &w->err));
    GUEST_OK(gbx_store_new(w->engine, &so, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    size_t const before = peak_bytes();
    GUEST_OK(gbx_module_compile_file(w->engine, path, NULL, &m, &w->err));
    assert_int_equal(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err), GBX_LIMIT);
    gbx_module_release(m);
    guest_close(w);
    assert_in_range(peak_bytes() - before, 0, (size_t)256 << 20);
}

/* Whatever was begun is ended, however far it has come: none of it outlives the module. */
static void
test_ends(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        guest_world w0, *const w = &w0;
        gbx_store_opts const so = {.size = sizeof so, .huge_pages = 1};
        gbx_module *m = NULL;
        gbx_instance *i;
        open_world(w, true, GBX_TIER_AUTO, NULL, &so);
        gbx_code const code = gbx_module_compile_file(w->engine, paths[round % 3 ? PLAIN : INVALID], NULL, &m, &w->err);
        assert_int_equal(code == GBX_OK, round % 3 != 0);
        if (round % 3 == 1) GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
        gbx_module_release(m);
        guest_close(w);
    }
}

static int32_t
work(guest_world *w, gbx_instance *i, int32_t rounds)
{
    int32_t result;
    assert_int_equal(guest_call(w, i, "work", &rounds, 1, &result), GBX_TRAP_NONE);
    return result;
}

/* The guest goes on while what it does most is compiled, and comes to the same. However soon it ends. */
static void
test_compiles_beside(void **state)
{
    (void)state;
    guest_world w0, *const w = &w0;
    gbx_store_opts const so = {.size = sizeof so, .huge_pages = 1};
    gbx_module *m;
    gbx_instance *i;
    open_world(w, false, GBX_TIER_INTERP, NULL, &so);
    GUEST_OK(gbx_module_compile_file(w->engine, paths[PLAIN], NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    int32_t const want = work(w, i, 3000), want_soon = work(w, i, 40);
    gbx_module_release(m);
    guest_close(w);
    for (int round = 0; round < 12; round++) {
        gbx_compiled n;
        open_world(w, true, GBX_TIER_AUTO, NULL, &so);
        GUEST_OK(gbx_module_compile_file(w->engine, paths[PLAIN], NULL, &m, &w->err));
        GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
        if (round % 2) {
            assert_int_equal(work(w, i, 3000), want);
            gbx_compiled_get(m, &n);
            if (n.is_open) assert_in_range(n.compiled, 60, 80);
        } else {
            assert_int_equal(work(w, i, 40), want_soon);
        }
        gbx_module_release(m);
        guest_close(w);
    }
}

/* What is saved is found by the next engine, and releasing saves nothing more. */
static void
test_save(void **state)
{
    (void)state;
    if (!gbx_base_mac_works()) skip();
    char cache[64];
    snprintf(cache, sizeof cache, "%s/cache", dir);
    for (int round = 0; round < 3; round++) {
        guest_world w0, *const w = &w0;
        gbx_store_opts const so = {.size = sizeof so, .huge_pages = 1};
        gbx_module *m;
        gbx_instance *i;
        struct stat before, after;
        gbx_cache_info info;
        open_world(w, true, GBX_TIER_EAGER, cache, &so);
        GUEST_OK(gbx_module_compile_file(w->engine, paths[PLAIN], NULL, &m, &w->err));
        GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
        assert_begun(w, i, PLAIN);
        use(w, i);
        gbx_linker_release(w->linker);
        gbx_store_release(w->store);
        assert_int_equal(gbx_module_save(m, &w->err), GBX_OK);
        assert_int_equal(gbx_cache_inspect(cache, &info, &w->err), GBX_OK);
        assert_int_equal(info.entries, 1);
        assert_int_equal(stat(cache, &before), 0);
        gbx_module_release(m);
        gbx_engine_release(w->engine);
        assert_int_equal(stat(cache, &after), 0);
        assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    }
}

static void
test_arguments(void **state)
{
    (void)state;
    gbx_err err;
    assert_int_equal(gbx_engine_set_command(NULL, 0, 0, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_module_save(NULL, &err), GBX_ARGUMENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_all_modules), cmocka_unit_test(test_bound),     cmocka_unit_test(test_ends),
            cmocka_unit_test(test_compiles_beside),
            cmocka_unit_test(test_bound_is_kept_ahead),
            cmocka_unit_test(test_save),        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests_name("command", tests, setup, teardown);
}

/* Goroutines read from the memory of a program that stands still: what is said of a real one, and that nothing is
 * believed of memory that was damaged in hundreds of ways, or of frames that are made up. */
#include "api/guest.h"

#include <gbx/goroutine.h>

static gbx_bytes
sleeper_bytes(void)
{
    char out[] = "/tmp/gbx-test-XXXXXX", dir[256];
    const char *const root = getenv("GBX_ROOT");
    snprintf(dir, sizeof dir, "%s/test/stacks", root ? root : ".");
    int const fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    char *const argv[] = {"go", "-C", dir, "build", "-o", out, "./guest", NULL};
    char *const env[] = {"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false", NULL};
    guest_run_tool(argv, env);
    gbx_bytes const b = guest_read_file(out);
    unlink(out);
    return b;
}

typedef struct sleeper {
    guest_world w;
    gbx_wasi *wasi;
    gbx_module *module;
    gbx_instance *instance;
    gbx_trap trap;
} sleeper;

/* A program that its deadline has found in what it does for an argument. */
static void
sleeper_run(sleeper *s, const char *what)
{
    guest_world *const w = &s->w;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = 1500000000;
    gbx_bytes const bytes = sleeper_bytes();
    guest_open(&s->w, &opts);
    GUEST_OK(gbx_module_compile(s->w.engine, bytes, NULL, &s->module, &w->err));
    free((void *)(uintptr_t)bytes.data);
    GUEST_OK(gbx_wasi_new(&s->wasi, &w->err));
    GUEST_OK(gbx_wasi_arg(s->wasi, "guest", &w->err));
    GUEST_OK(gbx_wasi_arg(s->wasi, what, &w->err));
    gbx_wasi_clock_real(s->wasi);
    GUEST_OK(gbx_wasi_link(s->wasi, s->w.linker, &w->err));
    GUEST_OK(gbx_instance_new(s->w.store, s->module, s->w.linker, &s->instance, &s->trap, &w->err));
    gbx_trap_code const code =
            gbx_func_call(gbx_instance_func(s->instance, "_start"), NULL, 0, NULL, 0, &s->trap);
    assert_int_equal(code, GBX_TRAP_DEADLINE);
}

static void
sleeper_open(sleeper *s)
{
    sleeper_run(s, "sleep");
}

static void
sleeper_close(sleeper *s)
{
    gbx_wasi_release(s->wasi);
    gbx_module_release(s->module);
    guest_close(&s->w);
}

static const gbx_goroutine *
find_state(const gbx_go_stacks *stacks, const char *state, gbx_goroutine *g)
{
    for (size_t i = 0; gbx_go_stacks_get(stacks, i, g); i++)
        if (strcmp(g->state, state) == 0) return g;
    fail_msg("no goroutine [%s] in:\n%s", state, gbx_go_stacks_text(stacks));
    return NULL;
}

static void
test_sleeping(void **state)
{
    (void)state;
    sleeper s;
    guest_world *const w = &s.w;
    gbx_go_stacks *stacks;
    gbx_goroutine g;
    gbx_waited waited;
    sleeper_open(&s);
    GUEST_OK(gbx_go_stacks_new(s.instance, &s.trap, &stacks, &w->err));
    assert_int_equal(gbx_go_stacks_count(stacks), 3);
    (void)find_state(stacks, "sleep", &g);
    assert_int_equal(g.id, 1);
    assert_string_equal(g.frames[0].func, "time.Sleep");
    assert_string_equal(g.frames[g.frame_count - 1].func, "main.main");
    assert_false(g.is_cut || g.is_running);
    (void)find_state(stacks, "chan receive", &g);
    assert_string_equal(g.frames[0].func, "main.receive");
    assert_string_equal(g.creator.func, "main.main");
    assert_int_equal(g.parent, 1);
    (void)find_state(stacks, "sync.Mutex.Lock", &g);
    assert_false(gbx_go_stacks_get(stacks, 3, &g));
    gbx_go_stacks_release(stacks);
    assert_true(gbx_store_waited(s.w.store, &s.trap, &waited));
    assert_string_equal(waited.slug, "timer");
    assert_string_equal(waited.call, "poll_oneoff");
    assert_true(waited.timer_ns > 3500000000000 && waited.timer_ns < 3600000000000);
    assert_false(gbx_store_waited(s.w.store, NULL, &waited));
    sleeper_close(&s);
}

/* More goroutines than are kept. */
static void
test_many(void **state)
{
    (void)state;
    sleeper s;
    guest_world *const w = &s.w;
    gbx_go_stacks *stacks;
    gbx_goroutine g;
    sleeper_run(&s, "many");
    GUEST_OK(gbx_go_stacks_new(s.instance, &s.trap, &stacks, &w->err));
    assert_int_equal(gbx_go_stacks_count(stacks), 256);
    assert_true(gbx_go_stacks_get(stacks, 255, &g));
    assert_string_equal(g.state, "chan receive");
    gbx_go_stacks_release(stacks);
    sleeper_close(&s);
}

/* A backtrace says the same as the stack of the goroutine that ran, functions that were inlined among it: those
 * have the code of the one that they stand in. */
static void
test_inlined(void **state)
{
    (void)state;
    static const char *const modes[] = {"inlined", "napped"};
    for (int k = 0; k < 2; k++) {
        sleeper s;
        guest_world *const w = &s.w;
        gbx_go_stacks *stacks;
        gbx_goroutine g;
        size_t at = 0;
        sleeper_run(&s, modes[k]);
        const gbx_frame *const f = s.trap.frames;
        while (at < s.trap.frame_count && strcmp(f[at].go_func, "main.around")) at++;
        assert_in_range(at, 1, s.trap.frame_count - 2);
        assert_string_equal(f[at - 1].go_func, "main.slow");
        assert_string_equal(f[at + 1].go_func, "main.main");
        assert_int_equal(f[at].func_idx, f[at + 1].func_idx);
        assert_int_equal(f[at].offset, f[at + 1].offset);
        assert_int_equal(f[at].offset == 0, k == 1); /* on Go's stack alone */
        assert_string_equal(f[at].name, "main.main");
        assert_int_equal(f[at].line_kind, GBX_LINE_CALL);
        assert_int_equal(f[at + 1].line_kind, GBX_LINE_CALL);
        assert_true(s.trap.frames_total >= s.trap.frame_count);
        GUEST_OK(gbx_go_stacks_new(s.instance, &s.trap, &stacks, &w->err));
        assert_true(gbx_go_stacks_get(stacks, 0, &g) && g.is_running);
        assert_int_equal(g.frame_count, at + 2);
        for (size_t i = 0; i < g.frame_count; i++) {
            assert_string_equal(f[i].go_func, g.frames[i].func);
            assert_string_equal(f[i].file, g.frames[i].file);
            assert_int_equal(f[i].line, g.frames[i].line);
            assert_int_equal(f[i].func_idx, g.frames[i].func_idx);
            assert_int_equal(g.frames[i].is_inlined, i == at);
        }
        gbx_go_stacks_release(stacks);
        sleeper_close(&s);
    }
}

static uint64_t
next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* A word that might be believed: a pointer into memory, a pc, a small number, or anything. */
static uint64_t
tempting(uint64_t *x, size_t bytes)
{
    switch (next_random(x) % 5) {
    case 0: return next_random(x) % bytes & ~(uint64_t)7;
    case 1: return bytes - next_random(x) % 16;
    case 2: return (0x1000 + next_random(x) % 2000) << 16 | next_random(x) % 64;
    case 3: return next_random(x) % 300;
    default: return next_random(x);
    }
}

/* SAFETY of wasm/gostack.c: whatever memory holds, what is read lies in it and every loop ends. */
static void
test_damaged(void **state)
{
    (void)state;
    sleeper s;
    guest_world *const w = &s.w;
    uint8_t *data;
    size_t bytes;
    uint64_t seed = 0x9e3779b97f4a7c15;
    sleeper_open(&s);
    const gbx_frame *loop = s.trap.frames; /* Go's own, which calls what the stack has below its end */
    while (loop < s.trap.frames + s.trap.frame_count && strcmp(loop->go_func, "wasm_pc_f_loop")) loop++;
    assert_true(loop < s.trap.frames + s.trap.frame_count);
    assert_true(gbx_instance_memory(s.instance, "memory", &data, &bytes));
    uint8_t *const before = malloc(bytes);
    assert_non_null(before);
    memcpy(before, data, bytes);
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < 1 << round % 16; i++) {
            size_t const at = next_random(&seed) % (bytes / 8) * 8;
            uint64_t const word = tempting(&seed, bytes);
            memcpy(data + at, &word, sizeof word);
        }
        gbx_trap trap = s.trap;
        if (round % 2) {
            trap.frames[0].func_idx = (uint32_t)(next_random(&seed) % (round % 4 == 1 ? 4000 : UINT32_MAX));
            trap.frames[0].offset = (uint32_t)next_random(&seed);
        }
        if (round % 8 == 6) trap.frames[0] = *loop;
        gbx_go_stacks *stacks;
        gbx_goroutine g;
        GUEST_OK(gbx_go_stacks_new(s.instance, &trap, &stacks, &w->err));
        assert_true(gbx_go_stacks_count(stacks) <= 256);
        for (size_t i = 0; gbx_go_stacks_get(stacks, i, &g); i++) assert_true(g.frame_count <= 100);
        for (const char *p = gbx_go_stacks_text(stacks); *p; p++)
            assert_true((unsigned char)*p >= ' ' || *p == '\n' || *p == '\t');
        gbx_go_stacks_release(stacks);
        if (round % 16 == 15) memcpy(data, before, bytes);
    }
    free(before);
    sleeper_close(&s);
}

static void
test_arguments(void **state)
{
    (void)state;
    gbx_err err;
    guest_world w;
    gbx_go_stacks *stacks = (gbx_go_stacks *)&err;
    gbx_goroutine g;
    guest_open(&w, NULL);
    gbx_instance *const i = guest_instance(&w, "(module (memory 1))");
    assert_int_equal(gbx_go_stacks_new(i, NULL, &stacks, &err), GBX_UNSUPPORTED);
    assert_null(stacks);
    assert_int_equal(gbx_go_stacks_new(NULL, NULL, &stacks, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_go_stacks_new(i, NULL, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_go_stacks_count(NULL), 0);
    assert_false(gbx_go_stacks_get(NULL, 0, &g));
    assert_string_equal(gbx_go_stacks_text(NULL), "");
    gbx_go_stacks_release(NULL);
    guest_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_sleeping),
            cmocka_unit_test(test_many),
            cmocka_unit_test(test_inlined),
            cmocka_unit_test(test_damaged),
            cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

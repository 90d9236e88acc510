/* Profiles as an embedder takes them: begun, ended and written from C, misused, by several threads, without
 * memory and without room for the file; and guests that do what they can against being sampled. */
#include "api/guest.h"
#include "base/alloc.h"
#include "base/base.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include <gbx/goroutine.h>
#include <gbx/profile.h>

static const char burner[] =
        "(module (memory 1)"
        "  (func $inner<&> (param i32) (result i32) (local i32)"
        "    (loop $l (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) (local.get 0)))"
        "      (i32.store (i32.const 8) (local.get 1))"
        "      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
        "    (local.get 1))"
        "  (func $outer (export \"burn\") (param i32) (result i32) (i32.add (call $inner<&> (local.get 0)) (i32.const 1)))"
        "  (func (export \"boom\") unreachable))";

static uint64_t
cpu_ns(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Processor time of this thread in the guest, by which there must be samples. */
static void
burn(guest_world *w, gbx_instance *i)
{
    uint64_t const until = cpu_ns() + 100000000;
    int32_t const n = 20000;
    int32_t r;
    while (cpu_ns() < until) assert_int_equal(guest_call(w, i, "burn", &n, 1, &r), GBX_TRAP_NONE);
}

typedef struct file {
    uint8_t *bytes;
    size_t len;
} file;

static bool
file_write(void *data, const void *bytes, size_t len)
{
    file *const f = data;
    f->bytes = realloc(f->bytes, f->len + len + 1);
    assert_non_null(f->bytes);
    memcpy(f->bytes + f->len, bytes, len);
    f->len += len;
    f->bytes[f->len] = 0;
    return true;
}

static bool
file_has(const file *f, const char *text)
{
    return memmem(f->bytes, f->len, text, strlen(text)) != NULL;
}

static file
written(const gbx_profile *p, gbx_profile_format format)
{
    file f = {0};
    gbx_err err;
    assert_int_equal(gbx_profile_write(p, format, file_write, &f, &err), GBX_OK);
    assert_true(f.len > 0);
    return f;
}

/* Both forms, with the functions that burn time. */
static void
check_written(const gbx_profile *p, const char *const names[])
{
    file pprof = written(p, GBX_PROFILE_PPROF), svg = written(p, GBX_PROFILE_SVG);
    assert_memory_equal(pprof.bytes, "\x1f\x8b\x08", 3);
    assert_memory_equal(svg.bytes, "<?xml", 5);
    assert_true(file_has(&svg, "</svg>"));
    assert_false(file_has(&svg, "inner<") || file_has(&svg, "<&"));
    for (; *names; names++) {
        if (!file_has(&pprof, *names) || !file_has(&svg, *names)) fail_msg("%s is not there:\n%s", *names, svg.bytes);
    }
    free(pprof.bytes);
    free(svg.bytes);
}

static void
open_tier(guest_world *w, gbx_tier_mode tier)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    gbx_store_opts store = GBX_STORE_OPTS_INIT;
    opts.tier = tier;
    store.stack_bytes = 1 << 20;
    store.timeout_ns = GBX_UNLIMITED;
    memset(w, 0, sizeof *w);
    GUEST_OK(gbx_engine_new(&opts, &w->engine, &w->err));
    GUEST_OK(gbx_store_new(w->engine, &store, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
}

static gbx_profile *
begun(guest_world *w, uint32_t hz)
{
    gbx_profile_opts opts = GBX_PROFILE_OPTS_INIT;
    gbx_profile *p;
    opts.hz = hz;
    GUEST_OK(gbx_profile_begin(w->store, &opts, &p, &w->err));
    return p;
}

static void
test_use(void **state)
{
    (void)state;
    static const char *const names[] = {"inner", "outer", NULL}; /* and &lt;&amp;&gt; in a drawing */
    for (gbx_tier_mode tier = GBX_TIER_AUTO; tier <= GBX_TIER_EAGER; tier++) {
        guest_world world, *const w = &world;
        uint64_t taken, lost;
        open_tier(w, tier);
        gbx_instance *const i = guest_instance(w, burner);
        for (int round = 0; round < 2; round++) { /* one after the other in one store */
            gbx_profile *const p = begun(w, 1000);
            burn(w, i);
            assert_int_equal(guest_call(w, i, "boom", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
            gbx_profile_end(p);
            burn(w, i); /* of this there is nothing in it */
            gbx_profile_samples(p, &taken, &lost);
            assert_true(taken >= 2 && taken <= 150);
            assert_int_equal(lost, 0);
            if (round) guest_close(w); /* all else may be gone */
            check_written(p, names);
            gbx_profile_release(p);
        }
    }
}

/* Compiled code calls the host, which calls back what only the interpreter can run: that is where the time goes. */
static const char mixed[] =
        "(module (import \"h\" \"f\" (func $h)) (func $outer (export \"outer\") (call $h))"
        "  (func $vector (export \"burn\") (param i32) (result i32) (local v128)"
        "    (loop $l (local.set 1 (i32x4.add (local.get 1) (v128.const i32x4 1 2 3 4)))"
        "      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
        "    (i32x4.extract_lane 0 (local.get 1))))";

static gbx_trap_code
burn_back(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)args;
    (void)results;
    burn(data, gbx_caller_instance(caller));
    return GBX_TRAP_NONE;
}

static void
test_mixed(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    open_tier(w, GBX_TIER_EAGER);
    GUEST_OK(gbx_linker_define_func(w->linker, "h", "f", NULL, 0, NULL, 0, burn_back, w, &w->err));
    gbx_instance *const i = guest_instance(w, mixed);
    gbx_profile *const p = begun(w, 1000);
    assert_int_equal(guest_call(w, i, "outer", NULL, 0, NULL), GBX_TRAP_NONE);
    gbx_profile_end(p);
    check_written(p, (const char *const[]){"vector", NULL});
    gbx_profile_release(p);
    guest_close(w);
}

/* ---- What an embedder can do wrong, and what the system may refuse */

static bool
write_not(void *data, const void *bytes, size_t len)
{
    (void)data;
    (void)bytes;
    (void)len;
    return false;
}

static bool
write_stdio(void *data, const void *bytes, size_t len)
{
    return fwrite(bytes, 1, len, data) == len;
}

static void
test_misuse(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_profile_opts opts = GBX_PROFILE_OPTS_INIT;
    gbx_profile *p = (gbx_profile *)&opts, *again = p;
    uint64_t taken, lost;
    file f = {0};
    guest_open(w, NULL);
    assert_int_equal(gbx_profile_begin(w->store, NULL, NULL, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_profile_begin(NULL, NULL, &p, &w->err), GBX_ARGUMENT);
    assert_null(p);
    opts.hz = 1001;
    assert_int_equal(gbx_profile_begin(w->store, &opts, &p, &w->err), GBX_ARGUMENT);
    assert_null(p);
    p = begun(w, 0);
    assert_int_equal(gbx_profile_begin(w->store, NULL, &again, &w->err), GBX_STATE);
    assert_null(again);
    assert_int_equal(gbx_profile_write(p, GBX_PROFILE_PPROF, file_write, &f, &w->err), GBX_STATE);
    gbx_profile_end(p);
    gbx_profile_end(p);
    gbx_profile_end(NULL);
    assert_int_equal(gbx_profile_write(NULL, GBX_PROFILE_PPROF, file_write, &f, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_profile_write(p, GBX_PROFILE_PPROF, NULL, &f, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_profile_write(p, (gbx_profile_format)2, file_write, &f, &w->err), GBX_ARGUMENT);
    assert_int_equal(f.len, 0);
    assert_int_equal(gbx_profile_write(p, GBX_PROFILE_SVG, write_not, NULL, &w->err), GBX_IO);
    gbx_profile_samples(p, &taken, &lost);
    assert_true(taken == 0 && lost == 0);
    gbx_profile_samples(NULL, NULL, &lost);
    gbx_profile_release(NULL);
    check_written(p, (const char *const[]){NULL}); /* of nothing */
    gbx_profile_release(p);
    guest_close(w);
}

/* The disk is full: said, and nothing of it is kept. */
static void
test_full_disk(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(w, burner);
    gbx_profile *const p = begun(w, 1000);
    burn(w, i);
    gbx_profile_end(p);
    FILE *const full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
    assert_int_equal(gbx_profile_write(p, GBX_PROFILE_PPROF, write_stdio, full, &w->err), GBX_IO);
    assert_non_null(strstr(w->err.text, "cannot be written"));
    fclose(full);
    gbx_profile_release(p);
    guest_close(w);
}

/* Each allocation fails in turn: of a profile that begins, and of one that is written. */
static void
test_no_memory(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(w, burner);
    gbx_profile *p = NULL;
    unsigned failed = 0;
    for (uint64_t n = 1; !p; n++) {
        gbx_base_fault_arm(n);
        gbx_code const code = gbx_profile_begin(w->store, NULL, &p, &w->err);
        gbx_base_fault_arm(0);
        failed += code != GBX_OK;
        if (code != GBX_OK) assert_int_equal(code, GBX_NO_MEMORY);
        assert_true((code == GBX_OK) == (p != NULL));
    }
    assert_true(failed >= 2);
    burn(w, i);
    gbx_profile_end(p);
    for (gbx_profile_format form = GBX_PROFILE_PPROF; form <= GBX_PROFILE_SVG; form++) {
        bool is_done = false;
        failed = 0;
        for (uint64_t n = 1; !is_done; n++) {
            file f = {0};
            gbx_base_fault_arm(n);
            gbx_code const code = gbx_profile_write(p, form, file_write, &f, &w->err);
            is_done = gbx_base_fault_count() < n;
            gbx_base_fault_arm(0);
            failed += code != GBX_OK;
            if (code != GBX_OK) assert_int_equal(code, GBX_NO_MEMORY);
            assert_true((code == GBX_OK) == (f.len > 0));
            if (is_done) assert_int_equal(code, GBX_OK);
            free(f.bytes);
        }
        assert_true(failed >= 5);
    }
    gbx_profile_release(p);
    guest_close(w);
}

/* The store goes first: that ends it. */
static void
test_store_first(void **state)
{
    (void)state;
    static const char *const names[] = {"inner", NULL};
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(w, burner);
    gbx_profile *const p = begun(w, 1000);
    burn(w, i);
    guest_close(w);
    for (uint64_t until = cpu_ns() + 20000000; cpu_ns() < until;) {} /* nobody ticks any more */
    check_written(p, names);
    guest_open(w, NULL);
    gbx_profile *const next = begun(w, 0);
    gbx_profile_release(next);
    gbx_profile_release(p);
    guest_close(w);
}

/* ---- The signal is the host's, too */

static volatile sig_atomic_t host_ticks;

static void
host_on_signal(int number)
{
    assert_int_equal(number, SIGPROF);
    errno = ENOTTY;
    host_ticks++;
}

static void
test_signal(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    struct sigaction mine = {.sa_handler = host_on_signal}, old, now;
    sigset_t profs, mask;
    sigemptyset(&profs);
    sigaddset(&profs, SIGPROF);
    assert_int_equal(sigaction(SIGPROF, &mine, &old), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &profs, NULL), 0);
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(w, burner);
    gbx_profile *p = begun(w, 1000);
    burn(w, i);
    assert_int_equal(host_ticks, 0); /* ours are not his, */
    errno = EDOM;
    assert_int_equal(raise(SIGPROF), 0); /* and his not ours */
    assert_int_equal(errno, EDOM);
    assert_int_equal(host_ticks, 1);
    gbx_profile_end(p);
    uint64_t taken;
    gbx_profile_samples(p, &taken, NULL);
    assert_true(taken > 0);
    gbx_profile_release(p);
    assert_int_equal(sigaction(SIGPROF, NULL, &now), 0);
    assert_true(now.sa_handler == host_on_signal);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &profs, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGPROF), 1);
    p = begun(w, 1000); /* what the host puts there meanwhile stays */
    assert_int_equal(sigaction(SIGPROF, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), 0);
    gbx_profile_release(p);
    assert_int_equal(sigaction(SIGPROF, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
    assert_int_equal(sigaction(SIGPROF, &old, NULL), 0);
    guest_close(w);
}

/* ---- Threads */

typedef struct sampled {
    gbx_engine *engine;
    gbx_module *module;
    gbx_store *other; /* that another thread samples */
    uint64_t taken;
} sampled;

static void *
sampled_thread(void *data)
{
    sampled *const t = data;
    guest_world world = {.engine = t->engine}, *const w = &world;
    gbx_instance *i;
    gbx_profile *p;
    GUEST_OK(gbx_store_new(w->engine, NULL, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    GUEST_OK(gbx_instance_new(w->store, t->module, w->linker, &i, &w->trap, &w->err));
    assert_int_equal(gbx_profile_begin(t->other, NULL, &p, &w->err), GBX_STATE);
    p = begun(w, 1000);
    assert_int_equal(gbx_profile_begin(t->other, NULL, &(gbx_profile *){NULL}, &w->err), GBX_STATE);
    burn(w, i);
    gbx_profile_end(p);
    gbx_profile_samples(p, &t->taken, NULL);
    check_written(p, (const char *const[]){"inner", "outer", NULL});
    gbx_profile_release(p);
    gbx_linker_release(w->linker);
    gbx_store_release(w->store);
    return NULL;
}

/* Two threads and two stores of one engine and one module, each with a profile of its own. */
static void
test_threads(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    pthread_t threads[2];
    sampled all[2];
    uint64_t taken;
    open_tier(w, GBX_TIER_EAGER);
    gbx_module *const m = guest_compile(w, burner);
    gbx_instance *i;
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    gbx_profile *const p = begun(w, 1000);
    for (int k = 0; k < 2; k++) {
        all[k] = (sampled){w->engine, m, w->store, 0};
        assert_int_equal(pthread_create(&threads[k], NULL, sampled_thread, &all[k]), 0);
    }
    burn(w, i);
    for (int k = 0; k < 2; k++) assert_int_equal(pthread_join(threads[k], NULL), 0);
    gbx_profile_end(p);
    gbx_profile_samples(p, &taken, NULL);
    assert_true(taken > 0 && all[0].taken > 0 && all[1].taken > 0);
    gbx_profile_release(p);
    gbx_module_release(m);
    guest_close(w);
}

/* A store that a profile was begun of is used by another thread: nothing is sampled of that. */
typedef struct lent {
    guest_world *w;
    gbx_instance *i;
    atomic_bool is_done;
} lent;

static void *
lent_thread(void *data)
{
    lent *const l = data;
    burn(l->w, l->i);
    l->is_done = true;
    return NULL;
}

/* ---- Ticks at any moment: what the timer sends, as fast as a test likes */

typedef struct hammer {
    pid_t thread; /* that is hit */
    void *profile;
    long pause_ns;
    atomic_bool is_over;
    pthread_t own;
} hammer;

static void *
hammer_thread(void *data)
{
    hammer *const h = data;
    siginfo_t info = {.si_signo = SIGPROF, .si_code = SI_TIMER};
    info.si_value.sival_ptr = h->profile;
    struct timespec const pause = {0, h->pause_ns};
    while (!h->is_over) {
        if (syscall(SYS_rt_tgsigqueueinfo, getpid(), h->thread, SIGPROF, &info)) break;
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static void
hammer_begin(hammer *h, gbx_profile *p, long pause_ns)
{
    *h = (hammer){.thread = (pid_t)syscall(SYS_gettid), .pause_ns = pause_ns};
    memcpy(&h->profile, p, sizeof h->profile); /* its first member: what the timer tells the handler */
    assert_int_equal(pthread_create(&h->own, NULL, hammer_thread, h), 0);
}

static void
hammer_end(hammer *h)
{
    h->is_over = true;
    assert_int_equal(pthread_join(h->own, NULL), 0);
}

static void
test_lent(void **state)
{
    (void)state;
    for (gbx_tier_mode tier = GBX_TIER_INTERP; tier <= GBX_TIER_EAGER; tier++) {
        guest_world world, *const w = &world;
        open_tier(w, tier);
        lent l = {.w = w, .i = guest_instance(w, burner)};
        gbx_profile *const p = begun(w, 1000);
        hammer h;
        pthread_t thread;
        uint64_t taken;
        hammer_begin(&h, p, 20000);
        assert_int_equal(pthread_create(&thread, NULL, lent_thread, &l), 0);
        while (!l.is_done) {}
        assert_int_equal(pthread_join(thread, NULL), 0);
        hammer_end(&h);
        gbx_profile_end(p);
        gbx_profile_samples(p, &taken, NULL);
        assert_int_equal(taken, 0);
        gbx_profile_release(p);
        guest_close(w);
    }
}

/* ---- Guests that are against it */

enum { TABLE_AT = 0x10000, FUNCS = 13, ENTRIES = 60000 };

typedef struct table {
    uint8_t *bytes;
    size_t len;
} table;

static void
put(table *t, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) t->bytes[t->len++] = (uint8_t)(v >> 8 * i);
}

/* A pclntab in which every function has a table of ENTRIES depths of its stack, none of which leads anywhere, and
 * which is that of the calls inlined there, too: each stands in itself. */
static table
table_make(void)
{
    static const char names[] = "\0runtime.systemstack\0runtime.morestack\0runtime.mcall\0main.f";
    static const unsigned at[] = {1, 21, 39, 53};
    uint32_t const values = 2 * ENTRIES + 8, units = 8, files = 8;
    table t = {.bytes = calloc(1, 4 * ENTRIES)};
    assert_non_null(t.bytes);
    memcpy(t.bytes, "\xf1\xff\xff\xff\0\0\1\x08", 8);
    t.len = 8;
    put(&t, FUNCS, 8);
    put(&t, 1, 8);
    put(&t, 0, 8);
    uint64_t part = 72;
    uint64_t const lens[] = {sizeof names, units, files, values, 0};
    for (unsigned i = 0; i < 5; i++) {
        put(&t, part, 8);
        part += lens[i];
    }
    memcpy(t.bytes + t.len, names, sizeof names);
    t.len += sizeof names + units + files;
    put(&t, 0, 4);
    for (unsigned i = 0; i < ENTRIES; i++) { /* 8, 16, ... 1600, and down again, and then 16 and 8 in turns */
        put(&t, i == 0 ? 18 : i < 200 ? 16 : i < 399 ? 15 : i % 2 ? 16 : 15, 1);
        put(&t, 1, 1);
    }
    put(&t, 0, 4);
    for (unsigned i = 0; i < FUNCS; i++) {
        put(&t, 0x1000 + i, 4);
        put(&t, 8 * FUNCS + 4 + 44 * i, 4);
    }
    put(&t, 0x1000 + FUNCS, 4);
    for (unsigned i = 0; i < FUNCS; i++) {
        uint32_t const words[] = {0x1000 + i, at[i < 3 ? i : 3], 4, 0, 4, 4, 4, 0xff, 0, 1, 0xff00feff};
        for (unsigned k = 0; k < 11; k++) put(&t, words[k], 4);
    }
    return t;
}

static const char hostile_head[] =
        "(module (import \"h\" \"f\" (func $h))"
        "(memory (export \"memory\") 9 16)"
        "(global $sp (mut i32) (i32.const 256)) (global $x (mut i32) (i32.const 0))"
        "(global $g (mut i64) (i64.const 64)) (global $seed (mut i32) (i32.const 1))"
        "(type $v (func)) (table 4 funcref) (elem (i32.const 0) $lie $lie $fill $lie)"
        "(func $rand (result i32)"
        "  (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1103515245)) (i32.const 12345)))"
        "  (i32.shr_u (global.get $seed) (i32.const 3)))"
        "(func $lie"
        "  (global.set $sp (i32.and (call $rand) (i32.const 0xfff8)))"
        "  (global.set $g (i64.extend_i32_u (i32.and (call $rand) (i32.const 0x9fff8))))"
        "  (if (i32.eqz (i32.and (call $rand) (i32.const 15))) (then"
        "    (global.set $sp (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.and (call $rand) (i32.const 15))))"
        "    (global.set $g (i64.const -8)))))"
        "(func $fill (export \"fill\") (local i32)"
        "  (loop $l (i64.store (local.get 0) (i64.or (i64.shl (i64.add (i64.const 0x1000)"
        "      (i64.extend_i32_u (i32.add (i32.const 3) (i32.rem_u (call $rand) (i32.const 10))))) (i64.const 16))"
        "      (i64.extend_i32_u (i32.rem_u (call $rand) (i32.const 59000)))))"
        "    (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 8))) (i32.const 0xfff8)))))"
        "(func $leaf (param i32) (result i32) (local i32)"
        "  (loop $l (local.set 1 (i32.add (local.get 1) (i32.mul (local.get 0) (i32.const 7))))"
        "    (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
        "  (local.get 1))"
        "(func $spin (export \"spin\") (param i32)"
        "  (loop $l (call $lie) (drop (call $leaf (i32.const 50)))"
        "    (call_indirect (type $v) (i32.and (call $rand) (i32.const 1)))"
        "    (i64.store (i32.and (call $rand) (i32.const 0xfff8)) (i64.add (i64.const 0x10000000)"
        "      (i64.extend_i32_u (i32.rem_u (call $rand) (i32.const 0xd0000)))))"
        "    (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"
        "(func $deep (export \"deep\") (param i32)"
        "  (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))) (call $lie))))"
        "(func (export \"grow\") (loop $l (call $lie) (global.set $sp (i32.const -16))"
        "  (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))"
        "(func $over (export \"over\") (param i64 i64 i64 i64) (result i64)"
        "  (i64.add (local.get 3) (i64.mul (local.get 0) (call $over (local.get 1) (local.get 2) (local.get 3)"
        "    (i64.add (local.get 0) (i64.const 1))))))"
        "(func (export \"divide\") (param i32) (call $deep (i32.const 30))"
        "  (drop (i32.div_u (i32.const 1) (local.get 0))))"
        "(func (export \"oob\") (call $deep (i32.const 30)) (drop (i32.load (i32.const -4))))"
        "(func (export \"host\") (call $lie) (call $h) (call $h))"
        "(func (export \"pose\") (global.set $sp (i32.const 64)) (global.set $g (i64.const 0x60000)) unreachable)"
        "(func (export \"stop\") (call $deep (i32.const 9)) unreachable)";

/* A module; that seems to be Go's, of a release of so long a name. */
static gbx_bytes
hostile_bytes(bool is_go, const char *version)
{
    table const t = table_make();
    char *const text = malloc(sizeof hostile_head + 4 * (t.len + 0x8000) + 4096);
    assert_non_null(text);
    size_t len = (size_t)sprintf(text, "%s", hostile_head);
    if (is_go) {
        len += (size_t)sprintf(text + len, "(data (i32.const %d) \"", TABLE_AT);
        for (size_t i = 0; i < t.len; i++) len += (size_t)sprintf(text + len, "\\%02x", t.bytes[i]);
        /* Calls that stand in a block as far behind as can be; and runtime.firstmoduledata, whose first bytes are
         * zero and in no segment. */
        len += (size_t)sprintf(text + len, "\")(data (i32.const 0x88000) \"");
        for (unsigned i = 0; i < 0x7000; i++) len += (size_t)sprintf(text + len, "\\e9");
        len += (size_t)sprintf(text + len, "\")(data (i32.const 0x8fb02) \"\\01\\00\\00\\00\\00\\00"
                                           "\\48\\00\\01\\00\\00\\00\\00\\00");
        for (unsigned i = 0; i < 100; i++) len += (size_t)sprintf(text + len, "\\00\\80\\08\\00");
        len += (size_t)sprintf(text + len, "\")");
    }
    sprintf(text + len, ")");
    gbx_bytes b = guest_wat(text);
    char producers[160];
    int const more = snprintf(producers, sizeof producers, "0S%cproducers%c%clanguage%c%cGo%c%s", 9, 1, 8, 1, 2,
                              (int)strlen(version), version);
    assert_in_range(more, 2, 127);
    producers[0] = 0;
    producers[1] = (char)(more - 2);
    uint8_t *const data = realloc((void *)(uintptr_t)b.data, b.len + (size_t)more);
    assert_non_null(data);
    memcpy(data + b.len, producers, (size_t)more);
    free(text);
    free(t.bytes);
    return (gbx_bytes){data, b.len + (size_t)more};
}

static gbx_trap_code
call_back(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    gbx_val n = guest_i32(50);
    gbx_trap trap;
    (void)data;
    (void)args;
    (void)results;
    gbx_instance *const i = gbx_caller_instance(caller);
    gbx_go_stacks *stacks;
    gbx_err err;
    gbx_code const code = gbx_go_stacks_new(i, NULL, &stacks, &err); /* a call is running */
    assert_true(code == GBX_STATE || code == GBX_UNSUPPORTED);
    assert_int_equal(gbx_func_call(gbx_instance_func(i, "spin"), &n, 1, NULL, 0, &trap), GBX_TRAP_NONE);
    assert_int_equal(gbx_func_call(gbx_instance_func(i, "stop"), NULL, 0, NULL, 0, &trap), GBX_TRAP_UNREACHABLE);
    return GBX_TRAP_NONE;
}

/* Modules of the same engine are compiled, run and dropped meanwhile. */
typedef struct churn {
    gbx_engine *engine;
    gbx_bytes bytes;
    atomic_bool is_over;
} churn;

static void
churn_once(gbx_engine *engine, gbx_bytes bytes)
{
    guest_world world = {.engine = engine}, *const w = &world;
    gbx_module *m;
    gbx_instance *i;
    int32_t const n = 10;
    int32_t r;
    GUEST_OK(gbx_module_compile(w->engine, bytes, NULL, &m, &w->err));
    GUEST_OK(gbx_store_new(w->engine, NULL, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    gbx_module_release(m);
    assert_int_equal(guest_call(w, i, "burn", &n, 1, &r), GBX_TRAP_NONE);
    gbx_linker_release(w->linker);
    gbx_store_release(w->store);
}

static void *
churn_thread(void *data)
{
    churn *const c = data;
    while (!c->is_over) {
        churn_once(c->engine, c->bytes);
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

/* What a hostile guest does in one life. */
static void
hostile_life(guest_world *w, gbx_instance *i, gbx_bytes other)
{
    static const struct {
        const char *name;
        int32_t arg;
        gbx_trap_code ends;
    } calls[] = {{"fill", -1, GBX_TRAP_NONE},     {"spin", 20000, GBX_TRAP_NONE},
                 {"host", -1, GBX_TRAP_NONE},     {"deep", 4000, GBX_TRAP_NONE},
                 {"divide", 0, GBX_TRAP_INT_DIV_ZERO}, {"oob", -1, GBX_TRAP_MEM_OOB},
                 {"grow", -1, GBX_TRAP_NONE},     {"spin", 300, GBX_TRAP_NONE},
                 {"stop", -1, GBX_TRAP_UNREACHABLE}};
    gbx_val v[4] = {0};
    for (size_t k = 0; k < sizeof calls / sizeof *calls; k++)
        assert_int_equal(guest_call(w, i, calls[k].name, &calls[k].arg, calls[k].arg >= 0, NULL), calls[k].ends);
    for (int k = 0; k < 4; k++) v[k].type = GBX_I64;
    assert_int_equal(gbx_func_call(gbx_instance_func(i, "over"), v, 4, v, 1, &w->trap), GBX_TRAP_STACK_EXHAUSTED);
    churn_once(w->engine, other);
    GUEST_OK(gbx_instance_reset(i, &w->trap, &w->err));
}

/* SAFETY of runtime/sample.c: whatever a guest does to its memory, its stacks and its tables, and wherever the
 * signal finds it: nothing crashes, and the run ends. */
static void
hostile(gbx_tier_mode tier, bool is_go, long pause_ns)
{
    guest_world world, *const w = &world;
    gbx_bytes const bytes = hostile_bytes(is_go, "go1.26"), other = guest_wat(burner);
    gbx_module *m;
    gbx_instance *i;
    hammer h;
    pthread_t thread;
    gbx_go_stacks *stacks;
    uint64_t taken;
    open_tier(w, tier);
    churn c = {.engine = w->engine, .bytes = other};
    GUEST_OK(gbx_linker_define_func(w->linker, "h", "f", NULL, 0, NULL, 0, call_back, NULL, &w->err));
    GUEST_OK(gbx_module_compile(w->engine, bytes, NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    assert_int_equal(gbx_go_stacks_new(i, NULL, &stacks, NULL), is_go ? GBX_OK : GBX_UNSUPPORTED);
    gbx_go_stacks_release(stacks);
    gbx_profile *const p = begun(w, 1000);
    assert_int_equal(pthread_create(&thread, NULL, churn_thread, &c), 0);
    hammer_begin(&h, p, pause_ns);
    uint64_t const until = cpu_ns() + 300000000;
    for (int k = 0; k < 3 || cpu_ns() < until; k++) hostile_life(w, i, other);
    guest_call(w, i, "oob", NULL, 0, NULL);
    assert_int_equal(guest_call(w, i, "fill", NULL, 0, NULL), GBX_TRAP_NONE);
    assert_int_equal(guest_call(w, i, "pose", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
    for (int k = 0; is_go && k < 3; k++) { /* the tables are no cheaper to read for who prints stacks */
        gbx_goroutine g;
        GUEST_OK(gbx_go_stacks_new(i, &w->trap, &stacks, &w->err));
        assert_true(gbx_go_stacks_get(stacks, 0, &g) && g.is_running && g.is_cut);
        assert_in_range(g.frame_count, 1, 100);
        assert_true(g.frames[0].is_inlined);
        gbx_go_stacks_release(stacks);
    }
    /* A backtrace has had enough of them before its end. */
    assert_int_equal(guest_call(w, i, "divide", &(int32_t){0}, 1, NULL), GBX_TRAP_INT_DIV_ZERO);
    assert_in_range(w->trap.frame_count, is_go ? 2 : 1, is_go ? 31 : 1); /* of 32 that are inlined */
    assert_string_equal(w->trap.frames[w->trap.frame_count - 1].go_func, is_go ? "main.f" : "");
    c.is_over = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    gbx_module_release(m);
    gbx_linker_release(w->linker);
    gbx_store_release(w->store); /* with ticks that come, which are for nobody any more */
    gbx_engine_release(w->engine);
    hammer_end(&h);
    gbx_profile_samples(p, &taken, NULL);
    assert_true(taken > 20);
    check_written(p, (const char *const[]){NULL});
    gbx_profile_release(p);
    free((void *)(uintptr_t)bytes.data);
    free((void *)(uintptr_t)other.data);
}

/* What a module says of its release is not believed to be short. */
static void
test_version(void **state)
{
    (void)state;
    char version[97];
    memset(version, 'x', sizeof version - 1);
    version[sizeof version - 1] = 0;
    guest_world world, *const w = &world;
    gbx_bytes const bytes = hostile_bytes(true, version);
    gbx_module *m;
    gbx_instance *i;
    gbx_go_stacks *stacks;
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_define_func(w->linker, "h", "f", NULL, 0, NULL, 0, call_back, NULL, &w->err));
    GUEST_OK(gbx_module_compile(w->engine, bytes, NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    GUEST_OK(gbx_go_stacks_new(i, NULL, &stacks, &w->err));
    assert_int_equal(gbx_go_stacks_count(stacks), 0);
    assert_string_equal(gbx_go_stacks_text(stacks),
                        "other goroutines are not shown: where this release of Go keeps them is not known\n");
    gbx_go_stacks_release(stacks);
    gbx_module_release(m);
    free((void *)(uintptr_t)bytes.data);
    guest_close(w);
}

static void
test_hostile(void **state)
{
    (void)state;
    for (gbx_tier_mode tier = GBX_TIER_AUTO; tier <= GBX_TIER_EAGER; tier++) {
        hostile(tier, false, 50000);
        hostile(tier, true, 1000000);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_use),       cmocka_unit_test(test_misuse),
            cmocka_unit_test(test_mixed),     cmocka_unit_test(test_version),
            cmocka_unit_test(test_full_disk), cmocka_unit_test(test_no_memory),
            cmocka_unit_test(test_store_first), cmocka_unit_test(test_signal),
            cmocka_unit_test(test_threads),   cmocka_unit_test(test_lent),
            cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

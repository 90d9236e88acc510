/* Code memory: never writable and executable at once, both ways of having it, reuse, threads, forks, and
 * what happens where the system refuses. Code is made by hand: functions that return a number. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/code.h"
#include "runtime/enter.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define BLOCK OS_CODE_BLOCK_BYTES
#define SMALL ((size_t)16 << 20)

static u32 const both_ways[] = {OS_CODE_TWIN, OS_CODE_FLIP};

static void
region(code_region *r, u32 ways)
{
    gbx_err err = {0};
    if (gbx_runtime_code_region_init(r, SMALL, ways, &err) != GBX_OK) fail_msg("%s", err.text);
}

/* Write a function that returns `n`; its size. */
static size_t
write_number(u8 *at, u32 n)
{
#if defined(__aarch64__)
    u32 const code[] = {0x52800000 | (n & 0xffff) << 5, 0x72a00000 | (n >> 16) << 5, 0xd65f03c0};
    memcpy(at, code, sizeof code);
    return sizeof code;
#else
    at[0] = 0xb8; /* mov eax, n */
    memcpy(at + 1, &n, 4);
    at[5] = 0xc3; /* ret */
    return 6;
#endif
}

static u32
run(const u8 *exec)
{
    u32 (*f)(void);
    memcpy(&f, &exec, sizeof f);
    return f();
}

static code_blob *
number(code_space *s, u32 n)
{
    code_blob *b;
    gbx_err err = {0};
    if (gbx_runtime_code_alloc(s, 64, &b, &err) != GBX_OK) fail_msg("%s", err.text);
    size_t const used = write_number(b->write, n);
    if (gbx_runtime_code_finish(s, b, used, &err) != GBX_OK) fail_msg("%s", err.text);
    return b;
}

/* Protection of the mapping that holds `p`, "rwxp"; "" where there is none. Fails if any mapping of the
 * process is writable and executable. */
static void
protection(const void *p, char out[5])
{
    FILE *const f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    char line[512];
    out[0] = 0;
    while (fgets(line, sizeof line, f)) {
        unsigned long start, end;
        char prot[5];
        assert_int_equal(sscanf(line, "%lx-%lx %4s", &start, &end, prot), 3);
        if (prot[1] == 'w' && prot[2] == 'x') fail_msg("writable and executable: %s", line);
        if ((uintptr_t)p >= start && (uintptr_t)p < end) memcpy(out, prot, 5);
    }
    (void)fclose(f);
}

/* Run in a child, whose failures are exit codes; limits and forks do not reach the other tests. */
static void
in_child(void (*body)(void))
{
    (void)fflush(NULL);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0) fail_msg("the child ended with status 0x%x", status);
}

#define WANT(cond)                                                                       \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);     \
            _exit(99);                                                                   \
        }                                                                                \
    } while (0)

static void
test_runs(void **state)
{
    (void)state;
    for (u32 w = 0; w < GBX_LEN(both_ways); w++) {
        code_region r;
        region(&r, both_ways[w]);
        assert_int_equal(r.pages.way, both_ways[w]);
        assert_int_equal((uintptr_t)r.pages.exec % BLOCK, 0);
        code_space s;
        gbx_runtime_code_space_init(&s, &r);
        code_blob *const a = number(&s, 0x12345678), *const b = number(&s, 77);
        assert_int_equal(run(a->exec), 0x12345678);
        assert_int_equal(run(b->exec), 77);
        assert_true(s.code_bytes == a->bytes + b->bytes && r.code_bytes == s.code_bytes);
        assert_int_equal(s.chunk_bytes, BLOCK);
        assert_int_equal(r.chunk_bytes, BLOCK);
        assert_ptr_equal(gbx_runtime_code_find(&r, (uintptr_t)a->exec), a);
        assert_ptr_equal(gbx_runtime_code_find(&r, (uintptr_t)b->exec + b->bytes - 1), b);
        assert_null(gbx_runtime_code_find(&r, (uintptr_t)b->exec + b->bytes));
        assert_null(gbx_runtime_code_find(&r, (uintptr_t)r.pages.exec + 5 * BLOCK));
        assert_null(gbx_runtime_code_find(&r, (uintptr_t)r.pages.exec - 1));
        assert_null(gbx_runtime_code_find(&r, r.range.end));
        code_space other;
        gbx_runtime_code_space_init(&other, &r);
        code_blob *const c = number(&other, 5);
        assert_ptr_equal(gbx_runtime_code_find_of(&s, (uintptr_t)b->exec), b);
        assert_ptr_equal(gbx_runtime_code_find_of(&other, (uintptr_t)c->exec), c);
        assert_null(gbx_runtime_code_find_of(&s, (uintptr_t)c->exec)); /* nothing is looked at of another's */
        assert_null(gbx_runtime_code_find_of(&other, (uintptr_t)b->exec));
        assert_null(gbx_runtime_code_find_of(&s, (uintptr_t)r.pages.exec - 1));
        assert_null(gbx_runtime_code_find_of(&s, r.range.end));
        assert_null(gbx_runtime_code_find_of(&(code_space){0}, (uintptr_t)a->exec));
        uintptr_t const gone = (uintptr_t)c->exec;
        gbx_runtime_code_space_deinit(&other);
        gbx_runtime_code_space_init(&other, &r);
        assert_null(gbx_runtime_code_find_of(&other, gone));
        gbx_runtime_code_space_deinit(&other);
        gbx_runtime_code_space_deinit(&s);
        assert_int_equal(r.chunk_bytes, 0);
        assert_int_equal(r.code_bytes, 0);
        gbx_runtime_code_region_deinit(&r);
        gbx_runtime_code_region_deinit(&r);
    }
}

static void
test_never_both(void **state)
{
    (void)state;
    for (u32 w = 0; w < GBX_LEN(both_ways); w++) {
        code_region r;
        region(&r, both_ways[w]);
        code_space s;
        gbx_runtime_code_space_init(&s, &r);
        code_blob *const done = number(&s, 1);
        code_blob *b;
        char prot[5];
        assert_int_equal(gbx_runtime_code_alloc(&s, 100, &b, NULL), GBX_OK);
        bool const is_twin = both_ways[w] == OS_CODE_TWIN;
        protection(b->write, prot);
        assert_string_equal(prot, is_twin ? "rw-s" : "rw-p");
        protection(done->exec, prot);
        assert_string_equal(prot, is_twin ? "r-xs" : "r-xp");
        assert_int_equal(run(done->exec), 1); /* while the other one is being written */
        size_t const used = write_number(b->write, 2);
        const u8 *const write = b->write;
        assert_int_equal(gbx_runtime_code_finish(&s, b, used, NULL), GBX_OK);
        protection(b->exec, prot);
        assert_string_equal(prot, is_twin ? "r-xs" : "r-xp");
        protection(write, prot);
        assert_true(is_twin ? prot[1] == 'w' : prot[1] == '-');
        assert_int_equal(run(b->exec), 2);
        gbx_runtime_code_space_deinit(&s);
        gbx_runtime_code_region_deinit(&r);
    }
}

/* Not even by mistake: the kernel refuses. */
static void
test_sealed(void **state)
{
    (void)state;
    code_region r;
    region(&r, OS_CODE_TWIN);
    int const seals = fcntl(r.pages.fd, F_GET_SEALS);
    assert_true(seals > 0 && (seals & F_SEAL_SEAL) && (seals & F_SEAL_GROW) && (seals & F_SEAL_SHRINK));
    assert_int_not_equal(ftruncate(r.pages.fd, 0), 0);
    assert_int_not_equal(ftruncate(r.pages.fd, (off_t)r.pages.bytes * 2), 0);
    assert_int_not_equal(mprotect(r.pages.exec, BLOCK, PROT_READ | PROT_WRITE), 0);
    assert_int_not_equal(mprotect(r.pages.exec, BLOCK, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
    assert_int_equal(fcntl(r.pages.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    gbx_runtime_code_region_deinit(&r);
}

static void
test_reuse(void **state)
{
    (void)state;
    for (u32 w = 0; w < GBX_LEN(both_ways); w++) {
        code_region r;
        region(&r, both_ways[w]);
        if (!r.pages.can_sync) skip();
        const u8 *first = NULL;
        for (u32 round = 0; round < 50; round++) {
            code_space s;
            gbx_runtime_code_space_init(&s, &r);
            code_blob *const b = number(&s, 1000 + round);
            if (!first) first = b->exec;
            assert_ptr_equal(b->exec, first); /* given out again */
            assert_int_equal(run(b->exec), 1000 + round);
            gbx_runtime_code_space_deinit(&s);
            if (both_ways[w] == OS_CODE_TWIN) assert_int_equal(r.pages.write[0], 0); /* and given back */
        }
        assert_int_equal(r.block_next, 1);
        gbx_runtime_code_region_deinit(&r);
    }
}

/* RULE: S5. Without a barrier that all processors pass, nothing is given out twice. */
static void
test_no_barrier(void **state)
{
    (void)state;
    code_region r;
    region(&r, OS_CODE_ANY);
    r.pages.can_sync = false;
    const u8 *last = NULL;
    for (u32 round = 0; round < 3; round++) {
        code_space s;
        gbx_runtime_code_space_init(&s, &r);
        code_blob *const b = number(&s, round);
        assert_ptr_not_equal(b->exec, last);
        last = b->exec;
        gbx_runtime_code_space_deinit(&s);
        assert_int_equal(r.retired_bytes, (round + 1) * BLOCK);
    }
    gbx_runtime_code_region_deinit(&r);
}

/* Neighbours that come back in any order make one range again. */
static void
test_joins(void **state)
{
    (void)state;
    static u32 const orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 3, 0, 2}, {2, 0, 3, 1}};
    for (u32 o = 0; o < GBX_LEN(orders); o++) {
        code_region r;
        region(&r, OS_CODE_ANY);
        if (!r.pages.can_sync) skip();
        code_space s[4];
        for (u32 i = 0; i < 4; i++) {
            gbx_runtime_code_space_init(&s[i], &r);
            (void)number(&s[i], i);
        }
        for (u32 i = 0; i < 4; i++) gbx_runtime_code_space_deinit(&s[orders[o][i]]);
        code_space big;
        gbx_runtime_code_space_init(&big, &r);
        code_blob *b;
        assert_int_equal(gbx_runtime_code_alloc(&big, 4 * BLOCK, &b, NULL), GBX_OK);
        assert_ptr_equal(b->exec, r.pages.exec);
        assert_null(r.free);
        size_t const used = write_number(b->write, 5);
        assert_int_equal(gbx_runtime_code_finish(&big, b, used, NULL), GBX_OK);
        assert_int_equal(run(b->exec), 5);
        /* What the large one did not use serves the next. */
        code_blob *const next = number(&big, 6);
        assert_ptr_equal(next->exec, b->exec + r.pages.unit);
        assert_int_equal(big.chunk_bytes, 4 * BLOCK);
        gbx_runtime_code_space_deinit(&big);
        gbx_runtime_code_region_deinit(&r);
    }
}

static void
test_room(void **state)
{
    (void)state;
    code_region r;
    region(&r, OS_CODE_TWIN);
    code_space s;
    gbx_runtime_code_space_init(&s, &r);
    code_blob *a, *b, *c;
    assert_int_equal(gbx_runtime_code_alloc(&s, 5000, &a, NULL), GBX_OK);
    u8 *const at = a->exec;
    assert_int_equal((uintptr_t)at % 64, 0);
    assert_int_equal(gbx_runtime_code_finish(&s, a, 0, NULL), GBX_OK); /* given up */
    assert_int_equal(s.code_bytes, 0);
    assert_int_equal(gbx_runtime_code_alloc(&s, 5000, &a, NULL), GBX_OK);
    assert_ptr_equal(a->exec, at);
    assert_int_equal(gbx_runtime_code_alloc(&s, 5000, &b, NULL), GBX_OK);
    assert_ptr_equal(b->exec, at + 5056);
    assert_int_equal(gbx_runtime_code_finish(&s, a, 70, NULL), GBX_OK); /* not the last: its tail is lost */
    assert_int_equal(gbx_runtime_code_finish(&s, b, 70, NULL), GBX_OK);
    assert_int_equal(gbx_runtime_code_alloc(&s, 64, &c, NULL), GBX_OK);
    assert_ptr_equal(c->exec, at + 5056 + 128);
    assert_int_equal(gbx_runtime_code_finish(&s, c, 64, NULL), GBX_OK);

    /* A region ends somewhere, and what did not fit does not hurt what does. */
    gbx_err err;
    assert_int_equal(gbx_runtime_code_alloc(&s, SMALL + 1, &c, &err), GBX_LIMIT);
    assert_int_equal(gbx_runtime_code_alloc(&s, SMALL - BLOCK, &c, &err), GBX_OK);
    assert_int_equal(gbx_runtime_code_finish(&s, c, SMALL - BLOCK, &err), GBX_OK);
    code_blob *d;
    assert_int_equal(gbx_runtime_code_alloc(&s, 2 * BLOCK, &d, &err), GBX_LIMIT);
    assert_null(d);
    assert_int_equal(run(number(&s, 9)->exec), 9); /* the first chunk has room */
    gbx_runtime_code_space_deinit(&s);
    gbx_runtime_code_region_deinit(&r);
}

/* ---- threads */

#define THREADS 4
#define ROUNDS 40

typedef struct worker {
    code_region *r;
    code_space *shared;
    u32 id;
    u32 wrong;
} worker;

static void *
work(void *data)
{
    worker *const w = data;
    for (u32 round = 0; round < ROUNDS; round++) {
        code_space own;
        gbx_runtime_code_space_init(&own, w->r);
        for (u32 i = 0; i < 30; i++) {
            code_space *const s = i % 3 ? &own : w->shared;
            u32 const n = w->id << 24 | round << 8 | i;
            code_blob *b;
            if (gbx_runtime_code_alloc(s, 64 + i * 40, &b, NULL) != GBX_OK) {
                w->wrong++;
                continue;
            }
            size_t const used = write_number(b->write, n);
            if (gbx_runtime_code_finish(s, b, used, NULL) != GBX_OK) w->wrong++;
            else if (run(b->exec) != n || gbx_runtime_code_find(w->r, (uintptr_t)b->exec) != b) w->wrong++;
        }
        gbx_runtime_code_space_deinit(&own);
    }
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    for (u32 w = 0; w < GBX_LEN(both_ways); w++) {
        code_region r;
        gbx_err err;
        assert_int_equal(gbx_runtime_code_region_init(&r, SMALL * 4, both_ways[w], &err), GBX_OK);
        code_space shared;
        gbx_runtime_code_space_init(&shared, &r);
        pthread_t threads[THREADS];
        worker workers[THREADS];
        for (u32 i = 0; i < THREADS; i++) {
            workers[i] = (worker){.r = &r, .shared = &shared, .id = i + 1};
            assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (u32 i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(workers[i].wrong, 0);
        }
        assert_int_equal(r.code_bytes, shared.code_bytes);
        assert_int_equal(r.chunk_bytes, shared.chunk_bytes);
        gbx_runtime_code_space_deinit(&shared);
        gbx_runtime_code_region_deinit(&r);
    }
}

/* ---- forks */

static void
fork_and_reuse(void)
{
    for (u32 w = 0; w < GBX_LEN(both_ways); w++) {
        code_region r;
        region(&r, both_ways[w]);
        code_space old, s;
        gbx_runtime_code_space_init(&old, &r);
        u8 *const exec = number(&old, 41)->exec;
        int to_child[2], to_parent[2];
        char c = 0;
        WANT(pipe(to_child) == 0 && pipe(to_parent) == 0);
        pid_t const pid = fork();
        if (pid == 0) {
            char prot[5];
            code_blob *b;
            gbx_err err;
            WANT(close(to_child[1]) == 0); /* the read below ends if the parent does */
            WANT(run(exec) == 41);
            WANT(gbx_runtime_code_alloc(&old, 64, &b, &err) == GBX_STATE);
            if (both_ways[w] == OS_CODE_TWIN) {
                protection(r.pages.write, prot);
                WANT(prot[0] == 0); /* not inherited */
            }
            WANT(write(to_parent[1], "r", 1) == 1 && read(to_child[0], &c, 1) == 1);
            WANT(run(exec) == 41); /* whatever the parent did meanwhile */
            gbx_runtime_code_space_deinit(&old);
            gbx_runtime_code_region_deinit(&r);
            region(&r, both_ways[w]); /* one of its own works */
            gbx_runtime_code_space_init(&s, &r);
            WANT(run(number(&s, 43)->exec) == 43);
            _exit(0);
        }
        WANT(pid > 0 && read(to_parent[0], &c, 1) == 1);
        gbx_runtime_code_space_deinit(&old);
        WANT(r.retired_bytes == BLOCK);
        gbx_runtime_code_space_init(&s, &r);
        u8 *const after = number(&s, 42)->exec;
        WANT(after != exec && run(after) == 42);
        gbx_runtime_code_space_deinit(&s);
        gbx_runtime_code_space_init(&s, &r);
        WANT(!r.pages.can_sync || number(&s, 44)->exec == after); /* this one no child has */
        WANT(write(to_child[1], "g", 1) == 1);
        int status;
        WANT(waitpid(pid, &status, 0) == pid && status == 0);
        gbx_runtime_code_space_deinit(&s);
        gbx_runtime_code_region_deinit(&r);
    }
}

static void
test_forks(void **state)
{
    (void)state;
    in_child(fork_and_reuse);
}

/* ---- systems that refuse */

static void
run_one(u32 ways, u32 way)
{
    code_region r;
    gbx_err err;
    WANT(gbx_runtime_code_region_init(&r, CODE_REGION_BYTES, ways, &err) == GBX_OK);
    WANT(r.pages.way == way);
    code_space s;
    gbx_runtime_code_space_init(&s, &r);
    WANT(run(number(&s, 3)->exec) == 3);
    gbx_runtime_code_space_deinit(&s);
    gbx_runtime_code_region_deinit(&r);
}

/* Growing a file beyond the limit would kill the process. */
static void
with_small_files(void)
{
    struct rlimit const none = {1024, 1024};
    WANT(setrlimit(RLIMIT_FSIZE, &none) == 0);
    run_one(OS_CODE_ANY, OS_CODE_FLIP);
    code_region r;
    WANT(gbx_runtime_code_region_init(&r, SMALL, OS_CODE_TWIN, NULL) == GBX_STATE);
}

static void
with_little_space(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return; /* sanitizers want address space without limits */
#endif
    FILE *const f = fopen("/proc/self/statm", "r");
    unsigned long pages;
    WANT(f && fscanf(f, "%lu", &pages) == 1 && fclose(f) == 0);
    rlim_t const now = (rlim_t)pages * gbx_base_os_page_bytes();
    struct rlimit const some = {now + ((rlim_t)256 << 20), now + ((rlim_t)256 << 20)};
    WANT(setrlimit(RLIMIT_AS, &some) == 0);
    code_region r;
    gbx_err err = {0};
    if (gbx_runtime_code_region_init(&r, CODE_REGION_BYTES, OS_CODE_ANY, &err) != GBX_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        _exit(98);
    }
    WANT(r.pages.bytes < CODE_REGION_BYTES && r.pages.bytes >= CODE_REGION_LEAST_BYTES);
    gbx_runtime_code_region_deinit(&r);
}

/* Memory-deny-write-execute: nothing that was not executable becomes so. */
static void
with_mdwe(void)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) {
        WANT(errno == EINVAL); /* before Linux 6.3 */
        return;
    }
    run_one(OS_CODE_ANY, OS_CODE_TWIN);
    code_region r;
    gbx_err err;
    WANT(gbx_runtime_code_region_init(&r, SMALL, OS_CODE_FLIP, &err) == GBX_STATE);
    WANT(strstr(err.text, "allows") && !r.blocks);
}

static void
test_refusals(void **state)
{
    (void)state;
    in_child(with_small_files);
    in_child(with_little_space);
    in_child(with_mdwe);
}

/* Every allocation and reservation may fail; nothing leaks, and the next attempt works. */
static void
test_no_memory(void **state)
{
    (void)state;
    for (u32 w = 0; w < GBX_LEN(both_ways); w++) {
        u32 failures = 0;
        for (u64 nth = 1;; nth++) {
            code_region r;
            code_space s = {0};
            gbx_err err;
            code_blob *b = NULL;
            gbx_base_fault_arm(nth);
            gbx_code rc = gbx_runtime_code_region_init(&r, SMALL, both_ways[w], &err);
            if (rc == GBX_OK) {
                gbx_runtime_code_space_init(&s, &r);
                rc = gbx_runtime_code_alloc(&s, 100, &b, &err);
            }
            if (rc == GBX_OK) rc = gbx_runtime_code_finish(&s, b, write_number(b->write, 8), &err);
            bool const is_past = gbx_base_fault_count() < nth;
            gbx_base_fault_arm(0);
            if (rc == GBX_OK) assert_int_equal(run(b->exec), 8);
            else failures++;
            if (rc != GBX_OK && s.region) assert_int_equal(run(number(&s, 7)->exec), 7);
            gbx_runtime_code_space_deinit(&s);
            gbx_runtime_code_region_deinit(&r);
            if (is_past) break;
        }
        assert_true(failures >= 4);
    }
}

int
main(void)
{
#if !defined(__x86_64__) && !defined(__aarch64__)
    return 0; /* no functions made by hand for this machine */
#endif
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_runs),    cmocka_unit_test(test_never_both),
            cmocka_unit_test(test_sealed),  cmocka_unit_test(test_reuse),
            cmocka_unit_test(test_no_barrier), cmocka_unit_test(test_joins),
            cmocka_unit_test(test_room),    cmocka_unit_test(test_threads),
            cmocka_unit_test(test_forks),   cmocka_unit_test(test_refusals),
            cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Memories and tables: where they lie, how they grow, what happens when address space is short, and
 * what an idle one costs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "host.h"
#include "runtime/runtime_int.h"

#define PAGE MEMORY_PAGE_BYTES
#define GIB ((u64)1 << 30)

static wasm_limits
limits(u64 min, u64 max)
{
    return (wasm_limits){.min = min, .max = max == UINT64_MAX ? 0 : max, .has_max = max != UINT64_MAX};
}

static gbx_memory
memory(u64 min, u64 max, u64 limit_bytes)
{
    gbx_memory mem;
    gbx_err err;
    wasm_limits const l = limits(min, max);
    if (gbx_runtime_memory_init(&mem, &l, limit_bytes, "memory", &err)) fail_msg("%s", err.text);
    return mem;
}

/* S3: every base + 32-bit address + folded offset is the guest's or not accessible. */
static void
test_guards(void **state)
{
    (void)state;
    gbx_memory mem = memory(3, 10, UINT64_MAX);
    assert_true(mem.guarded);
    assert_int_equal((uintptr_t)mem.base % PAGE, 0);
    assert_int_equal(mem.bytes, 3 * PAGE);
    u64 const farthest = UINT32_MAX + (u64)0x7fff0000 + 16;
    assert_true(mem.reserved_bytes >= farthest);
    assert_true(host_can_read(mem.base));
    assert_true(host_can_read(mem.base + 3 * PAGE - 1));
    assert_false(host_can_read(mem.base + 3 * PAGE));
    assert_false(host_can_read(mem.base + 4 * GIB));
    assert_false(host_can_read(mem.base + farthest));
    assert_false(host_can_read(mem.base - 1));
    assert_false(host_can_read(mem.base - 2 * GIB));
    gbx_runtime_memory_deinit(&mem);
    gbx_runtime_memory_deinit(&mem); /* a zeroed one is fine */
}

static void
test_grow(void **state)
{
    (void)state;
    gbx_memory mem = memory(1, 5, UINT64_MAX);
    u8 *const base = mem.base;
    memset(base, 0xff, PAGE);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 0), 1);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 2), 1);
    assert_ptr_equal(mem.base, base);
    assert_int_equal(mem.bytes, 3 * PAGE);
    assert_int_equal(base[PAGE - 1], 0xff);
    for (u64 i = PAGE; i < 3 * PAGE; i++) assert_int_equal(base[i], 0);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 3), UINT64_MAX);
    assert_int_equal(gbx_runtime_memory_grow(&mem, UINT64_MAX), UINT64_MAX);
    assert_int_equal(gbx_runtime_memory_grow(&mem, UINT64_MAX / PAGE + 1), UINT64_MAX);
    assert_int_equal(mem.bytes, 3 * PAGE);
    gbx_base_fault_arm(1); /* the system refuses the pages */
    assert_int_equal(gbx_runtime_memory_grow(&mem, 1), UINT64_MAX);
    gbx_base_fault_arm(0);
    assert_int_equal(mem.bytes, 3 * PAGE);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 2), 3);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 1), UINT64_MAX);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 0), 5);
    gbx_runtime_memory_deinit(&mem);
}

static void
test_limits(void **state)
{
    (void)state;
    /* The store's limit holds below the module's maximum, and where it declares none. */
    gbx_memory mem = memory(1, UINT64_MAX, 4 * PAGE);
    assert_int_equal(mem.max_bytes, 4 * PAGE);
    assert_false(mem.has_max);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 4), UINT64_MAX);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 3), 1);
    gbx_runtime_memory_deinit(&mem);

    mem = memory(0, 0, UINT64_MAX); /* no page at all */
    assert_non_null(mem.base);
    assert_int_equal(mem.bytes, 0);
    assert_false(host_can_read(mem.base));
    assert_int_equal(gbx_runtime_memory_grow(&mem, 0), 0);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 1), UINT64_MAX);
    gbx_runtime_memory_deinit(&mem);

    mem = memory(0, UINT64_MAX, UINT64_MAX); /* all 4 GiB may be had, and not a byte more */
    assert_int_equal(mem.max_bytes, 4 * GIB);
    assert_int_equal(gbx_runtime_memory_grow(&mem, 65536), 0);
    assert_true(host_can_read(mem.base + 4 * GIB - 1));
    assert_false(host_can_read(mem.base + 4 * GIB));
    assert_int_equal(gbx_runtime_memory_grow(&mem, 1), UINT64_MAX);
    gbx_runtime_memory_deinit(&mem);

    gbx_err err;
    wasm_limits const l = limits(17, UINT64_MAX);
    assert_int_equal(gbx_runtime_memory_init(&mem, &l, 16 * PAGE + PAGE / 2, "memory", &err),
                     GBX_LIMIT);
    assert_non_null(strstr(err.text, "17 pages"));
    assert_non_null(strstr(err.text, "allows 16"));
}

/* Run `body` in a child that may map `bytes` more than it has now. */
static void
with_address_space(u64 bytes, void (*body)(void))
{
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        FILE *const f = fopen("/proc/self/statm", "r");
        unsigned long pages = 0;
        if (!f || fscanf(f, "%lu", &pages) != 1) _exit(90);
        fclose(f);
        u64 const now = (u64)pages * (u64)sysconf(_SC_PAGESIZE);
        struct rlimit const r = {.rlim_cur = now + bytes, .rlim_max = now + bytes};
        if (setrlimit(RLIMIT_AS, &r) != 0) _exit(91);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) fail_msg("child ended with status %x", (unsigned)status);
}

#define CHILD_CHECK(cond)                                             \
    do {                                                              \
        if (!(cond)) {                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            _exit(1);                                                 \
        }                                                             \
    } while (0)

/* Half a gigabyte: no room for guards, but for the 256 MiB the store allows. */
static void
body_half_gib(void)
{
    gbx_memory mem;
    wasm_limits const l = limits(17, UINT64_MAX);
    CHILD_CHECK(gbx_runtime_memory_init(&mem, &l, 256 << 20, "memory", NULL) == GBX_OK);
    CHILD_CHECK(!mem.guarded);
    CHILD_CHECK(mem.max_bytes == 256 << 20 && mem.reserved_bytes == 256 << 20);
    u8 *const base = mem.base;
    base[17 * PAGE - 1] = 1;
    CHILD_CHECK(gbx_runtime_memory_grow(&mem, 4096 - 17) == 17);
    CHILD_CHECK(mem.base == base && base[17 * PAGE - 1] == 1 && base[(256 << 20) - 1] == 0);
    CHILD_CHECK(gbx_runtime_memory_grow(&mem, 1) == UINT64_MAX);
    gbx_runtime_memory_deinit(&mem);
    CHILD_CHECK(gbx_runtime_memory_init(&mem, &l, 256 << 20, "memory", NULL) == GBX_OK);
    gbx_runtime_memory_deinit(&mem); /* all of it had been given back */
}

/* 100 MiB: what cannot be reserved becomes the maximum, and something is left for others. */
static void
body_scarce(void)
{
    gbx_memory mem;
    wasm_limits const l = limits(17, UINT64_MAX);
    CHILD_CHECK(gbx_runtime_memory_init(&mem, &l, 4 * GIB, "memory", NULL) == GBX_OK);
    CHILD_CHECK(!mem.guarded && mem.max_bytes == mem.reserved_bytes);
    CHILD_CHECK(mem.max_bytes >= 32 << 20 && mem.max_bytes <= 80 << 20);
    CHILD_CHECK(gbx_runtime_memory_grow(&mem, mem.max_bytes / PAGE - 17) == 17);
    CHILD_CHECK(gbx_runtime_memory_grow(&mem, 1) == UINT64_MAX);
    void *const rest = malloc(8 << 20);
    CHILD_CHECK(rest);
    free(rest);
    gbx_runtime_memory_deinit(&mem);
}

/* Less than the module starts with: an error, and nothing kept. */
static void
body_too_little(void)
{
    gbx_memory mem;
    gbx_err err;
    wasm_limits const l = limits(1024, UINT64_MAX);
    for (unsigned round = 0; round < 3; round++) {
        CHILD_CHECK(gbx_runtime_memory_init(&mem, &l, 4 * GIB, "memory", &err) == GBX_NO_MEMORY);
    }
    wasm_limits const small = limits(16, UINT64_MAX);
    CHILD_CHECK(gbx_runtime_memory_init(&mem, &small, 4 * GIB, "memory", &err) == GBX_OK);
    gbx_runtime_memory_deinit(&mem);
}

static void
body_lane(void)
{
    runtime_lanes lanes = {0};
    const char *why;
    gbx_runtime_lanes_init(&lanes);
    runtime_lane *const lane = gbx_runtime_lane_get(&lanes, 8 * GIB, &why);
    CHILD_CHECK(lane);
    u64 const bytes = (u64)((u8 *)lane->stack_end - (u8 *)lane->stack);
    CHILD_CHECK(bytes >= 1 << 20 && bytes <= 32 << 20);
    lane->stack[0] = 1;
    lane->stack_end[-1] = 1;
    gbx_runtime_lane_trim(lane), gbx_runtime_lane_put(&lanes, lane);
    CHILD_CHECK(gbx_runtime_lane_get(&lanes, 8 * GIB, &why) == lane);
    gbx_runtime_lane_trim(lane), gbx_runtime_lane_put(&lanes, lane);
    gbx_runtime_lanes_deinit(&lanes);
}

static void
test_address_space(void **state)
{
    (void)state;
    with_address_space(512 << 20, body_half_gib);
    with_address_space(100 << 20, body_scarce);
    with_address_space(40 << 20, body_too_little);
    with_address_space(100 << 20, body_lane);
}

static void
test_lane(void **state)
{
    (void)state;
    runtime_lanes lanes = {0};
    const char *why = NULL;
    gbx_runtime_lanes_init(&lanes);
    runtime_lane *const lane = gbx_runtime_lane_get(&lanes, 1 << 20, &why);
    assert_non_null(lane);
    size_t const count = (1 << 20) / sizeof(gbx_slot);
    assert_int_equal(lane->stack_end - lane->stack, count);
    assert_false(host_can_read((u8 *)lane->stack - 1));
    assert_false(host_can_read((u8 *)lane->stack_end));
    lane->stack[count - 1] = 7;
    runtime_lane *const other = gbx_runtime_lane_get(&lanes, 1 << 20, &why);
    assert_ptr_not_equal(lane, other);
    assert_int_not_equal(lane->stop_fd, other->stop_fd);

    gbx_runtime_lane_trim(lane), gbx_runtime_lane_put(&lanes, lane); /* what a deep call used is given back */
    assert_ptr_equal(gbx_runtime_lane_get(&lanes, 1 << 20, &why), lane);
    assert_int_equal(lane->stack[count - 1], 0);
    gbx_runtime_lane_put(&lanes, lane);
    gbx_runtime_lane_put(&lanes, other);
    enum { SIZES = 12 };
    runtime_lane *all[SIZES], *again[SIZES]; /* other sizes: some more lanes, then those mapped anew */
    for (unsigned i = 0; i < SIZES; i++) {
        all[i] = gbx_runtime_lane_get(&lanes, (u64)(i + 2) << 20, &why);
        assert_int_equal(all[i]->stack_end - all[i]->stack, (i + 2) * count);
    }
    for (unsigned i = 0; i < SIZES; i++) gbx_runtime_lane_put(&lanes, all[i]);
    for (unsigned i = 0; i < SIZES; i++) {
        again[i] = gbx_runtime_lane_get(&lanes, (u64)(i + 50) << 20, &why);
        assert_int_equal(again[i]->stack_end - again[i]->stack, (i + 50) * count);
        again[i]->stack_end[-1] = 1;
    }
    for (unsigned i = 0; i < SIZES; i++) gbx_runtime_lane_put(&lanes, again[i]);
    assert_true(lanes.free_count <= SIZES + 2 + 8);
    gbx_runtime_lanes_deinit(&lanes);
}

static void
test_lane_faults(void **state)
{
    (void)state;
    for (u64 n = 1;; n++) {
        runtime_lanes lanes = {0};
        const char *why = NULL;
        gbx_runtime_lanes_init(&lanes);
        gbx_base_fault_arm(n);
        runtime_lane *const lane = gbx_runtime_lane_get(&lanes, 65536, &why);
        bool const covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        if (lane) gbx_runtime_lane_trim(lane), gbx_runtime_lane_put(&lanes, lane);
        else assert_non_null(why);
        gbx_runtime_lanes_deinit(&lanes);
        if (covered) {
            assert_non_null(lane);
            break;
        }
    }
}

static u64 left; /* what the store's tables may still have */

static gbx_table
table(u64 min, u64 max)
{
    gbx_table t;
    gbx_err err;
    wasm_tabletype const type = {.elem = WASM_FUNCREF, .limits = limits(min, max)};
    if (gbx_runtime_table_init(&t, &type, &left, "table", &err)) fail_msg("%s", err.text);
    return t;
}

static void
test_table(void **state)
{
    (void)state;
    left = 100;
    gbx_table t = table(2, 6);
    assert_int_equal(t.len, 2);
    assert_int_equal(left, 98);
    assert_int_equal(t.elems[0] | t.elems[1], 0);
    t.elems[1] = 5;
    assert_int_equal(gbx_runtime_table_grow(&t, 9, 3, &left), 2);
    assert_int_equal(t.len, 5);
    assert_int_equal(t.elems[1], 5);
    for (u64 i = 2; i < 5; i++) assert_int_equal(t.elems[i], 9);
    assert_int_equal(gbx_runtime_table_grow(&t, 1, 2, &left), UINT64_MAX); /* beyond the maximum */
    assert_int_equal(gbx_runtime_table_grow(&t, 1, UINT64_MAX, &left), UINT64_MAX);
    assert_int_equal(left, 95);
    left = 0; /* beyond what the store allows */
    assert_int_equal(gbx_runtime_table_grow(&t, 1, 1, &left), UINT64_MAX);
    assert_int_equal(gbx_runtime_table_grow(&t, 1, 0, &left), 5);
    left = 1;
    assert_int_equal(gbx_runtime_table_grow(&t, 1, 1, &left), 5);
    assert_int_equal(t.len, 6);
    assert_int_equal(left, 0);
    gbx_runtime_table_deinit(&t, &left);
    assert_int_equal(left, 6);

    left = 100000;
    t = table(0, UINT64_MAX);
    for (u64 i = 0; i < 1000; i++) assert_int_equal(gbx_runtime_table_grow(&t, i, 1, &left), i);
    for (u64 i = 0; i < 1000; i++) assert_int_equal(t.elems[i], i);
    gbx_base_fault_arm(1); /* the generous growth fails, the exact one does not */
    assert_int_equal(gbx_runtime_table_grow(&t, 7, t.cap - t.len + 1, &left), 1000);
    gbx_base_fault_arm(0);
    assert_int_equal(t.cap, t.len);
    assert_int_equal(left, 100000 - t.len);
    gbx_runtime_table_deinit(&t, &left);
    assert_int_equal(left, 100000);

    gbx_err err;
    wasm_tabletype const type = {.elem = WASM_FUNCREF, .limits = limits(101, UINT64_MAX)};
    left = 100;
    assert_int_equal(gbx_runtime_table_init(&t, &type, &left, "table", &err), GBX_LIMIT);
    assert_non_null(strstr(err.text, "101 elements"));
    assert_int_equal(left, 100);
}

/* Mappings of the process that touch one of these reservations (a sanitizer has some of its own). */
static size_t
count_mappings(const gbx_memory *mems, size_t count)
{
    FILE *const f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    size_t hits = 0;
    char line[512];
    while (fgets(line, sizeof line, f)) {
        char *dash;
        uintptr_t const from = strtoull(line, &dash, 16), to = strtoull(dash + 1, NULL, 16);
        bool hit = false;
        for (size_t i = 0; i < count; i++) {
            uintptr_t const base = (uintptr_t)mems[i].base;
            hit |= from < base + mems[i].reserved_bytes && to > base - MEMORY_PRE_GUARD_BYTES;
        }
        hits += hit;
    }
    fclose(f);
    return hits;
}

/* S19: a memory costs three mappings at most, and two that lie side by side share one. */
static void
test_mappings(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static gbx_memory mems[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        mems[i] = memory(2, UINT64_MAX, UINT64_MAX);
        assert_true(mems[i].guarded);
        assert_int_equal(gbx_runtime_memory_grow(&mems[i], 3), 2);
    }
    assert_true(count_mappings(mems, COUNT) <= 3 * COUNT);
    for (size_t i = 0; i < COUNT; i++) gbx_runtime_memory_deinit(&mems[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_guards),        cmocka_unit_test(test_grow),
            cmocka_unit_test(test_limits),        cmocka_unit_test(test_address_space),
            cmocka_unit_test(test_lane),          cmocka_unit_test(test_lane_faults),
            cmocka_unit_test(test_table),         cmocka_unit_test(test_mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bulk operations: bounds exact to the byte, nothing written before a trap, overlap, and giving up
 * between chunks when the call is stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

#define MIB ((u64)1 << 20)
#define CHUNK (16 * MIB)

/* An instance made by hand: two memories, two tables, one data and one element segment. */
typedef struct world {
    gbx_exec x;
    gbx_memory mem[2];
    gbx_table tab[2];
    gbx_memory *mems[2];
    gbx_table *tabs[2];
    bool data_dropped[1], elem_dropped[1];
    gbx_slot *items[1];
    wasm_data datas[1];
    wasm_special_data special[1];
    wasm_elem elems[1];
    wasm_module module;
    runtime_instance inst;
    gbx_store store;
    gbx_func funcs_own[3];
    gbx_func *funcs[3];
} world;

static u8 world_bytes[] = {'a', 'b', 'c', 'd', 2, 0, 0x81, 0};
static const gbx_libcalls *const lib = &gbx_runtime_libcalls;

static void
open_world(world *w, u64 pages, u64 table_len)
{
    memset(w, 0, sizeof *w);
    wasm_limits const l = {.min = pages};
    wasm_tabletype const t = {.elem = WASM_FUNCREF, .limits = {.min = table_len}};
    u64 left = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gbx_runtime_memory_init(&w->mem[i], &l, UINT64_MAX, "memory", NULL), 0);
        assert_int_equal(gbx_runtime_table_init(&w->tab[i], &t, &left, "table", NULL), 0);
        w->mems[i] = &w->mem[i];
        w->tabs[i] = &w->tab[i];
    }
    for (int i = 0; i < 3; i++) w->funcs[i] = &w->funcs_own[i];
    w->special[0] = (wasm_special_data){.mode = WASM_SEGMENT_PASSIVE};
    w->datas[0] = (wasm_data){.is_special = true, .bytes_off = 0, .bytes_len = 4};
    w->elems[0] = (wasm_elem){.mode = WASM_SEGMENT_PASSIVE,
                              .type = WASM_FUNCREF,
                              .count = 3,
                              .items_off = 4,
                              .items_end = 8};
    w->module = (wasm_module){.bytes = world_bytes,
                              .len = sizeof world_bytes,
                              .datas = w->datas,
                              .special_datas = w->special,
                              .data_count = 1,
                              .elems = w->elems,
                              .elem_count = 1};
    w->store.table_left = 993; /* and 8 in use */
    w->inst.abi = (gbx_instance){.memories = w->mems,
                                 .tables = w->tabs,
                                 .funcs = w->funcs,
                                 .module = &w->module,
                                 .store = &w->store,
                                 .data_dropped = w->data_dropped,
                                 .elem_dropped = w->elem_dropped};
    w->inst.elem_items = w->items;
}

static void
close_world(world *w)
{
    for (int i = 0; i < 2; i++) {
        gbx_runtime_memory_deinit(&w->mem[i]);
        gbx_runtime_table_deinit(&w->tab[i], &w->store.table_left);
    }
    gbx_base_free(w->items[0]);
}

/* Offsets and lengths around `total`, and those that wrap. */
static const struct {
    u64 at, len;
    bool fits;
} ranges[] = {
        {0, 0, true},          {0, 65536, true},       {65536, 0, true},        {65535, 1, true},
        {1, 65535, true},      {0, 65537, false},      {65537, 0, false},       {65536, 1, false},
        {1, 65536, false},     {65535, 2, false},      {UINT32_MAX, 1, false},  {1, UINT32_MAX, false},
        {UINT32_MAX, UINT32_MAX, false}, {UINT64_MAX, 1, false}, {1, UINT64_MAX, false},
        {UINT64_MAX, 2, false},
};

static bool
all_are(const u8 *p, u64 len, u8 value)
{
    for (u64 i = 0; i < len; i++) {
        if (p[i] != value) return false;
    }
    return true;
}

static void
test_fill_bounds(void **state)
{
    (void)state;
    world w;
    open_world(&w, 1, 0);
    for (size_t i = 0; i < GBX_LEN(ranges); i++) {
        memset(w.mem[0].base, 1, 65536);
        gbx_trap_code const code =
                lib->memory_fill(&w.x, &w.inst.abi, 0, ranges[i].at, 9, ranges[i].len);
        assert_int_equal(code, ranges[i].fits ? GBX_TRAP_NONE : GBX_TRAP_MEM_OOB);
        u64 const at = ranges[i].fits ? ranges[i].at : 0, len = ranges[i].fits ? ranges[i].len : 0;
        assert_true(all_are(w.mem[0].base, at, 1));
        assert_true(all_are(w.mem[0].base + at, len, 9));
        assert_true(all_are(w.mem[0].base + at + len, 65536 - at - len, 1));
    }
    close_world(&w);
}

/* Either side out of bounds traps, and then nothing has changed. */
static void
test_copy_bounds(void **state)
{
    (void)state;
    world w;
    open_world(&w, 1, 0);
    for (size_t i = 0; i < GBX_LEN(ranges); i++) {
        memset(w.mem[0].base, 1, 65536);
        memset(w.mem[1].base, 2, 65536);
        gbx_trap_code const want = ranges[i].fits ? GBX_TRAP_NONE : GBX_TRAP_MEM_OOB;
        u64 const len = ranges[i].len;
        assert_int_equal(lib->memory_copy(&w.x, &w.inst.abi, 0, 1, 0, ranges[i].at, len), want);
        u64 const copied = ranges[i].fits ? len : 0;
        assert_true(all_are(w.mem[0].base, copied, 2));
        assert_true(all_are(w.mem[0].base + copied, 65536 - copied, 1));
        assert_int_equal(lib->memory_copy(&w.x, &w.inst.abi, 1, 0, ranges[i].at, 0, len), want);
        if (!ranges[i].fits) assert_true(all_are(w.mem[1].base, 65536, 2));
    }
    close_world(&w);
}

static void
test_copy_overlap(void **state)
{
    (void)state;
    world w;
    u64 const bytes = 40 * MIB; /* several chunks */
    open_world(&w, bytes / MEMORY_PAGE_BYTES, 0);
    u8 *const model = malloc(bytes);
    assert_non_null(model);
    static const struct {
        u64 dst, src, len;
    } moves[] = {
            {0, 1, 39 * MIB},      {1, 0, 39 * MIB},           {5 * MIB, 0, 35 * MIB},
            {0, 5 * MIB, 35 * MIB}, {20 * MIB, 3, 17 * MIB + 5}, {3, 20 * MIB, 17 * MIB + 5},
            {7, 7, 33 * MIB},
    };
    u64 seed = 1;
    for (u64 i = 0; i < bytes; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        model[i] = w.mem[0].base[i] = (u8)(seed >> 56);
    }
    for (size_t i = 0; i < GBX_LEN(moves); i++) {
        memmove(model + moves[i].dst, model + moves[i].src, moves[i].len);
        assert_int_equal(lib->memory_copy(&w.x, &w.inst.abi, 0, 0, moves[i].dst, moves[i].src,
                                          moves[i].len),
                         GBX_TRAP_NONE);
        assert_int_equal(memcmp(model, w.mem[0].base, bytes), 0);
    }
    free(model);
    close_world(&w);
}

static void
test_stop(void **state)
{
    (void)state;
    world w;
    open_world(&w, 48 * MIB / MEMORY_PAGE_BYTES, 0);
    u8 *const base = w.mem[0].base;
    atomic_store(&w.x.stop, (u32)GBX_TRAP_DEADLINE);
    /* One chunk is finished whatever the stop word says; a longer operation ends behind it. */
    assert_int_equal(lib->memory_fill(&w.x, &w.inst.abi, 0, 0, 1, CHUNK), GBX_TRAP_NONE);
    assert_int_equal(lib->memory_fill(&w.x, &w.inst.abi, 0, 0, 2, CHUNK + 1), GBX_TRAP_DEADLINE);
    assert_true(all_are(base, CHUNK, 2));
    assert_int_equal(base[CHUNK], 0);
    assert_int_equal(lib->memory_copy(&w.x, &w.inst.abi, 0, 0, 30 * MIB, 0, CHUNK), GBX_TRAP_NONE);
    assert_int_equal(lib->memory_copy(&w.x, &w.inst.abi, 0, 0, MIB, 0, CHUNK + 1),
                     GBX_TRAP_DEADLINE);
    close_world(&w);
    open_world(&w, 0, 3 * CHUNK / sizeof(gbx_slot));
    atomic_store(&w.x.stop, (u32)GBX_TRAP_CANCELLED);
    u64 const slots = CHUNK / sizeof(gbx_slot);
    assert_int_equal(lib->table_fill(&w.x, &w.inst.abi, 0, 0, 7, slots), GBX_TRAP_NONE);
    assert_int_equal(lib->table_fill(&w.x, &w.inst.abi, 0, 0, 8, slots + 1), GBX_TRAP_CANCELLED);
    assert_int_equal(w.tab[0].elems[slots - 1], 8);
    assert_int_equal(w.tab[0].elems[slots], 0);
    close_world(&w);
}

static void
test_init(void **state)
{
    (void)state;
    world w;
    open_world(&w, 1, 0);
    gbx_instance *const i = &w.inst.abi;
    u8 *const base = w.mem[0].base;
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 65533, 1, 3), GBX_TRAP_NONE);
    assert_memory_equal(base + 65532, "\0bcd", 4);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 0, 0, 5), GBX_TRAP_MEM_OOB);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 0, 4, 1), GBX_TRAP_MEM_OOB);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 0, 5, 0), GBX_TRAP_MEM_OOB);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 65533, 0, 4), GBX_TRAP_MEM_OOB);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 65537, 0, 0), GBX_TRAP_MEM_OOB);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 65536, 4, 0), GBX_TRAP_NONE);
    assert_memory_equal(base + 65532, "\0bcd", 4);
    /* A dropped segment has no bytes; dropping it again is fine. */
    assert_int_equal(lib->data_drop(&w.x, i, 0), GBX_TRAP_NONE);
    assert_int_equal(lib->data_drop(&w.x, i, 0), GBX_TRAP_NONE);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 0, 0, 1), GBX_TRAP_MEM_OOB);
    assert_int_equal(lib->memory_init(&w.x, i, 0, 0, 0, 0, 0), GBX_TRAP_NONE);
    close_world(&w);
}

static gbx_slot
ref(const world *w, int func)
{
    return (gbx_slot)(uintptr_t)&w->funcs_own[func];
}

static void
test_table_init(void **state)
{
    (void)state;
    world w;
    open_world(&w, 0, 4);
    gbx_instance *const i = &w.inst.abi;
    /* The segment is functions 2, 0, 1; the last number takes two bytes in the module. */
    assert_int_equal(lib->table_init(&w.x, i, 0, 0, 1, 0, 3), GBX_TRAP_NONE);
    assert_int_equal(w.tab[0].elems[0], 0);
    assert_int_equal(w.tab[0].elems[1], ref(&w, 2));
    assert_int_equal(w.tab[0].elems[2], ref(&w, 0));
    assert_int_equal(w.tab[0].elems[3], ref(&w, 1));
    assert_int_equal(lib->table_init(&w.x, i, 0, 1, 0, 2, 1), GBX_TRAP_NONE);
    assert_int_equal(w.tab[1].elems[0], ref(&w, 1));
    assert_int_equal(lib->table_init(&w.x, i, 0, 0, 0, 1, 3), GBX_TRAP_TABLE_OOB);
    assert_int_equal(lib->table_init(&w.x, i, 0, 0, 2, 0, 3), GBX_TRAP_TABLE_OOB);
    assert_int_equal(lib->table_init(&w.x, i, 0, 0, 0, 4, 0), GBX_TRAP_TABLE_OOB);
    assert_int_equal(lib->table_init(&w.x, i, 0, 0, 4, 3, 0), GBX_TRAP_NONE);
    assert_int_equal(w.tab[0].elems[0], 0);
    assert_int_equal(lib->elem_drop(&w.x, i, 0), GBX_TRAP_NONE);
    assert_int_equal(lib->elem_drop(&w.x, i, 0), GBX_TRAP_NONE);
    assert_int_equal(lib->table_init(&w.x, i, 0, 0, 0, 0, 1), GBX_TRAP_TABLE_OOB);
    assert_int_equal(lib->table_init(&w.x, i, 0, 0, 0, 0, 0), GBX_TRAP_NONE);
    close_world(&w);

    open_world(&w, 0, 4);
    gbx_base_fault_arm(1);
    assert_int_equal(lib->table_init(&w.x, &w.inst.abi, 0, 0, 0, 0, 1), GBX_TRAP_NO_HOST_MEMORY);
    gbx_base_fault_arm(0);
    assert_int_equal(w.tab[0].elems[0], 0);
    close_world(&w);
}

static void
test_table_ops(void **state)
{
    (void)state;
    world w;
    open_world(&w, 0, 8);
    gbx_instance *const i = &w.inst.abi;
    gbx_slot *const e = w.tab[0].elems;
    assert_int_equal(lib->table_fill(&w.x, i, 0, 2, 5, 3), GBX_TRAP_NONE);
    for (u64 k = 0; k < 8; k++) assert_int_equal(e[k], k >= 2 && k < 5 ? 5 : 0);
    assert_int_equal(lib->table_fill(&w.x, i, 0, 8, 5, 0), GBX_TRAP_NONE);
    assert_int_equal(lib->table_fill(&w.x, i, 0, 9, 5, 0), GBX_TRAP_TABLE_OOB);
    assert_int_equal(lib->table_fill(&w.x, i, 0, 6, 6, 3), GBX_TRAP_TABLE_OOB);
    assert_int_equal(lib->table_fill(&w.x, i, 0, UINT32_MAX, 6, UINT32_MAX), GBX_TRAP_TABLE_OOB);
    assert_int_equal(e[6], 0);
    for (u64 k = 0; k < 8; k++) e[k] = k;
    assert_int_equal(lib->table_copy(&w.x, i, 0, 0, 1, 0, 7), GBX_TRAP_NONE);
    for (u64 k = 1; k < 8; k++) assert_int_equal(e[k], k - 1);
    assert_int_equal(lib->table_copy(&w.x, i, 0, 0, 0, 2, 6), GBX_TRAP_NONE);
    for (u64 k = 0; k < 6; k++) assert_int_equal(e[k], k + 1);
    assert_int_equal(lib->table_copy(&w.x, i, 1, 0, 0, 3, 6), GBX_TRAP_TABLE_OOB);
    assert_int_equal(lib->table_copy(&w.x, i, 1, 0, 3, 0, 6), GBX_TRAP_TABLE_OOB);
    assert_int_equal(w.tab[1].elems[3], 0);
    assert_int_equal(lib->table_copy(&w.x, i, 1, 0, 4, 0, 4), GBX_TRAP_NONE);
    assert_memory_equal(w.tab[1].elems + 4, e, 4 * sizeof *e);

    u64 old;
    assert_int_equal(lib->table_grow(&w.x, i, 0, 3, 993, &old), GBX_TRAP_NONE);
    assert_int_equal(old, 8);
    assert_int_equal(lib->table_grow(&w.x, i, 0, 3, 1, &old), GBX_TRAP_NONE);
    assert_int_equal(old, UINT64_MAX);
    close_world(&w);
}

static void
test_memory_grow(void **state)
{
    (void)state;
    world w;
    open_world(&w, 1, 0);
    u64 old;
    assert_int_equal(lib->memory_grow(&w.x, &w.inst.abi, 1, 2, &old), GBX_TRAP_NONE);
    assert_int_equal(old, 1);
    assert_int_equal(w.mem[1].bytes, 3 * MEMORY_PAGE_BYTES);
    assert_false(w.store.memory_was_refused);
    assert_int_equal(lib->memory_grow(&w.x, &w.inst.abi, 1, 65534, &old), GBX_TRAP_NONE);
    assert_int_equal(old, UINT64_MAX);
    assert_true(w.store.memory_was_refused);
    close_world(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_fill_bounds), cmocka_unit_test(test_copy_bounds),
            cmocka_unit_test(test_copy_overlap), cmocka_unit_test(test_stop),
            cmocka_unit_test(test_init),        cmocka_unit_test(test_table_init),
            cmocka_unit_test(test_table_ops),   cmocka_unit_test(test_memory_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

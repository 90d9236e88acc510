/* Memory images: what they make is what the segments make, where they are right and nowhere else; and what
 * they stand on, sealed bytes and the search for written pages. */
#include "api/guest.h"

#include <sys/mman.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/runtime_int.h"

#define PAGE MEMORY_PAGE_BYTES

/* ---- what the system gives */

static void
test_sealed(void **state)
{
    (void)state;
    os_image im;
    assert_true(gbx_base_os_image_begin(&im, 2 * PAGE));
    memset(im.bytes, 7, PAGE);
    gbx_base_os_image_seal(&im);
    assert_true(im.fd >= 0);
    assert_int_equal(im.bytes[PAGE - 1], 7);
    assert_int_equal(im.bytes[PAGE], 0);
    u8 byte = 1;
    assert_int_equal(pwrite(im.fd, &byte, 1, 0), -1);
    assert_int_equal(ftruncate(im.fd, 0), -1);
    assert_int_equal(ftruncate(im.fd, 4 << 20), -1);
    assert_ptr_equal(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, im.fd, 0), MAP_FAILED);

    u8 *const a = gbx_base_os_reserve(4 * PAGE);
    assert_non_null(a);
    assert_true(gbx_base_os_commit(a, 4 * PAGE));
    assert_true(gbx_base_os_image_map(&im, a) && gbx_base_os_image_map(&im, a + 2 * PAGE));
    a[0] = 9;
    assert_int_equal(a[2 * PAGE], 7); /* private */
    assert_int_equal(im.bytes[0], 7);
    gbx_base_os_discard(a, 4 * PAGE);
    assert_int_equal(a[0], 7);
    gbx_base_os_image_close(&im);
    gbx_base_os_image_close(&im);
    assert_int_equal(a[1], 7); /* mappings live on */
    gbx_base_os_unmap(a, 4 * PAGE);
}

/* Memory or the file is refused: bytes to copy remain, or an error. */
static void
test_refused(void **state)
{
    (void)state;
    for (u64 nth = 1; nth <= 2; nth++) {
        os_image none;
        gbx_base_fault_arm(nth);
        assert_false(gbx_base_os_image_begin(&none, PAGE));
        assert_null(none.bytes);
    }
    os_image im;
    gbx_base_fault_arm(3);
    assert_true(gbx_base_os_image_begin(&im, PAGE));
    im.bytes[5] = 5;
    gbx_base_os_image_seal(&im);
    gbx_base_fault_arm(0);
    assert_int_equal(im.fd, -1);
    assert_int_equal(im.bytes[5], 5);
    assert_false(gbx_base_os_image_map(&im, im.bytes));
    gbx_base_os_image_close(&im);
}

static u64
written_bytes(os_written *w, u8 *at, u8 *end, u32 cap)
{
    u64 sum = 0;
    while (at != end) {
        os_pages found[16];
        u32 count;
        u8 *const next = gbx_base_os_written_find(w, at, end, found, cap, &count);
        assert_non_null(next);
        assert_true(next > at && next <= end);
        for (u32 i = 0; i < count; i++) {
            assert_true(found[i].start >= at && found[i].end <= next && found[i].start < found[i].end);
            sum += (u64)(found[i].end - found[i].start);
        }
        at = next;
    }
    return sum;
}

static void
test_written(void **state)
{
    (void)state;
    size_t const page = gbx_base_os_page_bytes();
    os_written w;
    u32 count;
    os_pages found[1];
    gbx_base_os_written_open(&w);
    u8 *const p = gbx_base_os_reserve(256 * page);
    assert_non_null(p);
    assert_true(gbx_base_os_commit(p, 256 * page));
    gbx_base_os_small_pages(p, 256 * page);
    if (!gbx_base_os_written_find(&w, p, p + page, found, 1, &count)) {
        gbx_base_os_unmap(p, 256 * page);
        gbx_base_os_written_close(&w);
        skip(); /* before Linux 6.7 */
    }
    assert_int_equal(written_bytes(&w, p, p + 256 * page, 16), 0);
    assert_int_equal(*(volatile u8 *)(p + 9 * page), 0); /* the zero page */
    assert_int_equal(written_bytes(&w, p, p + 256 * page, 16), 0);
    for (u32 i = 0; i < 256; i += 2) p[i * page] = 1; /* more ranges than are told at once */
    assert_int_equal(written_bytes(&w, p, p + 256 * page, 16), 128 * page);
    assert_int_equal(written_bytes(&w, p, p + 256 * page, 1), 128 * page);
    assert_int_equal(written_bytes(&w, p + page, p + 2 * page, 1), 0);
    assert_ptr_equal(gbx_base_os_written_find(&w, p, p, found, 1, &count), p);

    gbx_base_os_written_zero(&w, p, p + 256 * page, 100 * page);
    for (u32 i = 0; i < 256; i++) assert_int_equal(p[i * page], 0);
    assert_int_equal(written_bytes(&w, p, p + 200 * page, 16), 100 * page);

    /* A child looks at its own pages, not at its parent's. */
    pid_t const pid = fork();
    if (pid == 0) {
        madvise(p, 256 * page, MADV_DONTNEED);
        p[3 * page] = 1;
        u8 *const next = gbx_base_os_written_find(&w, p, p + 256 * page, found, 1, &count);
        _exit(next && count == 1 && found[0].start == p + 3 * page && found[0].end == p + 4 * page ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    gbx_base_os_written_close(&w);
    gbx_base_os_written_close(&w);
    p[0] = 1;
    assert_null(gbx_base_os_written_find(&w, p, p + page, found, 1, &count));
    gbx_base_os_written_zero(&w, p, p + 256 * page, 256 * page); /* discards */
    assert_int_equal(p[0], 0);
    gbx_base_os_unmap(p, 256 * page);
}

/* ---- modules */

typedef struct tenant {
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *inst;
    gbx_code code;
    gbx_trap trap;
    gbx_err err;
} tenant;

static gbx_engine *
engine_new(u32 pool)
{
    gbx_engine *e;
    gbx_engine_opts const opts = {.size = sizeof opts, .pool_instances = pool, .keep_ms = GBX_KEEP_OFF};
    assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
    return e;
}

static gbx_module *
module_of(gbx_engine *e, const char *text)
{
    gbx_bytes const b = guest_wat(text);
    gbx_module *m;
    gbx_err err;
    if (gbx_module_compile(e, b, NULL, &m, &err)) fail_msg("%s", err.text);
    free((void *)(uintptr_t)b.data);
    return m;
}

static tenant
tenant_of(gbx_engine *e, gbx_module *m)
{
    tenant t = {0};
    assert_int_equal(gbx_store_new(e, NULL, &t.store, &t.err), GBX_OK);
    assert_int_equal(gbx_linker_new(t.store, &t.linker, &t.err), GBX_OK);
    t.code = gbx_instance_new(t.store, m, t.linker, &t.inst, &t.trap, &t.err);
    return t;
}

static void
tenant_free(tenant *t)
{
    gbx_linker_release(t->linker);
    gbx_store_release(t->store);
}

static void
same_memory(const tenant *a, const tenant *b)
{
    assert_int_equal(a->code, GBX_OK);
    assert_int_equal(b->code, GBX_OK);
    const gbx_memory *const x = a->inst->memories[0], *const y = b->inst->memories[0];
    assert_int_equal(x->bytes, y->bytes);
    assert_memory_equal(x->base, y->base, x->bytes);
}

/* Data segments at random places, often on top of one another, some empty, some at the very end. */
static char *
random_text(unsigned *seed, u32 pages, u32 segments, u32 spread)
{
    char *const text = malloc(200 + (size_t)segments * 400);
    assert_non_null(text);
    char *at = text + sprintf(text, "(module (memory (export \"mem\") %u)\n", pages);
    for (u32 k = 0; k < segments; k++) {
        u32 const len = (u32)rand_r(seed) % 40;
        u32 const room = pages * 65536 - len;
        u32 const where = k % 64 == 63 ? room : (u32)rand_r(seed) % min_u32(spread, room);
        at += sprintf(at, "(data (i32.const %u) \"", where);
        for (u32 i = 0; i < len; i++) at += sprintf(at, "\\%02x", (unsigned)rand_r(seed) % 256);
        at += sprintf(at, "\")\n");
    }
    sprintf(at, ")");
    return text;
}

static void
test_same_as_segments(void **state)
{
    (void)state;
    unsigned seed = 1;
    u32 mapped = 0, copied = 0;
    for (u32 round = 0; round < 12; round++) {
        gbx_engine *const e = engine_new(round % 2 ? GBX_POOL_OFF : 0);
        char *const text = random_text(&seed, 1 + round % 4, 4 + round * 20, round % 3 ? 300 : 200000);
        gbx_module *const m = module_of(e, text);
        tenant first = tenant_of(e, m);
        assert_null(gbx_runtime_image_find(m));
        tenant second = tenant_of(e, m), third = tenant_of(e, m);
        assert_non_null(gbx_runtime_image_find(m));
        assert_null(instance_of(first.inst)->image);
        assert_ptr_equal(instance_of(second.inst)->image, gbx_runtime_image_find(m));
        if (instance_of(second.inst)->is_mapped) mapped++;
        else copied++;
        same_memory(&first, &second);
        memset(second.inst->memories[0]->base, 0x55, second.inst->memories[0]->bytes);
        same_memory(&first, &third);
        tenant_free(&second);
        tenant again = tenant_of(e, m);
        same_memory(&first, &again);
        tenant_free(&first);
        tenant_free(&third);
        tenant_free(&again);
        gbx_module_release(m);
        gbx_engine_release(e);
        free(text);
    }
    assert_true(mapped > 0 && copied > 0);
}

/* What keeps its segments: each a module, and what its instances do. */
static const struct {
    const char *text;
    bool has_image;
} shapes[] = {
        {"(module)", true},
        {"(module (memory 1))", true},
        {"(module (memory 1) (data (i32.const 65536) \"\"))", true},
        {"(module (memory 1) (data (i32.add (i32.const 8) (i32.const 8)) \"a\"))", true},
        {"(module (memory 1) (data \"passive\"))", true},
        {"(module (memory 0) (table 2 funcref) (elem (i32.const 1) 0) (func))", true},
        {"(module (global i32 (i32.const 3)) (memory 1) (table 2 funcref)"
         " (elem (table 0) (offset (i32.const 0)) funcref (ref.func 0) (ref.null func)) (func))",
         true},
        /* Two bytes far apart: the image would be all of it. */
        {"(module (memory 300) (data (i32.const 0) \"a\") (data (i32.const 19000000) \"b\"))", false},
};

static void
test_shapes(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0);
    for (size_t k = 0; k < GBX_LEN(shapes); k++) {
        gbx_module *const m = module_of(e, shapes[k].text);
        for (u32 round = 0; round < 3; round++) {
            tenant t = tenant_of(e, m);
            if (t.code != GBX_OK) fail_msg("%s: %s", shapes[k].text, t.err.text);
            tenant_free(&t);
        }
        assert_int_equal(gbx_runtime_image_find(m) != NULL, shapes[k].has_image);
        gbx_module_release(m);
    }
    gbx_engine_release(e);
}

/* A segment that traps leaves what earlier ones wrote, in the second instance as in the first: seen through
 * a function that stands in somebody else's table by then. */
static void
test_traps_in_order(void **state)
{
    (void)state;
    static const char *const users[] = {
            "(module (import \"a\" \"tab\" (table 4 funcref)) (memory 1) (elem (i32.const 1) $peek)"
            " (data (i32.const 100) \"*\") (data (i32.const 65530) \"too long\") (data (i32.const 101) \"+\")"
            " (func $peek (result i32) (i32.load16_u (i32.const 100))))",
            "(module (import \"a\" \"tab\" (table 4 funcref)) (memory 1) (elem (i32.const 1) $peek)"
            " (elem (i32.const 4) $peek) (data (i32.const 100) \"*\")"
            " (func $peek (result i32) (i32.load16_u (i32.const 100))))",
    };
    static const i32 seen[] = {'*', 0};
    gbx_engine *const e = engine_new(0);
    gbx_module *const owner = module_of(
            e, "(module (table (export \"tab\") 4 funcref)"
               "(func (export \"peek\") (result i32) (call_indirect (result i32) (i32.const 1))))");
    for (size_t k = 0; k < GBX_LEN(users); k++) {
        gbx_module *const m = module_of(e, users[k]);
        for (u32 round = 0; round < 3; round++) {
            tenant t = tenant_of(e, owner);
            gbx_instance *none;
            gbx_val v = {.type = GBX_I32};
            assert_int_equal(gbx_linker_define_instance(t.linker, "a", t.inst, NULL), GBX_OK);
            assert_int_equal(gbx_instance_new(t.store, m, t.linker, &none, &t.trap, &t.err), GBX_TRAPPED);
            assert_int_equal(t.trap.code, k ? GBX_TRAP_TABLE_OOB : GBX_TRAP_MEM_OOB);
            assert_int_equal(gbx_func_call(gbx_instance_func(t.inst, "peek"), NULL, 0, &v, 1, NULL), 0);
            assert_int_equal(v.of.i32, seen[k]);
            tenant_free(&t);
        }
        assert_null(gbx_runtime_image_find(m));
        gbx_module_release(m);
    }
    gbx_module_release(owner);
    gbx_engine_release(e);
}

/* An offset that is the host's: each instance has its own. */
static void
test_imported_offset(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e, "(module (import \"a\" \"at\" (global i32)) (memory 1)"
                                       "(data (global.get 0) \"*\"))");
    for (i32 at = 0; at < 4; at++) {
        tenant t = {0};
        assert_int_equal(gbx_store_new(e, NULL, &t.store, NULL), GBX_OK);
        assert_int_equal(gbx_linker_new(t.store, &t.linker, NULL), GBX_OK);
        gbx_val const v = {.type = GBX_I32, .of.i32 = at};
        assert_int_equal(gbx_linker_define_global(t.linker, "a", "at", v, false, NULL), GBX_OK);
        assert_int_equal(gbx_instance_new(t.store, m, t.linker, &t.inst, NULL, NULL), GBX_OK);
        for (i32 k = 0; k < 4; k++) assert_int_equal(t.inst->memories[0]->base[k], k == at ? '*' : 0);
        tenant_free(&t);
    }
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* The file refused, or the mapping: the image is copied. */
static void
test_copied_instead(void **state)
{
    (void)state;
    unsigned seed = 7;
    char *const text = random_text(&seed, 3, 100, 150000);
    for (u64 nth = 1; nth < 40; nth++) {
        gbx_engine *const e = engine_new(GBX_POOL_OFF);
        gbx_module *const m = module_of(e, text);
        tenant first = tenant_of(e, m), t = {0};
        assert_int_equal(gbx_store_new(e, NULL, &t.store, NULL), GBX_OK);
        gbx_base_fault_arm(nth);
        t.code = gbx_instance_new(t.store, m, NULL, &t.inst, &t.trap, &t.err);
        bool const hit = gbx_base_fault_count() >= nth;
        gbx_base_fault_arm(0);
        if (t.code == GBX_OK) same_memory(&first, &t);
        else assert_int_equal(t.code, GBX_NO_MEMORY);
        tenant_free(&t);
        tenant_free(&first);
        gbx_module_release(m);
        gbx_engine_release(e);
        if (!hit) break;
        assert_true(nth < 39);
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_sealed),         cmocka_unit_test(test_refused),
            cmocka_unit_test(test_written),        cmocka_unit_test(test_same_as_segments),
            cmocka_unit_test(test_shapes),         cmocka_unit_test(test_traps_in_order),
            cmocka_unit_test(test_imported_offset), cmocka_unit_test(test_copied_instead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

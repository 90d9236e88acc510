/* The table of calls; a guest without memory; arguments, variables, clocks, randomness, exit. What guests give
 * and get at the border: test_border.c. */
#include "wasi/harness.h"

#include <sys/wait.h>

#include "base/alloc.h"

static void
test_table(void **state)
{
    (void)state;
    u32 const count = gbx_wasi_p1.count;
    const runtime_host_row *const calls = gbx_wasi_p1.rows;
    assert_int_equal(count, 46);
    for (u32 i = 0; i < count; i++) {
        assert_true(strlen(calls[i].params) <= 9);
        assert_int_equal(strspn(calls[i].params, "iI"), strlen(calls[i].params));
        assert_string_equal(calls[i].results, strcmp(calls[i].name, "proc_exit") ? "i" : "");
        for (u32 k = 0; k < i; k++) assert_string_not_equal(calls[i].name, calls[k].name);
    }
    assert_string_equal(rig_find("path_open")->params, "iiiiiIIii");
    assert_string_equal(rig_find("fd_seek")->params, "iIii");
}

/* A caller without memory: every pointer faults, empty ranges too, and so does no caller at all. */
static void
test_no_memory(void **state)
{
    rig *const r = *state;
    r->inst.memory_count = 0;
    r->inst.memories = NULL;
    FAILS(r, FAULT, "random_get", 0, 0);
    FAILS(r, FAULT, "args_get", 0, 0);
    FAILS(r, FAULT, "clock_time_get", 1, 0, 0);
    FAILS(r, FAULT, "path_open", 3, 0, 0, 0, 0, 0, 0, 0, 0);
    OK(r, "fd_close", 0);
    gbx_slot slots[2] = {0, 0};
    assert_int_equal(rig_find("random_get")->fn(&r->x, NULL, r->w, slots), GBX_TRAP_NONE);
    assert_int_equal(slots[0], WASI_FAULT);
}

/* A buffer that faults faults before anything is done with those in front of it. */
static void
test_iovecs_fault_first(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "abc");
    u32 const fd = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    rig_set_u32(r, RIG_IOVS, RIG_BUF);
    rig_set_u32(r, RIG_IOVS + 4, 2);
    for (u32 len = 0; len < 3; len++) {
        rig_set_u32(r, RIG_IOVS + 8, (u32)RIG_MEM_BYTES - len + 1);
        rig_set_u32(r, RIG_IOVS + 12, len);
        FAILS(r, FAULT, "fd_read", fd, RIG_IOVS, 2, RIG_OUT);
        FAILS(r, FAULT, "fd_write", fd, RIG_IOVS, 2, RIG_OUT);
        FAILS(r, FAULT, "fd_pread", fd, RIG_IOVS, 2, 0, RIG_OUT);
        FAILS(r, FAULT, "fd_pwrite", fd, RIG_IOVS, 2, 0, RIG_OUT);
    }
    rig_expect_read(r, fd, "abc");
    assert_string_equal(host_text(r, "grant/f"), "abc");
}

static void
test_args_and_environ(void **state)
{
    rig *const r = *state;
    static const char *const args[] = {"prog", "", "two words"}, *const env[] = {"A=1", "B="};
    r->config.args = args;
    r->config.arg_count = 3;
    r->config.env = env;
    r->config.env_count = 2;
    rig_restart(r);
    OK(r, "args_sizes_get", RIG_OUT, RIG_OUT + 4);
    assert_int_equal(rig_u32(r, RIG_OUT), 3);
    assert_int_equal(rig_u32(r, RIG_OUT + 4), 16);
    memset(r->mem.base + RIG_BUF, 0xee, 64);
    OK(r, "args_get", RIG_OUT, RIG_BUF);
    assert_memory_equal(r->mem.base + RIG_BUF, "prog\0\0two words\0\xee", 17);
    assert_int_equal(rig_u32(r, RIG_OUT), RIG_BUF);
    assert_int_equal(rig_u32(r, RIG_OUT + 4), RIG_BUF + 5);
    assert_int_equal(rig_u32(r, RIG_OUT + 8), RIG_BUF + 6);
    OK(r, "environ_sizes_get", RIG_OUT, RIG_OUT + 4);
    assert_int_equal(rig_u32(r, RIG_OUT), 2);
    assert_int_equal(rig_u32(r, RIG_OUT + 4), 7);
    OK(r, "environ_get", RIG_OUT, RIG_BUF);
    assert_memory_equal(r->mem.base + RIG_BUF, "A=1\0B=\0", 7);
    assert_int_equal(rig_u32(r, RIG_OUT + 4), RIG_BUF + 4);
    /* None at all. */
    r->config.arg_count = 0;
    rig_restart(r);
    OK(r, "args_sizes_get", RIG_OUT, RIG_OUT + 4);
    assert_int_equal(rig_u32(r, RIG_OUT), 0);
    assert_int_equal(rig_u32(r, RIG_OUT + 4), 0);
    OK(r, "args_get", RIG_OUT, RIG_BUF);
}

static u64
fake_now(void *data, u32 clock_id)
{
    return ++*(u64 *)data + clock_id * 1000;
}

static void
test_clocks(void **state)
{
    rig *const r = *state;
    for (u32 id = 0; id < 2; id++) {
        OK(r, "clock_res_get", id, RIG_OUT);
        assert_true(rig_u64(r, RIG_OUT) > 0 && rig_u64(r, RIG_OUT) < 1000000000);
        OK(r, "clock_time_get", id, 1, RIG_OUT);
        OK(r, "clock_time_get", id, 0, RIG_OUT + 8);
        assert_true(rig_u64(r, RIG_OUT) <= rig_u64(r, RIG_OUT + 8));
    }
    OK(r, "clock_time_get", 0, 0, RIG_OUT);
    assert_true(rig_u64(r, RIG_OUT) / 1000000000 - (u64)time(NULL) + 2 <= 4);
    static const u32 unknown[] = {2, 3, 4, 0xffffffff};
    for (size_t i = 0; i < GBX_LEN(unknown); i++) {
        FAILS(r, INVAL, "clock_res_get", unknown[i], RIG_OUT);
        FAILS(r, INVAL, "clock_time_get", unknown[i], 0, RIG_OUT);
    }
    u64 ticks = 41;
    r->config.clock_now = fake_now;
    r->config.clock_data = &ticks;
    rig_restart(r);
    OK(r, "clock_time_get", 0, 0, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 42);
    OK(r, "clock_time_get", 1, 0, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 1043);
}

static bool
fake_random(void *data, u8 *buf, size_t len)
{
    size_t *const calls = data;
    memset(buf, 0x77, len);
    return ++*calls < 4;
}

static void
test_random(void **state)
{
    rig *const r = *state;
    memset(r->mem.base + RIG_BUF, 0, RIG_BUF_BYTES);
    OK(r, "random_get", RIG_BUF, 0);
    assert_int_equal(rig_u32(r, RIG_BUF), 0);
    OK(r, "random_get", RIG_BUF, RIG_BUF_BYTES);
    u32 zeros = 0;
    for (u32 i = 0; i < RIG_BUF_BYTES; i++) zeros += !r->mem.base[RIG_BUF + i];
    assert_true(zeros > 100 && zeros < 2000); /* 512 are expected */
    OK(r, "random_get", RIG_MEM_BYTES - 1, 1);
    OK(r, "random_get", RIG_MEM_BYTES, 0);
    FAILS(r, FAULT, "random_get", 1, RIG_MEM_BYTES);
    FAILS(r, FAULT, "random_get", 0, 0xffffffff);
    size_t calls = 0;
    r->config.random_fill = fake_random;
    r->config.random_data = &calls;
    rig_restart(r);
    OK(r, "random_get", RIG_BUF, 16);
    assert_int_equal(rig_u32(r, RIG_BUF + 12), 0x77777777);
    calls = 3;
    FAILS(r, IO, "random_get", RIG_BUF, 16);
    atomic_store(&r->x.stop, GBX_TRAP_CANCELLED);
    assert_int_equal(CALL(r, "random_get", RIG_BUF, 16), UINT32_MAX);
    assert_int_equal(r->trap, GBX_TRAP_CANCELLED);
}

static void
test_proc(void **state)
{
    rig *const r = *state;
    CALL(r, "proc_exit", 42);
    assert_int_equal(r->trap, GBX_TRAP_EXIT);
    assert_int_equal(r->x.exit_status, 42);
    CALL(r, "proc_exit", 0xffffffff);
    assert_int_equal(r->x.exit_status, -1);
    FAILS(r, NOSYS, "proc_raise", 9);
    assert_int_equal(CALL0(r, "sched_yield"), WASI_OK);
}

/* Only proc_raise says NOSYS: a host that lacks something is NOTSUP. */
static void
test_errno_table(void **state)
{
    (void)state;
    assert_int_equal(gbx_wasi_errno_of(ENOSYS), WASI_NOTSUP);
    assert_int_equal(gbx_wasi_errno_of(EACCES), 2);
    assert_int_equal(gbx_wasi_errno_of(EAGAIN), 6);
    assert_int_equal(gbx_wasi_errno_of(ENOTEMPTY), 55);
    assert_int_equal(gbx_wasi_errno_of(EXDEV), 75);
    assert_int_equal(gbx_wasi_errno_of(EOPNOTSUPP), 58);
    assert_int_equal(gbx_wasi_errno_of(0), WASI_IO);
    assert_int_equal(gbx_wasi_errno_of(99999), WASI_IO);
    assert_int_equal(WASI_ERRNO_COUNT, 77);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_table),    RIG_TEST(test_no_memory),
            RIG_TEST(test_args_and_environ), RIG_TEST(test_clocks),
            RIG_TEST(test_random),           RIG_TEST(test_proc),
            RIG_TEST(test_iovecs_fault_first), cmocka_unit_test(test_errno_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

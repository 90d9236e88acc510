/* The border: the table of calls, guest pointers, output bytes; arguments, variables, clocks,
 * randomness, exit. */
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

/* Where each call takes guest pointers: argument, and the bytes there; lengths in another argument are
 * "len of argument n". Everything else is 0 or what makes the call get as far as its pointers. */
typedef struct pointer_row {
    const char *name;
    u64 args[9];
    struct {
        int arg;
        u32 bytes;
    } ptr[5];
} pointer_row;

static const pointer_row pointer_rows[] = {
        {"args_get", {RIG_OUT, RIG_BUF}, {{0, 4}, {1, 2}}},
        {"args_sizes_get", {RIG_OUT, RIG_BUF}, {{0, 4}, {1, 4}}},
        {"environ_get", {RIG_OUT, RIG_BUF}, {{0, 4}, {1, 4}}},
        {"environ_sizes_get", {RIG_OUT, RIG_BUF}, {{0, 4}, {1, 4}}},
        {"clock_res_get", {1, RIG_OUT}, {{1, 8}}},
        {"clock_time_get", {1, 0, RIG_OUT}, {{2, 8}}},
        {"fd_fdstat_get", {3, RIG_OUT}, {{1, 24}}},
        {"fd_filestat_get", {3, RIG_OUT}, {{1, 64}}},
        {"fd_pread", {4, RIG_IOVS, 1, 0, RIG_OUT}, {{1, 8}, {4, 4}}},
        {"fd_prestat_get", {3, RIG_OUT}, {{1, 8}}},
        {"fd_prestat_dir_name", {3, RIG_OUT, 1}, {{1, 1}}},
        {"fd_pwrite", {4, RIG_IOVS, 1, 0, RIG_OUT}, {{1, 8}, {4, 4}}},
        {"fd_read", {4, RIG_IOVS, 1, RIG_OUT}, {{1, 8}, {3, 4}}},
        {"fd_readdir", {3, RIG_BUF, 64, 0, RIG_OUT}, {{1, 64}, {4, 4}}},
        {"fd_seek", {4, 0, 0, RIG_OUT}, {{3, 8}}},
        {"fd_tell", {4, RIG_OUT}, {{1, 8}}},
        {"fd_write", {4, RIG_IOVS, 1, RIG_OUT}, {{1, 8}, {3, 4}}},
        {"path_create_directory", {3, RIG_PATH, 4}, {{1, 4}}},
        {"path_filestat_get", {3, 0, RIG_PATH, 4, RIG_OUT}, {{2, 4}, {4, 64}}},
        {"path_filestat_set_times", {3, 0, RIG_PATH, 4, 0, 0, 8}, {{2, 4}}},
        {"path_link", {3, 0, RIG_PATH, 4, 3, RIG_PATH2, 4}, {{2, 4}, {5, 4}}},
        {"path_open", {3, 0, RIG_PATH, 4, 1, 0, 0, 0, RIG_OUT}, {{2, 4}, {8, 4}}},
        {"path_readlink", {3, RIG_PATH, 4, RIG_BUF, 64, RIG_OUT}, {{1, 4}, {3, 64}, {5, 4}}},
        {"path_remove_directory", {3, RIG_PATH, 4}, {{1, 4}}},
        {"path_rename", {3, RIG_PATH, 4, 3, RIG_PATH2, 4}, {{1, 4}, {4, 4}}},
        {"path_symlink", {RIG_PATH, 4, 3, RIG_PATH2, 4}, {{0, 4}, {3, 4}}},
        {"path_unlink_file", {3, RIG_PATH, 4}, {{1, 4}}},
        {"poll_oneoff", {RIG_BUF, RIG_BUF + 4096, 1, RIG_OUT}, {{0, 48}, {1, 32}, {3, 4}}},
        {"random_get", {RIG_BUF, 64}, {{0, 64}}},
        {"sock_accept", {0, 0, RIG_OUT}, {{2, 4}}},
        {"sock_recv", {0, RIG_IOVS, 1, 0, RIG_OUT, RIG_OUT + 4}, {{1, 8}, {4, 4}, {5, 2}}},
        {"sock_send", {0, RIG_IOVS, 1, 0, RIG_OUT}, {{1, 8}, {4, 4}}},
};

static void
pointers_prepare(rig *r)
{
    memcpy(r->mem.base + RIG_PATH, "name", 4);
    memcpy(r->mem.base + RIG_PATH2, "none", 4);
    rig_iov(r, 16);
}

static u32
pointers_call(rig *r, const pointer_row *row, int p, u64 at)
{
    u64 a[9];
    memcpy(a, row->args, sizeof a);
    a[row->ptr[p].arg] = at;
    pointers_prepare(r);
    return rig_call(r, row->name, a, strlen(rig_find(row->name)->params));
}

/* A48: each pointer of each call at the end of memory, across it, and far beyond: nothing happens. In
 * the last bytes of memory it fits, whatever else the call may answer. */
static void
test_pointers(void **state)
{
    rig *const r = *state;
    static const char *const args[] = {"a", NULL}, *const env[] = {"A=b", NULL};
    r->config.args = args;
    r->config.arg_count = 1;
    r->config.env = env;
    r->config.env_count = 1;
    rig_restart(r);
    host_file(r, "grant/name", "text");
    assert_int_equal(rig_open(r, "name", 0, RIG_RIGHTS_FILE), 4);
    int const fds = host_open_fds();
    u64 const end = RIG_MEM_BYTES;
    for (const pointer_row *row = pointer_rows; row < GBX_END(pointer_rows); row++) {
        for (int p = 0; p < 5 && row->ptr[p].bytes; p++) {
            u64 const bad[] = {end - row->ptr[p].bytes + 1,
                               end,
                               end + 1,
                               0x7fffffff,
                               0x80000000,
                               0xfffffff0,
                               0xffffffff};
            for (size_t b = 0; b < GBX_LEN(bad); b++) {
                u32 const e = pointers_call(r, row, p, bad[b]);
                if (e != WASI_FAULT) fail_msg("%s: pointer %d at %lx: %u", row->name, p, bad[b], e);
            }
        }
    }
    assert_string_equal(host_text(r, "grant/name"), "text");
    assert_false(host_exists(r, "grant/none"));
    assert_int_equal(host_open_fds(), fds);
    for (const pointer_row *row = pointer_rows; row < GBX_END(pointer_rows); row++) {
        for (int p = 0; p < 5 && row->ptr[p].bytes; p++) {
            memset(r->mem.base + end - 64, 0, 64);
            if (pointers_call(r, row, p, end - row->ptr[p].bytes) == WASI_FAULT)
                fail_msg("%s: pointer %d at the end faults", row->name, p);
        }
    }
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

/* A56: two iovecs that overlap each other and the array itself; a count that wraps; a sum beyond 4 GiB. */
static void
test_iovecs(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "abcdefghijklmnopqrstuvwxyz");
    u32 const fd = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    rig_set_u32(r, RIG_IOVS, RIG_IOVS);
    rig_set_u32(r, RIG_IOVS + 4, 16);
    rig_set_u32(r, RIG_IOVS + 8, RIG_IOVS + 8);
    rig_set_u32(r, RIG_IOVS + 12, 8);
    OK(r, "fd_read", fd, RIG_IOVS, 2, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 24);
    assert_memory_equal(r->mem.base + RIG_IOVS, "abcdefghqrstuvwx", 16);

    FAILS(r, FAULT, "fd_read", fd, RIG_IOVS, 0x20000000, RIG_OUT);
    FAILS(r, FAULT, "fd_read", fd, RIG_IOVS, 0xffffffff, RIG_OUT);
    for (u32 i = 0; i < 1025; i++) {
        rig_set_u32(r, RIG_BUF + 8 * i, 0);
        rig_set_u32(r, RIG_BUF + 8 * i + 4, 0);
    }
    OK(r, "fd_read", fd, RIG_BUF, 1024, RIG_OUT);
    FAILS(r, INVAL, "fd_read", fd, RIG_BUF, 1025, RIG_OUT);
    OK(r, "fd_read", fd, RIG_BUF, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 0);

    /* All of memory a thousand times, more than 4 GiB's worth of lengths with a little more memory:
     * what there is to read is read, and the sum is cut and not wrapped. */
    for (u32 i = 0; i < 1024; i++) {
        rig_set_u32(r, RIG_BUF + 8 * i, 0);
        rig_set_u32(r, RIG_BUF + 8 * i + 4, (u32)RIG_MEM_BYTES);
    }
    u32 const again = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    OK(r, "fd_read", again, RIG_BUF, 1024, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 26);
    FAILS(r, FAULT, "fd_write", fd, RIG_BUF, 1024, 0xffffffff);
    p1_call c = {.w = r->w, .mem = r->mem.base, .mem_bytes = (u64)1 << 32};
    p1_iovs v;
    for (u32 i = 0; i < 1024; i++) {
        rig_set_u32(r, RIG_BUF + 8 * i, 0);
        rig_set_u32(r, RIG_BUF + 8 * i + 4, 0xffffffff);
    }
    assert_int_equal(gbx_wasi_iovs_read(&c, RIG_BUF, 1024, &v), WASI_OK);
    assert_int_equal(v.total, 0x7ffff000);
    assert_int_equal(v.v[0].iov_len, 0x7ffff000);
    assert_int_equal(v.v[1].iov_len, 0);
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

/* Every byte of an output is written, padding too, and none beside it. */
static void
check_bytes(rig *r, u32 bytes, const char *name, const u64 *args, size_t count)
{
    u8 seen[2][256];
    for (int pass = 0; pass < 2; pass++) {
        memset(r->mem.base + RIG_OUT - 8, pass ? 0x55 : 0xaa, bytes + 16);
        assert_int_equal(rig_call(r, name, args, count), WASI_OK);
        memcpy(seen[pass], r->mem.base + RIG_OUT, bytes);
        for (int k = 1; k <= 8; k++) {
            assert_int_equal(r->mem.base[RIG_OUT - k], pass ? 0x55 : 0xaa);
            assert_int_equal(r->mem.base[RIG_OUT + (int)bytes + k - 1], pass ? 0x55 : 0xaa);
        }
    }
    assert_memory_equal(seen[0], seen[1], bytes);
}
#define BYTES(r, n, name, ...)                                                                     \
    check_bytes((r), (n), (name), (const u64[]){__VA_ARGS__},                                      \
                sizeof((const u64[]){__VA_ARGS__}) / sizeof(u64))

/* A54 */
static void
test_output_bytes(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "text");
    u32 const fd = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    BYTES(r, 24, "fd_fdstat_get", 3, RIG_OUT);
    BYTES(r, 64, "fd_filestat_get", fd, RIG_OUT);
    BYTES(r, 64, "path_filestat_get", 3, 0, P(r, "f"), RIG_OUT);
    BYTES(r, 64, "fd_filestat_get", 0, RIG_OUT);
    BYTES(r, 8, "fd_prestat_get", 3, RIG_OUT);
    BYTES(r, 1, "fd_prestat_dir_name", 3, RIG_OUT, 1);
    BYTES(r, 8, "clock_res_get", 1, RIG_OUT);
    BYTES(r, 8, "fd_tell", fd, RIG_OUT);
    memset(r->mem.base + RIG_BUF, 0, 48);
    r->mem.base[RIG_BUF + 8] = 1; /* fd_read */
    rig_set_u32(r, RIG_BUF + 16, fd);
    BYTES(r, 32, "poll_oneoff", RIG_BUF, RIG_OUT, 1, RIG_BUF + 64);
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
    /* A52: one byte short at the end of memory. */
    OK(r, "args_get", RIG_OUT, RIG_MEM_BYTES - 16);
    FAILS(r, FAULT, "args_get", RIG_OUT, RIG_MEM_BYTES - 15);
    OK(r, "args_get", RIG_MEM_BYTES - 12, RIG_BUF);
    FAILS(r, FAULT, "args_get", RIG_MEM_BYTES - 11, RIG_BUF);
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
            cmocka_unit_test(test_table), RIG_TEST(test_pointers),
            RIG_TEST(test_no_memory),     RIG_TEST(test_iovecs), RIG_TEST(test_iovecs_fault_first),
            RIG_TEST(test_output_bytes),  RIG_TEST(test_args_and_environ),
            RIG_TEST(test_clocks),        RIG_TEST(test_random),
            RIG_TEST(test_proc),          cmocka_unit_test(test_errno_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The border between guest memory and the calls: pointers, lengths, counts and what is written back, in a memory
 * that has nothing beyond its ends. */
#include "wasi/guarded.h"

#include <signal.h>
#include <sys/socket.h>

/* ---- A48, A54: every pointer of every call, and every byte of what calls write */

/* Where each call takes guest pointers: argument, and the bytes there. Everything else is 0 or what makes the
 * call get as far as its pointers. */
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
        {"fd_seek", {4, 0, 2, RIG_OUT}, {{3, 8}}},
        {"fd_tell", {4, RIG_OUT}, {{1, 8}}},
        {"fd_write", {4, RIG_IOVS, 1, RIG_OUT}, {{1, 8}, {3, 4}}},
        {"path_create_directory", {3, RIG_PATH2, 4}, {{1, 4}}},
        {"path_filestat_get", {3, 0, RIG_PATH, 4, RIG_OUT}, {{2, 4}, {4, 64}}},
        {"path_filestat_set_times", {3, 0, RIG_PATH, 4, 0, 0, 8}, {{2, 4}}},
        {"path_link", {3, 0, RIG_PATH, 4, 3, RIG_PATH2, 4}, {{2, 4}, {5, 4}}},
        {"path_open", {3, 0, RIG_PATH2, 4, 1, 0, 0, 0, RIG_OUT}, {{2, 4}, {8, 4}}},
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

/* The world a guest can change, made anew: a file "name" that is open as 4, no "none". */
static void
border_world(rig *r)
{
    static const char *const args[] = {"a", NULL}, *const env[] = {"A=b", NULL};
    if (unlink(rig_host_path(r, "grant/none"))) rmdir(rig_host_path(r, "grant/none"));
    if (!host_exists(r, "grant/name") || strcmp(host_text(r, "grant/name"), "text"))
        host_file(r, "grant/name", "text");
    r->config.args = args;
    r->config.arg_count = 1;
    r->config.env = env;
    r->config.env_count = 1;
    rig_restart(r);
    assert_int_equal(rig_open(r, "name", 0, RIG_RIGHTS_FILE), 4);
    memset(r->mem.base, 0, r->mem.bytes);
    memcpy(r->mem.base + RIG_PATH, "name", 4);
    memcpy(r->mem.base + RIG_PATH2, "none", 4);
    rig_iov(r, 16);
}

/* Nothing has happened to it. */
static void
border_unchanged(rig *r, int fds, const u8 *mem, const char *call)
{
    if (memcmp(r->mem.base, mem, r->mem.bytes)) fail_msg("%s: writes though it fails", call);
    assert_string_equal(host_text(r, "grant/name"), "text");
    assert_false(host_exists(r, "grant/none"));
    assert_int_equal(host_open_fds(), fds);
    assert_null(gbx_wasi_fds_find(&r->w->fds, 5));
    assert_int_equal(lseek(gbx_wasi_fds_find(&r->w->fds, 4)->host, 0, SEEK_CUR), 0);
}

/* A48: each pointer of each call at the beginning, across the end, behind it and far beyond. What is not all in
 * memory is FAULT, and nothing has happened; what is, is not, aligned or not. */
static void
a48_every_pointer_of_every_call(void **state)
{
    rig *const r = *state;
    u64 const end = RIG_MEM_BYTES;
    border_world(r);
    u8 *const mem = malloc(end);
    assert_non_null(mem);
    memcpy(mem, r->mem.base, end);
    int const fds = host_open_fds();
    for (const pointer_row *row = pointer_rows; row < GBX_END(pointer_rows); row++) {
        for (int p = 0; p < 5 && row->ptr[p].bytes; p++) {
            u32 const bytes = row->ptr[p].bytes;
            u64 const places[] = {0,       1,       3,          end - bytes, end - bytes + 1, end - 1,
                                  end,     end + 1, 0x7fffffff, 0x80000000,  0xfffffff0,      0xfffffffc,
                                  0xffffffff};
            for (size_t i = 0; i < GBX_LEN(places); i++) {
                u64 a[9];
                memcpy(a, row->args, sizeof a);
                a[row->ptr[p].arg] = places[i];
                u32 const e = rig_call(r, row->name, a, strlen(rig_find(row->name)->params));
                if ((e == WASI_FAULT) != (places[i] + bytes > end))
                    fail_msg("%s: pointer %d at %lx: %u", row->name, p, places[i], e);
                if (e == WASI_FAULT)
                    border_unchanged(r, fds, mem, row->name);
                else
                    border_world(r);
            }
        }
    }
    free(mem);
}

/* A48: each argument of all 46 calls with numbers that lie badly. Whatever the answer, nothing beyond memory is
 * touched, and what was open is closed again. */
static void
a48_every_argument_of_all_calls(void **state)
{
    rig *const r = *state;
    static const u64 odd[] = {0,          1,          3,           4,          RIG_MEM_BYTES - 1,
                              RIG_MEM_BYTES, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX,
                              (u64)1 << 63,  UINT64_MAX};
    gbx_wasi_ctx_free(r->w);
    int const fds = host_open_fds();
    rig_start(r);
    for (u32 i = 0; i < gbx_wasi_p1.count; i++) {
        const char *const name = gbx_wasi_p1.rows[i].name;
        size_t const count = strlen(gbx_wasi_p1.rows[i].params);
        u64 start[9] = {4, RIG_BUF, 8};
        for (const pointer_row *row = pointer_rows; row < GBX_END(pointer_rows); row++)
            if (!strcmp(row->name, name)) memcpy(start, row->args, sizeof start);
        for (size_t arg = 0; arg < count; arg++) {
            for (size_t k = 0; k < GBX_LEN(odd); k++) {
                u64 a[9];
                memcpy(a, start, sizeof a);
                a[arg] = odd[k];
                border_world(r);
                rig_call(r, name, a, count);
            }
        }
    }
    gbx_wasi_ctx_free(r->w);
    assert_int_equal(host_open_fds(), fds);
    rig_start(r);
}

/* A54: every byte of what a call gives back is written, padding too, and none beside it, whatever stood there. */
static void
border_bytes(rig *r, u32 at, u32 bytes, const char *name, const u64 *args, size_t count)
{
    u8 seen[2][256];
    u32 const entry = rig_u32(r, RIG_OUT); /* what a call is given at its result's place, if anything */
    for (int pass = 0; pass < 2; pass++) {
        u8 const poison = pass ? 0x55 : 0xaa;
        memset(r->mem.base + at - 8, poison, bytes + 16);
        if (at != RIG_OUT) rig_set_u32(r, RIG_OUT, entry);
        assert_int_equal(rig_call(r, name, args, count), WASI_OK);
        memcpy(seen[pass], r->mem.base + at, bytes);
        for (u32 k = 1; k <= 8; k++) {
            assert_int_equal(r->mem.base[at - k], poison);
            assert_int_equal(r->mem.base[at + bytes + k - 1], poison);
        }
    }
    if (memcmp(seen[0], seen[1], bytes)) fail_msg("%s: leaves a byte as it was", name);
}
#define BYTES_AT(r, at, n, name, ...)                                                              \
    border_bytes((r), (at), (n), (name), (const u64[]){__VA_ARGS__},                               \
                 sizeof((const u64[]){__VA_ARGS__}) / sizeof(u64))
#define BYTES(r, n, name, ...) BYTES_AT(r, RIG_OUT, n, name, __VA_ARGS__)

static void
a54_every_byte_of_what_is_given_back(void **state)
{
    rig *const r = *state;
    border_world(r);
    host_mkdir(r, "grant/dir");
    host_link(r, "name", "grant/link");
    u32 const dir = rig_open(r, "dir", OFLAG_DIRECTORY, RIGHT_FD_READDIR);
    u64 const in = RIG_BUF + 0x1000;
    BYTES(r, 4, "args_sizes_get", RIG_OUT, in);
    BYTES(r, 4, "environ_sizes_get", in, RIG_OUT);
    BYTES(r, 4, "args_get", RIG_OUT, in);
    BYTES(r, 2, "args_get", in, RIG_OUT);
    BYTES(r, 4, "environ_get", in, RIG_OUT);
    BYTES(r, 24, "fd_fdstat_get", 3, RIG_OUT);
    BYTES(r, 24, "fd_fdstat_get", 0, RIG_OUT);
    BYTES(r, 24, "fd_fdstat_get", 4, RIG_OUT);
    BYTES(r, 64, "fd_filestat_get", 3, RIG_OUT);
    BYTES(r, 64, "fd_filestat_get", 4, RIG_OUT);
    BYTES(r, 64, "fd_filestat_get", 0, RIG_OUT);
    BYTES(r, 64, "path_filestat_get", 3, 0, P(r, "name"), RIG_OUT);
    BYTES(r, 64, "path_filestat_get", 3, 0, P(r, "link"), RIG_OUT);
    BYTES(r, 64, "path_filestat_get", UINT32_MAX, 0, P(r, "dev/null"), RIG_OUT);
    BYTES(r, 64, "path_filestat_get", UINT32_MAX, 0, P(r, "/"), RIG_OUT);
    BYTES(r, 8, "fd_prestat_get", 3, RIG_OUT);
    BYTES(r, 1, "fd_prestat_dir_name", 3, RIG_OUT, 100); /* "/", and not the rest of the buffer */
    BYTES(r, 8, "clock_res_get", 1, RIG_OUT);
    BYTES(r, 8, "fd_tell", 4, RIG_OUT);
    BYTES(r, 8, "fd_seek", 4, 0, WHENCE_SET, RIG_OUT);
    BYTES(r, 4, "fd_pread", 4, IOV(r, 2), 0, RIG_OUT);
    BYTES_AT(r, RIG_BUF, 4, "fd_pread", 4, IOV(r, 100), 0, RIG_OUT);
    BYTES_AT(r, RIG_BUF, 4, "path_readlink", 3, P(r, "link"), RIG_BUF, 100, RIG_OUT);
    BYTES(r, 4, "path_readlink", 3, P(r, "link"), RIG_BUF, 100, RIG_OUT);
    BYTES_AT(r, RIG_BUF, 24 + 1 + 24 + 2, "fd_readdir", dir, RIG_BUF, 100, 0, RIG_OUT);
    for (u8 tag = 0; tag < 3; tag++) { /* a clock, reading, writing: one event each, and one of an error */
        memset(r->mem.base + in, 0, 96);
        r->mem.base[in + 8] = r->mem.base[in + 48 + 8] = tag;
        rig_set_u32(r, (u32)in + 16, tag ? 4 : CLOCK_ID_MONOTONIC);
        rig_set_u32(r, (u32)in + 48 + 16, 77);
        BYTES(r, 64, "poll_oneoff", in, RIG_OUT, 2, in + 96);
        BYTES(r, 4, "poll_oneoff", in, in + 128, 2, RIG_OUT);
    }
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    r->config.stdio[0] = s[0];
    rig_restart(r);
    assert_int_equal(write(s[1], "abcdefgh", 8), 8);
    BYTES(r, 4, "sock_recv", 0, IOV(r, 1), 0, RIG_OUT, in);
    BYTES(r, 2, "sock_recv", 0, IOV(r, 1), 0, in, RIG_OUT);
    BYTES(r, 4, "sock_send", 0, IOV(r, 1), 0, RIG_OUT);
    close(s[0]);
    close(s[1]);
}

/* ---- A49, A56: arrays of buffers */

static void
iov_set(rig *r, u32 array, u32 i, u32 ptr, u32 len)
{
    rig_set_u32(r, array + 8 * i, ptr);
    rig_set_u32(r, array + 8 * i + 4, len);
}

/* The calls that take an array, as `name(fd 4, array, count, …)`, with what follows these. */
typedef struct iov_row {
    const char *name;
    u64 rest[3];
    size_t rest_count;
    bool reads;
    u32 fd;
} iov_row;

static const iov_row iov_rows[] = {
        {"fd_read", {RIG_OUT}, 1, true, 4},       {"fd_write", {RIG_OUT}, 1, false, 4},
        {"fd_pread", {0, RIG_OUT}, 2, true, 4},   {"fd_pwrite", {0, RIG_OUT}, 2, false, 4},
        {"sock_recv", {0, RIG_OUT, RIG_OUT + 4}, 3, true, 0}, {"sock_send", {0, RIG_OUT}, 2, false, 0},
};

static u32
iov_call(rig *r, const iov_row *row, u32 array, u64 count)
{
    u64 a[6] = {row->fd, array, count};
    memcpy(a + 3, row->rest, row->rest_count * sizeof(u64));
    return rig_call(r, row->name, a, 3 + row->rest_count);
}

/* A49: how many, how long, and where. What is too much fails before anything is read or written. */
static void
a49_arrays_of_buffers(void **state)
{
    rig *const r = *state;
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s), 0);
    r->config.stdio[0] = s[0];
    border_world(r);
    u8 *const mem = malloc(RIG_MEM_BYTES);
    assert_non_null(mem);
    for (const iov_row *row = iov_rows; row < GBX_END(iov_rows); row++) {
        border_world(r);
        assert_int_equal(write(s[1], "text", 4), 4);
        memset(r->mem.base + RIG_BUF, 0, 8 * 1025);
        memcpy(mem, r->mem.base, RIG_MEM_BYTES);
        int const fds = host_open_fds();
        static const u64 far[] = {0x20000000, 0x20000001, 0x40000000, 0x80000000, 0xffffffff, 0x10000};
        for (size_t i = 0; i < GBX_LEN(far); i++) {
            assert_int_equal(iov_call(r, row, RIG_BUF, far[i]), WASI_FAULT);
            border_unchanged(r, fds, mem, row->name);
        }
        assert_int_equal(iov_call(r, row, RIG_BUF, 1025), WASI_INVAL);
        border_unchanged(r, fds, mem, row->name);
        /* The last one of many lies outside: the others are left alone. */
        for (u32 i = 0; i < 16; i++) iov_set(r, RIG_IOVS, i, RIG_BUF + i, 1);
        iov_set(r, RIG_IOVS, 15, (u32)RIG_MEM_BYTES - 3, 4);
        memcpy(mem, r->mem.base, RIG_MEM_BYTES);
        assert_int_equal(iov_call(r, row, RIG_IOVS, 16), WASI_FAULT);
        iov_set(r, RIG_IOVS, 15, 0xfffffffc, 8);
        memcpy(mem, r->mem.base, RIG_MEM_BYTES);
        assert_int_equal(iov_call(r, row, RIG_IOVS, 16), WASI_FAULT);
        border_unchanged(r, fds, mem, row->name);
        if (row->fd == 4) { /* a stream may have something to wait for */
            assert_int_equal(iov_call(r, row, RIG_BUF, 1024), WASI_OK);
            assert_int_equal(rig_u32(r, RIG_OUT), 0);
            assert_int_equal(iov_call(r, row, RIG_BUF, 0), WASI_OK);
            assert_int_equal(rig_u32(r, RIG_OUT), 0);
        }
        /* The array itself is what is read into: what it said at first is done. */
        iov_set(r, RIG_IOVS, 0, RIG_IOVS, 2);
        iov_set(r, RIG_IOVS, 1, RIG_IOVS + 8, 1);
        iov_set(r, RIG_IOVS, 2, RIG_IOVS, 1);
        assert_int_equal(iov_call(r, row, RIG_IOVS, 3), WASI_OK);
        assert_int_equal(rig_u32(r, RIG_OUT), 4);
        if (row->reads) assert_memory_equal(r->mem.base + RIG_IOVS, "te", 1);
        if (row->reads) assert_int_equal(r->mem.base[RIG_IOVS], 't');
        if (row->reads) assert_int_equal(r->mem.base[RIG_IOVS + 8], 'x');
        u8 rest[64];
        while (read(s[1], rest, sizeof rest) > 0) continue;
        gbx_wasi_ctx_free(r->w);
        rig_start(r);
        while (read(s[0], rest, sizeof rest) > 0) continue;
    }
    free(mem);
    close(s[0]);
    close(s[1]);
}

/* A49: lengths whose sum is beyond 4 GiB are cut at what Linux moves at once, and not wrapped. */
static void
a49_more_than_four_gigabytes(void **state)
{
    rig *const r = *state;
    border_world(r);
    for (u32 i = 0; i < 1024; i++) iov_set(r, RIG_BUF, i, 0, (u32)RIG_MEM_BYTES);
    memset(r->mem.base, 0, 16);
    OK(r, "fd_read", 4, RIG_BUF, 1024, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 4);
    assert_memory_equal(r->mem.base, "text", 4);
    p1_call c = {.w = r->w, .mem = r->mem.base, .mem_bytes = (u64)1 << 32};
    p1_iovs v;
    for (u32 i = 0; i < 1024; i++) iov_set(r, RIG_BUF, i, 0, 0xffffffff);
    assert_int_equal(gbx_wasi_iovs_read(&c, RIG_BUF, 1024, &v), WASI_OK);
    assert_int_equal(v.total, WASI_MAX_IO_BYTES);
    assert_int_equal(v.v[0].iov_len, WASI_MAX_IO_BYTES);
    assert_int_equal(v.v[1].iov_len, 0);
}

/* A56: a memory of 4 GiB written whole to nobody, in one call: as much as Linux takes at once. Reading where the
 * memory cannot be written is FAULT and no fault. */
static void
a56_two_gigabytes_at_once(void **state)
{
    rig *const r = *state;
    border_world(r);
    r->mem.bytes = (u64)1 << 32;
    iov_set(r, RIG_IOVS, 0, 0, 0xffffffff);
    OK(r, "fd_write", 1, RIG_IOVS, 1, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), WASI_MAX_IO_BYTES);
    iov_set(r, RIG_IOVS, 0, 0x80000000, 16);
    FAILS(r, FAULT, "fd_read", 4, RIG_IOVS, 1, RIG_OUT);
    FAILS(r, FAULT, "fd_pread", 4, RIG_IOVS, 1, 0, RIG_OUT);
    FAILS(r, FAULT, "fd_write", 4, RIG_IOVS, 1, RIG_OUT);
    assert_string_equal(host_text(r, "grant/name"), "text");
    r->mem.bytes = RIG_MEM_BYTES;
}

/* A56: positions from 2^63-1 on, where signed numbers end. */
static void
a56_far_offsets(void **state)
{
    rig *const r = *state;
    static const u64 far[] = {INT64_MAX, (u64)1 << 63, ((u64)1 << 63) + 1, UINT64_MAX - 15, UINT64_MAX};
    border_world(r);
    for (size_t i = 0; i < GBX_LEN(far); i++) {
        u32 const reads = CALL(r, "fd_pread", 4, IOV(r, 16), far[i], RIG_OUT);
        if (far[i] > INT64_MAX) assert_int_equal(reads, WASI_INVAL);
        assert_true(reads == WASI_INVAL || (!reads && !rig_u32(r, RIG_OUT)));
        u32 const writes = CALL(r, "fd_pwrite", 4, IOV(r, 16), far[i], RIG_OUT);
        assert_true(writes == WASI_INVAL || writes == WASI_FBIG);
        u32 const seeks = CALL(r, "fd_seek", 4, far[i], WHENCE_SET, RIG_OUT);
        if (far[i] > INT64_MAX) assert_int_equal(seeks, WASI_INVAL);
        FAILS(r, INVAL, "fd_advise", 4, far[i], 1, 0);
    }
    assert_string_equal(host_text(r, "grant/name"), "text");
}

/* ---- A51, A52, A60: randomness, arguments, variables */

typedef struct filled {
    u64 bytes, most, calls, stop_at;
    gbx_exec *x;
} filled;

static bool
border_fill(void *data, u8 *buf, size_t len)
{
    filled *const f = data;
    (void)buf;
    f->bytes += len;
    f->most = len > f->most ? len : f->most;
    if (++f->calls == f->stop_at) atomic_store(&f->x->stop, GBX_TRAP_DEADLINE);
    return true;
}

/* A51: no bytes, the last byte, all of 4 GiB: in pieces, between which the guest can be stopped. */
static void
a51_randomness_of_every_length(void **state)
{
    rig *const r = *state;
    OK(r, "random_get", RIG_MEM_BYTES, 0);
    OK(r, "random_get", 0, 0);
    FAILS(r, FAULT, "random_get", RIG_MEM_BYTES + 1, 0);
    FAILS(r, FAULT, "random_get", RIG_MEM_BYTES, 1);
    assert_int_equal(rig_u32(r, 0), 0);
    u32 differ = 0;
    for (u32 i = 0; i < 64; i++) {
        OK(r, "random_get", RIG_MEM_BYTES - 1, 1);
        differ |= (u32)1 << (r->mem.base[RIG_MEM_BYTES - 1] & 31);
    }
    assert_int_not_equal(differ & (differ - 1), 0);
    assert_int_equal(r->mem.base[RIG_MEM_BYTES - 2], 0);

    filled f = {.x = &r->x};
    r->config.random_fill = border_fill;
    r->config.random_data = &f;
    rig_restart(r);
    r->mem.bytes = (u64)1 << 32;
    OK(r, "random_get", 1, 0xffffffff);
    assert_int_equal(f.bytes, 0xffffffff);
    assert_true(f.most <= WASI_MAX_RANDOM_CHUNK);
    f = (filled){.x = &r->x, .stop_at = 3};
    assert_int_equal(CALL(r, "random_get", 0, 0xffffffff), UINT32_MAX);
    assert_int_equal(r->trap, GBX_TRAP_DEADLINE);
    assert_int_equal(f.calls, 3);
    atomic_store(&r->x.stop, 0);
    r->mem.bytes = RIG_MEM_BYTES;
}

/* A52: room to the byte is enough; one less is FAULT, and nothing is written. */
static void
a52_strings_that_just_fit(void **state)
{
    rig *const r = *state;
    static const char *const args[] = {"prog", "", "two words"}, *const env[] = {"A=1", "B=", "C"};
    static const struct {
        const char *call;
        u32 count, bytes;
    } rows[] = {{"args_get", 3, 16}, {"environ_get", 3, 9}};
    r->config.args = args;
    r->config.arg_count = 3;
    r->config.env = env;
    r->config.env_count = 3;
    rig_restart(r);
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        u64 const text = RIG_MEM_BYTES - rows[i].bytes, pointers = RIG_MEM_BYTES - 4 * rows[i].count;
        memset(r->mem.base, 0x33, RIG_MEM_BYTES);
        FAILS(r, FAULT, rows[i].call, RIG_OUT, text + 1);
        FAILS(r, FAULT, rows[i].call, pointers + 1, RIG_BUF);
        FAILS(r, FAULT, rows[i].call, RIG_MEM_BYTES, RIG_BUF);
        FAILS(r, FAULT, rows[i].call, RIG_OUT, 0xffffffff);
        for (u64 k = 0; k < RIG_MEM_BYTES; k++) assert_int_equal(r->mem.base[k], 0x33);
        OK(r, rows[i].call, RIG_OUT, text);
        assert_int_equal(rig_u32(r, RIG_OUT), text);
        assert_int_equal(r->mem.base[text - 1], 0x33);
        assert_int_equal(r->mem.base[RIG_MEM_BYTES - 1], 0);
        OK(r, rows[i].call, pointers, RIG_BUF);
        assert_int_equal(rig_u32(r, (u32)pointers), RIG_BUF);
        assert_int_equal(r->mem.base[RIG_BUF + rows[i].bytes], 0x33);
    }
}

/* A60: a kilobyte to 128 MiB, one string and 100,000; with "=" in it or without. */
static void
a60_totals_of_arguments_and_variables(void **state)
{
    enum { MANY = 100000, LONGEST = 1 << 20 };
    rig *const r = *state;
    static const char *list[MANY];
    char *const text = malloc(LONGEST);
    assert_non_null(text);
    memset(text, 'x', LONGEST - 1);
    text[LONGEST - 1] = 0;
    static const struct {
        u32 count, len;
    } rows[] = {{1, 1 << 10}, {1, 1 << 20}, {64, 1 << 10}, {128, 1 << 20}, {MANY, 12}, {MANY, 1}};
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        u32 const count = rows[i].count, bytes = count * rows[i].len;
        for (u32 k = 0; k < count; k++) list[k] = text + LONGEST - rows[i].len;
        r->config.args = r->config.env = list;
        r->config.arg_count = i % 2 ? 0 : count;
        r->config.env_count = i % 2 ? count : 0;
        rig_restart(r);
        guarded_reuse(r, ((u64)bytes + 4 * count + 0x20000) >> 16 << 16);
        const char *const sizes = i % 2 ? "environ_sizes_get" : "args_sizes_get";
        const char *const get = i % 2 ? "environ_get" : "args_get";
        OK(r, sizes, RIG_OUT, RIG_OUT + 4);
        assert_int_equal(rig_u32(r, RIG_OUT), count);
        assert_int_equal(rig_u32(r, RIG_OUT + 4), bytes);
        u32 const at = 0x1000 + 4 * count;
        OK(r, get, 0x1000, at);
        for (u32 k = 0; k < count; k++) {
            assert_int_equal(rig_u32(r, 0x1000 + 4 * k), at + k * rows[i].len);
            assert_int_equal(r->mem.base[at + (k + 1) * rows[i].len - 1], 0);
        }
        if (rows[i].len > 1) assert_int_equal(r->mem.base[at + bytes - 2], 'x');
        assert_int_equal(r->mem.base[at + bytes], 0);
    }
    free(text);
}

/* ---- A59: times far away */

static void
a59_wait_for(rig *r, u32 id, u64 timeout, u64 precision, u16 flags)
{
    memset(r->mem.base + RIG_BUF, 0, 48);
    rig_set_u32(r, RIG_BUF + 16, id);
    rig_set_u64(r, RIG_BUF + 24, timeout);
    rig_set_u64(r, RIG_BUF + 32, precision);
    r->mem.base[RIG_BUF + 40] = (u8)flags;
}

/* A59: what is past is over at once, what is far is waited for until the guest is stopped; precision is advice. */
static void
a59_timeouts_of_every_size(void **state)
{
    rig *const r = *state;
    static const u64 past[] = {0, 1, 1000000000}, far[] = {INT64_MAX, (u64)1 << 63, UINT64_MAX - 1, UINT64_MAX};
    for (u32 id = 0; id < 2; id++) {
        for (size_t i = 0; i < GBX_LEN(past); i++) {
            a59_wait_for(r, id, past[i], UINT64_MAX, 1);
            OK(r, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 1, RIG_OUT);
            assert_int_equal(rig_u32(r, RIG_OUT), 1);
        }
        a59_wait_for(r, id, 1000, UINT64_MAX, 0);
        OK(r, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 1, RIG_OUT);
        for (size_t i = 0; i < GBX_LEN(far); i++) {
            for (u16 flags = 0; flags < 2; flags++) {
                a59_wait_for(r, id, far[i], i % 2 ? UINT64_MAX : 0, flags);
                atomic_store(&r->x.stop, GBX_TRAP_DEADLINE);
                assert_int_equal(CALL(r, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 1, RIG_OUT), UINT32_MAX);
                assert_int_equal(r->trap, GBX_TRAP_DEADLINE);
                atomic_store(&r->x.stop, 0);
            }
            /* Beside one that is over, it is simply not there yet. */
            a59_wait_for(r, id, far[i], 0, 0);
            memset(r->mem.base + RIG_BUF + 48, 0, 48);
            rig_set_u64(r, RIG_BUF + 48, 99);
            OK(r, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 2, RIG_OUT);
            assert_int_equal(rig_u32(r, RIG_OUT), 1);
            assert_int_equal(rig_u64(r, RIG_BUF + 4096), 99);
        }
    }
}

/* ---- A61, A62: what happens meanwhile */

typedef struct grower {
    rig *r;
    u64 bytes;
    u32 calls;
} grower;

static void
border_grow(void *data, const u8 *bytes, size_t len)
{
    grower *const g = data;
    (void)bytes;
    g->bytes += len;
    g->calls++;
    assert_int_equal(mprotect(g->r->mem.base, g->r->mem.bytes + 65536, PROT_READ | PROT_WRITE), 0);
    g->r->mem.bytes += 65536;
}

/* A61: memory grows while a call is in progress, because the host is asked in the middle of it: what the call was
 * given stays good, and the next one may use what was added. Memory never moves and never shrinks. */
static void
a61_memory_that_grows_during_a_call(void **state)
{
    rig *const r = *state;
    grower g = {.r = r};
    r->config.sinks[1] = (wasi_sink){border_grow, &g};
    rig_restart(r);
    const u8 *const base = r->mem.base;
    for (u32 i = 0; i < 4; i++) iov_set(r, RIG_IOVS, i, (u32)RIG_MEM_BYTES - 4, 4);
    OK(r, "fd_write", 1, RIG_IOVS, 4, (u32)RIG_MEM_BYTES - 4);
    assert_int_equal(g.calls, 4);
    assert_int_equal(g.bytes, 16);
    assert_int_equal(rig_u32(r, (u32)RIG_MEM_BYTES - 4), 16);
    assert_ptr_equal(r->mem.base, base);
    u32 const added = (u32)RIG_MEM_BYTES + 3 * 65536;
    FAILS(r, FAULT, "random_get", added + 65536, 1);
    OK(r, "random_get", added, 65536);
    iov_set(r, RIG_IOVS, 0, added, 65536);
    OK(r, "fd_write", 1, RIG_IOVS, 1, added);
    assert_int_equal(rig_u32(r, added), 65536);
}

/* A62: what takes long on the host is done in pieces, and a guest whose time is over gets no further piece:
 * reading a file, writing one, zeros without end, listing a directory. */
static void
a62_host_work_ends_with_the_deadline(void **state)
{
    enum { PIECES = 2, IOVS = 1024, PLACE = 0x20000, ROOM = PIECES * WASI_MAX_IO_PIECE / IOVS };
    rig *const r = *state;
    u64 const bytes = (u64)PIECES * WASI_MAX_IO_PIECE;
    assert_true(PLACE + ROOM <= RIG_MEM_BYTES);
    host_file(r, "grant/large", "");
    assert_int_equal(truncate(rig_host_path(r, "grant/large"), (off_t)bytes), 0);
    u32 const fd = rig_open(r, "large", 0, RIG_RIGHTS_FILE);
    const wasi_file *const f = gbx_wasi_fds_find(&r->w->fds, fd);
    OK(r, "path_open", UINT32_MAX, 0, P(r, "dev/zero"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    u32 const zero = rig_u32(r, RIG_OUT);
    for (u32 i = 0; i < IOVS; i++) iov_set(r, RIG_BUF, i, PLACE, ROOM);
    memset(r->mem.base + PLACE, 1, ROOM);

    atomic_store(&r->x.stop, GBX_TRAP_DEADLINE);
    assert_int_equal(CALL(r, "fd_read", zero, RIG_BUF, IOVS, RIG_OUT), UINT32_MAX);
    assert_int_equal(r->trap, GBX_TRAP_DEADLINE);
    assert_int_equal(r->mem.base[PLACE], 1);
    assert_int_equal(CALL(r, "fd_read", fd, RIG_BUF, IOVS, RIG_OUT), UINT32_MAX);
    assert_int_equal(lseek(f->host, 0, SEEK_CUR), WASI_MAX_IO_PIECE);
    iov_set(r, RIG_BUF, 0, PLACE, 1000); /* a piece ends within a buffer */
    assert_int_equal(lseek(f->host, 0, SEEK_SET), 0);
    assert_int_equal(CALL(r, "fd_read", fd, RIG_BUF, IOVS, RIG_OUT), UINT32_MAX);
    assert_int_equal(lseek(f->host, 0, SEEK_CUR), WASI_MAX_IO_PIECE);
    iov_set(r, RIG_BUF, 0, PLACE, ROOM);
    assert_int_equal(CALL(r, "fd_pread", fd, RIG_BUF, IOVS, 0, RIG_OUT), UINT32_MAX);
    assert_int_equal(CALL(r, "fd_write", fd, RIG_BUF, IOVS, RIG_OUT), UINT32_MAX);
    assert_int_equal(CALL(r, "fd_pwrite", fd, RIG_BUF, IOVS, bytes, RIG_OUT), UINT32_MAX);
    struct stat st;
    assert_int_equal(fstat(f->host, &st), 0);
    assert_int_equal(st.st_size, bytes + WASI_MAX_IO_PIECE); /* one piece by fd_pwrite */
    assert_int_equal(CALL(r, "fd_readdir", RIG_FD, RIG_BUF, 4096, 0, RIG_OUT), UINT32_MAX);
    assert_int_equal(r->trap, GBX_TRAP_DEADLINE);
    atomic_store(&r->x.stop, 0);

    /* Nobody stops it: all pieces, where a buffer is cut by the end of one, too. */
    for (u32 i = 0; i < IOVS; i++) iov_set(r, RIG_BUF, i, PLACE, ROOM);
    iov_set(r, RIG_BUF, 0, PLACE, 1000);
    assert_int_equal(ftruncate(f->host, (off_t)bytes), 0);
    assert_int_equal(pwrite(f->host, "the end", 7, (off_t)(bytes - ROOM + 1000 - 7)), 7);
    OK(r, "fd_pread", fd, RIG_BUF, IOVS, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), bytes - ROOM + 1000);
    assert_memory_equal(r->mem.base + PLACE + ROOM - 7, "the end", 7);
    OK(r, "fd_pread", fd, RIG_BUF, IOVS, bytes - 5, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 5);
}

/* A62: a path that makes our own walker go down again and again costs a bounded number of steps. */
static void
a62_a_path_costs_a_bounded_number_of_steps(void **state)
{
    enum { DEEP = 220 };
    rig *const r = *state;
    static char path[5 * DEEP + 1];
    int at = open(r->grant, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (u32 i = 0; i < DEEP; i++) {
        assert_int_equal(mkdirat(at, "d", 0755), 0);
        int const next = openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
        memcpy(path + 2 * i, "d/", 2);
        memcpy(path + 2 * DEEP + 3 * i, "../", 3);
    }
    close(at);
    FAILS(r, NOENT, "path_filestat_get", RIG_FD, 0, P(r, "none"), RIG_OUT);
    r->config.force_walker = rig_walker = true;
    rig_restart(r);
    rig_walker = false;
    FAILS(r, LOOP, "path_filestat_get", RIG_FD, 0, P(r, path), RIG_OUT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            GUARDED_TEST(a48_every_pointer_of_every_call),
            GUARDED_TEST(a48_every_argument_of_all_calls),
            GUARDED_TEST(a49_arrays_of_buffers),
            GUARDED_TEST(a49_more_than_four_gigabytes),
            GUARDED_TEST(a51_randomness_of_every_length),
            GUARDED_TEST(a52_strings_that_just_fit),
            GUARDED_TEST(a54_every_byte_of_what_is_given_back),
            GUARDED_TEST(a56_two_gigabytes_at_once),
            GUARDED_TEST(a56_far_offsets),
            GUARDED_TEST(a59_timeouts_of_every_size),
            GUARDED_TEST(a60_totals_of_arguments_and_variables),
            GUARDED_TEST(a61_memory_that_grows_during_a_call),
            GUARDED_TEST(a62_host_work_ends_with_the_deadline),
            GUARDED_TEST(a62_a_path_costs_a_bounded_number_of_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

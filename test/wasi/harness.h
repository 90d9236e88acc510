/* What the tests of wasi/ stand on: a guest made of a heap block for memory and nothing else, a private
 * directory of the host with one granted below it, and calls by name through the table. */
#ifndef GBX_TEST_WASI_HARNESS_H
#define GBX_TEST_WASI_HARNESS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os_sync.h"
#include "host.h"
#include "wasi/wasi_int.h"

#define RIG_MEM_BYTES   ((u64)4 << 16)
#define RIG_RIGHTS_FILE (RIGHT(27 + 1) - 1) /* all that path_open can give */
#define RIG_FD          3                   /* the granted directory */

/* Places in guest memory. */
enum {
    RIG_OUT = 0x100,
    RIG_IOVS = 0x400,
    RIG_PATH = 0x4000,
    RIG_PATH2 = 0x6000,
    RIG_BUF = 0x10000,
    RIG_BUF_BYTES = 0x20000,
};

typedef struct rig {
    wasi_ctx *w;
    gbx_exec x;
    gbx_instance inst;
    gbx_memory mem;
    gbx_memory *mems[1];
    gbx_trap_code trap;
    char host[64];  /* private directory: grant/, secret, out/ */
    char grant[80]; /* host/grant */
    wasi_config config;
    wasi_dir_grant dir;
} rig;

static bool rig_walker; /* the group of tests that is running: resolve without openat2 */

/* ---- the host's side */

static inline const char *
rig_host_path(const rig *r, const char *name)
{
    static char path[4][5000];
    static unsigned at;
    char *const p = path[at++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", r->host, name);
    return p;
}

/* "grant/name", for the functions below. */
static inline const char *
rig_grant_name(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "grant/%s", name);
    return path;
}

static inline void
host_file(const rig *r, const char *name, const char *text)
{
    FILE *const f = fopen(rig_host_path(r, name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline void
host_mkdir(const rig *r, const char *name)
{
    assert_int_equal(mkdir(rig_host_path(r, name), 0755), 0);
}

static inline void
host_link(const rig *r, const char *target, const char *name)
{
    assert_int_equal(symlink(target, rig_host_path(r, name)), 0);
}

static inline bool
host_exists(const rig *r, const char *name)
{
    struct stat st;
    return lstat(rig_host_path(r, name), &st) == 0;
}

static inline const char *
host_text(const rig *r, const char *name)
{
    static char text[4096];
    FILE *const f = fopen(rig_host_path(r, name), "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static inline int
rig_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

/* ---- the guest's side */

static inline const runtime_host_row *
rig_find(const char *name)
{
    for (u32 i = 0; i < gbx_wasi_p1.count; i++)
        if (!strcmp(gbx_wasi_p1.rows[i].name, name)) return &gbx_wasi_p1.rows[i];
    fail_msg("no call %s", name);
    return NULL;
}

static inline u32
rig_call(rig *r, const char *name, const u64 *args, size_t count)
{
    const runtime_host_row *const call = rig_find(name);
    gbx_slot slots[16];
    assert_int_equal(strlen(call->params), count);
    for (size_t i = 0; i < 16; i++) slots[i] = 0xdead00000000beef;
    for (size_t i = 0; i < count; i++) slots[i] = call->params[i] == 'i' ? (u32)args[i] : args[i];
    r->trap = call->fn(&r->x, &r->inst, r->w, slots);
    if (r->trap || !call->results[0]) return UINT32_MAX;
    assert_true(slots[0] < WASI_ERRNO_COUNT);
    return (u32)slots[0];
}

#define CALL(r, name, ...)                                                                         \
    rig_call((r), (name), (const u64[]){__VA_ARGS__},                                              \
             sizeof((const u64[]){__VA_ARGS__}) / sizeof(u64))
#define CALL0(r, name)   rig_call((r), (name), NULL, 0)
#define OK(r, name, ...) assert_int_equal(CALL(r, name, __VA_ARGS__), WASI_OK)
#define FAILS(r, errno_name, name, ...)                                                            \
    assert_int_equal(CALL(r, name, __VA_ARGS__), WASI_##errno_name)

static inline u32
rig_u32(const rig *r, u32 at)
{
    u32 v;
    memcpy(&v, r->mem.base + at, sizeof v);
    return v;
}

static inline u64
rig_u64(const rig *r, u32 at)
{
    u64 v;
    memcpy(&v, r->mem.base + at, sizeof v);
    return v;
}

static inline void
rig_set_u32(rig *r, u32 at, u32 v)
{
    memcpy(r->mem.base + at, &v, sizeof v);
}

static inline void
rig_set_u64(rig *r, u32 at, u64 v)
{
    memcpy(r->mem.base + at, &v, sizeof v);
}

static size_t rig_nul; /* not 0: the first path of a call gets a NUL there */

/* Put a text into guest memory; as two arguments of a call: address and length. */
static inline u32
rig_text(rig *r, u32 at, const char *text)
{
    size_t const len = strlen(text);
    assert_true(len <= 0x1800);
    memcpy(r->mem.base + at, text, len);
    if (rig_nul && rig_nul < len) r->mem.base[at + rig_nul] = 0;
    return at;
}
#define P(r, text)  rig_text((r), RIG_PATH, (text)), strlen(text)
#define P2(r, text) rig_text((r), RIG_PATH2, (text)), strlen(text)

/* One iovec over RIG_BUF; as two arguments of a call. */
static inline u32
rig_iov(rig *r, u32 len)
{
    rig_set_u32(r, RIG_IOVS, RIG_BUF);
    rig_set_u32(r, RIG_IOVS + 4, len);
    return RIG_IOVS;
}
#define IOV(r, len) rig_iov((r), (len)), 1

static inline u32
rig_open_with(rig *r, const char *path, u32 lookup, u32 oflags, u64 rights, u32 fdflags, u32 *fd)
{
    u32 const e = CALL(r, "path_open", RIG_FD, lookup, P(r, path), oflags, rights, RIG_RIGHTS_FILE,
                       fdflags, RIG_OUT);
    *fd = rig_u32(r, RIG_OUT);
    return e;
}

static inline u32
rig_open(rig *r, const char *path, u32 oflags, u64 rights)
{
    u32 fd;
    assert_int_equal(rig_open_with(r, path, LOOKUP_SYMLINK_FOLLOW, oflags, rights, 0, &fd),
                     WASI_OK);
    return fd;
}

static inline void
rig_write(rig *r, u32 fd, const char *text)
{
    memcpy(r->mem.base + RIG_BUF, text, strlen(text));
    OK(r, "fd_write", fd, IOV(r, (u32)strlen(text)), RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), strlen(text));
}

static inline void
rig_expect_read(rig *r, u32 fd, const char *text)
{
    memset(r->mem.base + RIG_BUF, 0, 4096);
    OK(r, "fd_read", fd, IOV(r, 4096), RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), strlen(text));
    assert_string_equal((const char *)r->mem.base + RIG_BUF, text);
}

static inline u32
rig_refusals(const rig *r)
{
    u32 count;
    gbx_wasi_refusals(r->w, &count);
    return count;
}

/* Stop the guest's wait from another thread after some milliseconds. */
static inline void *
rig_stopper(void *data)
{
    rig *const r = data;
    usleep(50000);
    atomic_store(&r->x.stop, GBX_TRAP_DEADLINE);
    gbx_base_os_event_set(r->x.stop_fd);
    return NULL;
}

#define STOPPED(r, name, ...)                                                                      \
    do {                                                                                           \
        pthread_t stopper_;                                                                        \
        assert_int_equal(pthread_create(&stopper_, NULL, rig_stopper, (r)), 0);                    \
        assert_int_equal(CALL(r, name, __VA_ARGS__), UINT32_MAX);                                  \
        assert_int_equal((r)->trap, GBX_TRAP_DEADLINE);                                            \
        pthread_join(stopper_, NULL);                                                              \
        atomic_store(&(r)->x.stop, 0);                                                             \
    } while (0)

/* ---- set-up */

static inline void
rig_start(rig *r)
{
    gbx_err err;
    r->config.dirs = &r->dir;
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &r->w, &err), GBX_OK);
    if (!rig_walker) assert_false(r->w->walker);
}

/* Begin again with another configuration. */
static inline void
rig_restart(rig *r)
{
    gbx_wasi_ctx_free(r->w);
    rig_start(r);
}

/* For a thread: nothing is accepted any more, a moment from now. */
static inline void *
rig_end_late(void *data)
{
    usleep(30000);
    gbx_wasi_stop_accepting(((rig *)data)->w);
    return NULL;
}

static inline int
rig_setup(void **state)
{
    rig *const r = calloc(1, sizeof *r);
    assert_non_null(r);
    snprintf(r->host, sizeof r->host, "/var/tmp/gbx-wasi-XXXXXX");
    assert_non_null(mkdtemp(r->host));
    snprintf(r->grant, sizeof r->grant, "%s/grant", r->host);
    host_mkdir(r, "grant");
    host_mkdir(r, "out");
    host_file(r, "secret", "secret");
    host_file(r, "out/secret", "secret");
    r->mem = (gbx_memory){.base = calloc(1, RIG_MEM_BYTES), .bytes = RIG_MEM_BYTES};
    assert_non_null(r->mem.base);
    r->mems[0] = &r->mem;
    r->inst = (gbx_instance){.memories = r->mems, .memory_count = 1};
    r->x.stop_fd = gbx_base_os_event_open();
    assert_true(r->x.stop_fd >= 0);
    r->config = (wasi_config){.stdio = {-1, -1, -1}, .dir_count = 1, .force_walker = rig_walker};
    r->dir = (wasi_dir_grant){.host_fd = open(r->grant, O_PATH | O_DIRECTORY | O_CLOEXEC),
                              .guest_path = "/"};
    assert_true(r->dir.host_fd >= 0);
    rig_start(r);
    *state = r;
    return 0;
}

static inline int
rig_teardown(void **state)
{
    rig *const r = *state;
    gbx_wasi_ctx_free(r->w);
    close(r->dir.host_fd);
    gbx_base_os_event_close(r->x.stop_fd);
    free(r->mem.base);
    nftw(r->host, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    free(r);
    return 0;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* Run a group once with each way of resolving paths. */
#define RIG_RUN_BOTH(tests)                                                                     \
    do {                                                                                        \
        rig_walker = false;                                                                     \
        int failed_ = cmocka_run_group_tests_name(#tests " with openat2", tests, NULL, NULL);   \
        rig_walker = true;                                                                      \
        failed_ += cmocka_run_group_tests_name(#tests " with the walker", tests, NULL, NULL);   \
        return failed_;                                                                         \
    } while (0)

#endif

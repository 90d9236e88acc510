/* The context: names of directories, what it is built from, failures on the way, nothing left over. */
#include "wasi/harness.h"

#include "base/alloc.h"

static void
test_guest_path(void **state)
{
    (void)state;
    static const struct {
        const char *given, *clean;
    } good[] = {{".", "/"},
                {"/", "/"},
                {"//", "/"},
                {"data", "/data"},
                {"/data", "/data"},
                {"data/", "/data"},
                {"./a/../b/", "/b"},
                {"/a//b///c", "/a/b/c"},
                {"./.", "/"},
                {"a/..", "/"},
                {"a/b/../../c", "/c"},
                {"...", "/..."},
                {"/a/./b", "/a/b"},
                {"..a", "/..a"},
                {"a b/\xc3\xa4", "/a b/\xc3\xa4"}};
    static const char *const bad[] = {"",          "..",   "/..",  "a/../..", "./..",
                                      "a/../../b", "a\nb", "\x7f", "\x1b[2J"};
    char out[32];
    gbx_err err;
    for (size_t i = 0; i < GBX_LEN(good); i++) {
        memset(out, 0x55, sizeof out);
        assert_int_equal(gbx_wasi_guest_path(good[i].given, out, sizeof out, &err), GBX_OK);
        assert_string_equal(out, good[i].clean);
    }
    for (size_t i = 0; i < GBX_LEN(bad); i++) {
        memset(&err, 0, sizeof err);
        assert_int_equal(gbx_wasi_guest_path(bad[i], out, sizeof out, &err), GBX_ARGUMENT);
        assert_true(strlen(err.text) > 10);
    }
    /* Exactly as long as fits, and one more. */
    assert_int_equal(gbx_wasi_guest_path("abc/def", out, 9, &err), GBX_OK);
    assert_string_equal(out, "/abc/def");
    assert_int_equal(gbx_wasi_guest_path("abc/defg", out, 9, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_guest_path("abc/defg/../x", out, 9, NULL), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_guest_path(".", out, 2, &err), GBX_OK);
    assert_int_equal(gbx_wasi_guest_path(".", out, 1, &err), GBX_ARGUMENT);
}

static void
test_grants(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    char const *const names[] = {"/b", "/a", "/"};
    wasi_dir_grant dirs[3];
    for (int i = 0; i < 3; i++) {
        host_mkdir(r, (const char *[]){"grant/b", "grant/a", "grant/r"}[i]);
        dirs[i] = (wasi_dir_grant){
                .guest_path = names[i],
                .host_fd =
                        open(rig_host_path(r, (const char *[]){"grant/b", "grant/a", "grant/r"}[i]),
                             O_PATH | O_DIRECTORY | O_CLOEXEC)};
    }
    gbx_wasi_ctx_free(r->w);
    r->config.dirs = dirs;
    r->config.dir_count = 3;
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &r->w, NULL), GBX_OK);
    for (u32 i = 0; i < 3; i++) {
        close(dirs[i].host_fd);
        OK(r, "fd_prestat_get", RIG_FD + i, RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT + 4), strlen(names[i]));
        OK(r, "fd_prestat_dir_name", RIG_FD + i, RIG_BUF, strlen(names[i]));
        assert_memory_equal(r->mem.base + RIG_BUF, names[i], strlen(names[i]));
    }
    FAILS(r, BADF, "fd_prestat_get", RIG_FD + 3, RIG_OUT);
    /* Renamed on the host, it is still what was granted. */
    assert_int_equal(rename(rig_host_path(r, "grant/b"), rig_host_path(r, "out/b")), 0);
    OK(r, "path_create_directory", RIG_FD, P(r, "x"));
    assert_true(host_exists(r, "out/b/x"));
    gbx_wasi_ctx_free(r->w);
    r->w = NULL;
    assert_int_equal(host_open_fds(), before - 1); /* the grant of rig_setup is closed, too */
}

static void
test_bad_configurations(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    gbx_err err;
    wasi_ctx *w = NULL;
    int const closed = dup(1);
    close(closed);
    wasi_config config = r->config;
    config.stdio[1] = closed;
    assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_IO);
    assert_null(w);
    assert_non_null(strstr(err.text, "stream 1"));
    config = r->config;
    wasi_dir_grant dir = {.host_fd = open(rig_host_path(r, "secret"), O_RDONLY | O_CLOEXEC),
                          .guest_path = "/x"};
    config.dirs = &dir;
    assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_IO);
    assert_null(w);
    assert_non_null(strstr(err.text, "/x"));
    close(dir.host_fd);
    assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_IO);
    assert_int_equal(host_open_fds(), before);
    gbx_wasi_ctx_free(NULL);
}

/* Each allocation fails in turn: an error, nothing leaked (the sanitizer counts memory, we descriptors). */
static void
test_out_of_memory(void **state)
{
    rig *const r = *state;
    static const char *const args[] = {"prog", "arg"}, *const env[] = {"A=b"};
    r->config.args = args;
    r->config.arg_count = 2;
    r->config.env = env;
    r->config.env_count = 1;
    gbx_wasi_ctx_free(r->w);
    r->w = NULL;
    int const before = host_open_fds();
    u32 n = 0;
    gbx_code code;
    do {
        gbx_err err;
        gbx_base_fault_arm(++n);
        code = gbx_wasi_ctx_new(&r->config, &r->w, &err);
        gbx_base_fault_arm(0);
        if (code) {
            assert_int_equal(code, GBX_NO_MEMORY);
            assert_null(r->w);
            assert_int_equal(host_open_fds(), before);
        }
    } while (code);
    assert_true(n > 5);

    /* A guest's own calls: NOMEM, and they work the next time. */
    gbx_base_fault_arm(1);
    FAILS(r, NOMEM, "fd_readdir", RIG_FD, RIG_BUF, 64, 0, RIG_OUT);
    gbx_base_fault_arm(0);
    OK(r, "fd_readdir", RIG_FD, RIG_BUF, 64, 0, RIG_OUT);
    for (u32 i = 0; i < 20; i++) memset(r->mem.base + RIG_BUF + 48 * i, 0, 48);
    gbx_base_fault_arm(1);
    FAILS(r, NOMEM, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 20, RIG_OUT);
    gbx_base_fault_arm(0);
    for (u32 i = 0; i < 20; i++) rig_set_u32(r, RIG_BUF + 48 * i + 16, 1);
    OK(r, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 20, RIG_OUT);
    u32 fd, e;
    for (fd = 4; fd < 16; fd++) assert_int_equal(rig_open(r, "f", OFLAG_CREAT, 0), fd);
    gbx_base_fault_arm(1);
    e = CALL(r, "path_open", RIG_FD, 0, P(r, "new"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    gbx_base_fault_arm(0);
    assert_int_equal(e, WASI_NOMEM);
    assert_false(host_exists(r, "grant/new"));
    OK(r, "path_open", RIG_FD, 0, P(r, "new"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 16);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_guest_path), RIG_TEST(test_grants),
            RIG_TEST(test_bad_configurations), RIG_TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

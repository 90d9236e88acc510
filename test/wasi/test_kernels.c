/* Kernels that lack what we ask for, and sandboxes that refuse it: a filter of system calls in a child gives their
 * answers, and paths are resolved all the same, with all that is refused otherwise. */
#include "wasi/path_calls.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* From now on this process gets `error` for that call; with `bit`, where the fourth argument has it. */
static bool
kernel_lacks(long call, u32 bit, int error)
{
    u32 const arg = offsetof(struct seccomp_data, args) + 3 * sizeof(u64);
    struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)call, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arg),
            BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bit ? bit : UINT32_MAX, 0, bit ? 1 : 0),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (u32)error),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog const program = {.len = GBX_LEN(code), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { KERNEL_OK = 0, KERNEL_WRONG = 1, KERNEL_NO_FILTER = 2 };

/* Runs `check` in a child with that filter; what is wrong with it the child prints. */
static void
kernel_check(rig *r, long call, u32 bit, int error, bool (*check)(rig *r))
{
    int status = 0;
    pid_t const child = fork();
    assert_true(child >= 0);
    if (!child) {
        if (!kernel_lacks(call, bit, error)) _exit(KERNEL_NO_FILTER);
        _exit(check(r) ? KERNEL_OK : KERNEL_WRONG);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == KERNEL_NO_FILTER) skip();
    assert_int_equal(WEXITSTATUS(status), KERNEL_OK);
}

#define KERNEL_WANT(what)                                        \
    do {                                                         \
        if (!(what)) {                                           \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what);   \
            return false;                                        \
        }                                                        \
    } while (0)

/* A little of everything, in a context that is made now. */
static bool
kernel_paths_work(rig *r)
{
    gbx_wasi_ctx_free(r->w);
    KERNEL_WANT(gbx_wasi_ctx_new(&r->config, &r->w, NULL) == GBX_OK);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        KERNEL_WANT(c->call(r, "out/secret") == WASI_PERM);
        KERNEL_WANT(c->call(r, "../secret") == WASI_PERM);
    }
    KERNEL_WANT(call_open(r, "d/../in") == WASI_OK);
    KERNEL_WANT(call_open(r, "l") == WASI_OK);
    KERNEL_WANT(call_create(r, "d/new") == WASI_OK);
    KERNEL_WANT(call_mkdir(r, "d/dir") == WASI_OK);
    KERNEL_WANT(call_times(r, "l") == WASI_OK);
    KERNEL_WANT(call_rename_from(r, "d/new") == WASI_OK);
    KERNEL_WANT(call_stat(r, "fresh") == WASI_OK);
    KERNEL_WANT(call_stat(r, "d/none") == WASI_NOENT);
    KERNEL_WANT(call_list(r, "d") == WASI_OK);
    return true;
}

static void
kernel_inside(rig *r)
{
    host_file(r, "grant/in", "in");
    host_mkdir(r, "grant/d");
    host_link(r, "d/../in", "grant/l");
    host_link(r, "../out", "grant/out");
}

/* Not there; forbidden by a sandbox; there, and giving up because somebody on the machine renames all the time. */
static void
test_without_openat2(void **state)
{
    static const int errors[] = {ENOSYS, EPERM, EAGAIN};
    rig *const r = *state;
    for (size_t i = 0; i < GBX_LEN(errors); i++) {
        if (i) {
            assert_int_equal(unlink(rig_host_path(r, "grant/fresh")), 0);
            assert_int_equal(rmdir(rig_host_path(r, "grant/d/dir")), 0);
            unlink(rig_host_path(r, "grant/in"));
            unlink(rig_host_path(r, "grant/l"));
            unlink(rig_host_path(r, "grant/out"));
            assert_int_equal(rmdir(rig_host_path(r, "grant/d")), 0);
        }
        kernel_inside(r);
        kernel_check(r, SYS_openat2, 0, errors[i], kernel_paths_work);
    }
}

static bool
kernel_gives_up_later(rig *r)
{
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++)
        KERNEL_WANT(c->call(r, "out/secret") == WASI_PERM);
    KERNEL_WANT(call_open(r, "d/../in") == WASI_OK);
    KERNEL_WANT(call_create(r, "d/new") == WASI_OK);
    KERNEL_WANT(call_mkdir(r, "d/../d/dir") == WASI_OK);
    KERNEL_WANT(call_stat(r, "d/none") == WASI_NOENT);
    return true;
}

/* The context found openat2 in order, and it begins to give up afterwards: a guest never sees AGAIN. */
static void
test_openat2_gives_up(void **state)
{
    rig *const r = *state;
    kernel_inside(r);
    kernel_check(r, SYS_openat2, 0, EAGAIN, kernel_gives_up_later);
}

static bool
kernel_sets_times(rig *r)
{
    struct stat st;
    KERNEL_WANT(CALL(r, "path_filestat_set_times", RIG_FD, 1, P(r, "l"), 5000000000, 7000000000,
                     FST_ATIM | FST_MTIM) == WASI_OK);
    KERNEL_WANT(lstat(rig_host_path(r, "grant/in"), &st) == 0);
    KERNEL_WANT(st.st_atim.tv_sec == 5 && st.st_mtim.tv_sec == 7);
    KERNEL_WANT(lstat(rig_host_path(r, "grant/l"), &st) == 0);
    KERNEL_WANT(st.st_mtim.tv_sec != 7);
    KERNEL_WANT(call_times(r, "d/") == WASI_OK);
    KERNEL_WANT(call_times(r, "out/secret") == WASI_PERM);
    return true;
}

/* utimensat takes a descriptor alone since Linux 5.8. */
static void
test_without_times_by_descriptor(void **state)
{
    rig *const r = *state;
    kernel_inside(r);
    kernel_check(r, SYS_utimensat, AT_EMPTY_PATH, EINVAL, kernel_sets_times);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_without_openat2),
            RIG_TEST(test_openat2_gives_up),
            RIG_TEST(test_without_times_by_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

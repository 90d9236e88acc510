/* Go programs under the API's WASI builder: what is granted arrives, what is not does not, and waits
 * end with their call. What each call does in detail is tested in test/wasi/. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "api/guest.h"
#include "host.h"

static gbx_bytes guest_wasm;
static gbx_engine *engine;
static gbx_module *module;

static int
setup(void **state)
{
    (void)state;
    guest_wasm = guest_go("go/guest.go");
    if (gbx_engine_new(NULL, &engine, NULL)) return -1;
    return (int)gbx_module_compile(engine, guest_wasm, NULL, &module, NULL);
}

static int
teardown(void **state)
{
    (void)state;
    gbx_module_release(module);
    gbx_engine_release(engine);
    free((void *)(uintptr_t)guest_wasm.data);
    return 0;
}

/* One run of the guest: a store, a builder, and a pipe for what it writes. */
typedef struct run {
    gbx_store *store;
    gbx_linker *linker;
    gbx_wasi *wasi;
    gbx_err err;
    gbx_trap trap;
    int out[2];
    char text[4096]; /* what it wrote */
} run;

#define RUN_OK(call)                                                                \
    do {                                                                            \
        gbx_code const run_code_ = (call);                                          \
        if (run_code_ != GBX_OK) fail_msg("%s: %s: %s", #call, gbx_code_slug(run_code_), r->err.text); \
    } while (0)

static void
run_open(run *r, uint64_t timeout_ns, const char *const *args)
{
    memset(r, 0, sizeof *r);
    gbx_store_opts const opts = {.size = sizeof opts, .timeout_ns = timeout_ns};
    RUN_OK(gbx_store_new(engine, &opts, &r->store, &r->err));
    RUN_OK(gbx_linker_new(r->store, &r->linker, &r->err));
    RUN_OK(gbx_wasi_new(&r->wasi, &r->err));
    assert_int_equal(pipe(r->out), 0);
    assert_true(fcntl(r->out[1], F_SETPIPE_SZ, 1 << 16) > 0);
    RUN_OK(gbx_wasi_stdio(r->wasi, 1, r->out[1], &r->err));
    RUN_OK(gbx_wasi_stdio(r->wasi, 2, r->out[1], &r->err));
    RUN_OK(gbx_wasi_arg(r->wasi, "guest", &r->err));
    for (; *args; args++) RUN_OK(gbx_wasi_arg(r->wasi, *args, &r->err));
}

static gbx_trap_code
run_go(run *r)
{
    gbx_instance *i;
    RUN_OK(gbx_wasi_link(r->wasi, r->linker, &r->err));
    RUN_OK(gbx_instance_new(r->store, module, r->linker, &i, &r->trap, &r->err));
    gbx_trap_code const code =
            gbx_func_call(gbx_instance_func(i, "_start"), NULL, 0, NULL, 0, &r->trap);
    close(r->out[1]);
    r->out[1] = -1;
    /* The builder and the store have duplicates of the pipe: read what is there. */
    assert_int_equal(fcntl(r->out[0], F_SETFL, O_NONBLOCK), 0);
    ssize_t const n = read(r->out[0], r->text, sizeof r->text - 1);
    r->text[n > 0 ? n : 0] = 0;
    return code;
}

static void
run_close(run *r)
{
    close(r->out[0]);
    if (r->out[1] >= 0) close(r->out[1]);
    gbx_wasi_release(r->wasi);
    gbx_linker_release(r->linker);
    gbx_store_release(r->store);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool
ended_well(const run *r)
{
    return r->trap.code == GBX_TRAP_NONE || (r->trap.code == GBX_TRAP_EXIT && r->trap.exit_status == 0);
}

static void
test_args_env(void **state)
{
    (void)state;
    run here, *const r = &here;
    run_open(r, 0, ARGS("args", "a b", "", "\xc3\xbc"));
    run_go(r);
    assert_true(ended_well(r));
    assert_string_equal(r->text, "[\"guest\" \"args\" \"a b\" \"\" \"\xc3\xbc\"]\n");
    run_close(r);

    run_open(r, 0, ARGS("env"));
    run_go(r);
    assert_string_equal(r->text, ""); /* nothing is inherited */
    run_close(r);

    run_open(r, 0, ARGS("env"));
    RUN_OK(gbx_wasi_env(r->wasi, "A", "1", &r->err));
    RUN_OK(gbx_wasi_env(r->wasi, "EMPTY", "", &r->err));
    RUN_OK(gbx_wasi_env(r->wasi, "A", "x=y", &r->err)); /* replaces */
    RUN_OK(gbx_wasi_env(r->wasi, "AA", "3", &r->err));
    run_go(r);
    assert_string_equal(r->text, "A=x=y\nEMPTY=\nAA=3\n");
    run_close(r);
}

static void
test_exit(void **state)
{
    (void)state;
    run here, *const r = &here;
    run_open(r, 0, ARGS("exit", "37"));
    assert_int_equal(run_go(r), GBX_TRAP_EXIT);
    assert_int_equal(r->trap.exit_status, 37);
    run_close(r);
    run_open(r, 0, ARGS("panic"));
    assert_int_equal(run_go(r), GBX_TRAP_EXIT);
    assert_int_equal(r->trap.exit_status, 2);
    assert_non_null(strstr(r->text, "panic: on purpose"));
    run_close(r);
}

static void
test_dirs(void **state)
{
    (void)state;
    run here, *const r = &here;
    char dir[] = "/tmp/gbx-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/in.txt", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("content\n", f);
    fclose(f);

    run_open(r, 0, ARGS("cat", "/data/in.txt", "/other/in.txt", "/data/../in.txt"));
    RUN_OK(gbx_wasi_dir(r->wasi, dir, "data", GBX_READ_ONLY, &r->err));
    run_go(r);
    assert_non_null(strstr(r->text, "content\nopen /other/in.txt: "));
    assert_null(strstr(r->text, "content\ncontent"));
    const gbx_refusal *refused;
    size_t const count = gbx_store_refusals(r->store, &refused);
    assert_true(count >= 1);
    assert_string_equal(refused[0].call, "path_open");
    assert_string_equal(refused[0].path, "other/in.txt");
    assert_true(refused[0].reason[0] != 0);
    run_close(r);

    run_open(r, 0, ARGS("write", "/data/out.txt", "w"));
    RUN_OK(gbx_wasi_dir(r->wasi, dir, "/data", GBX_READ_ONLY, &r->err));
    run_go(r);
    assert_int_equal(r->trap.exit_status, 1);
    snprintf(path, sizeof path, "%s/out.txt", dir);
    assert_int_equal(access(path, F_OK), -1);
    run_close(r);

    run_open(r, 0, ARGS("write", "/data/out.txt", "w"));
    RUN_OK(gbx_wasi_dir(r->wasi, dir, "/data/", GBX_READ_WRITE, &r->err));
    run_go(r);
    assert_true(ended_well(r));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);

    assert_int_equal(gbx_wasi_dir(r->wasi, dir, "./data", GBX_READ_ONLY, &r->err), GBX_ARGUMENT);
    assert_non_null(strstr(r->err.text, "granted twice"));
    assert_int_equal(gbx_wasi_dir(r->wasi, "/no/such", "/x", GBX_READ_ONLY, &r->err), GBX_NOT_FOUND);
    assert_int_equal(gbx_wasi_dir(r->wasi, "/dev/null", "/x", GBX_READ_ONLY, &r->err), GBX_IO);
    assert_int_equal(gbx_wasi_dir(r->wasi, dir, "../x", GBX_READ_ONLY, &r->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_dir(r->wasi, dir, "/x", (gbx_access)5, &r->err), GBX_ARGUMENT);
    run_close(r);
    snprintf(path, sizeof path, "%s/in.txt", dir);
    unlink(path);
    rmdir(dir);
}

/* Of the whole machine, read-only, a guest gets files and the devices that every guest has; the rest where the host
 * says so. */
static void
test_special_files(void **state)
{
    (void)state;
    run here, *const r = &here;
    for (int allowed = 0; allowed < 2; allowed++) {
        run_open(r, 0, ARGS("cat", "/proc/self/status", "/dev/null", "/etc/hostname"));
        RUN_OK(gbx_wasi_dir(r->wasi, "/", "/", GBX_READ_ONLY, &r->err));
        gbx_wasi_special_files(r->wasi, true);
        gbx_wasi_special_files(r->wasi, allowed);
        run_go(r);
        assert_int_equal(strstr(r->text, "VmRSS") != NULL, allowed);
        assert_int_equal(strstr(r->text, "open /proc/self/status: ") != NULL, !allowed);
        assert_null(strstr(r->text, "/dev/null"));
        const gbx_refusal *refused;
        size_t const count = gbx_store_refusals(r->store, &refused);
        assert_int_equal(count, !allowed);
        if (count) assert_string_equal(refused[0].reason, "special file");
        assert_int_equal(gbx_wasi_dir(r->wasi, "/proc", "/p", GBX_READ_ONLY, &r->err), GBX_OK);
        gbx_linker *linker;
        RUN_OK(gbx_linker_new(r->store, &linker, &r->err));
        assert_int_equal(gbx_wasi_link(r->wasi, linker, &r->err), allowed ? GBX_OK : GBX_ARGUMENT);
        gbx_linker_release(linker);
        run_close(r);
    }
    gbx_wasi_special_files(NULL, true);
}

/* Two instances of one module, side by side, each with what was granted to it. */
static void
test_two_tenants(void **state)
{
    (void)state;
    run a_here, b_here, *r = &a_here;
    run_open(r, 0, ARGS("env"));
    RUN_OK(gbx_wasi_env(r->wasi, "WHO", "a", &r->err));
    r = &b_here;
    run_open(r, 0, ARGS("env"));
    RUN_OK(gbx_wasi_env(r->wasi, "WHO", "b", &r->err));
    run_go(&b_here);
    run_go(&a_here);
    assert_string_equal(a_here.text, "WHO=a\n");
    assert_string_equal(b_here.text, "WHO=b\n");
    run_close(&a_here);
    run_close(&b_here);
}

static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A deadline cuts a sleep and a read that nobody answers, as it cuts a loop. */
static void
test_deadline(void **state)
{
    (void)state;
    static const char *const modes[][3] = {{"sleep", "1h"}, {"echo"}, {"spin"}};
    for (size_t k = 0; k < 3; k++) {
        run here, *const r = &here;
        int silent[2];
        assert_int_equal(pipe(silent), 0);
        run_open(r, 300000000, modes[k]);
        RUN_OK(gbx_wasi_stdio(r->wasi, 0, silent[0], &r->err));
        uint64_t const start = now_ns();
        assert_int_equal(run_go(r), GBX_TRAP_DEADLINE);
        assert_true(now_ns() - start >= 300000000u);
        assert_true(now_ns() - start < 20000000000u);
        run_close(r);
        close(silent[0]);
        close(silent[1]);
    }
}

static void *
thread_cancel(void *store)
{
    struct timespec const t = {.tv_nsec = 200000000};
    nanosleep(&t, NULL);
    gbx_store_cancel(store);
    return NULL;
}

static void
test_cancel(void **state)
{
    (void)state;
    run here, *const r = &here;
    int silent[2];
    pthread_t t;
    assert_int_equal(pipe(silent), 0);
    run_open(r, GBX_UNLIMITED, ARGS("echo"));
    RUN_OK(gbx_wasi_stdio(r->wasi, 0, silent[0], &r->err));
    assert_int_equal(pthread_create(&t, NULL, thread_cancel, r->store), 0);
    assert_int_equal(run_go(r), GBX_TRAP_CANCELLED);
    pthread_join(t, NULL);
    run_close(r);
    close(silent[0]);
    close(silent[1]);
}

static void
test_stdin(void **state)
{
    (void)state;
    run here, *const r = &here;
    int in[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(write(in[1], "one\ntwo\n", 8), 8);
    close(in[1]);
    int const flags = fcntl(in[0], F_GETFL);
    run_open(r, 0, ARGS("echo"));
    RUN_OK(gbx_wasi_stdio(r->wasi, 0, in[0], &r->err));
    run_go(r);
    assert_string_equal(r->text, "got one\ngot two\nend <nil>\n");
    assert_int_equal(fcntl(in[0], F_GETFL), flags); /* never changed */
    run_close(r);
    close(in[0]);

    run_open(r, 0, ARGS("echo")); /* unbound: empty */
    run_go(r);
    assert_string_equal(r->text, "end <nil>\n");
    assert_int_equal(gbx_wasi_stdio(r->wasi, 3, 0, &r->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_stdio(r->wasi, -1, 0, &r->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_stdio(r->wasi, 0, 987654, &r->err), GBX_IO);
    run_close(r);
}

typedef struct fake_clock {
    uint64_t ns;
    unsigned sleeps;
} fake_clock;

static uint64_t
fake_now(void *data, uint32_t clock_id)
{
    fake_clock *const c = data;
    c->ns += 1000; /* time passes */
    return clock_id == 0 ? 1000000000000000000u + c->ns : c->ns;
}

static void
fake_sleep(void *data, uint64_t ns)
{
    fake_clock *const c = data;
    c->ns += ns;
    c->sleeps++;
}

static bool
fake_random(void *data, uint8_t *buf, size_t len)
{
    ++*(unsigned *)data;
    memset(buf, 0x5a, len);
    return true;
}

static void
test_injected(void **state)
{
    (void)state;
    run here, *const r = &here;
    fake_clock clock = {.ns = 5};
    run_open(r, 0, ARGS("now"));
    gbx_wasi_clock(r->wasi, fake_now, fake_sleep, &clock);
    run_go(r);
    assert_string_equal(r->text, "2001-09-09T01:46:40Z\n");
    run_close(r);

    run_open(r, 0, ARGS("sleep", "1000h"));
    gbx_wasi_clock(r->wasi, fake_now, fake_sleep, &clock);
    run_go(r);
    assert_string_equal(r->text, "slept\n");
    assert_true(clock.sleeps > 0);
    run_close(r);

    unsigned calls = 0;
    run_open(r, 0, ARGS("rand"));
    gbx_wasi_random(r->wasi, fake_random, &calls);
    run_go(r);
    assert_true(calls > 0);
    assert_string_equal(r->text, "5a5a5a5a\n");
    run_close(r);
}

/* In a child that may map `more` bytes beyond what it has: the guest's output, or how it failed. */
static const char *
hello_in_little_space(unsigned long long more)
{
    FILE *const f = fopen("/proc/self/statm", "r");
    unsigned long long pages = 0;
    if (!f || fscanf(f, "%llu", &pages) != 1) return "statm";
    fclose(f);
    rlim_t const bytes = pages * (unsigned long long)sysconf(_SC_PAGESIZE) + more;
    struct rlimit const limit = {.rlim_cur = bytes, .rlim_max = bytes};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return "setrlimit";
    static run here;
    run *const r = &here;
    if (gbx_engine_new(NULL, &engine, NULL)) return "engine"; /* the parent's has a thread */
    if (gbx_module_compile(engine, guest_wasm, NULL, &module, &r->err)) return r->err.text;
    run_open(r, 0, ARGS("hello"));
    run_go(r);
    return ended_well(r) ? r->text : gbx_trap_slug(r->trap.code);
}

/* Where the address space for guards and stack is refused, programs run all the same. */
static void
test_address_space(void **state)
{
    (void)state;
    static const unsigned mib[] = {4000, 600, 150, 64};
    for (size_t k = 0; k < sizeof mib / sizeof mib[0]; k++) {
        pid_t const pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            const char *const text = hello_in_little_space((unsigned long long)mib[k] << 20);
            if (strcmp(text, "hello from guest\n") == 0) _exit(0);
            fprintf(stderr, "with %u MiB: %s\n", mib[k], text);
            _exit(1);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void
test_arguments(void **state)
{
    (void)state;
    run here, *const r = &here;
    run_open(r, 0, ARGS("hello"));
    gbx_err *const e = &r->err;
    assert_int_equal(gbx_wasi_new(NULL, e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_arg(NULL, "x", e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_arg(r->wasi, NULL, e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_env(r->wasi, "", "x", e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_env(r->wasi, "A=B", "x", e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_env(r->wasi, NULL, "x", e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_env(r->wasi, "A", NULL, e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_link(r->wasi, NULL, e), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_link(NULL, r->linker, e), GBX_ARGUMENT);
    gbx_wasi_clock(NULL, NULL, NULL, NULL);
    gbx_wasi_random(NULL, NULL, NULL);
    gbx_wasi_release(NULL);
    const gbx_refusal *rows;
    assert_int_equal(gbx_store_refusals(r->store, &rows), 0); /* nothing linked yet */
    assert_int_equal(gbx_store_refusals(NULL, &rows), 0);
    run_go(r);
    assert_string_equal(r->text, "hello from guest\n");
    assert_int_equal(gbx_store_refusals(r->store, &rows), 0);
    run_close(r);
}

/* Sockets: what is refused says why and changes nothing, what is granted is closed with its builder. */
static void
test_sockets(void **state)
{
    (void)state;
    gbx_wasi *w;
    gbx_err err;
    char bound[GBX_ADDRESS_BYTES] = "";
    int p[2];
    assert_int_equal(pipe(p), 0);
    int const before = host_open_fds();
    assert_int_equal(gbx_wasi_new(&w, &err), GBX_OK);
    assert_int_equal(gbx_wasi_listen(NULL, "127.0.0.1:0", NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_listen(w, NULL, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_listen(w, ":80", bound, &err), GBX_ARGUMENT);
    assert_non_null(strstr(err.text, "the host is missing"));
    assert_int_equal(gbx_wasi_listen(w, "192.0.2.1:80", bound, &err), GBX_IO);
    assert_int_equal(gbx_wasi_socket(w, -1, &err), GBX_IO);
    assert_int_equal(host_open_fds(), before);
    assert_string_equal(bound, "");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(gbx_wasi_listen(w, "127.0.0.1:0", bound, &err), GBX_OK);
        assert_int_equal(strncmp(bound, "127.0.0.1:", 10), 0);
    }
    assert_int_equal(gbx_wasi_listen(w, bound, NULL, &err), GBX_IO);
    /* What is no socket is found when it is linked. */
    gbx_store *store;
    gbx_linker *linker;
    assert_int_equal(gbx_store_new(engine, NULL, &store, &err), GBX_OK);
    assert_int_equal(gbx_linker_new(store, &linker, &err), GBX_OK);
    assert_int_equal(gbx_wasi_link(w, linker, &err), GBX_OK);
    assert_int_equal(gbx_wasi_socket(w, p[0], &err), GBX_OK);
    assert_int_equal(gbx_wasi_link(w, linker, &err), GBX_ARGUMENT);
    assert_non_null(strstr(err.text, "descriptor 8 is no socket"));
    assert_false(gbx_store_accepts(store));
    gbx_store_stop_accepting(store);
    gbx_store_stop_accepting(NULL);
    gbx_wasi_release(w);
    gbx_linker_release(linker);
    gbx_store_release(store);
    assert_int_equal(host_open_fds(), before);
    close(p[0]);
    close(p[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_address_space), /* first: it forks, and later ones start a thread */
            cmocka_unit_test(test_args_env),    cmocka_unit_test(test_exit),
            cmocka_unit_test(test_dirs), cmocka_unit_test(test_special_files),        cmocka_unit_test(test_two_tenants),
            cmocka_unit_test(test_deadline),    cmocka_unit_test(test_cancel),
            cmocka_unit_test(test_stdin),       cmocka_unit_test(test_injected),
            cmocka_unit_test(test_arguments),   cmocka_unit_test(test_sockets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

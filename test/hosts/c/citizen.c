/* A C program, or a plugin of one (loader.c), that lives with the library: citizen MODE guest.wasm. It exits 0
 * and prints "well" where all went as it must; what it expects stands in each mode's function. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gbx/gbx.h>

#define MUST(what)                                                              \
    do {                                                                        \
        if (!(what)) {                                                          \
            printf("%s:%d: %s, %s\n", __FILE__, __LINE__, #what, err.text);     \
            fflush(stdout);                                                     \
            exit(1);                                                            \
        }                                                                       \
    } while (0)

static gbx_err err;
static gbx_engine *engine;
static gbx_module *module;

static void
start(const char *path, gbx_tier_mode tier)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.tier = tier;
    MUST(gbx_engine_new(&opts, &engine, &err) == GBX_OK);
    MUST(gbx_module_compile_file(engine, path, NULL, &module, &err) == GBX_OK);
}

static void
finish(void)
{
    gbx_module_release(module);
    gbx_engine_release(engine);
}

static gbx_trap_code
back(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    results[0].of.i32 = args[0].of.i32 + *(const int32_t *)data;
    return GBX_TRAP_NONE;
}

static gbx_store *
open_store(uint64_t timeout_ns, gbx_instance **instance)
{
    static const gbx_valtype types[] = {GBX_I32};
    static int32_t one = 1;
    gbx_store *store;
    gbx_linker *linker;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = timeout_ns;
    opts.stack_bytes = 1 << 20;
    MUST(gbx_store_new(engine, &opts, &store, &err) == GBX_OK);
    MUST(gbx_linker_new(store, &linker, &err) == GBX_OK);
    MUST(gbx_linker_define_func(linker, "env", "back", types, 1, types, 1, back, &one, &err) == GBX_OK);
    MUST(gbx_instance_new(store, module, linker, instance, NULL, &err) == GBX_OK);
    gbx_linker_release(linker);
    return store;
}

static gbx_trap_code
call(gbx_instance *instance, const char *name, int32_t a, int32_t *result)
{
    gbx_func *const f = gbx_instance_func(instance, name);
    gbx_val args[2], out;
    memset(&out, 0, sizeof out);
    for (int i = 0; i < 2; i++) {
        args[i].type = GBX_I32;
        args[i].of.i32 = a;
    }
    gbx_trap_code const code = gbx_func_call(f, args, gbx_func_params(f, NULL), &out, gbx_func_results(f, NULL),
                                             NULL);
    if (result) *result = out.of.i32;
    return code;
}

static void
guest_is_well(gbx_instance *i)
{
    int32_t r;
    MUST(call(i, "oob", 65536, NULL) == GBX_TRAP_MEM_OOB);
    MUST(call(i, "oob", -1, NULL) == GBX_TRAP_MEM_OOB);
    MUST(call(i, "div", 0, NULL) == GBX_TRAP_INT_DIV_ZERO);
    MUST(call(i, "deep", 0, NULL) == GBX_TRAP_STACK_EXHAUSTED);
    MUST(call(i, "gone", 0, NULL) == GBX_TRAP_UNREACHABLE);
    MUST(call(i, "through", 41, &r) == GBX_TRAP_NONE && r == 42);
    MUST(call(i, "sum", 1000, &r) == GBX_TRAP_NONE && r == 500500);
}

static void
run(void)
{
    gbx_instance *i;
    gbx_store *const store = open_store(60000000000u, &i);
    guest_is_well(i);
    gbx_store_release(store);
}

/* ---- modes */

static void
mode_plain(const char *path)
{
    start(path, GBX_TIER_EAGER);
    run();
    finish();
}

/* Compiled code that raises no fault. */
static void
mode_calm(const char *path)
{
    start(path, GBX_TIER_EAGER);
    gbx_instance *i;
    gbx_store *const store = open_store(60000000000u, &i);
    int32_t r;
    MUST(call(i, "through", 41, &r) == GBX_TRAP_NONE && r == 42);
    MUST(call(i, "sum", 1000, &r) == GBX_TRAP_NONE && r == 500500);
    MUST(call(i, "gone", 0, NULL) == GBX_TRAP_UNREACHABLE);
    gbx_store_release(store);
    finish();
}

/* Files through WASI: files.wasm, which copies the file f of a granted directory to standard output. */
static void
mode_files(const char *path)
{
    char dir[] = "/tmp/gbx-test-XXXXXX", file[64];
    MUST(mkdtemp(dir) && snprintf(file, sizeof file, "%s/f", dir) < (int)sizeof file);
    FILE *const f = fopen(file, "w");
    MUST(f && fputs("from a file\n", f) >= 0 && fclose(f) == 0);
    start(path, GBX_TIER_EAGER);
    gbx_store *store;
    gbx_linker *linker;
    gbx_wasi *wasi;
    gbx_instance *i;
    MUST(gbx_store_new(engine, NULL, &store, &err) == GBX_OK);
    MUST(gbx_linker_new(store, &linker, &err) == GBX_OK);
    MUST(gbx_wasi_new(&wasi, &err) == GBX_OK);
    MUST(gbx_wasi_stdio(wasi, 1, 1, &err) == GBX_OK);
    MUST(gbx_wasi_dir(wasi, dir, "/", GBX_READ_ONLY, &err) == GBX_OK);
    MUST(gbx_wasi_link(wasi, linker, &err) == GBX_OK);
    MUST(gbx_instance_new(store, module, linker, &i, NULL, &err) == GBX_OK);
    MUST(call(i, "_start", 0, NULL) == GBX_TRAP_NONE);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    finish();
    MUST(unlink(file) == 0 && rmdir(dir) == 0);
}

static void
mode_interp(const char *path)
{
    struct sigaction before, now;
    MUST(sigaction(SIGSEGV, NULL, &before) == 0);
    start(path, GBX_TIER_INTERP);
    run();
    MUST(sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_handler == before.sa_handler);
    finish();
}

/* Nothing is written to descriptor 2, and nothing ends the process, whatever the bytes are. Standard error is a
 * file here, which must be empty in the end. */
static void
mode_silent(const char *path)
{
    char name[] = "/tmp/gbx-test-XXXXXX";
    int const fd = mkstemp(name);
    MUST(fd >= 0 && dup2(fd, 2) == 2 && unlink(name) == 0);
    mode_plain(path);
    static uint8_t wasm[1 << 16];
    FILE *const f = fopen(path, "rb");
    MUST(f != NULL);
    size_t const len = fread(wasm, 1, sizeof wasm, f);
    fclose(f);
    MUST(gbx_engine_new(NULL, &engine, &err) == GBX_OK);
    unsigned refused = 0;
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            wasm[i] = (uint8_t)(wasm[i] ^ (1u << bit));
            gbx_bytes const b = {wasm, len};
            if (gbx_module_compile(engine, b, NULL, &module, &err) == GBX_OK) gbx_module_release(module);
            else refused++;
            wasm[i] = (uint8_t)(wasm[i] ^ (1u << bit));
        }
        gbx_bytes const cut = {wasm, i};
        if (gbx_module_compile(engine, cut, NULL, &module, &err) == GBX_OK) gbx_module_release(module);
        else refused++;
    }
    MUST(refused > len);
    gbx_engine_release(engine);
    MUST(lseek(fd, 0, SEEK_END) == 0);
}

static void
wait_well(pid_t pid)
{
    int status;
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
mode_fork_before(const char *path)
{
    pid_t const pid = fork();
    mode_plain(path);
    if (pid == 0) _exit(0);
    wait_well(pid);
}

/* In a child of a process that used the library: an engine of its own does all there is, and what the parent
 * had can be called, though not released, and its deadlines do not count. The parent never notices. */
static void
mode_fork_after(const char *path)
{
    start(path, GBX_TIER_EAGER);
    gbx_instance *i, *spinner;
    gbx_store *const store = open_store(GBX_UNLIMITED, &i);
    gbx_store *const bound = open_store(50000000u, &spinner);
    guest_is_well(i);
    MUST(call(spinner, "spin", 0, NULL) == GBX_TRAP_DEADLINE); /* there is a thread that the child lacks */
    pid_t const pid = fork();
    if (pid == 0) {
        guest_is_well(i);
        start(path, GBX_TIER_EAGER);
        run();
        gbx_instance *own;
        gbx_store *const s = open_store(50000000u, &own);
        MUST(call(own, "spin", 0, NULL) == GBX_TRAP_DEADLINE);
        gbx_store_release(s);
        finish();
        _exit(0);
    }
    guest_is_well(i);
    MUST(call(spinner, "spin", 0, NULL) == GBX_TRAP_DEADLINE);
    wait_well(pid);
    guest_is_well(i);
    gbx_store_release(store);
    gbx_store_release(bound);
    finish();
}

/* ---- a host that has handlers of its own */

static sigjmp_buf jump;
static volatile sig_atomic_t faults;
static volatile uintptr_t nowhere = 16;

static void
on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (sig == SIGSEGV && (uintptr_t)info->si_addr != nowhere) _exit(3);
    faults++;
    siglongjmp(jump, 1);
}

static void
own_fault(void)
{
    int const before = faults;
    if (sigsetjmp(jump, 1) == 0) *(volatile int *)nowhere = 1;
    MUST(faults == before + 1);
}

static gbx_trap_code
back_faults(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    own_fault();
    return back(caller, data, args, results);
}

static void
mode_handlers(const char *path)
{
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    MUST(sigaction(SIGSEGV, &ours, NULL) == 0);
    own_fault();
    start(path, GBX_TIER_EAGER);
    own_fault();
    gbx_instance *i;
    gbx_store *const store = open_store(60000000000u, &i);
    guest_is_well(i);
    own_fault();
    /* In a call from a guest. */
    static const gbx_valtype types[] = {GBX_I32};
    static int32_t one = 1;
    gbx_linker *linker;
    MUST(gbx_linker_new(store, &linker, &err) == GBX_OK);
    MUST(gbx_linker_define_func(linker, "env", "back", types, 1, types, 1, back_faults, &one, &err) == GBX_OK);
    MUST(gbx_instance_new(store, module, linker, &i, NULL, &err) == GBX_OK);
    gbx_linker_release(linker);
    for (int k = 0; k < 100; k++) guest_is_well(i);
    gbx_store_release(store);
    finish();
    own_fault();
}

/* ---- a handler that comes later and passes on what it knows nothing of: what was there before us still counts,
 * also once ours was put in front again, by a thread that came later still */

static struct sigaction found;
static volatile sig_atomic_t passed;

static void
on_late_fault(int sig, siginfo_t *info, void *context)
{
    passed++;
    found.sa_sigaction(sig, info, context);
}

static void *
late_thread(void *path)
{
    (void)path;
    run();
    for (int k = 0; k < 3; k++) own_fault();
    return NULL;
}

static void
mode_late_handler(const char *path)
{
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    MUST(sigaction(SIGSEGV, &ours, NULL) == 0);
    start(path, GBX_TIER_EAGER);
    run();
    ours.sa_sigaction = on_late_fault;
    MUST(sigaction(SIGSEGV, &ours, &found) == 0);
    own_fault();
    MUST(passed > 0);
    run();
    own_fault();
    pthread_t t;
    MUST(pthread_create(&t, NULL, late_thread, NULL) == 0 && pthread_join(t, NULL) == 0);
    own_fault();
    finish();
}

/* ---- a handler that comes later, puts back what was there and raises its signal again, as faulthandler of
 * Python does: the process then ends by the signal, and not never */

static void
on_last_fault(int sig)
{
    static volatile sig_atomic_t told;
    if (told) return; /* switched off */
    told = 1;
    MUST(write(1, "told\n", 5) == 5);
    (void)sigaction(sig, &found, NULL);
    (void)raise(sig);
}

static void
mode_raise_again(const char *path)
{
    start(path, GBX_TIER_EAGER);
    gbx_instance *i;
    (void)open_store(60000000000u, &i);
    guest_is_well(i);
    struct sigaction late;
    memset(&late, 0, sizeof late);
    late.sa_handler = on_last_fault;
    late.sa_flags = SA_NODEFER;
    MUST(sigaction(SIGSEGV, &late, &found) == 0);
    guest_is_well(i);
    *(volatile int *)nowhere = 1;
}

int
citizen(const char *mode, const char *path)
{
    static const struct {
        const char *name;
        void (*run)(const char *path);
    } modes[] = {{"plain", mode_plain},           {"interp", mode_interp},
                 {"calm", mode_calm},             {"files", mode_files},
                 {"silent", mode_silent},         {"fork-before", mode_fork_before},
                 {"fork-after", mode_fork_after}, {"handlers", mode_handlers},
                 {"late-handler", mode_late_handler}, {"raise-again", mode_raise_again}};
    for (size_t k = 0; k < sizeof modes / sizeof *modes; k++) {
        if (strcmp(modes[k].name, mode) != 0) continue;
        modes[k].run(path);
        return 0;
    }
    return 2;
}

#ifndef CITIZEN_IS_PLUGIN
int
main(int argc, char **argv)
{
    if (argc != 3 || citizen(argv[1], argv[2])) return 2;
    printf("well\n");
    return 0;
}
#endif

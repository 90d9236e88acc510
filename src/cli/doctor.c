/* `glovebox doctor`: is all there that a Go developer needs? Each line is one thing that was looked at, `ok`,
 * `note` or `bad`, and where it is not ok what mends it. --fix mends what can be mended from here: the
 * wrapper and the cache. It never changes a shell's start files, and installs no Go; it says what to type.
 *
 * The machine is not asked for its features by name: a module is compiled, kept and run, a scratch directory
 * is made, and what fails is told in the words that a run would have. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"

typedef enum doctor_state { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_BAD } doctor_state;

typedef struct doctor {
    cli_gotool tool;
    bool mends;
    bool is_bad;
} doctor;

static void
doctor_say(doctor *d, doctor_state state, const char *what, const char *text, const char *fix)
{
    static const char *const states[] = {"ok", "note", "bad"};
    printf("%-5s %-10s %s\n", states[state], what, text);
    if (fix) printf("%17sfix: %s\n", "", fix);
    d->is_bad = d->is_bad || state == DOCTOR_BAD;
}

/* The oldest Go that can fetch another one by itself names it in go.dev's own way. */
static void
doctor_go(doctor *d)
{
    const cli_gotool *const t = &d->tool;
    static const char upgrade[] = "go install golang.org/dl/go1.26.0@latest && go1.26.0 download   "
                                  "  (or https://go.dev/dl)";
    if (!t->go) {
        doctor_say(d, DOCTOR_BAD, "go", "there is no go command on PATH",
                   "https://go.dev/dl, then: export PATH=\"$PATH:/usr/local/go/bin\"");
    } else if (t->minor < 0) {
        doctor_say(d, DOCTOR_NOTE, "go",
                   gbx_cli_format("%s does not say which version it is%s%s", gbx_cli_quote(t->go),
                                  *t->version ? ": " : "", gbx_cli_show(t->version)),
                   NULL);
    } else if (t->minor < CLI_GO_FLOOR) {
        doctor_say(d, DOCTOR_BAD, "go",
                   gbx_cli_format(
                           "%s (%s) is older than go1.%d, the first that builds for GOOS=wasip1",
                           gbx_cli_show(t->version), gbx_cli_quote(t->go), CLI_GO_FLOOR),
                   upgrade);
    } else {
        doctor_say(d, DOCTOR_OK, "go",
                   gbx_cli_format("%s, %s", gbx_cli_show(t->version), gbx_cli_quote(t->go)), NULL);
    }
}

static void
doctor_wrapper(doctor *d)
{
    const char *const *const path = gbx_cli_gofind_path(&d->tool);
    int const first = gbx_cli_gofind_first(path);
    cli_wrapper const w = first >= 0 ? gbx_cli_gofind_wrapper(path[first]) : CLI_WRAPPER_NONE;
    if (w == CLI_WRAPPER_OURS) {
        doctor_say(d, DOCTOR_OK, "wrapper", gbx_cli_format("%s/" CLI_GO_WRAPPER, path[first]),
                   NULL);
        return;
    }
    const char *text = "the Go tool finds no " CLI_GO_WRAPPER
                       ": `go run` and `go test` end with \"exec format error\"";
    if (w != CLI_WRAPPER_NONE)
        text = gbx_cli_format("the Go tool finds %s/" CLI_GO_WRAPPER " first on PATH: %s",
                              path[first], gbx_cli_gofind_whose(w));
    for (int i = 0; path[i] && w == CLI_WRAPPER_NONE; i++)
        if (gbx_cli_gofind_wrapper(path[i]) == CLI_WRAPPER_BROKEN)
            text = gbx_cli_format("%s/" CLI_GO_WRAPPER " leads to a glovebox that is gone",
                                  path[i]);
    if (d->tool.bin && w != CLI_WRAPPER_OURS &&
        gbx_cli_gofind_wrapper(d->tool.bin) == CLI_WRAPPER_OURS) {
        doctor_say(d, DOCTOR_BAD, "wrapper",
                   first < 0 ? gbx_cli_format("%s/" CLI_GO_WRAPPER
                                              " is there, but its directory is not on PATH",
                                              d->tool.bin)
                             : text,
                   gbx_cli_format("export PATH=%s:\"$PATH\"", gbx_cli_quote(d->tool.bin)));
        return;
    }
    if (!d->mends) {
        doctor_say(d, DOCTOR_BAD, "wrapper", text,
                   "glovebox go install     (or glovebox doctor --fix)");
        return;
    }
    doctor_say(d, DOCTOR_NOTE, "wrapper", text, "glovebox go install, which is done now:");
    fflush(stdout);
    if (gbx_cli_go_install(&d->tool, NULL, false) != CLI_EXIT_OK) d->is_bad = true;
}

static void
doctor_environ(doctor *d)
{
    const char *const runtime = getenv("GOWASIRUNTIME"), *const flags = getenv("GOFLAGS");
    const char *const goos = getenv("GOOS"), *const goarch = getenv("GOARCH");
    if (runtime && *runtime && strcmp(runtime, "glovebox") != 0)
        doctor_say(
                d, DOCTOR_BAD, "runtime",
                gbx_cli_format("GOWASIRUNTIME asks for %s, and is obeyed", gbx_cli_quote(runtime)),
                "unset GOWASIRUNTIME     (and take it out of your shell's start files)");
    else
        doctor_say(d, DOCTOR_OK, "runtime",
                   runtime && *runtime ? "GOWASIRUNTIME is glovebox" : "GOWASIRUNTIME is not set",
                   NULL);
    if (flags && strstr(flags, "-exec"))
        doctor_say(d, DOCTOR_BAD, "goflags", "GOFLAGS has -exec, which counts before the wrapper",
                   "unset GOFLAGS");
    if (goos && !strcmp(goos, "js"))
        doctor_say(d, DOCTOR_BAD, "target", "GOOS=js builds for browsers",
                   "export GOOS=wasip1 GOARCH=wasm");
    else if (goos && !strcmp(goos, "wasip1") && (!goarch || strcmp(goarch, "wasm") != 0))
        doctor_say(d, DOCTOR_BAD, "target", "GOOS=wasip1 needs GOARCH=wasm",
                   "export GOOS=wasip1 GOARCH=wasm");
}

/* What a guest would need, tried. Zeroed: nothing. */
typedef struct doctor_trial {
    cli_guest guest;
    gbx_cache_use use;
} doctor_trial;

/* (module (func (export "_start"))) */
static const uint8_t doctor_module[] = {0,   'a', 's', 'm', 1, 0, 0,  0,  1, 4, 1,   0x60,
                                        0,   0,   3,   2,   1, 0, 7,  10, 1, 6, '_', 's',
                                        't', 'a', 'r', 't', 0, 0, 10, 4,  1, 2, 0,   0x0b};

static gbx_code
doctor_try(doctor_trial *t, const char *cache_dir, bool scratch, gbx_trap *trap, gbx_err *err)
{
    cli_guest *const g = &t->guest;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.cache_dir = cache_dir;
    opts.tier = GBX_TIER_EAGER;
    opts.keep_ms = GBX_KEEP_OFF;
    gbx_bytes const wasm = {doctor_module, sizeof doctor_module};
    gbx_code code = gbx_engine_new(&opts, &g->engine, err);
    if (code == GBX_OK) code = gbx_module_compile(g->engine, wasm, NULL, &g->module, err);
    if (code == GBX_OK) gbx_module_cache_use(g->module, &t->use);
    if (code == GBX_OK) code = gbx_store_new(g->engine, NULL, &g->store, err);
    if (code == GBX_OK) code = gbx_wasi_new(&g->wasi, err);
    if (code == GBX_OK && scratch) code = gbx_wasi_scratch(g->wasi, "/scratch", 1 << 20, err);
    if (code == GBX_OK) code = gbx_linker_new(g->store, &g->linker, err);
    if (code == GBX_OK) code = gbx_wasi_link(g->wasi, g->linker, err);
    if (code == GBX_OK)
        code = gbx_instance_new(g->store, g->module, g->linker, &g->instance, trap, err);
    if (code != GBX_OK) return code;
    return gbx_func_call(gbx_instance_func(g->instance, "_start"), NULL, 0, NULL, 0, trap)
                   ? GBX_TRAPPED
                   : GBX_OK;
}

/* On this kernel, memory of the size that a module may ask for, and code that was just made. */
static void
doctor_engine(doctor *d)
{
    static gbx_err err;
    static gbx_trap trap;
    doctor_trial run = {0}, scratch = {0};
    gbx_code const code = doctor_try(&run, NULL, false, &trap, &err);
    if (code == GBX_OK)
        doctor_say(d, DOCTOR_OK, "engine", "a module was compiled and run", NULL);
    else
        doctor_say(d, DOCTOR_BAD, "engine",
                   gbx_cli_format("a module does not run: %s", gbx_cli_show(err.text)),
                   gbx_code_remedy(code));
    gbx_cli_guest_release(&run.guest);
    if (doctor_try(&scratch, NULL, true, &trap, &err) == GBX_OK)
        doctor_say(d, DOCTOR_OK, "scratch", "--scratch has directories in memory", NULL);
    else
        doctor_say(d, DOCTOR_NOTE, "scratch",
                   gbx_cli_format("--scratch cannot be had: %s", gbx_cli_show(err.text)), NULL);
    gbx_cli_guest_release(&scratch.guest);
#ifdef SYS_openat2
    uint64_t const how[3] = {O_PATH | O_CLOEXEC, 0, 0x08}; /* struct open_how, RESOLVE_BENEATH */
    long const fd = syscall(SYS_openat2, AT_FDCWD, ".", how, sizeof how);
    if (fd >= 0) (void)close((int)fd);
    if (fd >= 0)
        doctor_say(d, DOCTOR_OK, "openat2", "paths are resolved by the kernel", NULL);
    else
        doctor_say(
                d, DOCTOR_NOTE, "openat2",
                "the kernel has none: paths are resolved step by step, as safely and more slowly",
                NULL);
#endif
}

static void
doctor_cache(doctor *d)
{
    static gbx_err err;
    static gbx_trap trap;
    const char *const dir = gbx_cli_cache_dir(d->mends);
    struct stat st;
    bool is_there = dir && !stat(dir, &st);
    if (!dir || (!is_there && !gbx_cli_cache_has_place())) {
        doctor_say(d, DOCTOR_NOTE, "cache",
                   "there is no place for one: neither XDG_CACHE_HOME nor HOME names a directory "
                   "of yours to write in",
                   "export XDG_CACHE_HOME=DIR");
        return;
    }
    if (is_there && d->mends && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
        (st.st_mode & 0777) != 0700)
        (void)chmod(dir, 0700);
    if (!is_there && !d->mends) {
        doctor_say(d, DOCTOR_OK, "cache",
                   gbx_cli_format("%s, which the first run makes", gbx_cli_quote(dir)), NULL);
        return;
    }
    doctor_trial t = {0};
    gbx_code const code = doctor_try(&t, dir, false, &trap, &err);
    is_there = !stat(dir, &st) && S_ISDIR(st.st_mode);
    bool const is_fine = code == GBX_OK && is_there && t.use.is_on && !access(dir, W_OK | X_OK);
    bool const is_taken = *t.use.why && !access(dir, W_OK | X_OK);
    const char *const why = code != GBX_OK ? err.text : is_taken ? t.use.why : "it cannot be written";
    if (is_fine)
        doctor_say(d, DOCTOR_OK, "cache", gbx_cli_quote(dir), NULL);
    else
        doctor_say(d, DOCTOR_BAD, "cache",
                   gbx_cli_format("%s is not used: %s", gbx_cli_quote(dir), gbx_cli_show(why)),
                   is_there && st.st_uid == geteuid()
                           ? gbx_cli_format("chmod 700 %s     (or glovebox doctor --fix)",
                                            gbx_cli_quote(dir))
                           : "export XDG_CACHE_HOME=DIR     (a directory of yours)");
    gbx_cli_guest_release(&t.guest);
}

int
gbx_cli_doctor(int argc, char **argv, int first)
{
    doctor d = {0};
    for (int i = first; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            char page[] = "doctor", *words[] = {page};
            return gbx_cli_help(1, words, 0);
        }
        if (strcmp(argv[i], "--fix") != 0)
            return gbx_cli_usage_error(
                    "unknown-option",
                    gbx_cli_format("glovebox doctor does not know %s", gbx_cli_show(argv[i])),
                    "it takes --fix, or nothing", "glovebox doctor --fix");
        d.mends = true;
    }
    printf("ok    glovebox   %s, %s\n", gbx_version(),
           gbx_cli_gofind_self() ? gbx_cli_gofind_self() : "");
    gbx_cli_gofind(&d.tool);
    doctor_go(&d);
    doctor_wrapper(&d);
    doctor_environ(&d);
    doctor_engine(&d);
    doctor_cache(&d);
    printf("%s\n", d.is_bad ? "something is left to mend" : "all is well");
    return d.is_bad ? CLI_EXIT_DIFFERENT : CLI_EXIT_OK;
}

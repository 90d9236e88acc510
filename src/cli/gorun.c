/* What the Go tool starts for `go run` and `go test`: go_wasip1_wasm_exec FILE args.
 *
 * It is `glovebox run` with the grants that a Go developer takes for granted and no more:
 *
 *     the working directory       read-write    a test's is that of its package
 *     the module's directory      read-only     where the nearest go.mod lies
 *     a temporary directory       read-write    os.TempDir: TMPDIR itself where it is the user's alone,
 *                                               else a new one that has its name and ends with the run
 *     GOROOT                      read-only     tests; a program gets lib/time, for time zones
 *     /etc, with hosts alone      read-only     made for the run: localhost, and no other name
 *     what -test.* flags write                  where that is nowhere above
 *
 * A home, the root and directories of temporary files are never granted as a whole, even where the command
 * is started in one. Directories keep their names, so that what a test prints can be opened. A file that a
 * test is to write outside of these (-test.coverprofile and its like) goes to a directory of its own, and
 * from there to its place when the guest has ended.
 *
 * SAFETY: what the guest left in that directory is opened without following links, and copied only where
 * it is a file; names in it are ours, not the guest's. How its temporary directories end: gotemp.c.
 *
 * GO: cmd/go/internal/test/test.go, run/run.go; testing/testing.go, 1.21 to 1.26. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define GORUN_RUNTIME "GOWASIRUNTIME"
#define GORUN_ARGS    "GOWASIRUNTIMEARGS"
#define GORUN_LATE_NS UINT64_C(10000000000) /* what a test's own alarm is given to end it */

typedef struct gorun_output {
    const char *from; /* what the guest writes */
    const char *to;   /* where it is to be */
} gorun_output;

typedef struct gorun_grant {
    const char *path;
    bool writable;
} gorun_grant;

typedef struct gorun_state {
    cli_words words; /* of glovebox run */
    const char *cwd;
    const char *temp_name; /* what the guest calls its temporary directory */
    const char *temp;      /* a new one; NULL: none was made */
    const char *outputs;   /* where the guest puts what goes elsewhere; NULL: likewise */
    gorun_output *moves;
    int move_count;
    gorun_grant *grants; /* by the names they have here and there */
    int grant_count;
    bool is_test;
} gorun_state;

static bool
gorun_is_dir(const char *path, struct stat *st)
{
    return !stat(path, st) && S_ISDIR(st->st_mode);
}

static bool
gorun_is_file(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* `path` without its last name; NULL above the root. */
static const char *
gorun_parent(const char *path)
{
    const char *const slash = strrchr(path, '/');
    if (!slash || !path[1]) return NULL;
    return slash == path ? "/" : gbx_cli_copy(path, (size_t)(slash - path));
}

/* The shell's name for the working directory where it is one, links and all: what Go calls it. */
static const char *
gorun_cwd(void)
{
    const char *const pwd = getenv("PWD");
    const char *const clean = pwd && *pwd == '/' ? gbx_cli_guest_path(pwd) : NULL;
    return gbx_cli_is_same_file(".", clean) ? clean : gbx_cli_real_path(".");
}

static const char *
gorun_temp_name(void)
{
    const char *const given = getenv("TMPDIR");
    const char *const clean = given && *given == '/' ? gbx_cli_guest_path(given) : NULL;
    return clean ? clean : "/tmp";
}

/* Too much for one program: the root, a home, where everybody has temporary files. */
static bool
gorun_is_broad(const gorun_state *s, const char *path)
{
    struct stat st;
    const char *const broad[] = {"/", "/tmp", "/var/tmp", s->temp_name, getenv("HOME")};
    if (!gorun_is_dir(path, &st)) return true;
    for (size_t i = 0; i < CLI_LEN(broad); i++)
        if (gbx_cli_is_same_file(path, broad[i])) return true;
    const char *const home = getenv("HOME"); /* what a home lies in is broader still */
    size_t const len = strlen(path);
    return home && !strncmp(home, path, len) && home[len] == '/';
}

static void
gorun_grant_as(gorun_state *s, const char *host, const char *guest, bool writable)
{
    struct stat st;
    if (!gorun_is_dir(host, &st)) return;
    for (int i = 0; i < s->grant_count; i++)
        if (!strcmp(s->grants[i].path, guest)) return;
    s->grants[s->grant_count++] = (gorun_grant){guest, writable && !strcmp(host, guest)};
    gbx_cli_words_add(&s->words,
                      gbx_cli_format("--dir=%s::%s::%s", host, guest, writable ? "rw" : "ro"),
                      CLI_FROM_WRAPPER);
}

static void
gorun_grant_dir(gorun_state *s, const char *path, bool writable)
{
    gorun_grant_as(s, path, path, writable);
}

static void
gorun_set(gorun_state *s, const char *name, const char *value)
{
    gbx_cli_words_add(&s->words, gbx_cli_format("--env=%s=%s", name, value), CLI_FROM_WRAPPER);
}

/* True where nobody else can write: then it is the user's own. */
static bool
gorun_is_own(const char *path)
{
    struct stat st;
    return gorun_is_dir(path, &st) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static void
gorun_grant_temp(gorun_state *s)
{
    bool const is_home = gbx_cli_is_same_file(s->temp_name, getenv("HOME"));
    if (gorun_is_own(s->temp_name) && !is_home && strcmp(s->temp_name, "/") != 0) {
        gorun_grant_dir(s, s->temp_name, true);
        return;
    }
    s->temp = gbx_cli_gotemp(s->temp_name, "tmp");
    if (s->temp) gorun_grant_as(s, s->temp, s->temp_name, true);
}

/* In Go's network, which is in the module's memory, a name is what /etc/hosts says: of this machine's it gets
 * no line. GO: net/hosts.go. Where the directory of temporary files itself is granted there would be no place
 * that the guest cannot write to. */
static void
gorun_grant_hosts(gorun_state *s)
{
    static const char lines[] = "127.0.0.1 localhost\n::1 localhost\n";
    const char *const etc = s->temp ? gbx_cli_gotemp(s->temp_name, "etc") : NULL;
    if (!etc) return;
    int const fd = open(gbx_cli_format("%s/hosts", etc), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    bool ok = fd >= 0 && write(fd, lines, sizeof lines - 1) == sizeof lines - 1;
    if (fd >= 0) ok = !close(fd) && ok;
    if (ok) gorun_grant_as(s, etc, "/etc", false);
}

/* The nearest directory above that has a go.mod; NULL: none. */
static const char *
gorun_module_root(const char *path)
{
    for (; path; path = gorun_parent(path))
        if (gorun_is_file(gbx_cli_format("%s/go.mod", strcmp(path, "/") != 0 ? path : "")))
            return path;
    return NULL;
}

/* GOROOT: the variable, or where the `go` lies that comes first on PATH, which the Go tool sees to. */
static const char *
gorun_goroot(void)
{
    const char *const given = getenv("GOROOT");
    struct stat st;
    if (given && *given == '/' && gorun_is_dir(given, &st)) return gbx_cli_guest_path(given);
    for (const char *p = getenv("PATH"); p && *p; p += *p == ':') {
        size_t const len = strcspn(p, ":");
        const char *const go = gbx_cli_format("%.*s/go", (int)len, p);
        p += len;
        const char *const path = *go == '/' && !access(go, X_OK) ? gbx_cli_real_path(go) : NULL;
        const char *const bin = path ? gorun_parent(path) : NULL;
        const char *const root = bin ? gorun_parent(bin) : NULL;
        if (root && gorun_is_file(gbx_cli_format("%s/src/runtime/proc.go", root))) return root;
    }
    return NULL;
}

static void
gorun_grant_goroot(gorun_state *s)
{
    const char *const goroot = gorun_goroot();
    if (!goroot || !strcmp(goroot, "/")) return;
    gorun_grant_dir(s, s->is_test ? goroot : gbx_cli_format("%s/lib/time", goroot), false);
    if (s->is_test && !getenv("GOROOT")) gorun_set(s, "GOROOT", goroot);
}

/* Of the grants that cover `path`, the one with the longest name counts, as for Go. */
static bool
gorun_can_write(const gorun_state *s, const char *path)
{
    size_t longest = 0;
    bool can = false;
    for (int i = 0; i < s->grant_count; i++) {
        const char *const name = s->grants[i].path;
        size_t const len = strcmp(name, "/") != 0 ? strlen(name) : 0;
        if (len < longest || strncmp(path, name, len) != 0 || path[len] != '/') continue;
        longest = len;
        can = s->grants[i].writable;
    }
    return can;
}

static const char *
gorun_absolute(const char *base, const char *path)
{
    return *path == '/' ? path : gbx_cli_format("%s/%s", base, path);
}

/* Flags of the testing package that name a file or a directory to write. */
typedef struct gorun_flag {
    const char *name;
    bool is_dir, is_made;
} gorun_flag;

static const gorun_flag gorun_flags[] = {
        {"test.coverprofile", false, false}, {"test.cpuprofile", false, false},
        {"test.memprofile", false, false},   {"test.blockprofile", false, false},
        {"test.mutexprofile", false, false}, {"test.trace", false, false},
        {"test.testlogfile", false, false},  {"test.gocoverdir", true, false},
        {"test.fuzzcachedir", true, true},
};

/* The value of the flag `name` in a word, NULL: it is another. */
static const char *
gorun_flag_value(const char *word, const char *name)
{
    size_t const len = strlen(name);
    if (*word != '-') return NULL;
    word += 1 + (word[1] == '-');
    return !strncmp(word, name, len) && word[len] == '=' ? word + len + 1 : NULL;
}

/* Let the guest write elsewhere what it is to write at `path`; gives where. NULL: nowhere. */
static const char *
gorun_redirect(gorun_state *s, const char *path)
{
    if (!s->outputs) s->outputs = gbx_cli_gotemp(s->temp_name, "out");
    if (!s->outputs) return NULL;
    gorun_grant_dir(s, s->outputs, true);
    const char *const from = gbx_cli_format("%s/%d", s->outputs, s->move_count);
    s->moves[s->move_count++] = (gorun_output){from, path};
    return from;
}

/* `mkdir -p`. */
static void
gorun_make_dirs(const char *path)
{
    char *const copy = gbx_cli_copy(path, strlen(path));
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        (void)mkdir(copy, 0777);
        *p = '/';
    }
    (void)mkdir(copy, 0777);
}

/* The guest's word, changed where it names what only we can write. */
static const char *
gorun_word(gorun_state *s, const char *word, const char *outputdir)
{
    for (size_t i = 0; i < CLI_LEN(gorun_flags); i++) {
        const gorun_flag *const flag = &gorun_flags[i];
        const char *const value = gorun_flag_value(word, flag->name);
        if (!value || !*value) continue;
        const char *const path = gorun_absolute(flag->is_dir ? s->cwd : outputdir, value);
        if (flag->is_made) gorun_make_dirs(path);
        if (flag->is_dir)
            gorun_grant_dir(s, path, true);
        else if (!gorun_can_write(s, gbx_cli_guest_path(path))) {
            const char *const elsewhere = gorun_redirect(s, path);
            if (elsewhere) return gbx_cli_format("%.*s%s", (int)(value - word), word, elsewhere);
        }
        return word;
    }
    return word;
}

/* A deadline behind the test's own alarm, unless the user has one. The alarm is a goroutine, and nothing
 * preempts one that computes without a call: it never goes off, and the Go tool waits a minute more before it
 * asks for the stack. Benchmarks run without it, as long as they take. GO: testing/testing.go startAlarm;
 * cmd/go/internal/test/test.go testKillTimeout (1.26). */
static void
gorun_add_deadline(gorun_state *s, const char *alarm)
{
    uint64_t ns;
    const char *why, *const mine = getenv(gbx_cli_option_variable(CLI_OPT_TIMEOUT));
    if ((mine && *mine) || !gbx_cli_parse_duration(alarm, &ns, &why) || ns == 0) return;
    if (ns > INT64_MAX - GORUN_LATE_NS) return; /* longer than a deadline can be */
    const char *const late = gbx_cli_format_duration(ns + GORUN_LATE_NS);
    gbx_cli_words_add(&s->words, gbx_cli_format("--timeout=%s", late), CLI_FROM_WRAPPER);
}

/* Grants for what is written, and the guest's words. */
static void
gorun_add_guest(gorun_state *s, cli_words *guest, int argc, char **argv, int file)
{
    const char *outputdir = s->cwd, *alarm = NULL;
    bool keeps = false, is_timeless = false;
    for (int i = file + 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
        const char *const dir = gorun_flag_value(argv[i], "test.outputdir");
        if (dir && *dir) outputdir = gorun_absolute(s->cwd, dir);
        const char *const artifacts = gorun_flag_value(argv[i], "test.artifacts");
        keeps = keeps || !strcmp(argv[i], "-test.artifacts") ||
                (artifacts && strcmp(artifacts, "false") != 0);
        const char *const bench = gorun_flag_value(argv[i], "test.bench");
        const char *const timeout = gorun_flag_value(argv[i], "test.timeout");
        is_timeless = is_timeless || (bench && *bench);
        if (timeout) alarm = timeout;
    }
    if (alarm && !is_timeless) gorun_add_deadline(s, alarm);
    if (keeps) {
        const char *const dir = gbx_cli_format("%s/_artifacts", outputdir);
        gorun_make_dirs(dir);
        gorun_grant_dir(s, dir, true);
    }
    gbx_cli_words_add(guest, argv[file], CLI_FROM_WRAPPER);
    bool flags = true;
    for (int i = file + 1; i < argc; i++) {
        flags = flags && argv[i][0] == '-' && strcmp(argv[i], "--") != 0;
        gbx_cli_words_add(guest, flags ? gorun_word(s, argv[i], outputdir) : argv[i],
                          CLI_FROM_WRAPPER);
    }
}

/* All that is granted, in the order in which Go sees it: it begins in the first. */
static void
gorun_add_grants(gorun_state *s)
{
    static const char *const variables[] = {
#define CLI_GO_VARIABLE(name, reader) name,
#include "cli/govars.def"
#undef CLI_GO_VARIABLE
    };
    const char *const root = gorun_module_root(s->cwd);
    if (!gorun_is_broad(s, s->cwd)) gorun_grant_dir(s, s->cwd, true);
    if (root && !gorun_is_broad(s, root)) gorun_grant_dir(s, root, false);
    gorun_grant_temp(s);
    gorun_grant_hosts(s);
    gorun_grant_goroot(s);
    for (size_t i = 0; i < CLI_LEN(variables); i++)
        if (getenv(variables[i])) gorun_set(s, variables[i], getenv(variables[i]));
    gorun_set(s, "PWD", s->cwd);
    gorun_set(s, GORUN_RUNTIME, "glovebox");
    const char *const cover = getenv("GOCOVERDIR");
    if (cover && *cover)
        gorun_grant_dir(s, gbx_cli_guest_path(gorun_absolute(s->cwd, cover)), true);
}

/* ---- Afterwards */

/* SAFETY: `from` is a name of ours in a directory of ours; what the guest made of it is a file or nothing. */
static bool
gorun_move(const gorun_output *move)
{
    struct stat st;
    int const from = open(move->from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0) return errno == ENOENT || errno == ELOOP;
    bool ok = !fstat(from, &st);
    if (!ok || !S_ISREG(st.st_mode)) return !close(from) && ok;
    int const to = open(move->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    char bytes[65536];
    ssize_t n;
    ok = to >= 0;
    while (ok && (n = read(from, bytes, sizeof bytes)) > 0)
        for (ssize_t done = 0, k; ok && done < n; done += k) {
            k = write(to, bytes + done, (size_t)(n - done));
            ok = k > 0;
        }
    if (to >= 0) ok = !close(to) && ok;
    (void)close(from);
    return ok;
}

static int
gorun_finish(const gorun_state *s, int status)
{
    for (int i = 0; i < s->move_count; i++) {
        if (gorun_move(&s->moves[i])) continue;
        int const why = errno;
        gbx_cli_diag(&(cli_diag){
                .kind = "error",
                .slug = "host-io",
                .message = gbx_cli_format("%s cannot be written", gbx_cli_quote(s->moves[i].to)),
                .why = strerror(why)});
        status = status ? status : CLI_EXIT_SETUP;
    }
    gbx_cli_gotemp_end();
    return status;
}

/* ---- Other runtimes, and what the user typed */

/* GOWASIRUNTIME asks for another runtime: start it as Go's own wrapper does. GO: lib/wasm, 1.26. */
static int
gorun_other(const char *runtime, int argc, char **argv, int file)
{
    cli_words w = {0};
    const char *why;
    cli_dialect const d = gbx_cli_dialect_find(runtime);
    if (d == CLI_DIALECT_ANY || d >= CLI_DIALECT_IWASM) {
        return gbx_cli_usage_error(
                "other-runtime", gbx_cli_format("there is no runtime %s", gbx_cli_quote(runtime)),
                "the variable " GORUN_RUNTIME " names it", "unset " GORUN_RUNTIME);
    }
    const char *const temp = getenv("TMPDIR");
    const char *const pwd = gbx_cli_format("PWD=%s", gorun_cwd());
    const char *const path = gbx_cli_format("PATH=%s", getenv("PATH") ? getenv("PATH") : "");
    const char *const cache = gbx_cli_format("%s/wazero", temp ? temp : "/tmp");
    const char *const grants[] = {"--dir=/", "--env", pwd, "--env", path};
    const char *const wazero[] = {"-mount", "/:/", "-env-inherit", "-cachedir", cache};
    gbx_cli_words_add(&w, runtime, CLI_FROM_LINE);
    if (d != CLI_DIALECT_WASMEDGE) gbx_cli_words_add(&w, "run", CLI_FROM_LINE);
    for (size_t i = 0; i < CLI_LEN(grants); i++)
        gbx_cli_words_add(&w, d == CLI_DIALECT_WAZERO ? wazero[i] : grants[i], CLI_FROM_LINE);
    if (d == CLI_DIALECT_WASMTIME) {
        gbx_cli_words_add(&w, "-W", CLI_FROM_LINE);
        gbx_cli_words_add(&w, "max-wasm-stack=8388608", CLI_FROM_LINE);
    }
    const char *const args = getenv(GORUN_ARGS);
    if (args && !gbx_cli_words_split(&w, args, CLI_FROM_ARGS, &why))
        return gbx_cli_usage_error("bad-value", GORUN_ARGS " cannot be read", why, NULL);
    gbx_cli_words_add(&w, argv[file], CLI_FROM_LINE);
    if (d == CLI_DIALECT_WASMER) gbx_cli_words_add(&w, "--", CLI_FROM_LINE);
    for (int i = file + 1; i < argc; i++) gbx_cli_words_add(&w, argv[i], CLI_FROM_LINE);
    execvp(runtime, w.argv);
    return gbx_cli_usage_error(
            "other-runtime", gbx_cli_format("%s cannot be started", runtime),
            gbx_cli_format("%s; the variable " GORUN_RUNTIME " asks for it", strerror(errno)),
            "unset " GORUN_RUNTIME);
}

/* The words of the process that started us, where that is the Go tool; else false. */
static bool
gorun_parent_words(cli_words *w)
{
    static char bytes[16384];
    const char *const path = gbx_cli_format("/proc/%ld/cmdline", (long)getppid());
    int const fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t const n = fd < 0 ? 0 : read(fd, bytes, sizeof bytes - 1);
    if (fd >= 0) (void)close(fd);
    bytes[n > 0 ? n : 0] = 0;
    const char *const slash = strrchr(bytes, '/');
    if (strcmp(slash ? slash + 1 : bytes, "go") != 0 || n >= (ssize_t)sizeof bytes - 1) return false;
    for (const char *p = bytes; p < bytes + n; p += strlen(p) + 1)
        gbx_cli_words_add(w, w->argc ? p : "go", CLI_FROM_LINE);
    return true;
}

static void
gorun_put_target(cli_text *t)
{
    const char *const goos = getenv("GOOS"), *const goarch = getenv("GOARCH");
    if (goos) gbx_cli_text_printf(t, "GOOS=%s ", gbx_cli_quote(goos));
    if (goarch) gbx_cli_text_printf(t, "GOARCH=%s ", gbx_cli_quote(goarch));
}

const char *
gbx_cli_gorun_instead(const cli_line *line)
{
    cli_text t = {0};
    cli_words w = {0};
    const char *const self = gbx_cli_real_path("/proc/self/exe");
    if (line->is_go || !self || !gorun_parent_words(&w) || w.argc < 2) return NULL;
    gorun_put_target(&t);
    gbx_cli_text_printf(&t, "go %s -exec %s", gbx_cli_quote(w.argv[1]),
                        gbx_cli_quote(gbx_cli_format("%s go exec", gbx_cli_quote(self))));
    bool is_option = true;
    for (int i = 2; i < w.argc; i++) {
        const char *const word = w.argv[i], *const name = word + strspn(word, "-");
        is_option = is_option && *word == '-';
        if (is_option && !strcmp(name, "exec")) i++;
        else if (!is_option || strncmp(name, "exec=", 5) != 0)
            gbx_cli_text_printf(&t, " %s", gbx_cli_quote(word));
    }
    gbx_cli_text_printf(&t, "\n(the Go tool started glovebox alone, which grants nothing; glovebox go exec\n"
                            "grants what tests and programs take for granted: glovebox help go-install)");
    return gbx_cli_text_get(&t);
}

const char *
gbx_cli_gorun_command(const cli_line *line, const char *args)
{
    cli_text t = {0};
    cli_words w = {0};
    gorun_put_target(&t);
    gbx_cli_text_printf(&t, GORUN_ARGS "=%s ", gbx_cli_quote(args));
    if (gorun_parent_words(&w)) {
        for (int i = 0; i < w.argc; i++)
            gbx_cli_text_printf(&t, "%s%s", i ? " " : "", gbx_cli_quote(w.argv[i]));
        return gbx_cli_text_get(&t);
    }
    gbx_cli_text_printf(&t, CLI_GO_WRAPPER);
    for (int i = line->file; i < line->argc; i++)
        gbx_cli_text_printf(&t, " %s", gbx_cli_quote(line->argv[i]));
    return gbx_cli_text_get(&t);
}

int
gbx_cli_gorun(int argc, char **argv, int first)
{
    const char *const runtime = getenv(GORUN_RUNTIME);
    if (first >= argc)
        return gbx_cli_usage_error("no-file", "there is no FILE to run", "the Go tool gives one",
                                   "glovebox help go-install");
    if (runtime && *runtime && strcmp(runtime, "glovebox") != 0)
        return gorun_other(runtime, argc, argv, first);
    size_t const room = (size_t)argc + 16;
    gorun_state s = {.cwd = gorun_cwd(),
                     .temp_name = gorun_temp_name(),
                     .moves = gbx_cli_alloc(room, sizeof *s.moves),
                     .grants = gbx_cli_alloc(room, sizeof *s.grants)};
    if (!s.cwd)
        return gbx_cli_usage_error("host-io", "there is no working directory", strerror(errno),
                                   "cd");
    size_t const len = strlen(argv[first]);
    s.is_test = len > 5 && !strcmp(argv[first] + len - 5, ".test");
    for (int i = first + 1; i < argc; i++) s.is_test = s.is_test || !strncmp(argv[i], "-test.", 6);
    gbx_cli_words_add(&s.words, "glovebox", CLI_FROM_WRAPPER);
    gbx_cli_words_add(&s.words, "run", CLI_FROM_WRAPPER);
    gorun_add_grants(&s);
    cli_words guest = {0};
    gorun_add_guest(&s, &guest, argc, argv, first);
    const char *const args = getenv(GORUN_ARGS);
    const char *why;
    int status = CLI_EXIT_OK, number = 0;
    if (args && !gbx_cli_words_split(&s.words, args, CLI_FROM_ARGS, &why))
        status = gbx_cli_usage_error("bad-value", GORUN_ARGS " cannot be read", why,
                                     "unset " GORUN_ARGS);
    for (int i = 0; i < guest.argc; i++)
        gbx_cli_words_add(&s.words, guest.argv[i], CLI_FROM_WRAPPER);
    cli_line line = {.is_go = true, .is_test = s.is_test};
    if (status == CLI_EXIT_OK) status = gbx_cli_line_read(&line, CLI_RUN, &s.words, 2);
    if (status == CLI_EXIT_OK) status = gbx_cli_run_line(&line, &number);
    status = gorun_finish(&s, status);
    if (number) gbx_cli_die_of(number);
    return status;
}

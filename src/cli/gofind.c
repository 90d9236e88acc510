/* Go and its wrapper as they are on this machine: which `go` comes first, what it says of itself, and what
 * the Go tool would start for a program that was built for wasip1.
 *
 * The tool looks for go_wasip1_wasm_exec in GOROOT/bin and then along PATH, and passes over what cannot be
 * executed and over relative directories. GO: cmd/go/internal/work/exec.go FindExecCmd, base/env.go
 * AppendPATH, 1.26. A `go` is asked three things, one at a time, and each answer may be missing: it may be
 * old, a script, or broken. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

#define GOFIND_BYTES   4096
#define GOFIND_WAIT_MS 20000 /* for a `go` to answer */

static pid_t
gofind_start(char **words, int out)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    if (posix_spawn_file_actions_init(&actions)) return -1;
    bool ok = !posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ok = ok && !posix_spawn_file_actions_adddup2(&actions, out, 1);
    ok = ok && !posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (ok && posix_spawn(&pid, words[0], &actions, NULL, words, environ)) pid = -1;
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* The first line that `go` prints for these words; "" where it fails or takes too long. */
static const char *
gofind_ask(const char *go, const char *verb, const char *what)
{
    cli_words words = {0};
    char bytes[GOFIND_BYTES];
    size_t len = 0;
    int ends[2], status = 1;
    gbx_cli_words_add(&words, go, CLI_FROM_LINE);
    gbx_cli_words_add(&words, verb, CLI_FROM_LINE);
    if (what) gbx_cli_words_add(&words, what, CLI_FROM_LINE);
    if (pipe2(ends, O_CLOEXEC)) return "";
    pid_t const pid = gofind_start(words.argv, ends[1]);
    (void)close(ends[1]);
    bool late = false;
    for (ssize_t n = 1; pid > 0 && n > 0 && len<sizeof bytes - 1; len += n> 0 ? (size_t)n : 0) {
        struct pollfd p = {.fd = ends[0], .events = POLLIN};
        late = poll(&p, 1, GOFIND_WAIT_MS) <= 0;
        n = late ? 0 : read(ends[0], bytes + len, sizeof bytes - 1 - len);
    }
    (void)close(ends[0]);
    if (late) (void)kill(pid, SIGKILL);
    if (pid > 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return status || late ? "" : gbx_cli_copy(bytes, strcspn(gbx_cli_copy(bytes, len), "\n"));
}

static bool
gofind_is_program(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The directories of PATH, absolute ones only; NULL behind the last. */
static const char **
gofind_split(const char *path, const char *before)
{
    size_t count = 3;
    for (const char *p = path; p && *p; p++) count += *p == ':';
    const char **const dirs = gbx_cli_alloc(count, sizeof *dirs);
    size_t n = 0;
    if (before) dirs[n++] = before;
    for (const char *p = path; p && *p; p += *p == ':') {
        size_t const len = strcspn(p, ":");
        const char *const dir = gbx_cli_copy(p, len);
        p += len;
        if (*dir == '/') dirs[n++] = gbx_cli_guest_path(dir) ? gbx_cli_guest_path(dir) : dir;
    }
    return dirs;
}

static const char *
gofind_command(void)
{
    for (const char **dirs = gofind_split(getenv("PATH"), NULL); *dirs; dirs++) {
        const char *const go = gbx_cli_format("%s/go", *dirs);
        if (gofind_is_program(go)) return go;
    }
    return NULL;
}

void
gbx_cli_gofind(cli_gotool *tool)
{
    *tool = (cli_gotool){.go = gofind_command(), .version = "", .goroot = "", .minor = -1};
    const char *gobin = getenv("GOBIN"), *gopath = getenv("GOPATH");
    if (tool->go) {
        (void)setenv("GOTOOLCHAIN", "local", 0); /* nothing is fetched for an answer */
        const char *const says = gofind_ask(tool->go, "version", NULL);
        const char *const at = strstr(says, " go1.");
        if (at) tool->version = gbx_cli_copy(at + 1, strcspn(at + 1, " "));
        if (at && at[5] >= '0' && at[5] <= '9') tool->minor = (int)strtol(at + 5, NULL, 10);
        tool->goroot = gofind_ask(tool->go, "env", "GOROOT");
        const char *const bin = gofind_ask(tool->go, "env", "GOBIN"), *const path = gofind_ask(
                                                                              tool->go, "env",
                                                                              "GOPATH");
        if (*bin == '/') gobin = bin;
        if (*path == '/') gopath = path;
    }
    const char *const home = getenv("HOME");
    if (gobin && *gobin == '/')
        tool->bin = gobin;
    else if (gopath && *gopath == '/')
        tool->bin = gbx_cli_format("%.*s/bin", (int)strcspn(gopath, ":"), gopath);
    else if (home && *home == '/')
        tool->bin = gbx_cli_format("%s/go/bin", home);
    if (tool->bin) tool->bin = gbx_cli_guest_path(tool->bin);
}

const char *
gbx_cli_real_path(const char *path)
{
    char real[PATH_MAX];
    return realpath(path, real) ? gbx_cli_copy(real, strlen(real)) : NULL;
}

const char *
gbx_cli_gofind_self(void)
{
    return gbx_cli_real_path("/proc/self/exe");
}

static bool
gofind_is_stock(const char *path)
{
    char bytes[GOFIND_BYTES];
    int const fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t const n = fd < 0 ? 0 : read(fd, bytes, sizeof bytes - 1);
    if (fd >= 0) (void)close(fd);
    bytes[n > 0 ? n : 0] = 0;
    return strstr(bytes, "The Go Authors") && strstr(bytes, "GOWASIRUNTIME");
}

cli_wrapper
gbx_cli_gofind_wrapper(const char *dir)
{
    struct stat link, target;
    char to[GOFIND_BYTES];
    const char *const path = gbx_cli_format("%s/" CLI_GO_WRAPPER, strcmp(dir, "/") != 0 ? dir : "");
    if (lstat(path, &link)) return CLI_WRAPPER_NONE;
    bool const is_there = !stat(path, &target);
    if (gbx_cli_is_same_file("/proc/self/exe", path)) return CLI_WRAPPER_OURS;
    ssize_t const n = S_ISLNK(link.st_mode) ? readlink(path, to, sizeof to - 1) : 0;
    to[n > 0 ? n : 0] = 0;
    const char *const slash = strrchr(to, '/');
    if (n > 0 && !strcmp(slash ? slash + 1 : to, "glovebox"))
        return is_there ? CLI_WRAPPER_MOVED : CLI_WRAPPER_BROKEN;
    return is_there && gofind_is_stock(path) ? CLI_WRAPPER_STOCK : CLI_WRAPPER_OTHER;
}

const char *
gbx_cli_gofind_whose(cli_wrapper wrapper)
{
    switch (wrapper) {
    case CLI_WRAPPER_NONE: return "nothing";
    case CLI_WRAPPER_OURS: return "glovebox";
    case CLI_WRAPPER_MOVED: return "another glovebox";
    case CLI_WRAPPER_BROKEN: return "a glovebox that is gone";
    case CLI_WRAPPER_STOCK:
        return "Go's own, which starts wasmtime or what "
               "GOWASIRUNTIME names";
    case CLI_WRAPPER_OTHER: return "somebody else's";
    }
    return "";
}

const char **
gbx_cli_gofind_path(const cli_gotool *tool)
{
    return gofind_split(getenv("PATH"),
                        *tool->goroot ? gbx_cli_format("%s/bin", tool->goroot) : NULL);
}

int
gbx_cli_gofind_first(const char *const *path)
{
    for (int i = 0; path[i]; i++)
        if (gofind_is_program(gbx_cli_format("%s/" CLI_GO_WRAPPER, path[i]))) return i;
    return -1;
}

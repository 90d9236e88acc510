/* `glovebox go`: let the Go tool run programs for wasip1 here.
 *
 *     install     a link go_wasip1_wasm_exec to this program, where the tool finds it first
 *     uninstall   remove links to a glovebox, and put back what was there before
 *     status      who would be started, and who stands behind him
 *     exec        what the tool starts: go test -exec 'glovebox go exec'
 *
 * What must hold: a file that is not ours is never written over. With --force it is renamed to
 * go_wasip1_wasm_exec.before-glovebox, and nothing of that name is lost either; in GOROOT it stays.
 * After `install` without an error the tool starts us: where PATH does not let it, that is an error. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define GOTOOL_ASIDE ".before-glovebox"

static const char *
gotool_wrapper(const char *dir)
{
    return gbx_cli_format("%s/" CLI_GO_WRAPPER, strcmp(dir, "/") != 0 ? dir : "");
}

static bool
gotool_is_link_of_ours(cli_wrapper w)
{
    return w == CLI_WRAPPER_OURS || w == CLI_WRAPPER_MOVED || w == CLI_WRAPPER_BROKEN;
}

static int
gotool_index(const char *const *path, const char *dir)
{
    int i = 0;
    while (path[i] && strcmp(path[i], dir) != 0) i++;
    return path[i] ? i : -1;
}

/* A directory that we may write in, or could make where `may_make`. */
static bool
gotool_is_writable(const char *dir, bool may_make)
{
    struct stat st;
    if (!stat(dir, &st)) return S_ISDIR(st.st_mode) && !access(dir, W_OK | X_OK);
    return may_make && errno == ENOENT;
}

static bool
gotool_in_goroot(const cli_gotool *tool, const char *dir)
{
    size_t const len = strlen(tool->goroot);
    return len && !strncmp(dir, tool->goroot, len) && (dir[len] == '/' || !dir[len]);
}

/* Where the wrapper is to go: on PATH, before any other, where we may write and nobody's file is. NULL: there
 * is no such place. */
static const char *
gotool_choose(const cli_gotool *tool, const char *const *path, int first)
{
    const char *const home = getenv("HOME"), *const self = gbx_cli_gofind_self();
    const char *const slash = self ? strrchr(self, '/') : NULL;
    const char *const candidates[] = {
            tool->bin,
            slash ? gbx_cli_copy(self, (size_t)(slash - self)) : NULL,
            home ? gbx_cli_format("%s/.local/bin", home) : NULL,
            home ? gbx_cli_format("%s/bin", home) : NULL,
            "/usr/local/bin",
    };
    for (size_t i = 0; i < CLI_LEN(candidates); i++) {
        const char *const dir = candidates[i];
        int const at = dir ? gotool_index(path, dir) : -1;
        if (at < 0 || (first >= 0 && at > first) || !gotool_is_writable(dir, i == 0)) continue;
        cli_wrapper const there = gbx_cli_gofind_wrapper(dir);
        if (there == CLI_WRAPPER_NONE || gotool_is_link_of_ours(there)) return dir;
    }
    return NULL;
}

/* `mkdir -p`, of where Go itself would make it. */
static bool
gotool_make_dir(const char *dir)
{
    char *const copy = gbx_cli_copy(dir, strlen(dir));
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        (void)mkdir(copy, 0777);
        *p = '/';
    }
    return !mkdir(copy, 0777) || errno == EEXIST;
}

static int
gotool_failed(const char *path, int why)
{
    return gbx_cli_usage_error("host-io", gbx_cli_format("%s cannot be made", gbx_cli_quote(path)),
                               strerror(why), "glovebox go install --dir DIR");
}

static int
gotool_refuse_foreign(const cli_gotool *tool, const char *dir, cli_wrapper there)
{
    bool const in_goroot = gotool_in_goroot(tool, dir);
    return gbx_cli_usage_error(
            "wrapper-foreign",
            gbx_cli_format("there is a %s already", gbx_cli_quote(gotool_wrapper(dir))),
            gbx_cli_format("it is %s; nothing was changed", gbx_cli_gofind_whose(there)),
            in_goroot ? gbx_cli_format("export PATH=%s:\"$PATH\" && glovebox go install",
                                       tool->bin ? gbx_cli_quote(tool->bin) : "DIR")
                      : gbx_cli_format("glovebox go install --dir %s --force     (keeps it "
                                       "as " CLI_GO_WRAPPER GOTOOL_ASIDE ")",
                                       gbx_cli_quote(dir)));
}

/* Somebody else's file goes aside, where nothing is. */
static bool
gotool_put_aside(const char *wrapper)
{
    const char *const aside = gbx_cli_format("%s" GOTOOL_ASIDE, wrapper);
    struct stat st;
    if (!lstat(aside, &st)) {
        errno = EEXIST;
        return false;
    }
    if (rename(wrapper, aside)) return false;
    printf("kept %s\n", gbx_cli_quote(aside));
    return true;
}

/* Put the link into `dir`. The new one takes the place of a link of ours at once. */
static int
gotool_link(const cli_gotool *tool, const char *dir, bool force)
{
    const char *const self = gbx_cli_gofind_self(), *const wrapper = gotool_wrapper(dir);
    cli_wrapper const there = gbx_cli_gofind_wrapper(dir);
    if (!self) return gotool_failed(wrapper, ENOENT);
    if (there != CLI_WRAPPER_NONE && !gotool_is_link_of_ours(there)) {
        if (!force || gotool_in_goroot(tool, dir)) return gotool_refuse_foreign(tool, dir, there);
        if (!gotool_put_aside(wrapper))
            return gotool_failed(gbx_cli_format("%s" GOTOOL_ASIDE, wrapper), errno);
    }
    const char *const fresh = gbx_cli_format("%s.%ld", wrapper, (long)getpid());
    if (symlink(self, fresh)) return gotool_failed(wrapper, errno);
    if (rename(fresh, wrapper)) {
        int const why = errno;
        (void)unlink(fresh);
        return gotool_failed(wrapper, why);
    }
    printf("%s -> %s\n", gbx_cli_quote(wrapper), gbx_cli_quote(self));
    return CLI_EXIT_OK;
}

/* A runtime that GOWASIRUNTIME names is started instead of us. */
static bool
gotool_tell_runtime(void)
{
    const char *const runtime = getenv("GOWASIRUNTIME");
    if (!runtime || !*runtime || !strcmp(runtime, "glovebox")) return false;
    gbx_cli_diag(&(cli_diag){
            .kind = "note",
            .slug = "other-runtime",
            .message = gbx_cli_format("GOWASIRUNTIME asks for %s", gbx_cli_quote(runtime)),
            .why = "the wrapper obeys it, so programs do not run in glovebox",
            .fix = "unset GOWASIRUNTIME"});
    return true;
}

/* After the link was made: is it the one that is found? */
static int
gotool_check(const cli_gotool *tool, const char *dir)
{
    const char *const *const path = gbx_cli_gofind_path(tool);
    int const first = gbx_cli_gofind_first(path);
    if (first >= 0 && gbx_cli_gofind_wrapper(path[first]) == CLI_WRAPPER_OURS) {
        printf("from now on, in any module:\n"
               "  GOOS=wasip1 GOARCH=wasm go run .\n"
               "  GOOS=wasip1 GOARCH=wasm go test ./...\n");
        (void)gotool_tell_runtime();
        return CLI_EXIT_OK;
    }
    bool const shadowed = first >= 0;
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = shadowed ? "wrapper-shadowed" : "wrapper-not-on-path",
            .message = shadowed ? gbx_cli_format("the Go tool finds %s first",
                                                 gbx_cli_quote(gotool_wrapper(path[first])))
                                : gbx_cli_format("the Go tool does not find %s",
                                                 gbx_cli_quote(gotool_wrapper(dir))),
            .why = shadowed ? gbx_cli_format(
                                      "it is %s, and its directory comes before %s on PATH",
                                      gbx_cli_gofind_whose(gbx_cli_gofind_wrapper(path[first])),
                                      gbx_cli_quote(dir))
                            : gbx_cli_format("%s is not on PATH", gbx_cli_quote(dir)),
            .fix = gbx_cli_format("export PATH=%s:\"$PATH\"", gbx_cli_quote(dir))});
    return CLI_EXIT_DIFFERENT;
}

int
gbx_cli_go_install(const cli_gotool *tool, const char *dir, bool force)
{
    const char *const *const path = gbx_cli_gofind_path(tool);
    int const first = gbx_cli_gofind_first(path);
    cli_wrapper const found = first >= 0 ? gbx_cli_gofind_wrapper(path[first]) : CLI_WRAPPER_NONE;
    if (!dir && found == CLI_WRAPPER_OURS) {
        printf("%s is there already\n", gbx_cli_quote(gotool_wrapper(path[first])));
        return gotool_check(tool, path[first]);
    }
    if (!dir && found == CLI_WRAPPER_MOVED && gotool_is_writable(path[first], false))
        dir = path[first];
    if (!dir && force && first >= 0 && !gotool_in_goroot(tool, path[first])) dir = path[first];
    if (!dir) dir = gotool_choose(tool, path, first);
    if (!dir) dir = tool->bin;
    if (!dir)
        return gbx_cli_usage_error("wrapper-no-place", "there is no place for the wrapper",
                                   "neither GOBIN, GOPATH nor HOME names a directory",
                                   "glovebox go install --dir DIR");
    struct stat st;
    if (stat(dir, &st) && !gotool_make_dir(dir)) return gotool_failed(dir, errno);
    int const status = gotool_link(tool, dir, force);
    return status == CLI_EXIT_OK ? gotool_check(tool, dir) : status;
}

/* Take our links away from `dir`; true where there was one. */
static bool
gotool_remove_from(const char *dir)
{
    const char *const wrapper = gotool_wrapper(dir), *const aside = gbx_cli_format(
                                                             "%s" GOTOOL_ASIDE, wrapper);
    struct stat st;
    cli_wrapper const there = gbx_cli_gofind_wrapper(dir);
    if (!gotool_is_link_of_ours(there) || lstat(wrapper, &st) || !S_ISLNK(st.st_mode)) return false;
    if (unlink(wrapper)) {
        (void)gotool_failed(wrapper, errno);
        return false;
    }
    printf("removed %s\n", gbx_cli_quote(wrapper));
    if (!lstat(aside, &st) && !rename(aside, wrapper))
        printf("put back %s\n", gbx_cli_quote(wrapper));
    return true;
}

static int
gotool_uninstall(const cli_gotool *tool, const char *dir)
{
    bool any = false;
    const char *const *const path = gbx_cli_gofind_path(tool);
    if (dir) any = gotool_remove_from(dir);
    for (int i = 0; !dir && path[i]; i++) any = gotool_remove_from(path[i]) || any;
    if (!dir && tool->bin) any = gotool_remove_from(tool->bin) || any;
    if (!any)
        printf("there is no link to glovebox%s%s\n", dir ? " in " : " on PATH",
               dir ? gbx_cli_quote(dir) : "");
    return CLI_EXIT_OK;
}

static int
gotool_status(const cli_gotool *tool)
{
    const char *const *const path = gbx_cli_gofind_path(tool);
    int const first = gbx_cli_gofind_first(path);
    for (int i = 0; path[i]; i++) {
        cli_wrapper const w = gbx_cli_gofind_wrapper(path[i]);
        if (w == CLI_WRAPPER_NONE || gotool_index(path, path[i]) < i) continue;
        printf("%s %s: %s\n", i == first ? "*" : " ", gbx_cli_quote(gotool_wrapper(path[i])),
               gbx_cli_gofind_whose(w));
    }
    bool const is_ours = first >= 0 && gbx_cli_gofind_wrapper(path[first]) == CLI_WRAPPER_OURS;
    if (first < 0) printf("the Go tool finds no %s\n", CLI_GO_WRAPPER);
    if (!is_ours) printf("`glovebox go install` puts one in place\n");
    return gotool_tell_runtime() || !is_ours ? CLI_EXIT_DIFFERENT : CLI_EXIT_OK;
}

static int
gotool_bad_word(const char *word)
{
    return gbx_cli_usage_error(
            "unknown-option",
            *word ? gbx_cli_format("glovebox go does not know %s", gbx_cli_show(word))
                  : "glovebox go needs a word",
            "it takes install, uninstall, status or exec, and behind the first two --dir DIR; "
            "install takes --force",
            "glovebox help go-install");
}

/* `glovebox go test ./...`: it is Go's own command that is meant. */
static int
gotool_bad_verb(int argc, char **argv, int first)
{
    static const char *const gos[] = {"build", "run", "test", "vet"};
    const char *const verb = first < argc ? argv[first] : "";
    for (size_t i = 0; i < CLI_LEN(gos); i++) {
        if (strcmp(verb, gos[i]) != 0) continue;
        cli_text t = {0};
        gbx_cli_text_printf(&t, "GOOS=wasip1 GOARCH=wasm go");
        for (int k = first; k < argc; k++) {
            gbx_cli_text_printf(&t, " ");
            gbx_cli_text_quote(&t, argv[k]);
        }
        return gbx_cli_usage_error("unknown-option",
                                   gbx_cli_format("glovebox go does not know %s", verb),
                                   "the Go tool runs glovebox, not the other way round",
                                   gbx_cli_text_get(&t));
    }
    return gotool_bad_word(verb);
}

int
gbx_cli_go(int argc, char **argv, int first)
{
    const char *const verb = first < argc ? argv[first] : "";
    if (!strcmp(verb, "exec")) return gbx_cli_gorun(argc, argv, first + 1);
    bool const is_install = !strcmp(verb, "install"), is_uninstall = !strcmp(verb, "uninstall");
    const char *dir = NULL;
    bool force = false;
    for (int i = first; i < argc; i++) {
        bool const is_asked = !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
        if (!is_asked && (i > first || strcmp(argv[i], "help") != 0)) continue;
        char page[] = "go-install", *words[] = {page};
        return gbx_cli_help(1, words, 0);
    }
    if (!is_install && !is_uninstall && strcmp(verb, "status") != 0)
        return gotool_bad_verb(argc, argv, first);
    for (int i = first + 1; i < argc; i++) {
        bool const takes = is_install || is_uninstall;
        if (takes && !strncmp(argv[i], "--dir=", 6))
            dir = argv[i] + 6;
        else if (takes && !strcmp(argv[i], "--dir") && i + 1 < argc)
            dir = argv[++i];
        else if (is_install && !strcmp(argv[i], "--force"))
            force = true;
        else
            return gotool_bad_word(argv[i]);
    }
    if (dir) {
        const char *const real = gbx_cli_real_path(dir);
        if (!real) return gotool_failed(gotool_wrapper(dir), errno);
        dir = *dir == '/' ? gbx_cli_guest_path(dir) : real;
    }
    cli_gotool tool;
    gbx_cli_gofind(&tool);
    if (is_install) return gbx_cli_go_install(&tool, dir, force);
    return is_uninstall ? gotool_uninstall(&tool, dir) : gotool_status(&tool);
}

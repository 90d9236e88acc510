/* `glovebox cache`: what the code cache holds, and emptying it; and where it is by default. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

/* $XDG_CACHE_HOME is to be ignored where it is relative. */
static const char *
cache_parent(void)
{
    const char *const xdg = getenv("XDG_CACHE_HOME");
    const char *const home = getenv("HOME");
    if (xdg && *xdg == '/') return xdg;
    return home && *home == '/' ? gbx_cli_format("%s/.cache", home) : NULL;
}

/* True for a directory of this user's: under `sudo`, a home may be somebody else's, in whose way files of
 * root's would be. */
static bool
cache_is_mine(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

const char *
gbx_cli_cache_dir(bool make)
{
    const char *const parent = cache_parent();
    if (!parent) return NULL;
    const char *const slash = strrchr(parent, '/');
    if (make && access(parent, F_OK)) {
        if (slash == parent || !cache_is_mine(gbx_cli_copy(parent, (size_t)(slash - parent))) ||
            mkdir(parent, 0700))
            return NULL;
    }
    const char *const dir = gbx_cli_format("%s/glovebox", parent);
    return make && access(dir, F_OK) && !cache_is_mine(parent) ? NULL : dir;
}

bool
gbx_cli_cache_has_place(void)
{
    const char *const parent = cache_parent();
    const char *const slash = parent ? strrchr(parent, '/') : NULL;
    if (!parent) return false;
    bool const is_there = !access(parent, F_OK);
    if (!is_there && slash == parent) return false;
    const char *const in = is_there ? parent : gbx_cli_copy(parent, (size_t)(slash - parent));
    return cache_is_mine(in) && !access(in, W_OK | X_OK);
}

static int
cache_failed(const char *dir, gbx_code code, const gbx_err *err)
{
    if (code == GBX_NOT_FOUND) {
        printf("%s: there is no cache yet\n", gbx_cli_quote(dir));
        return CLI_EXIT_OK;
    }
    gbx_cli_diag(&(cli_diag){.kind = "error",
                             .slug = gbx_code_slug(code),
                             .message = gbx_cli_format("%s: %s", gbx_cli_quote(dir), err->text),
                             .fix = gbx_code_remedy(code)});
    return CLI_EXIT_SETUP;
}

int
gbx_cli_cache(int argc, char **argv, int first)
{
    static gbx_err err;
    gbx_cache_info info;
    const char *const verb = first < argc ? argv[first] : "";
    const char *const dir = first + 1 < argc ? argv[first + 1] : gbx_cli_cache_dir(false);
    if (!strcmp(verb, "--help") || !strcmp(verb, "help")) {
        char page[] = "cache", *const words[] = {page};
        return gbx_cli_help(1, (char **)(uintptr_t)words, 0);
    }
    bool const is_clear = !strcmp(verb, "clear"), is_dir = !strcmp(verb, "dir");
    if ((!is_clear && !is_dir && strcmp(verb, "info") != 0) || argc > first + (is_dir ? 1 : 2)) {
        return gbx_cli_usage_error("unknown-command", "glovebox cache takes info, clear or dir",
                                   "and, behind info and clear, a directory", "glovebox cache info");
    }
    if (!dir) {
        return gbx_cli_usage_error("no-cache-dir", "there is no place for a cache",
                                   "neither XDG_CACHE_HOME nor HOME names a directory",
                                   gbx_cli_format("glovebox cache %s DIR", verb));
    }
    if (is_dir) {
        printf("%s\n", dir);
        return CLI_EXIT_OK;
    }
    gbx_code const code =
            is_clear ? gbx_cache_clear(dir, &info, &err) : gbx_cache_inspect(dir, &info, &err);
    if (code != GBX_OK) return cache_failed(dir, code, &err);
    printf("%s: %" PRIu64 " %s%s, %.1f MiB\n", gbx_cli_quote(dir), info.entries,
           info.entries == 1 ? "module" : "modules", is_clear ? " removed" : "",
           (double)info.bytes / 1048576);
    return CLI_EXIT_OK;
}

void
gbx_cli_cache_explain(const cli_plan *plan, const gbx_module *module)
{
    gbx_cache_use use;
    gbx_module_cache_use(module, &use);
    if (use.compiled_file) {
        const char *const what = *use.compiled_file ? use.compiled_file : "used";
        const char *const taken =
                gbx_cli_format("; %u functions taken from it, %u compiled", use.taken, use.compiled);
        gbx_cli_diag(&(cli_diag){
                .kind = "note",
                .slug = "compiled-file",
                .message = gbx_cli_format("compiled file: %s%s", what, use.from_file ? taken : "")});
        if (use.from_file) return;
    }
    const char *const what = !use.is_on ? "not used" : use.is_hit ? "hit" : "miss";
    const char *const why = plan->cache_dir || use.is_on ? use.why : "it is off";
    gbx_cli_diag(&(cli_diag){
            .kind = "note",
            .slug = "cache",
            .message = gbx_cli_format("cache: %s%s%s; %u functions taken from it, %u compiled", what,
                                      *why ? ": " : "", why, use.taken, use.compiled)});
}

/* Notes on files that were looked for beneath a grant and are not there, where it is likely that the grant's
 * name, or the working directory, is what is wrong.
 *
 * GO: syscall/fs_wasip1.go preparePath (1.26): a relative path is put behind PWD; then the longest of the
 * granted names that the text begins with is cut off. So "data/x" in the working directory /data arrives as
 * data/x beneath /data; and /database/x, with /data granted, as base/x beneath /data.
 *
 * A note is made only where the file that was meant is found, and the command that is printed leads to it.
 *
 * SAFETY: paths are the guest's. Those with a backslash were escaped, or are odd: they are passed over. What
 * is part of a command is quoted. */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gbx/unstable/probes.h>

#include "cli/hints.h"

static bool
misses_exists(const char *path)
{
    struct stat st;
    return !stat(path, &st);
}

static const char *
misses_join(const char *dir, const char *name)
{
    size_t const len = strlen(dir);
    bool const has_slash = len && dir[len - 1] == '/';
    return gbx_cli_format("%s%s%s", dir, has_slash ? "" : "/", name);
}

/* `text` without the `tail` behind a slash; NULL: it does not end so. "/" of what is all tail. */
static const char *
misses_without(const char *text, const char *tail)
{
    size_t const len = strlen(text), tail_len = strlen(tail);
    if (len <= tail_len || strcmp(text + len - tail_len, tail) != 0 || text[len - tail_len - 1] != '/')
        return NULL;
    size_t const rest = len - tail_len - 1;
    return rest ? gbx_cli_copy(text, rest) : "/";
}

/* What stands behind the directory `dir` in `path`; NULL: it is not in it. */
static const char *
misses_behind(const char *path, const char *dir)
{
    size_t const len = strcmp(dir, "/") ? strlen(dir) : 0;
    return !strncmp(path, dir, len) && path[len] == '/' ? path + len + 1 : NULL;
}

static void
misses_add(hints_list *list, const char *slug, const gbx_missed *miss, const char *asked, const char *why,
           const char *fix)
{
    hint const h = {
            .rank = HINTS_FOUND,
            .key = fix,
            .diag = {.slug = slug,
                     .message = gbx_cli_format("the guest could not %s \"%s\"",
                                               gbx_cli_hints_verb(miss->call), asked),
                     .why = why,
                     .fix = fix},
    };
    gbx_cli_hints_add(list, &h);
}

/* The command with another working directory. */
static const char *
misses_with_cwd(const cli_plan *plan, const char *cwd)
{
    const cli_line *const line = plan->line;
    cli_edit edit = {.add = gbx_cli_option_text(CLI_OPT_CWD, cwd)};
    for (int i = 0; i < line->given_count; i++) {
        const cli_given *const g = &line->given[i];
        bool const is_pwd =
                g->id == CLI_OPT_ENV && (!strcmp(g->value, "PWD") || !strncmp(g->value, "PWD=", 4));
        if (g->id != CLI_OPT_CWD && !is_pwd) continue;
        if (edit.skip_count) return NULL; /* both were given */
        edit.skip = g->word;
        edit.skip_count = g->words;
    }
    return gbx_cli_line_command(line, &edit);
}

static bool
misses_is_granted_as(const cli_plan *plan, const char *guest)
{
    for (int i = 0; i < plan->dir_count; i++)
        if (!strcmp(plan->dirs[i].guest, guest)) return true;
    return false;
}

/* The grant has the name that its directory has here: what is not in it is not here either. */
static bool
misses_is_as_here(const cli_plan *plan, const char *grant)
{
    for (int i = 0; i < plan->dir_count; i++)
        if (!strcmp(plan->dirs[i].guest, grant)) return !strcmp(plan->dirs[i].host, grant);
    return false;
}

/* The file is `tail` beneath the grant `dir`; the guest asked for `full`. */
static void
misses_add_tail(hints_list *list, const cli_plan *plan, const gbx_missed *miss, const char *full,
                const cli_dir *dir, const char *tail)
{
    const char *const there = misses_join(dir->guest, tail);
    const char *const pwd = plan->pwd ? plan->pwd : plan->dirs[0].guest; /* as Go has it */
    const char *const relative = misses_behind(full, pwd);
    const char *const cwd = relative ? misses_without(there, relative) : NULL;
    if (cwd) {
        const char *const fix = misses_with_cwd(plan, cwd);
        if (fix)
            misses_add(
                    list, "wrong-cwd", miss, full,
                    gbx_cli_format(
                            "it asked for \"%s\", or for %s itself; its working directory is %s, and the "
                            "file is granted as %s",
                            relative, gbx_cli_quote(full), gbx_cli_quote(pwd), gbx_cli_quote(there)),
                    fix);
        return;
    }
    if (misses_is_as_here(plan, miss->grant)) return;
    const char *const guest = gbx_cli_hints_parent(full), *const host = gbx_cli_hints_parent(
                                                                  misses_join(dir->host, tail));
    if (misses_is_granted_as(plan, guest)) return;
    const char *const grant = gbx_cli_format("%s::%s%s", host, guest, dir->read_only ? "::ro" : "");
    misses_add(
            list, "wrong-mapping", miss, full,
            gbx_cli_format("%s is granted as %s, so the file is %s; granted: %s", gbx_cli_quote(dir->host),
                           gbx_cli_quote(dir->guest), gbx_cli_quote(there), gbx_cli_hints_granted(plan)),
            gbx_cli_line_command(plan->line, &(cli_edit){.add = gbx_cli_option_text(CLI_OPT_DIR, grant)}));
}

/* The guest looks for `tail` in one directory after the other, upwards: it was in the one above, or the one
 * below, too. Where it is found at last, nothing is wrong with its name. */
static bool
misses_is_search(const gbx_store *store, const char *full, const char *tail)
{
    gbx_missed other;
    const char *const dir = misses_without(full, tail);
    for (size_t i = 0; dir && gbx_store_missed(store, i, &other); i++) {
        const char *const name = gbx_cli_guest_path(misses_join(other.grant, other.path));
        const char *const beside = name ? misses_without(name, tail) : NULL;
        if (beside && strcmp(beside, dir) != 0 &&
            (!strcmp(gbx_cli_hints_parent(beside), dir) || !strcmp(gbx_cli_hints_parent(dir), beside)))
            return true;
    }
    return false;
}

/* The end of the path exists beneath some grant: the one with the longest end. */
static bool
misses_find_tail(hints_list *list, const cli_plan *plan, const gbx_store *store, const gbx_missed *miss,
                 const char *full)
{
    for (const char *tail = strchr(full + 1, '/'); tail; tail = strchr(tail + 1, '/')) {
        for (int i = 0; i < plan->dir_count; i++) {
            if (!tail[1] || !misses_exists(misses_join(plan->dirs[i].host, tail + 1))) continue;
            if (!misses_is_search(store, full, tail + 1))
                misses_add_tail(list, plan, miss, full, &plan->dirs[i], tail + 1);
            return true;
        }
    }
    return false;
}

/* /database/x with /data granted. `asked` is the text before Go cut the grant's name off. */
static bool
misses_find_half(hints_list *list, const cli_plan *plan, const gbx_missed *miss, const char *asked)
{
    hints_guess guess = {.guest = asked, .guest_path = asked};
    if (!strcmp(miss->grant, "/") || asked[0] != '/') return false;
    if (!gbx_cli_hints_guess_at(asked + 1, asked, &guess) && !gbx_cli_hints_guess_at(asked, asked, &guess))
        return false;
    if (gbx_cli_hints_is_system(guess.host) || misses_is_granted_as(plan, guess.guest)) return false;
    misses_add(list, "wrong-mapping", miss, asked,
               gbx_cli_format(
                       "%s is granted, and Go takes it for the beginning of %s, which is not; granted: %s",
                       gbx_cli_quote(miss->grant), gbx_cli_quote(asked), gbx_cli_hints_granted(plan)),
               gbx_cli_line_command(plan->line, &(cli_edit){.add = gbx_cli_hints_grant(plan, &guess)}));
    return true;
}

void
gbx_cli_misses_collect(hints_list *list, const cli_plan *plan, const gbx_store *store)
{
    gbx_missed miss;
    if (!plan->dir_count) return;
    for (size_t i = 0; gbx_store_missed(store, i, &miss); i++) {
        if (strchr(miss.path, '\\') || strchr(miss.grant, '\\') || !strcmp(miss.path, ".")) continue;
        const char *const full = gbx_cli_guest_path(misses_join(miss.grant, miss.path));
        const char *const asked = gbx_cli_format("%s%s", miss.grant, miss.path);
        if (!full || misses_find_half(list, plan, &miss, asked)) continue;
        (void)misses_find_tail(list, plan, store, &miss, full);
    }
}

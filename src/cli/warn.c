/* Grants that are broader than they look: the whole tree, a home, a tree that holds keys or history, a whole
 * environment. Said once a run, with what was used of them; the run itself is not changed.
 *
 * Only grants that were typed count: called under another name, by the Go tool or in the place of another
 * runtime, nobody could narrow them here. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/policy.h"

enum { WARN_NAMES = 12 };

/* What in a tree is worth a word; `changed`: where the guest can change it. */
static const struct {
    const char *name, *words;
    bool changed;
} warn_inside[] = {
        {".ssh", "keys that open other machines", false},
        {".env", "settings, with secrets most often", false},
        {".aws", "keys of accounts", false},
        {".gnupg", "private keys", false},
        {".git", "history, and hooks that run here when git is used next", true},
};

/* Why the grant is broad; NULL: it is not. */
static const char *
warn_why(const cli_dir *d)
{
    struct stat inside;
    if (gbx_cli_is_same_file(d->host, "/")) return "it is all that this user can reach";
    if (gbx_cli_is_same_file(d->host, getenv("HOME")) || gbx_cli_is_same_file(d->host, "/home"))
        return "it is a home: keys, histories and settings of other programs lie in it";
    for (size_t i = 0; i < CLI_LEN(warn_inside); i++) {
        if (warn_inside[i].changed && d->read_only) continue;
        if (!lstat(gbx_cli_format("%s/%s", d->host, warn_inside[i].name), &inside))
            return gbx_cli_format("%s lies in it: %s", warn_inside[i].name, warn_inside[i].words);
    }
    return NULL;
}

static bool
warn_is_ours(const cli_plan *plan)
{
    const char *const name = plan->line->argc ? plan->line->argv[0] : "";
    const char *const slash = strrchr(name, '/');
    return !strncmp(slash ? slash + 1 : name, "glovebox", strlen("glovebox"));
}

/* The grant was typed: neither a policy's, nor of a variable or the Go tool's wrapper. */
static bool
warn_is_typed(const cli_plan *plan, const cli_dir *dir)
{
    const cli_given *const given = &plan->line->given[dir->given];
    const unsigned char *const origin = plan->line->origin;
    return !given->at && (!origin || origin[given->word] == CLI_FROM_LINE);
}

/* Names alone, and how many. */
static void
warn_secrets(const cli_plan *plan, const gbx_wasi *wasi)
{
    const char *names[WARN_NAMES];
    size_t const count = gbx_wasi_secrets(wasi, names, WARN_NAMES);
    cli_text t = {0};
    if (!count) return;
    for (size_t i = 0; i < count && i < WARN_NAMES; i++)
        gbx_cli_text_printf(
                &t, "%s%s", i ? ", " : "",
                gbx_cli_show(gbx_cli_format("%.*s", (int)strcspn(names[i], "="), names[i])));
    if (count > WARN_NAMES) gbx_cli_text_printf(&t, ", and %zu more", count - WARN_NAMES);
    const cli_given *const given =
            &plan->line->given[gbx_cli_line_find(plan->line, CLI_OPT_ENV_INHERIT)];
    cli_edit const edit = {.skip = given->word,
                           .skip_count = given->words,
                           .add = gbx_cli_option_text(CLI_OPT_ENV, "PATH")};
    gbx_cli_diag(&(cli_diag){
            .kind = "note",
            .slug = "env-secrets",
            .message =
                    gbx_cli_format("the guest gets %d variables, %zu of which look%s like secrets",
                                   plan->env_count, count, count == 1 ? "s" : ""),
            .why = gbx_cli_format("%s: by their names or values", gbx_cli_text_get(&t)),
            .fix = gbx_cli_format("%s\n(one --env for each variable it needs)",
                                  gbx_cli_line_command(plan->line, &edit)),
    });
}

void
gbx_cli_warn_begin(const cli_plan *plan, gbx_wasi *wasi)
{
    bool is_broad = false;
    if (!plan->hints || !warn_is_ours(plan)) return;
    if (gbx_cli_line_find(plan->line, CLI_OPT_ENV_INHERIT) >= 0) warn_secrets(plan, wasi);
    for (int i = 0; i < plan->dir_count; i++)
        is_broad = is_broad || (warn_is_typed(plan, &plan->dirs[i]) && warn_why(&plan->dirs[i]));
    if (is_broad) gbx_wasi_note_uses(wasi, true);
}

/* Beneath `dir`, by the longest name among the grants? */
static bool
warn_is_of(const cli_plan *plan, const cli_dir *dir, const char *path)
{
    const cli_dir *best = NULL;
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        if (gbx_cli_beneath(path, d->guest) && (!best || strlen(d->guest) > strlen(best->guest)))
            best = d;
    }
    return best == dir;
}

/* What holds all that was used of the grant: its guest path, NULL where nothing was. */
static char *
warn_narrowest(const cli_plan *plan, const cli_dir *dir, const gbx_store *store, bool *changes)
{
    const gbx_use *uses;
    size_t const count = gbx_store_uses(store, &uses, NULL);
    char *common = NULL;
    *changes = false;
    for (size_t i = 0; i < count; i++) {
        if (uses[i].refused || !warn_is_of(plan, dir, uses[i].path)) continue;
        *changes = *changes || uses[i].changes;
        if (!common) common = gbx_cli_format("%s", uses[i].path);
        while (!gbx_cli_beneath(uses[i].path, common)) {
            char *const slash = strrchr(common, '/');
            slash[slash == common] = 0;
        }
    }
    return common;
}

static void
warn_dir(const cli_plan *plan, const cli_dir *dir, const char *why, const gbx_store *store)
{
    bool changes, is_whole;
    char *const used = warn_narrowest(plan, dir, store, &changes);
    (void)gbx_store_uses(store, NULL, &is_whole);
    const cli_given *const given = &plan->line->given[dir->given];
    cli_edit edit = {.skip = given->word, .skip_count = given->words};
    const char *fix = NULL, *told = "not all that it used is known";
    if (is_whole && !used) {
        told = "it used nothing of it";
        fix = gbx_cli_line_command(plan->line, &edit);
    } else if (is_whole) {
        const char *const host = gbx_cli_host_path(dir->host, dir->guest, used);
        edit.add = gbx_cli_option_text(
                CLI_OPT_DIR,
                gbx_cli_format("%s::%s::%s", host, used, changes && !dir->read_only ? "rw" : "ro"));
        if (gbx_cli_line_find(plan->line, CLI_OPT_CWD) <
            0) /* else it is that of the first grant's name */
            edit.add = gbx_cli_format(
                    "%s %s", edit.add,
                    gbx_cli_option_text(CLI_OPT_CWD, plan->pwd ? plan->pwd : plan->dirs[0].guest));
        const char *const how = !changes         ? "to read"
                                : dir->read_only ? "and would have changed something there"
                                                 : "and changed something there";
        told = gbx_cli_format("it used %s, %s", gbx_cli_quote(used), how);
        if (strcmp(used, dir->guest) || (!changes && !dir->read_only))
            fix = gbx_cli_line_command(plan->line, &edit);
    }
    gbx_cli_diag(&(cli_diag){
            .kind = "note",
            .slug = "broad-grant",
            .message = gbx_cli_format("%s was granted, read-%s; %s", gbx_cli_quote(dir->host),
                                      dir->read_only ? "only" : "write", told),
            .why = why,
            .fix = fix,
    });
}

void
gbx_cli_warn(const cli_plan *plan, const gbx_store *store, int status)
{
    if (!warn_is_ours(plan)) return;
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        const char *const why = warn_is_typed(plan, d) ? warn_why(d) : NULL;
        bool changes, is_whole;
        (void)gbx_store_uses(store, NULL, &is_whole);
        /* What a guest that ended well had no use for is --explain's to tell. */
        if (!why || (!status && is_whole && !warn_narrowest(plan, d, store, &changes))) continue;
        warn_dir(plan, d, why, store);
        return;
    }
}

/* Notes on what was refused, printed after a guest failed: which path, why it was refused, and the
 * whole command that would have granted it.
 *
 * A refused path says what the guest asked for; which directory of the host was meant is searched,
 * nearest guess first, among names only: nothing is opened or read. At most three notes, nearest
 * miss first; at exit 0 one, on a terminal, and only for a file that does exist here.
 *
 * What arrives is what Go's syscall package made of the guest's path: joined to PWD, without the
 * leading slash; with no PWD and no directory granted, relative and absolute paths look the same
 * (GO: syscall/fs_wasip1.go preparePath, 1.26).
 *
 * SAFETY: paths come escaped from the library. One that holds a backslash was escaped or is odd: it is
 * shown, but never looked up and never made part of a command. What is part of one is quoted. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/hints.h"

enum { HINTS_MAX = 3, HINTS_SUBDIRS = 256 };

typedef struct hints_probe {
    const char *path;
    bool whole;
} hints_probe;

static const hints_probe hints_probes[] = {
#define CLI_PROBE(path, whole, source) {path, whole},
#include "cli/probes.def"
#undef CLI_PROBE
};

/* Trees of the system: their files are copied, never granted. `exact` ones only by themselves. */
static const struct {
    const char *path;
    bool exact;
} hints_system[] = {
        {"/", true},     {"/etc", false},  {"/proc", false}, {"/sys", false},
        {"/dev", false}, {"/boot", false}, {"/root", true},  {"/home", true},
        {"/usr", true},  {"/var", true},   {"/run", false},  {"/tmp", true},
};

static bool
hints_is_probe(const char *path)
{
    for (size_t i = 0; i < CLI_LEN(hints_probes); i++) {
        size_t const len = strlen(hints_probes[i].path);
        if (strncmp(path, hints_probes[i].path, len) != 0) continue;
        if (!path[len] || (!hints_probes[i].whole && path[len] == '/')) return true;
    }
    return false;
}

/* `dir` may be relative; where it leads counts, not how it is spelled. */
bool
gbx_cli_hints_is_system(const char *given)
{
    char resolved[PATH_MAX];
    const char *const dir = realpath(given, resolved) ? resolved : given;
    const char *const home = getenv("HOME");
    if (home && !strcmp(dir, home)) return true;
    if (!strncmp(dir, "/home/", 6) && !strchr(dir + 6, '/')) return true;
    for (size_t i = 0; i < CLI_LEN(hints_system); i++) {
        size_t const len = strlen(hints_system[i].path);
        if (strncmp(dir, hints_system[i].path, len) != 0) continue;
        if (!dir[len] || (!hints_system[i].exact && dir[len] == '/')) return true;
    }
    return false;
}

const char *
gbx_cli_hints_parent(const char *path)
{
    const char *const slash = strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/" : gbx_cli_copy(path, (size_t)(slash - path));
}

static bool
hints_is_dir(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* ---- where on the host the path was meant to be ---- */

bool
gbx_cli_hints_guess_at(const char *host, const char *guest, hints_guess *out)
{
    struct stat st;
    if (stat(host, &st)) return false;
    bool const dir = S_ISDIR(st.st_mode);
    out->host = dir ? host : gbx_cli_hints_parent(host);
    out->guest = dir ? guest : gbx_cli_hints_parent(guest);
    out->found = host;
    return true;
}

/* The file's name, in the working directory or one level below it; one match only. */
static bool
hints_guess_name(const char *guest, hints_guess *out)
{
    const char *const name = strrchr(guest, '/') + 1;
    if (!*name) return false;
    if (gbx_cli_hints_guess_at(name, guest, out)) return true;
    int seen = 0, matches = 0;
    hints_guess match = *out;
    DIR *const d = opendir(".");
    if (!d) return false;
    for (struct dirent *e = readdir(d); e && seen < HINTS_SUBDIRS; e = readdir(d)) {
        if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN)) continue;
        seen++;
        matches += gbx_cli_hints_guess_at(gbx_cli_format("%s/%s", e->d_name, name), guest, &match);
    }
    closedir(d);
    if (matches == 1) *out = match;
    return matches == 1;
}

/* A file that is to be created: the directory for it exists. With no PWD and no grant "out" may be "/out",
 * for which the root is no directory to grant; with them it is not, and our working directory is no root. */
static bool
hints_guess_parent(const cli_plan *plan, const char *path, const char *guest, hints_guess *out)
{
    const char *const relative = gbx_cli_hints_parent(path);
    const char *const absolute = gbx_cli_hints_parent(guest);
    bool const is_no_root = plan->dir_count && plan->pwd && strcmp(plan->pwd, "/") != 0;
    out->is_parent = true;
    if (hints_is_dir(relative) && (strcmp(absolute, "/") != 0 || !is_no_root))
        return gbx_cli_hints_guess_at(relative, absolute, out);
    return !gbx_cli_hints_is_system(absolute) && hints_is_dir(absolute) &&
           gbx_cli_hints_guess_at(absolute, absolute, out);
}

/* `creates`: what is not there is to be made. */
static bool
hints_guess_host(const cli_plan *plan, const char *path, bool creates, hints_guess *out)
{
    const char *const guest = gbx_cli_guest_path(path);
    *out = (hints_guess){.host = "", .guest = guest, .guest_path = guest, .found = ""};
    if (!guest || strchr(path, '\\') || strlen(path) >= 250) return false;
    if (gbx_cli_hints_guess_at(path, guest, out)) return true;
    size_t const pwd_len = plan->pwd ? strlen(plan->pwd) : 0;
    if (pwd_len > 1 && !strncmp(guest, plan->pwd, pwd_len) && guest[pwd_len] == '/' &&
        gbx_cli_hints_guess_at(guest + pwd_len + 1, guest, out))
        return true;
    if (gbx_cli_hints_guess_at(guest, guest, out)) return true;
    const char *const beside = gbx_cli_format("%s/%s", gbx_cli_hints_parent(plan->program), path);
    out->is_beside = gbx_cli_hints_guess_at(beside, guest, out);
    return out->is_beside || hints_guess_name(guest, out) ||
           (creates && hints_guess_parent(plan, path, guest, out));
}

/* ---- the notes ---- */

void
gbx_cli_hints_add(hints_list *list, hint const *h)
{
    for (int i = 0; i < list->count; i++) {
        const char *const before = list->items[i].searched;
        bool const is_search = before && h->searched && !strcmp(before, h->searched);
        if (!is_search && strcmp(list->items[i].key, h->key) != 0) continue;
        list->items[i].more++;
        return;
    }
    if (list->count < HINTS_KEPT) list->items[list->count++] = *h;
}

const char *
gbx_cli_hints_granted(const cli_plan *plan)
{
    cli_text t = {0};
    if (!plan->dir_count) return "no directory is";
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        gbx_cli_text_printf(&t, "%s%s (from %s, read-%s)", i ? ", " : "", gbx_cli_quote(d->guest),
                            gbx_cli_quote(d->host), d->read_only ? "only" : "write");
    }
    return gbx_cli_text_get(&t);
}

const char *
gbx_cli_hints_verb(const char *call)
{
    static const struct {
        const char *call, *verb;
    } verbs[] = {
            {"path_open", "open"},          {"path_filestat_get", "look at"},
            {"path_readlink", "read"},      {"path_create_directory", "create"},
            {"path_unlink_file", "remove"}, {"path_remove_directory", "remove"},
            {"path_rename", "rename"},      {"path_link", "link"},
            {"path_symlink", "link"},       {"path_filestat_set_times", "touch"},
    };
    for (size_t i = 0; i < CLI_LEN(verbs); i++)
        if (!strcmp(verbs[i].call, call)) return verbs[i].verb;
    return "use";
}

/* The options that grant `guess`. HOST alone does where the guest's name is HOST's own, below a PWD
 * of /; where the guest has no working directory yet, it is given one, because a relative path that
 * it asked for looks the same here as an absolute one. */
const char *
gbx_cli_hints_grant(const cli_plan *plan, const hints_guess *guess)
{
    bool const relative = guess->host[0] != '/';
    const char *const own = gbx_cli_guest_path(guess->host);
    bool const same = own && !strcmp(own, guess->guest);
    bool const no_cwd = !plan->pwd && !plan->dir_count;
    bool const at_root = plan->pwd && !strcmp(plan->pwd, "/");
    const char *const host =
            !relative || guess->host[0] == '.' ? guess->host : gbx_cli_format("./%s", guess->host);
    if (relative && same && (no_cwd || at_root)) return gbx_cli_option_text(CLI_OPT_DIR, host);
    const char *const dir = gbx_cli_option_text(
            CLI_OPT_DIR, !relative && same ? host : gbx_cli_format("%s::%s", host, guess->guest));
    return no_cwd ? gbx_cli_format("%s %s", dir, gbx_cli_option_text(CLI_OPT_CWD, "/")) : dir;
}

/* It looks for a place for temporary files, and none of the host's is meant. GO: os/file_unix.go TempDir,
 * 1.26. */
static bool
hints_wants_temp(const hints_guess *guess, bool found)
{
    size_t const len = strlen(CLI_TEMP);
    if (!guess->guest_path || strncmp(guess->guest_path, CLI_TEMP, len) != 0) return false;
    if (guess->guest_path[len] && guess->guest_path[len] != '/') return false;
    return !found || !strcmp(guess->found, CLI_TEMP);
}

static const char *
hints_fix_missing(const cli_plan *plan, const hints_guess *guess, const char *call, bool found)
{
    const char *const instead = gbx_cli_gorun_instead(plan->line);
    if (instead) return instead;
    if (hints_wants_temp(guess, found)) {
        const char *const scratch = gbx_cli_option_text(CLI_OPT_SCRATCH, CLI_TEMP);
        return gbx_cli_line_command(plan->line, &(cli_edit){.add = scratch});
    }
    if (!found) {
        const char *const parent = gbx_cli_hints_parent(guess->guest);
        bool const is_itself = !strcmp(parent, "/") && !strcmp(call, "path_create_directory");
        const char *const guest = is_itself ? guess->guest : parent;
        const char *const dir = gbx_cli_option_text(CLI_OPT_DIR, gbx_cli_format("HOST::%s", guest));
        const char *const fix = plan->line->is_go
                                        ? gbx_cli_line_command(plan->line, &(cli_edit){.add = dir})
                                        : gbx_cli_format("%s before FILE", dir);
        return gbx_cli_format("%s, where HOST is the directory of this machine that holds it", fix);
    }
    if (!gbx_cli_hints_is_system(guess->host)) {
        return gbx_cli_line_command(plan->line, &(cli_edit){.add = gbx_cli_hints_grant(plan, guess)});
    }
    if (hints_is_dir(guess->found) || access(guess->found, R_OK))
        return "copy what the guest needs into a directory of its own, and grant that";
    hints_guess const copy = {.host = "./granted", .guest = guess->guest};
    return gbx_cli_format(
            "mkdir -p granted && cp %s granted/ && %s", gbx_cli_quote(guess->found),
            gbx_cli_line_command(plan->line, &(cli_edit){.add = gbx_cli_hints_grant(plan, &copy)}));
}

/* `there`: what was found, in words. */
static const char *
hints_why_missing(const cli_plan *plan, const char *there, bool is_argv0)
{
    if (is_argv0)
        return gbx_cli_format("os.Args[0] is only a name, %s, and no path: what lies beside FILE is granted "
                              "like anything else%s",
                              gbx_cli_quote(plan->argv0), there);
    if (plan->dir_count)
        return gbx_cli_format("nothing is granted there; granted: %s%s", gbx_cli_hints_granted(plan), there);
    return gbx_cli_format("no directory is granted, and a guest sees only what is%s", there);
}

/* Under the Go tool names are those of this machine: what is not there either is not there for a native
 * program, which goes on. Many look for a file of settings in all directories above. */
static bool
hints_is_absent_here(const cli_plan *plan, const hints_guess *guess)
{
    struct stat st;
    return plan->line->is_go && guess->guest_path && lstat(guess->guest_path, &st) && errno == ENOENT;
}

static const char *
hints_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void
hints_add_missing(hints_list *list, const cli_plan *plan, const gbx_refusal *r)
{
    hints_guess guess;
    bool const found = hints_guess_host(plan, r->path, r->changes, &guess);
    if (!found && !r->changes && hints_is_absent_here(plan, &guess)) return;
    const char *const fix = guess.guest ? hints_fix_missing(plan, &guess, r->call, found) : NULL;
    /* Without a working directory, what was asked for may have been relative: shown as it came. */
    bool const rooted = (plan->pwd || plan->dir_count) && guess.guest_path;
    const char *const shown = rooted ? guess.guest_path : r->path;
    /* GO: os/getwd.go looks at "." to learn whether PWD is true (1.26): seldom why a guest failed. */
    bool const idle = !strcmp(r->path, ".") && !strcmp(r->call, "path_filestat_get");
    bool const is_argv0 = !strcmp(r->path, plan->argv0) || (found && guess.is_beside);
    const char *const there =
            found ? gbx_cli_format("; %s%s%s", guess.is_parent ? "it would be made in " : "",
                                   gbx_cli_quote(guess.found), guess.is_parent ? "" : " exists here")
                  : "";
    hint const h = {
            .rank = (found || hints_wants_temp(&guess, found)) && !idle ? HINTS_FOUND : HINTS_NOT_FOUND,
            .key = fix ? fix : shown,
            .searched = found || r->changes ? NULL : hints_name(shown),
            .diag =
                    {
                            .slug = is_argv0 ? "argv0-path" : "missing-preopen",
                            .message = gbx_cli_format("the guest could not %s \"%s\"",
                                                      gbx_cli_hints_verb(r->call), shown),
                            .why = hints_why_missing(plan, there, is_argv0),
                            .fix = fix,
                    },
    };
    gbx_cli_hints_add(list, &h);
}

/* The read-only grant that `path`, relative to some descriptor below it, most likely lies in. */
static const cli_dir *
hints_read_only_grant(const cli_plan *plan, const char *path)
{
    const cli_dir *first = NULL;
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        if (!d->read_only) continue;
        if (!first) first = d;
        if (hints_is_dir(gbx_cli_hints_parent(gbx_cli_format("%s/%s", d->host, path)))) return d;
    }
    return first;
}

static void
hints_add_read_only(hints_list *list, const cli_plan *plan, const gbx_refusal *r)
{
    const cli_dir *const dir = hints_read_only_grant(plan, r->path);
    if (!dir) return;
    const cli_given *const given = &plan->line->given[dir->given];
    const char *const value =
            gbx_cli_format("%.*s::rw", (int)(strlen(given->value) - 4), given->value);
    cli_edit const edit = {.skip = given->word,
                           .skip_count = given->words,
                           .add = gbx_cli_option_text(CLI_OPT_DIR, value)};
    const char *const fix = gbx_cli_line_command(plan->line, &edit);
    hint const h = {
            .rank = HINTS_READ_ONLY,
            .key = fix,
            .diag =
                    {
                            .slug = "read-only-grant",
                            .message = gbx_cli_format("the guest could not change \"%s\"", r->path),
                            .why = gbx_cli_format("granted: %s", gbx_cli_hints_granted(plan)),
                            .fix = fix,
                    },
    };
    gbx_cli_hints_add(list, &h);
}

/* RULE of preview 1: a link that names its target from the root leads out of every grant, so none is made. */
static void
hints_add_absolute_link(hints_list *list, const gbx_refusal *r)
{
    hint const h = {.rank = HINTS_OUTSIDE,
                    .key = "symlink",
                    .diag = {.slug = "outside-grant",
                             .message = gbx_cli_format("a symbolic link to \"%s\" was not made", r->path),
                             .why = "a link whose target begins with a / could never be followed: it leads "
                                    "to the root, and out of the directory that is granted",
                             .fix = "name the target as it is seen from the link: os.Symlink(\"file\", "
                                    "\"dir/link\") for dir/file"}};
    gbx_cli_hints_add(list, &h);
}

static void
hints_add_outside(hints_list *list, const cli_plan *plan, const gbx_refusal *r)
{
    if (!strcmp(r->call, "path_symlink") && r->path[0] == '/') {
        hints_add_absolute_link(list, r);
        return;
    }
    hint const h = {
            .rank = HINTS_OUTSIDE,
            .key = r->path,
            .diag =
                    {
                            .slug = "outside-grant",
                            .message = gbx_cli_format(
                                    "\"%s\" leads out of the directory it was looked for in",
                                    r->path),
                            .why = gbx_cli_format(
                                    "a symbolic link or a .. in it points outside; granted: %s",
                                    gbx_cli_hints_granted(plan)),
                            .fix = "copy what the link points to into the granted directory, or "
                                   "grant the "
                                   "directory that holds both",
                    },
    };
    gbx_cli_hints_add(list, &h);
}

/* What no grant of a directory opens; said once of each kind. */
static void
hints_add_barred(hints_list *list, const gbx_refusal *r, const char *slug, const char *why, const char *fix)
{
    hint const h = {
            .rank = HINTS_OUTSIDE,
            .key = slug,
            .diag = {.slug = slug,
                     .message = gbx_cli_format("the guest could not %s \"%s\"",
                                               gbx_cli_hints_verb(r->call), r->path),
                     .why = why,
                     .fix = fix},
    };
    gbx_cli_hints_add(list, &h);
}

static void
hints_add_special(hints_list *list, const cli_plan *plan, const gbx_refusal *r)
{
    cli_edit const edit = {.add = gbx_cli_options[CLI_OPT_ALLOW_SPECIAL_FILES].name};
    hints_add_barred(
            list, r, "special-file",
            "it is a device or an interface of the kernel; who may use those can do all that glovebox can",
            gbx_cli_line_command(plan->line, &edit));
}

static void
hints_add_cache(hints_list *list, const gbx_refusal *r)
{
    hints_add_barred(list, r, "guest-in-cache",
                     "glovebox keeps machine code there that it runs: no guest gets at it", NULL);
}

/* `--dir` with a directory of the host, or `--env` with an assignment, among the guest's words: they
 * were most likely meant for us. */
static void
hints_add_misplaced(hints_list *list, const cli_plan *plan)
{
    const cli_line *const line = plan->line;
    for (int i = line->file + 1; i < line->argc; i++) {
        cli_option_id const id =
                line->argv[i][0] == '-' ? gbx_cli_option_find(line->argv[i]) : CLI_OPT_COUNT;
        if (id != CLI_OPT_DIR && id != CLI_OPT_ENV) continue;
        const char *const equals = strchr(line->argv[i], '=');
        const char *const value = equals ? equals + 1 : i + 1 < line->argc ? line->argv[i + 1] : "";
        const char *const host = gbx_cli_copy(value, strcspn(value, ":"));
        if (id == CLI_OPT_DIR ? !hints_is_dir(host) : !strchr(value, '=')) continue;
        const char *const name = gbx_cli_options[id].name;
        const char *const shown = id == CLI_OPT_ENV ? gbx_cli_mask_env(value) : value;
        cli_edit const edit = {
                .skip = i, .skip_count = equals ? 1 : 2, .add = gbx_cli_option_text(id, shown)};
        hint const h = {
                .rank = HINTS_MISPLACED,
                .key = name,
                .diag =
                        {
                                .slug = "option-after-file",
                                .message = gbx_cli_format(
                                        "%s stands after FILE, so the guest got it", name),
                                .why = "options of glovebox stand before FILE, options of the "
                                       "guest after it",
                                .fix = gbx_cli_line_command(line, &edit),
                        },
        };
        gbx_cli_hints_add(list, &h);
        return;
    }
}

static void
hints_add_env(hints_list *list, const cli_plan *plan)
{
    for (int i = 0; i < plan->env_absent_count; i++) {
        const char *const name = gbx_cli_quote(plan->env_absent[i]);
        hint const h = {
                .rank = HINTS_ENV,
                .key = name,
                .diag =
                        {
                                .slug = "env-absent",
                                .message = gbx_cli_format("--env %s handed nothing over", name),
                                .why = "no variable of that name is set here",
                                .fix = gbx_cli_format("set it first, or say --env %s=VALUE", name),
                        },
        };
        gbx_cli_hints_add(list, &h);
    }
}

/* The same path was refused for the same reason before; or it was only looked for where something was to be
 * made, and that tells more. */
static bool
hints_is_repeated(const gbx_refusal *refusals, size_t count, size_t idx)
{
    const gbx_refusal *const r = &refusals[idx];
    for (size_t i = 0; i < count; i++) {
        const gbx_refusal *const other = &refusals[i];
        size_t const len = strlen(other->path);
        bool const is_same = !strcmp(other->path, r->path);
        if (i < idx && is_same && other->changes == r->changes && !strcmp(other->reason, r->reason))
            return true;
        if (other->changes && !r->changes && !strcmp(other->reason, r->reason) &&
            (is_same || (!strncmp(r->path, other->path, len) && r->path[len] == '/')))
            return true;
    }
    return false;
}

static void
hints_collect(hints_list *list, const cli_plan *plan, const gbx_store *store)
{
    const gbx_refusal *refusals = NULL;
    size_t const count = gbx_store_refusals(store, &refusals);
    for (size_t i = 0; i < count; i++) {
        const gbx_refusal *const r = &refusals[i];
        if (hints_is_repeated(refusals, count, i)) continue;
        if (strstr(r->reason, "read-only"))
            hints_add_read_only(list, plan, r);
        else if (strstr(r->reason, "outside"))
            hints_add_outside(list, plan, r);
        else if (strstr(r->reason, "special"))
            hints_add_special(list, plan, r);
        else if (strstr(r->reason, "cache"))
            hints_add_cache(list, r);
        else if (!hints_is_probe(r->path))
            hints_add_missing(list, plan, r);
    }
}

void
gbx_cli_hints(const cli_plan *plan, const cli_guest *guest, int status)
{
    static hints_list list;
    gbx_cli_entered_secrets(plan, guest->module);
    if (status == 0 && !isatty(STDERR_FILENO)) return;
    hints_collect(&list, plan, guest->store);
    if (status != 0) {
        gbx_cli_entered_collect(&list, plan, guest, status);
        gbx_cli_misses_collect(&list, plan, guest->store);
        hints_add_misplaced(&list, plan);
        hints_add_env(&list, plan);
    }
    /* A grant behind FILE is what is missing. */
    bool is_misplaced = false;
    for (int i = 0; i < list.count; i++)
        is_misplaced = is_misplaced || (list.items[i].rank == HINTS_MISPLACED &&
                                        !strcmp(list.items[i].key, gbx_cli_options[CLI_OPT_DIR].name));
    int printed = 0;
    hints_rank const last = status == 0 ? HINTS_FOUND : HINTS_NOT_FOUND;
    for (hints_rank rank = HINTS_MISPLACED; rank <= last; rank++) {
        for (int i = 0; i < list.count && printed < (status == 0 ? 1 : HINTS_MAX); i++) {
            hint *const h = &list.items[i];
            if (h->rank != rank || (is_misplaced && !strcmp(h->diag.slug, "missing-preopen"))) continue;
            h->diag.kind = "note";
            if (h->more) {
                h->diag.message = gbx_cli_format("%s, and %d more there", h->diag.message, h->more);
            }
            gbx_cli_diag(&h->diag);
            printed++;
        }
    }
}

bool
gbx_cli_is_probe(const char *path)
{
    return hints_is_probe(path);
}

bool
gbx_cli_guess(const cli_plan *plan, const char *path, bool creates, cli_guess *out)
{
    hints_guess guess;
    bool const found = hints_guess_host(plan, path, creates, &guess);
    *out = (cli_guess){guess.host, guess.guest, hints_wants_temp(&guess, found)};
    return found || out->is_temp;
}

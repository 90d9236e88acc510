/* The directories that a run used of its grants, or wanted without one, as the fewest grants that give it
 * just that.
 *
 * What was used is a row of the library's for each directory. Where one lies in another it is that one's, but
 * for a directory that is changed in one that is read: then each has its own grant, as Go takes the longest
 * name that matches. A symbolic link that leads out of a directory, and not out of the grant it was found in,
 * widens that one to what holds both. What was refused is granted where the host has it, by the place that
 * was most likely meant; what belongs to the system, and what is not here, is told and not granted. */
#include "cli/hints.h"
#include "cli/policy.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool
gbx_cli_beneath(const char *path, const char *dir)
{
    size_t const len = dir[1] ? strlen(dir) : 0;
    return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

const char *
gbx_cli_host_path(const char *host, const char *guest, const char *path)
{
    const char *rest = path + (guest[1] ? strlen(guest) : 0);
    while (*rest == '/') rest++;
    if (!*rest) return host;
    size_t const len = strlen(host);
    bool const is_here = !strcmp(host, ".");
    return gbx_cli_format("%s%s%s", is_here ? "." : host, len && host[len - 1] == '/' ? "" : "/",
                          rest);
}

static bool
needs_is_dir(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static void
needs_add(cli_needs *n, const char *host, const char *guest, bool changes)
{
    for (int i = 0; i < n->dir_count; i++) {
        if (strcmp(n->dirs[i].guest, guest)) continue;
        n->dirs[i].changes = n->dirs[i].changes || changes;
        return;
    }
    n->dirs[n->dir_count++] = (cli_wanted){host, guest, changes};
}

static void
needs_refuse(cli_needs *n, const char *path, const char *why)
{
    n->refused[n->refused_count++] = (cli_refused){path, why};
}

/* The grant that the guest's path belongs to; NULL: none of a directory of this machine. */
static const cli_dir *
needs_grant(const cli_plan *plan, const char *path)
{
    const cli_dir *best = NULL;
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        if (gbx_cli_beneath(path, d->guest) && (!best || strlen(d->guest) > strlen(best->guest)))
            best = d;
    }
    for (int i = 0; best && i < plan->scratch_count; i++) {
        const char *const guest = plan->scratches[i].guest;
        if (gbx_cli_beneath(path, guest) && strlen(guest) > strlen(best->guest)) return NULL;
    }
    return best;
}

/* The directory of the guest that holds `guest` and all that its links lead to within the grant. */
static const char *
needs_widen(const cli_dir *d, const char *guest)
{
    char root[PATH_MAX], real[PATH_MAX];
    char *const at = gbx_cli_format("%s", guest);
    if (!realpath(d->host, root) || !realpath(gbx_cli_host_path(d->host, d->guest, guest), real))
        return at;
    if (!gbx_cli_beneath(real, root)) return at;
    const char *const named = gbx_cli_host_path(root, d->guest, at);
    if (!strcmp(named, real)) return at;
    while (strlen(at) > strlen(d->guest) &&
           !gbx_cli_beneath(real, gbx_cli_host_path(root, d->guest, at))) {
        char *const slash = strrchr(at, '/');
        slash[slash == at] = 0;
    }
    return at;
}

static void
needs_row(const cli_plan *plan, const gbx_use *use, cli_needs *n)
{
    const cli_dir *const d = needs_grant(plan, use->path);
    if (!d) return; /* of a scratch directory */
    const char *const guest = needs_widen(d, gbx_cli_format("%s", use->path));
    needs_add(n, gbx_cli_host_path(d->host, d->guest, guest), guest, use->changes);
}

static void
needs_refused(const cli_plan *plan, const gbx_use *use, cli_needs *n)
{
    cli_guess guess;
    const char *const path = gbx_cli_format("%s", use->path);
    if (gbx_cli_is_probe(path + 1)) {
        needs_refuse(n, path, "Go's library looks for it by itself, and does without");
    } else if (strlen(path) > 250) {
        needs_refuse(n, path, "its name is too long to look for it here");
    } else if (!path[1]) {
        needs_refuse(n, path, "the root of the guest's tree: it is always there");
    } else if (!gbx_cli_guess(plan, path + 1, use->changes, &guess)) {
        needs_refuse(n, path,
                    use->changes ? "there is no directory here that it could be made in"
                                 : "it is not here, so the answer would be the same");
    } else if (guess.is_temp) {
        n->wants_temp = true;
    } else if (gbx_cli_hints_is_system(guess.host)) {
        needs_refuse(
                n, path,
                gbx_cli_format(
                        "%s is of the system or a home: copy what is needed into a directory of "
                        "its own, and grant that",
                        gbx_cli_quote(guess.host)));
    } else {
        bool const relative = guess.host[0] != '/' && guess.host[0] != '.';
        needs_add(n, relative ? gbx_cli_format("./%s", guess.host) : guess.host, guess.guest,
                 use->changes);
    }
}

static int
needs_order(const void *a, const void *b)
{
    return strcmp(((const cli_wanted *)a)->guest, ((const cli_wanted *)b)->guest);
}

/* Directories that others cover go. */
static void
needs_merge(cli_needs *n)
{
    int kept = 0;
    qsort(n->dirs, (size_t)n->dir_count, sizeof *n->dirs, needs_order);
    for (int i = 0; i < n->dir_count; i++) {
        const cli_wanted *const w = &n->dirs[i], *above = NULL;
        for (int k = 0; k < kept; k++)
            if (gbx_cli_beneath(w->guest, n->dirs[k].guest)) above = &n->dirs[k];
        bool const same =
                above && !strcmp(gbx_cli_host_path(above->host, above->guest, w->guest), w->host);
        if (same && (above->changes || !w->changes)) continue;
        n->dirs[kept++] = *w;
    }
    n->dir_count = kept;
}

void
gbx_cli_needs(const cli_plan *plan, const gbx_store *store, cli_needs *out)
{
    const gbx_use *uses;
    size_t const count = gbx_store_uses(store, &uses, &out->is_whole);
    out->dirs = gbx_cli_alloc(count + (size_t)plan->dir_count + 1, sizeof *out->dirs);
    out->refused = gbx_cli_alloc(count + 1, sizeof *out->refused);
    for (size_t i = 0; i < count; i++) {
        if (uses[i].refused)
            needs_refused(plan, &uses[i], out);
        else if (out->is_whole)
            needs_row(plan, &uses[i], out);
    }
    for (int i = 0; !out->is_whole && i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        needs_add(out, d->host, d->guest, !d->read_only);
    }
    for (int i = out->dir_count - 1; i >= 0; i--)
        if (!needs_is_dir(out->dirs[i].host)) out->dirs[i] = out->dirs[--out->dir_count];
    needs_merge(out);
}

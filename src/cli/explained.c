/* --explain: what a run asked for and was refused, what it was granted and did not use, what it used of
 * Go's library that is not as elsewhere here, and output in small pieces. Times and the cache have their
 * own lines (clock.c, cache.c).
 *
 * Said of a run that is over, whatever became of it. Where something cannot be known it is said to be
 * unknown: a module without Go's table of functions may use any variable. */
#include <inttypes.h>
#include <string.h>

#include <gbx/unstable/audit.h>
#include <gbx/unstable/probes.h>

#include "cli/hints.h"

enum { EXPLAINED_SHOWN = 20 };
/* So many calls of so few bytes each cost more than the work. */
#define EXPLAINED_CHATTY_CALLS 10000u
#define EXPLAINED_CHATTY_BYTES 64u

static void
explained_say(const char *slug, const char *message, const char *why, const char *fix)
{
    gbx_cli_diag(&(cli_diag){.kind = "note", .slug = slug, .message = message, .why = why, .fix = fix});
}

static void
explained_refused(const gbx_store *store)
{
    const gbx_refusal *refusals;
    size_t const count = gbx_store_refusals(store, &refusals);
    cli_text t = {0};
    for (size_t i = 0; i < count && i < EXPLAINED_SHOWN; i++)
        gbx_cli_text_printf(&t, "%s%s \"%s\": %s", i ? "\n" : "", refusals[i].call, refusals[i].path,
                            refusals[i].reason);
    if (count > EXPLAINED_SHOWN) gbx_cli_text_printf(&t, "\nand %zu more", count - EXPLAINED_SHOWN);
    explained_say("refused",
                  count ? gbx_cli_format("refused: %zu path%s", count, count == 1 ? "" : "s")
                        : "refused: nothing",
                  gbx_cli_text_get(&t), NULL);
}

/* ---- Grants that can go */

typedef struct explained_unused {
    cli_text words;
    cli_edit edit; /* without the last of them */
    int count;
} explained_unused;

static void
explained_add(explained_unused *u, const cli_plan *plan, int given, const char *why)
{
    const cli_given *const g = &plan->line->given[given];
    const char *const name = gbx_cli_options[g->id].name;
    const char *const value =
            g->id == CLI_OPT_ENV ? gbx_cli_copy(g->value, strcspn(g->value, "=")) : g->value;
    gbx_cli_text_printf(&u->words, "%s%s %s%s", u->count ? ", " : "", name, gbx_cli_quote(value), why);
    u->edit = (cli_edit){.skip = g->word, .skip_count = g->words};
    u->count++;
}

/* The grant that a path of the guest's lies in; -1: none. */
static int
explained_dir_of(const cli_plan *plan, const char *path)
{
    int best = -1;
    size_t best_len = 0;
    for (int i = 0; i < plan->dir_count; i++) {
        const char *const guest = plan->dirs[i].guest;
        size_t const len = strcmp(guest, "/") ? strlen(guest) : 0;
        if (strncmp(path, guest, len) != 0 || (path[len] && path[len] != '/')) continue;
        if (best >= 0 && len < best_len) continue;
        best = i;
        best_len = len;
    }
    return best;
}

static void
explained_dirs(explained_unused *u, const cli_plan *plan, const gbx_store *store)
{
    const gbx_use *uses;
    bool is_whole;
    size_t const count = gbx_store_uses(store, &uses, &is_whole);
    bool *const read = gbx_cli_alloc((size_t)plan->dir_count + 1, 2 * sizeof *read);
    bool *const changed = read + plan->dir_count;
    if (!is_whole) return;
    for (size_t i = 0; i < count; i++) {
        int const dir = uses[i].refused ? -1 : explained_dir_of(plan, uses[i].path);
        if (dir < 0) continue;
        read[dir] = true;
        changed[dir] = changed[dir] || uses[i].changes;
    }
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        if (!read[i]) explained_add(u, plan, d->given, "");
    }
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        const cli_given *const g = &plan->line->given[d->given];
        if (!read[i] || changed[i] || d->read_only) continue;
        size_t const len = strlen(g->value);
        bool const has_rw = len > 4 && !strcmp(g->value + len - 4, "::rw");
        const char *const value = gbx_cli_format("%.*s::ro", (int)(has_rw ? len - 4 : len), g->value);
        cli_edit const edit = {
                .skip = g->word, .skip_count = g->words, .add = gbx_cli_option_text(CLI_OPT_DIR, value)};
        explained_say("read-only-would-do",
                      gbx_cli_format("granted for writing, and only read: %s", gbx_cli_quote(d->host)),
                      NULL, gbx_cli_line_command(plan->line, &edit));
    }
}

static bool
explained_was_asked(const gbx_store *store, const char *name)
{
    const char *const *names;
    size_t const count = gbx_store_env_asked(store, &names, NULL);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name)) return true;
    return !strcmp(name, "PWD"); /* Go reads it by itself */
}

/* Who calls os.Environ has all of them. */
static void
explained_env(explained_unused *u, const cli_plan *plan, const cli_guest *guest)
{
    gbx_probe probe;
    bool is_cut;
    (void)gbx_store_env_asked(guest->store, NULL, &is_cut);
    if (!gbx_module_probe(guest->module, 0, &probe) || is_cut ||
        gbx_store_entered(guest->store, "environ"))
        return;
    for (int i = 0; i < plan->line->given_count; i++) {
        const cli_given *const g = &plan->line->given[i];
        if (g->id != CLI_OPT_ENV) continue;
        const char *const name = gbx_cli_copy(g->value, strcspn(g->value, "="));
        if (!explained_was_asked(guest->store, name)) explained_add(u, plan, i, "");
    }
}

static void
explained_unused_grants(const cli_plan *plan, const cli_guest *guest)
{
    explained_unused u = {0};
    explained_dirs(&u, plan, guest->store);
    explained_env(&u, plan, guest);
    if (plan->listener_count == 1 && plan->listeners[0].fd < 0 && !gbx_store_accepts(guest->store))
        explained_add(&u, plan, plan->listeners[0].given, "");
    if (!u.count) return;
    explained_say("unused-grants", gbx_cli_format("granted, and not used: %s", gbx_cli_text_get(&u.words)),
                  "a run with other input may need them",
                  u.count == 1 ? gbx_cli_line_command(plan->line, &u.edit) : NULL);
}

/* ---- Go's library */

static void
explained_entered(const cli_guest *guest)
{
    gbx_probe probe;
    cli_text t = {0};
    const char *const *names;
    size_t i = 0;
    for (; gbx_module_probe(guest->module, i, &probe); i++)
        if (probe.is_entered && strcmp(probe.slug, "pool") != 0)
            gbx_cli_text_printf(&t, "%s%s", t.len ? ", " : "", probe.function);
    if (!i) {
        explained_say("entered", "used of Go's library: unknown",
                      "the module has no table of Go's functions: it was not made by Go's own compiler",
                      NULL);
        return;
    }
    size_t const count = gbx_store_env_asked(guest->store, &names, NULL);
    cli_text env = {0};
    for (size_t k = 0; k < count && k < EXPLAINED_SHOWN; k++)
        gbx_cli_text_printf(&env, "%s%s", k ? ", " : "variables: ", names[k]);
    if (count > EXPLAINED_SHOWN) gbx_cli_text_printf(&env, " and %zu more", count - EXPLAINED_SHOWN);
    explained_say("entered",
                  gbx_cli_format("used of Go's library, of what is not as elsewhere here: %s",
                                 t.len ? gbx_cli_text_get(&t) : "nothing"),
                  gbx_cli_text_get(&env), NULL);
}

/* ---- Output in small pieces */

static uint64_t
explained_calls(const gbx_metrics *m, const char *name)
{
    for (size_t i = 0; *gbx_wasi_call_name(i); i++)
        if (!strcmp(gbx_wasi_call_name(i), name)) return m->wasi_calls[i];
    return 0;
}

static const char *
explained_many(uint64_t n)
{
    return n < 1000000 ? gbx_cli_format("%" PRIu64, n) : gbx_cli_format("%.1f M", (double)n / 1e6);
}

static void
explained_chatty(const char *call, uint64_t calls, uint64_t bytes, const char *fix)
{
    if (calls < EXPLAINED_CHATTY_CALLS || bytes / calls >= EXPLAINED_CHATTY_BYTES) return;
    explained_say("chatty-io",
                  gbx_cli_format("%s calls of %s, of %.0f bytes each", explained_many(calls), call,
                                 (double)bytes / (double)calls),
                  "each leaves the guest and asks this machine, which costs more than the bytes", fix);
}

void
gbx_cli_explain(const cli_plan *plan, const cli_guest *guest)
{
    static gbx_metrics m = GBX_METRICS_INIT;
    explained_refused(guest->store);
    explained_unused_grants(plan, guest);
    explained_entered(guest);
    if (gbx_store_metrics(guest->store, &m, NULL) != GBX_OK) return;
    explained_chatty("fd_write", explained_calls(&m, "fd_write"),
                     m.stream_written_bytes + m.file_written_bytes,
                     "w := bufio.NewWriter(os.Stdout); defer w.Flush()");
    explained_chatty("fd_read", explained_calls(&m, "fd_read"), m.stream_read_bytes + m.file_read_bytes,
                     "r := bufio.NewReader(os.Stdin)");
}

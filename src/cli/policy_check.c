/* Two policies compared, and one put into words.
 *
 * What a path of the guest leads to is decided by the longest guest name above it. It changes at these names
 * only, so the names of both policies are all the places that have to be compared: a grant that goes away may
 * widen too, where a wider one stood behind it.
 *
 * What is compared is what is written: relative names of the host begin at one working directory in both. */
#include "cli/policy.h"

#include <inttypes.h>
#include <string.h>

typedef struct check_list {
    cli_text widened, other;
    int widened_count;
} check_list;

static void
check_say(check_list *c, bool widened, const char *sign, const char *what)
{
    cli_text *const t = widened ? &c->widened : &c->other;
    c->widened_count += widened;
    gbx_cli_text_printf(t, "  %s %s\n", sign, what);
}

/* ---- Directories */

/* What a guest's path leads to. */
typedef struct check_place {
    const cli_grant *grant; /* NULL: nothing */
    const char *host;       /* "" in a scratch directory */
} check_place;

static check_place
check_at(const cli_policy *p, const char *path)
{
    check_place at = {NULL, ""};
    for (int i = 0; i < p->count; i++) {
        const cli_grant *const g = &p->grants[i];
        if (!g->guest || !gbx_cli_beneath(path, g->guest)) continue;
        if (!at.grant || strlen(g->guest) > strlen(at.grant->guest)) at.grant = g;
    }
    if (at.grant && at.grant->host) {
        const char *const host = gbx_cli_host_path(at.grant->host, at.grant->guest, path);
        const char *const clean = gbx_cli_guest_path(host);
        bool const relative = host[0] != '/';
        at.host = clean ? gbx_cli_format("%s%s", relative ? "." : "", clean) : host;
    }
    return at;
}

static void
check_dir(check_list *c, const cli_policy *old, const cli_policy *new, const char *guest)
{
    check_place const a = check_at(old, guest), b = check_at(new, guest);
    const char *const name = gbx_cli_quote(guest);
    if (!b.grant) {
        if (a.grant)
            check_say(c, false, "-",
                      gbx_cli_format("%s: nothing any more, was %s", name, gbx_cli_quote(a.host)));
        return;
    }
    const char *const access = b.grant->read_only ? "read-only" : "read-write";
    if (!b.grant->host) {
        bool const was = a.grant && !a.grant->host;
        if (!was || b.grant->number > a.grant->number)
            check_say(c, true, "+",
                      gbx_cli_format("%s: a directory in memory of %" PRIu64 " bytes%s", name,
                                     b.grant->number,
                                     was ? gbx_cli_format(", was %" PRIu64, a.grant->number) : ""));
        else if (b.grant->number < a.grant->number)
            check_say(c, false, "-", gbx_cli_format("%s: a smaller directory in memory", name));
        return;
    }
    bool const same = a.grant && a.grant->host && !strcmp(a.host, b.host);
    if (!same)
        check_say(
                c, true, "+",
                gbx_cli_format("%s: %s of this machine, %s%s", name, gbx_cli_quote(b.host), access,
                               a.grant ? a.grant->host
                                                 ? gbx_cli_format("; was %s", gbx_cli_quote(a.host))
                                                 : "; was a directory in memory"
                                       : ""));
    else if (a.grant->read_only && !b.grant->read_only)
        check_say(c, true, "+", gbx_cli_format("%s: may be changed, was read-only", name));
    else if (!a.grant->read_only && b.grant->read_only)
        check_say(c, false, "-", gbx_cli_format("%s: read-only now", name));
}

static void
check_dirs(check_list *c, const cli_policy *old, const cli_policy *new)
{
    for (int i = 0; i < new->count; i++)
        if (new->grants[i].guest) check_dir(c, old, new, new->grants[i].guest);
    for (int i = 0; i < old->count; i++) {
        bool seen = !old->grants[i].guest;
        for (int k = 0; k < new->count && !seen; k++)
            seen = new->grants[k].guest && !strcmp(new->grants[k].guest, old->grants[i].guest);
        if (!seen) check_dir(c, old, new, old->grants[i].guest);
    }
}

/* ---- Bounds */

static const struct {
    cli_option_id id;
    const char *words;
} check_bounds_of[] = {
        {CLI_OPT_TIMEOUT, "time of a run"},
        {CLI_OPT_FUEL, "instructions"},
        {CLI_OPT_MAX_MEMORY, "memory"},
        {CLI_OPT_MAX_OUTPUT, "output"},
        {CLI_OPT_MAX_DISK, "what it writes to files"},
};

static void
check_bounds(check_list *c, const cli_policy *old, const cli_policy *new)
{
    for (size_t i = 0; i < CLI_LEN(check_bounds_of); i++) {
        const cli_grant *const a = gbx_cli_policy_find(old, check_bounds_of[i].id);
        const cli_grant *const b = gbx_cli_policy_find(new, check_bounds_of[i].id);
        uint64_t const was = a ? a->number : GBX_UNLIMITED, is = b ? b->number : GBX_UNLIMITED;
        if (was == is) continue;
        check_say(c, is > was, is > was ? "+" : "-",
                  gbx_cli_format("%s: %s, was %s", check_bounds_of[i].words,
                                 is == GBX_UNLIMITED ? "no bound" : b->value,
                                 was == GBX_UNLIMITED ? "no bound" : a->value));
    }
}

/* ---- All else */

static const cli_grant *
check_find(const cli_policy *p, const cli_grant *like)
{
    for (int i = 0; i < p->count; i++) {
        const cli_grant *const g = &p->grants[i];
        if (g->id != like->id) continue;
        if (like->name
                    ? !strcmp(g->name, like->name)
                    : !like->value || like->id != CLI_OPT_LISTEN || !strcmp(g->value, like->value))
            return g;
    }
    return NULL;
}

static const char *
check_show(const cli_grant *g)
{
    if (g->id == CLI_OPT_ENV)
        return gbx_cli_format("variable %s%s", gbx_cli_quote(g->name),
                              g->fixed ? ", with a value" : "");
    if (g->id == CLI_OPT_COUNT)
        return gbx_cli_format("host function %s %s%s%s", gbx_cli_quote(g->name), g->signature,
                              *g->purpose ? ": " : "", gbx_cli_show(g->purpose));
    return gbx_cli_format("%s%s%s", gbx_cli_policy_key(g->id), g->value ? " " : "",
                          g->value ? gbx_cli_quote(g->value) : "");
}

/* A grant that has no counterpart: does it give more by being there? */
static bool
check_gives(cli_option_id id)
{
    return id == CLI_OPT_ENV || id == CLI_OPT_LISTEN || id == CLI_OPT_ALLOW_SPECIAL_FILES ||
           id == CLI_OPT_COUNT;
}

static bool
check_off(const cli_grant *g)
{
    return g && g->value && !strcmp(g->fixed ? g->fixed : g->value, "off");
}

static void
check_pair(check_list *c, const cli_grant *a, const cli_grant *b)
{
    const cli_grant *const any = b ? b : a;
    bool more = false;
    switch (any->id) {
    case CLI_OPT_DIR:
    case CLI_OPT_SCRATCH:
    case CLI_OPT_TIMEOUT:
    case CLI_OPT_FUEL:
    case CLI_OPT_MAX_MEMORY:
    case CLI_OPT_MAX_OUTPUT:
    case CLI_OPT_MAX_DISK: return;
    case CLI_OPT_WASM_FEATURE: more = check_off(a) && !check_off(b); break; /* may use it again */
    case CLI_OPT_SANITIZE_TTY:
        more = check_off(b) && !check_off(a);
        break;                                /* may write anything to terminals */
    case CLI_OPT_SEED: more = a && !b; break; /* sees this machine's time */
    case CLI_OPT_ENV: more = b && (!a || (a->fixed && !b->fixed)); break; /* this machine's value */
    case CLI_OPT_STUB: more = false; break;
    default: more = b && !a && check_gives(b->id); break;
    }
    bool const same =
            a && b &&
            (a->value == b->value || (a->value && b->value && !strcmp(a->value, b->value))) &&
            (!a->signature ||
             (!strcmp(a->signature, b->signature) && !strcmp(a->purpose, b->purpose)));
    if (same) return;
    bool const other_type =
            any->id == CLI_OPT_COUNT && a && b && strcmp(a->signature, b->signature) != 0;
    more = more || other_type;
    check_say(c, more,
              !b   ? more ? "+" : "-"
              : !a ? "+"
                   : "~",
              gbx_cli_format("%s%s", check_show(any),
                             !b  ? " is gone"
                             : a ? ", was otherwise"
                                 : ""));
}

int
gbx_cli_policy_check(const cli_policy *old, const cli_policy *new)
{
    check_list c = {0};
    check_dirs(&c, old, new);
    for (int i = 0; i < new->count; i++)
        check_pair(&c, check_find(old, &new->grants[i]), &new->grants[i]);
    for (int i = 0; i < old->count; i++)
        if (!check_find(new, &old->grants[i])) check_pair(&c, &old->grants[i], NULL);
    check_bounds(&c, old, new);
    printf("%s grants %s than %s\n", gbx_cli_quote(new->path), c.widened_count ? "more" : "no more",
           gbx_cli_quote(old->path));
    if (c.widened_count) printf("widened:\n%s", gbx_cli_text_get(&c.widened));
    if (c.other.len) printf("narrowed or changed:\n%s", gbx_cli_text_get(&c.other));
    return c.widened_count ? CLI_EXIT_UNMET : CLI_EXIT_OK;
}

/* ---- In words */

static void
describe_list(const cli_policy *p, cli_option_id id, const char *none, const char *some)
{
    int count = 0;
    for (int i = 0; i < p->count; i++) {
        const cli_grant *const g = &p->grants[i];
        if (g->id != id) continue;
        if (!count++) printf("%s\n", some);
        switch (id) {
        case CLI_OPT_DIR:
            printf("  %s %s, which is %s of this machine\n",
                   g->read_only ? "read" : "read and change", gbx_cli_quote(g->guest),
                   gbx_cli_quote(g->host));
            break;
        case CLI_OPT_ENV:
            printf("  %s%s\n", gbx_cli_quote(g->name),
                   g->fixed ? ", with the value that the policy states" : ", as it is set here");
            break;
        case CLI_OPT_COUNT:
            printf("  %s %s: %s\n", gbx_cli_quote(g->name), gbx_cli_show(g->signature),
                   *g->purpose ? gbx_cli_show(g->purpose) : "what for is not said");
            break;
        case CLI_OPT_STUB:
            printf("  %s: %s\n", gbx_cli_quote(g->name),
                   strcmp(g->fixed, "0") ? "ends who calls it" : "gives zeros");
            break;
        default: printf("  %s\n", gbx_cli_quote(g->value)); break;
        }
    }
    if (!count && *none) printf("%s\n", none);
}

static void
describe_scratches(const cli_policy *p)
{
    for (int i = 0; i < p->count; i++)
        if (p->grants[i].id == CLI_OPT_SCRATCH)
            printf("it has %s to itself, in memory, for %" PRIu64 " bytes\n",
                   gbx_cli_quote(p->grants[i].guest), p->grants[i].number);
}

static void
describe_value(const cli_policy *p, cli_option_id id, const char *words)
{
    const cli_grant *const g = gbx_cli_policy_find(p, id);
    if (g) printf("%s%s\n", words, g->value ? gbx_cli_format(" %s", gbx_cli_quote(g->value)) : "");
}

int
gbx_cli_policy_describe(const cli_policy *p)
{
    printf("with %s a guest has its arguments, its standard streams, %s, and beside these:\n",
           gbx_cli_quote(p->path),
           gbx_cli_policy_find(p, CLI_OPT_SEED) ? "a clock and random numbers drawn from a seed"
                                                : "this machine's clock and random numbers");
    describe_list(p, CLI_OPT_DIR, "no file of this machine", "directories: it may");
    describe_scratches(p);
    describe_value(p, CLI_OPT_ALLOW_SPECIAL_FILES,
                   "devices and interfaces of the kernel in these directories: all that glovebox "
                   "can do, it can");
    describe_value(p, CLI_OPT_CWD, "its working directory is");
    describe_list(p, CLI_OPT_ENV, "no variable", "variables:");
    describe_list(p, CLI_OPT_LISTEN, "no network", "network: it serves clients that connect to");
    describe_list(p, CLI_OPT_COUNT, "no function of the host",
                  "functions of the host that embeds it:");
    describe_list(p, CLI_OPT_STUB, "", "imports that are made up:");
    describe_value(p, CLI_OPT_SANITIZE_TTY, "control sequences to a terminal are filtered:");
    describe_list(p, CLI_OPT_WASM_FEATURE, "", "features of WebAssembly that it may not use:");
    printf("bounds:\n");
    for (size_t i = 0; i < CLI_LEN(check_bounds_of); i++) {
        const cli_grant *const g = gbx_cli_policy_find(p, check_bounds_of[i].id);
        printf("  %s: %s\n", check_bounds_of[i].words,
               g && g->number != GBX_UNLIMITED ? g->value : "no bound");
    }
    return CLI_EXIT_OK;
}

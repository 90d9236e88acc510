/* Notes on what a guest made with Go used of Go's library that cannot work as it is meant, seen by the
 * library's entry probes; and environment variables that it asked for, is not given and that are set here.
 *
 * Only of a guest that failed, but for secrets drawn from a seed: that they are worth nothing shows in no
 * exit code. A module without Go's table of functions gets none of these: nothing is guessed.
 *
 * SAFETY: names of variables come escaped from the library. One that the host has under that very name has
 * no bytes that need escaping, or it is quoted for the shell; values are never read. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gbx/unstable/probes.h>

#include "cli/hints.h"

enum { ENTERED_NAMES_MOST = 3 };

static const char *const entered_goenv[] = {
#define CLI_GOENV(name, source) name,
#include "cli/goenv.def"
#undef CLI_GOENV
};

static bool
entered_is_gos_own(const char *name)
{
    for (size_t i = 0; i < CLI_LEN(entered_goenv); i++)
        if (!strcmp(name, entered_goenv[i])) return true;
    return false;
}

static bool
entered_is_granted(const cli_plan *plan, const char *name)
{
    for (int i = 0; i < plan->env_count; i++)
        if (!strcmp(name, plan->env[i].name)) return true;
    return false;
}

static void
entered_env(hints_list *list, const cli_plan *plan, const gbx_store *store)
{
    const char *const *names;
    size_t const count = gbx_store_env_asked(store, &names, NULL);
    cli_text shown = {0}, grants = {0};
    int found = 0, more = 0;
    for (size_t i = 0; i < count; i++) {
        const char *const name = names[i];
        bool const is_odd = strpbrk(name, "\\=") != NULL;
        if (is_odd || entered_is_gos_own(name) || entered_is_granted(plan, name) || !getenv(name)) continue;
        if (found == ENTERED_NAMES_MOST) {
            more++;
            continue;
        }
        gbx_cli_text_printf(&shown, "%s%s", found ? ", " : "", gbx_cli_quote(name));
        gbx_cli_text_printf(&grants, "%s%s", found ? " " : "", gbx_cli_option_text(CLI_OPT_ENV, name));
        found++;
    }
    if (!found) return;
    if (more) gbx_cli_text_printf(&shown, " and %d more", more);
    hint const h = {
            .rank = HINTS_ENV,
            .key = "env-missing",
            .diag = {
                    .slug = "env-missing",
                    .message = gbx_cli_format("the guest asked for variables that it is not given: %s",
                                              gbx_cli_text_get(&shown)),
                    .why = "they are set here; a guest has those variables that are granted, and no others",
                    .fix = gbx_cli_line_command(plan->line,
                                                &(cli_edit){.add = gbx_cli_text_get(&grants)})}};
    gbx_cli_hints_add(list, &h);
}

static void
entered_add(hints_list *list, const char *slug, const char *message, const char *why, const char *fix)
{
    hint const h = {.rank = HINTS_ENTERED,
                    .key = slug,
                    .diag = {.slug = slug, .message = message, .why = why, .fix = fix}};
    gbx_cli_hints_add(list, &h);
}

static const char *
entered_listen(const cli_plan *plan)
{
    const char *const listen = gbx_cli_option_text(CLI_OPT_LISTEN, "127.0.0.1:8080");
    return gbx_cli_line_command(plan->line, &(cli_edit){.add = listen});
}

/* GO: net/net_fake.go (1.26). Where a socket was granted, serve.c has its own note. */
static void
entered_network(hints_list *list, const cli_plan *plan, const cli_guest *guest)
{
    bool const listens = gbx_store_entered(guest->store, "listen");
    if (listens && plan->line->is_test) return; /* servers and clients of a test are in one module */
    if (listens && !plan->listener_count)
        entered_add(
                list, "fake-network", "the guest listens where nobody can reach it (net.Listen)",
                "for WASI, Go's net.Listen and http.ListenAndServe are an in-memory network inside the "
                "module; a server is granted a socket, and takes it: net.FileListener(os.NewFile(3, \"\"))",
                entered_listen(plan));
    else if (gbx_store_entered(guest->store, "socket") && !plan->listener_count)
        entered_add(list, "no-socket", "the guest takes a socket that it was not granted (net.FileListener)",
                    "descriptors 3, 4, ... are the sockets of --listen, in their order, and there is none",
                    entered_listen(plan));
    else if (gbx_store_entered(guest->store, "connect"))
        entered_add(
                list, "no-connections", "the guest connects where nobody answers (net.Dial)",
                "for WASI, Go's net.Dial and its look-ups of names are an in-memory network inside the "
                "module; there are no connections that a guest begins",
                "let the host fetch it: hand the data over on standard input, or in a directory (--dir)");
}

/* GO: crypto/x509/root_unix.go, root_wasm.go (1.26): no file is looked for unless SSL_CERT_FILE names one. */
static void
entered_roots(hints_list *list, const cli_plan *plan, const gbx_module *module)
{
    static const char bundle[] = "/etc/ssl/certs/ca-certificates.crt";
    if (!gbx_module_entered(module, "roots") || entered_is_granted(plan, "SSL_CERT_FILE") ||
        entered_is_granted(plan, "SSL_CERT_DIR"))
        return;
    const char *const grant =
            gbx_cli_format("%s %s", gbx_cli_option_text(CLI_OPT_DIR, "/etc/ssl/certs::ro"),
                           gbx_cli_option_text(CLI_OPT_ENV, gbx_cli_format("SSL_CERT_FILE=%s", bundle)));
    entered_add(list, "no-ca-roots", "the guest checks certificates and has no roots to check them against",
                "for WASI, Go knows no place for them: it reads the file that SSL_CERT_FILE names",
                access(bundle, R_OK)
                        ? "grant a directory with a bundle of roots read-only, and --env SSL_CERT_FILE=PATH"
                        : gbx_cli_line_command(plan->line, &(cli_edit){.add = grant}));
}

static bool
entered_is_linked(const gbx_module *module, const char *slug)
{
    gbx_probe probe;
    for (size_t i = 0; gbx_module_probe(module, i, &probe); i++)
        if (probe.is_linked && !strcmp(probe.slug, slug)) return true;
    return false;
}

/* GO: time/zoneinfo_goroot.go: a GOROOT that is granted, or its lib/time, has all zones. */
static bool
entered_has_zones(const cli_plan *plan)
{
    for (int i = 0; i < plan->dir_count; i++) {
        const char *const host = plan->dirs[i].host;
        if (!access(gbx_cli_format("%s/zoneinfo.zip", host), R_OK) ||
            !access(gbx_cli_format("%s/lib/time/zoneinfo.zip", host), R_OK))
            return true;
    }
    return false;
}

/* A name of the guest's that leads nowhere else, and is there. */
static bool
entered_is_below(const char *dir, const char *name)
{
    return *name && *name != '/' && !strstr(name, "..") && !access(gbx_cli_format("%s/%s", dir, name), F_OK);
}

/* GO: time/zoneinfo.go, zoneinfo_wasip1.go (1.26): zones other than these come from $ZONEINFO, from
 * $GOROOT/lib/time/zoneinfo.zip, or from the module itself. */
static void
entered_zones(hints_list *list, const cli_plan *plan, const cli_guest *guest)
{
    static const char tree[] = "/usr/share/zoneinfo";
    const char *const *zones;
    size_t const count = gbx_store_zones_asked(guest->store, &zones, NULL);
    if (entered_is_linked(guest->module, "zone-data") || entered_is_granted(plan, "ZONEINFO")) return;
    if (entered_has_zones(plan)) return;
    bool const has_tree = !access(tree, R_OK);
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(zones[i], "UTC") || !strcmp(zones[i], "Local")) continue;
        if (has_tree && !entered_is_below(tree, zones[i])) continue; /* nobody has such a zone */
        const char *const grant =
                gbx_cli_format("%s %s", gbx_cli_option_text(CLI_OPT_DIR, gbx_cli_format("%s::ro", tree)),
                               gbx_cli_option_text(CLI_OPT_ENV, gbx_cli_format("ZONEINFO=%s", tree)));
        entered_add(
                list, "no-time-zones",
                gbx_cli_format("the guest could not load the time zone \"%s\"", zones[i]),
                "for WASI, Go knows no place for time zones but $ZONEINFO; or build with -tags timetzdata, "
                "which puts all of them into the module",
                has_tree ? gbx_cli_line_command(plan->line, &(cli_edit){.add = grant})
                         : "GOOS=wasip1 GOARCH=wasm go build -tags timetzdata -o main.wasm .");
        return;
    }
}

/* What the guest's thread has run, and waited for a processor to run on: on a machine that is busy the first
 * alone says little. */
static uint64_t
entered_cpu_ns(void)
{
    struct timespec t;
    unsigned long long ran = 0, queued = 0;
    FILE *const f = fopen("/proc/self/schedstat", "re");
    bool const is_known = f && fscanf(f, "%llu %llu", &ran, &queued) == 2;
    if (f) fclose(f);
    if (is_known) return ran + queued;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t)) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void
gbx_cli_entered_secrets(const cli_plan *plan, const gbx_module *module)
{
    if (!plan->is_seeded || !gbx_module_entered(module, "secrets")) return;
    gbx_cli_diag(&(cli_diag){.kind = "note",
                             .slug = "seeded-secrets",
                             .message = "the guest draws secrets (crypto/rand) from --seed",
                             .why = "whoever knows the seed knows all of them: for runs to be repeated, "
                                    "and for nothing else"});
}

void
gbx_cli_entered_collect(hints_list *list, const cli_plan *plan, const cli_guest *guest, int status)
{
    const gbx_module *const module = guest->module;
    entered_env(list, plan, guest->store);
    entered_network(list, plan, guest);
    if (gbx_store_entered(guest->store, "exec"))
        entered_add(list, "no-processes", "the guest started a process (os/exec)",
                    "there are no processes for a guest: WASI has no call that starts one",
                    "do it inside the guest, or let the embedding program offer it as a function");
    entered_zones(list, plan, guest);
    entered_roots(list, plan, module);
    if (status == CLI_EXIT_DEADLINE && gbx_store_entered(guest->store, "cores") &&
        entered_cpu_ns() >= plan->timeout_ns / 2)
        entered_add(
                list, "one-thread", "the guest counts on several processors (runtime.GOMAXPROCS)",
                "goroutines of a guest share one thread, by design: they take turns, whatever it is set to",
                "share the work out among several runs of the guest");
}

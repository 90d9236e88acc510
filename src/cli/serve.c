/* --listen: sockets that the guest gets, and how a guest that serves comes to its end.
 *
 * Sockets are opened, or taken over from whoever started us, before FILE is read: a client that comes
 * meanwhile waits. They are the guest's descriptors 3, 4, ... in the order of the command line; LISTEN_FDS,
 * LISTEN_PID and LISTEN_FDNAMES tell it how many, as systemd would. Nothing that systemd handed over is
 * granted unless --listen systemd says so.
 *
 * Preview 1 has no signals, so the first SIGINT or SIGTERM ends listening, not the guest: its accept fails,
 * it answers what it has begun to answer, and ends. A second one, or SERVE_GRACE_S, stops it where it stands.
 *
 * SAFETY: what LISTEN_FDS says is believed only where LISTEN_PID is this process, and only of descriptors
 * that are sockets; they are looked at while nothing else of ours is one. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define SERVE_SYSTEMD  "systemd"
#define SERVE_FIRST_FD 3
#define SERVE_FDS_MAX  1000
/* GO: syscall/syscall_wasip1.go Getpid (1.26): what LISTEN_PID is compared with. */
#define SERVE_GUEST_PID "3"
#define SERVE_GRACE_S   10
#define SERVE_LAST_S    2 /* for what is said of a guest that was stopped */

static gbx_store *_Atomic serve_store;
static atomic_int serve_signal; /* the first one that came; 0: none */

/* ---- what is asked for */

static int
serve_refuse(const cli_plan *plan, int given, const char *why, const char *right)
{
    const cli_given *const g = &plan->line->given[given];
    cli_edit const edit = {.skip = g->word,
                           .skip_count = g->words,
                           .add = right ? gbx_cli_option_text(CLI_OPT_LISTEN, right) : NULL};
    return gbx_cli_usage_error("listen-address",
                               gbx_cli_format("--listen cannot be %s", gbx_cli_quote(g->value)), why,
                               right ? gbx_cli_line_command(plan->line, &edit)
                                     : "--listen 127.0.0.1:8080, --listen [::1]:8080 or --listen unix:PATH");
}

static int
serve_no_systemd(const char *why)
{
    return gbx_cli_usage_error(
            "listen-systemd", "no socket was handed over by systemd", why,
            "start it from a .socket unit, or with systemd-socket-activate -l 8080 glovebox ...");
}

/* The name of socket `i` in LISTEN_FDNAMES, whose fields are separated by colons; NULL: it has none. */
static const char *
serve_name_of(const char *names, int i)
{
    for (; names && i; i--) {
        names = strchr(names, ':');
        if (names) names++;
    }
    return names ? gbx_cli_copy(names, strcspn(names, ":")) : NULL;
}

/* SPEC: sd_listen_fds(3) */
static int
serve_from_systemd(cli_plan *plan, const char *wanted)
{
    const char *const pid = getenv("LISTEN_PID"), *const fds = getenv("LISTEN_FDS");
    const char *const names = getenv("LISTEN_FDNAMES");
    gbx_val n;
    bool found = false;
    if (!pid || !fds) return serve_no_systemd("LISTEN_FDS and LISTEN_PID are not set");
    if (strcmp(pid, gbx_cli_format("%ld", (long)getpid())) != 0)
        return serve_no_systemd(
                gbx_cli_format("LISTEN_PID is %s, and this process is %ld: is there a shell between?",
                               gbx_cli_quote(pid), (long)getpid()));
    if (!gbx_cli_parse_value(fds, GBX_I32, &n) || n.of.i32 < 1 || n.of.i32 > SERVE_FDS_MAX)
        return serve_no_systemd(gbx_cli_format("LISTEN_FDS is %s", gbx_cli_quote(fds)));
    for (int i = 0; i < n.of.i32; i++) {
        int const fd = SERVE_FIRST_FD + i;
        const char *const name = serve_name_of(names, i);
        struct stat st;
        if (fstat(fd, &st) || !S_ISSOCK(st.st_mode))
            return serve_no_systemd(gbx_cli_format("descriptor %d is no socket", fd));
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (wanted && (!name || strcmp(name, wanted) != 0)) continue;
        found = true;
        plan->listeners[plan->listener_count++] = (cli_listener){.fd = fd, .name = name};
    }
    if (found) return CLI_EXIT_OK;
    return serve_no_systemd(gbx_cli_format("none is named %s; LISTEN_FDNAMES is %s", gbx_cli_quote(wanted),
                                            names ? gbx_cli_quote(names) : "not set"));
}

int
gbx_cli_listen_plan(cli_plan *plan, int given)
{
    const char *const value = plan->line->given[given].value;
    size_t const len = strlen(SERVE_SYSTEMD);
    if (!strncmp(value, SERVE_SYSTEMD, len) && (!value[len] || value[len] == ':')) {
        if (value[len] && !value[len + 1])
            return serve_refuse(plan, given, "the name is missing", SERVE_SYSTEMD);
        return serve_from_systemd(plan, value[len] ? value + len + 1 : NULL);
    }
    plan->listeners[plan->listener_count++] = (cli_listener){.fd = -1, .given = given};
    return CLI_EXIT_OK;
}

size_t
gbx_cli_listen_most(const cli_line *line)
{
    size_t n = 0;
    for (int i = 0; i < line->given_count; i++)
        if (line->given[i].id == CLI_OPT_LISTEN)
            n += strncmp(line->given[i].value, SERVE_SYSTEMD, strlen(SERVE_SYSTEMD)) ? 1 : SERVE_FDS_MAX;
    return n;
}

/* ---- opening */

/* ":8080" and "8080" are what people write who mean this machine. */
static const char *
serve_guess(const char *value)
{
    const char *const port = value + (value[0] == ':');
    gbx_val n;
    bool const is_port = *port && !port[strspn(port, "0123456789")] && strlen(port) < 6 &&
                         gbx_cli_parse_value(port, GBX_I32, &n) && n.of.i32 <= UINT16_MAX;
    return is_port ? gbx_cli_format("127.0.0.1:%s", port) : NULL;
}

static int
serve_failed(const cli_plan *plan, const cli_listener *l, gbx_code code, const gbx_err *err)
{
    const char *const value = plan->line->given[l->given].value;
    if (code == GBX_ARGUMENT) return serve_refuse(plan, l->given, err->text, serve_guess(value));
    return gbx_cli_usage_error("listen-failed", err->text,
                               "another process listens there, or the address is not for this user", NULL);
}

int
gbx_cli_listen_open(const cli_plan *plan, gbx_wasi *wasi)
{
    static gbx_err err;
    for (int i = 0; i < plan->listener_count; i++) {
        cli_listener *const l = &plan->listeners[i];
        if (l->fd < 0) {
            const char *const value = plan->line->given[l->given].value;
            gbx_code const code = gbx_wasi_listen(wasi, value, l->bound, &err);
            if (code != GBX_OK) return serve_failed(plan, l, code, &err);
            continue;
        }
        gbx_code const code = gbx_wasi_socket(wasi, l->fd, &err);
        close(l->fd);
        if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
    }
    return CLI_EXIT_OK;
}

/* What --env sets stays. */
gbx_code
gbx_cli_listen_env(const cli_plan *plan, gbx_wasi *wasi, gbx_err *err)
{
    cli_text names = {0};
    if (!plan->listener_count) return GBX_OK;
    for (int i = 0; i < plan->listener_count; i++)
        gbx_cli_text_printf(&names, "%s%s", i ? ":" : "",
                            plan->listeners[i].name ? plan->listeners[i].name : "unknown");
    gbx_code code = gbx_wasi_env(wasi, "LISTEN_PID", SERVE_GUEST_PID, err);
    if (code == GBX_OK)
        code = gbx_wasi_env(wasi, "LISTEN_FDS", gbx_cli_format("%d", plan->listener_count), err);
    if (code == GBX_OK) code = gbx_wasi_env(wasi, "LISTEN_FDNAMES", gbx_cli_text_get(&names), err);
    return code;
}

/* Where the port was left open, nobody else can say which it became. */
void
gbx_cli_listen_tell(const cli_plan *plan)
{
    for (int i = 0; i < plan->listener_count; i++) {
        const cli_listener *const l = &plan->listeners[i];
        const char *const value = l->fd < 0 ? plan->line->given[l->given].value : "";
        size_t const len = strlen(value);
        if (len < 2 || strcmp(value + len - 2, ":0") != 0) continue;
        gbx_cli_diag(&(cli_diag){.kind = "note",
                                 .slug = "listening",
                                 .message = gbx_cli_format("the guest's descriptor %d listens on %s",
                                                           SERVE_FIRST_FD + i, l->bound)});
    }
}

/* GO: net/net_fake.go (1.26): what net.Listen makes for WASI connects the module with itself. */
void
gbx_cli_listen_hint(const cli_plan *plan, const gbx_store *store, int status)
{
    if (!plan->listener_count || !plan->hints || status == CLI_EXIT_OK || gbx_store_accepts(store)) return;
    gbx_cli_diag(&(cli_diag){
            .kind = "note",
            .slug = "never-accepted",
            .message = "the guest was granted a socket and never asked for a client",
            .why = "net.Listen and http.ListenAndServe do not leave the module; the socket is descriptor 3",
            .fix = "l, err := net.FileListener(os.NewFile(3, \"\")); err = http.Serve(l, handler)"});
}

/* ---- the end */

/* First the guest is asked to end. One that has not, or that a second signal is sent, is stopped where it
 * stands, as one that does not listen is at once. The third time this process ends. Async-signal-safe, as
 * all that it calls. */
static void
serve_on_signal(int number)
{
    int first = 0;
    gbx_store *const store = atomic_load(&serve_store);
    if (!store) gbx_cli_die_of(number);
    if (atomic_compare_exchange_strong(&serve_signal, &first, number)) {
        if (number == SIGALRM) gbx_cli_die_of(number); /* nobody's but somebody else's */
        gbx_store_stop_accepting(store);
        alarm(SERVE_GRACE_S);
        return;
    }
    if (number != SIGALRM) atomic_store(&serve_signal, first = number);
    gbx_cli_stacks_on_signal(first);
    alarm(SERVE_LAST_S);
}

void
gbx_cli_listen_begin(const cli_plan *plan, gbx_store *store)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGALRM};
    if (!plan->listener_count) return;
    atomic_store(&serve_store, store);
    for (size_t i = 0; i < CLI_LEN(ends); i++) {
        struct sigaction old, mine = {.sa_handler = serve_on_signal};
        sigemptyset(&mine.sa_mask);
        if (!sigaction(ends[i], NULL, &old) && old.sa_handler != SIG_IGN) sigaction(ends[i], &mine, NULL);
    }
}

int
gbx_cli_listen_end(int status)
{
    atomic_store(&serve_store, NULL);
    alarm(0);
    int const number = atomic_load(&serve_signal);
    return status != CLI_EXIT_OK ? number : 0;
}

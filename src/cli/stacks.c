/* A guest that is interrupted says what it was doing: Ctrl-C, SIGTERM, SIGHUP and Ctrl-\ stop it where it
 * stands, and then its goroutines and what it waited for are printed, as after a trap or a deadline, and the
 * report is written.
 *
 * Preview 1 has no signals, so the guest itself is told nothing. One that listens is asked to end first by
 * SIGINT and SIGTERM (serve.c). A second signal ends the process at once. What the parent chose to ignore
 * stays ignored. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include <gbx/goroutine.h>

#include "cli/cli.h"

#define STACKS_LONG_NS UINT64_C(10000000000)

static gbx_store *_Atomic stacks_store;
static atomic_int stacks_signal; /* the first one that came; 0: none */

static const struct {
    int number, status;
    const char *text;
} stacks_signals[] = {
        {SIGINT, CLI_EXIT_INTERRUPTED, "Ctrl-C (SIGINT)"},
        {SIGTERM, CLI_EXIT_TERMINATED, "SIGTERM"},
        {SIGQUIT, CLI_EXIT_QUIT, "Ctrl-\\ (SIGQUIT)"},
        {SIGHUP, CLI_EXIT_HANGUP, "the end of its terminal (SIGHUP)"},
};

/* Async-signal-safe, as all that it calls. */
void
gbx_cli_stacks_on_signal(int number)
{
    int first = 0;
    gbx_store *const store = atomic_load(&stacks_store);
    if (!store || !atomic_compare_exchange_strong(&stacks_signal, &first, number)) gbx_cli_die_of(number);
    gbx_store_cancel(store);
}

void
gbx_cli_stacks_begin(const cli_plan *plan, gbx_store *store)
{
    atomic_store(&stacks_store, store);
    for (size_t i = 0; i < CLI_LEN(stacks_signals); i++) {
        int const number = stacks_signals[i].number;
        struct sigaction old, mine = {.sa_handler = gbx_cli_stacks_on_signal};
        sigemptyset(&mine.sa_mask);
        if (plan->listener_count && (number == SIGINT || number == SIGTERM)) continue;
        if (!sigaction(number, NULL, &old) && old.sa_handler != SIG_IGN) sigaction(number, &mine, NULL);
    }
}

int
gbx_cli_stacks_end(void)
{
    atomic_store(&stacks_store, NULL);
    return atomic_load(&stacks_signal);
}

const char *
gbx_cli_stacks_signal(void)
{
    for (size_t i = 0; i < CLI_LEN(stacks_signals); i++)
        if (stacks_signals[i].number == atomic_load(&stacks_signal)) return stacks_signals[i].text;
    return NULL;
}

int
gbx_cli_stacks_status(void)
{
    for (size_t i = 0; i < CLI_LEN(stacks_signals); i++)
        if (stacks_signals[i].number == atomic_load(&stacks_signal)) return stacks_signals[i].status;
    return CLI_EXIT_TRAP;
}

/* What the program stood at when it was stopped; NULL: it cannot be read. */
static gbx_go_stacks *stacks_taken;

void
gbx_cli_stacks_take(const cli_guest *guest, const gbx_trap *trap)
{
    gbx_err err;
    if (guest->instance) (void)gbx_go_stacks_new(guest->instance, trap, &stacks_taken, &err);
}

/* Whether all that the program does is to ask Go's os/signal for signals, over and over. *alone: no goroutine
 * waits for a time, or for a descriptor, either.
 * GO: os/signal/signal_unix.go loop, runtime/sigqueue.go signal_recv, runtime/lock_wasip1.go notetsleepg
 * (1.26). */
static bool
stacks_awaits_signals(bool *alone)
{
    bool asks = false;
    gbx_goroutine g;
    *alone = true;
    for (size_t i = 0; gbx_go_stacks_get(stacks_taken, i, &g); i++) {
        bool const waits = !strcmp(g.state, "sleep") || !strncmp(g.state, "select", 6);
        if (waits || !strcmp(g.state, "IO wait")) *alone = false;
        if (!g.is_running && strcmp(g.state, "runnable") != 0) continue;
        bool is_asking = false;
        for (size_t k = 0; k < g.frame_count && !is_asking; k++)
            is_asking = !strcmp(g.frames[k].func, "os/signal.signal_recv");
        if (!is_asking) return false;
        asks = true;
    }
    return asks;
}

/* Whether goroutines were read, and none was running. */
static bool
stacks_none_runs(void)
{
    gbx_goroutine g;
    return gbx_go_stacks_get(stacks_taken, 0, &g) && !g.is_running;
}

cli_stop
gbx_cli_stacks_waited(const gbx_store *store, const gbx_trap *trap)
{
    gbx_waited waited;
    bool alone;
    if (!store || (trap->code != GBX_TRAP_DEADLINE && trap->code != GBX_TRAP_CANCELLED))
        return (cli_stop){.slug = ""};
    if (stacks_awaits_signals(&alone))
        return (cli_stop){"it was waiting for a signal (os/signal), and there are none for a WASI program: "
                          "Go asks for them over and over, which keeps a processor busy",
                          alone ? "signals" : "", true};
    if (!gbx_store_waited(store, trap, &waited))
        return (cli_stop){"it was computing: it waited for nothing in the host", "", false};
    cli_text t = {0};
    gbx_cli_text_printf(&t, "it was waiting for %s (%s", waited.text, waited.call);
    if (waited.fd >= 0) gbx_cli_text_printf(&t, " of descriptor %" PRId32, waited.fd);
    /* As exact as is of use. */
    uint64_t const unit = waited.timer_ns >= STACKS_LONG_NS ? STACKS_LONG_NS / 10 : STACKS_LONG_NS / 10000;
    if (waited.timer_ns != GBX_UNLIMITED)
        gbx_cli_text_printf(&t, ", due in %s", gbx_cli_format_duration(waited.timer_ns / unit * unit));
    gbx_cli_text_printf(&t, ")");
    return (cli_stop){gbx_cli_text_get(&t), waited.slug, stacks_none_runs()};
}

void
gbx_cli_stacks_print(void)
{
    const char *const text = gbx_go_stacks_text(stacks_taken);
    if (*text) fprintf(stderr, "\n%s", text);
    fflush(stderr);
}

static void
stacks_frame(FILE *to, const gbx_go_frame *f)
{
    fprintf(to, "{\"function\": ");
    gbx_cli_json_string(to, f->func);
    if (f->line) {
        fprintf(to, ", \"file\": ");
        gbx_cli_json_string(to, f->file);
        fprintf(to, ", \"line\": %" PRIu32, f->line);
    }
    fprintf(to, "%s}", f->is_inlined ? ", \"inlined\": true" : "");
}

static void
stacks_goroutine(FILE *to, const gbx_goroutine *g)
{
    fprintf(to, "\n    {\"id\": %" PRIu64 ", \"state\": ", g->id);
    gbx_cli_json_string(to, g->state);
    fprintf(to, ", \"running\": %s, \"cut\": %s", g->is_running ? "true" : "false",
            g->is_cut ? "true" : "false");
    if (g->parent) fprintf(to, ", \"parent\": %" PRIu64, g->parent);
    if (*g->creator.func) {
        fprintf(to, ", \"created_by\": ");
        stacks_frame(to, &g->creator);
    }
    fprintf(to, ", \"frames\": [");
    for (size_t i = 0; i < g->frame_count; i++) {
        fprintf(to, "%s\n      ", i ? "," : "");
        stacks_frame(to, &g->frames[i]);
    }
    fprintf(to, "]}");
}

void
gbx_cli_stacks_account(FILE *to)
{
    gbx_goroutine g;
    if (!stacks_taken) return;
    fprintf(to, ",\n  \"goroutines\": [");
    for (size_t i = 0; gbx_go_stacks_get(stacks_taken, i, &g); i++) {
        if (i) fprintf(to, ",");
        stacks_goroutine(to, &g);
    }
    fprintf(to, "]");
}

void
gbx_cli_stacks_release(void)
{
    gbx_go_stacks_release(stacks_taken);
    stacks_taken = NULL;
}

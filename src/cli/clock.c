/* Where the time of a run went, and how much memory it took: a clock that is read between the phases of a run
 * where somebody asked for it, and what the library says of the parts of each. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <gbx/unstable/compiled.h>
#include <gbx/unstable/times.h>

#include "cli/cli.h"

/* ORDER: cli_phase */
static const char *const clock_names[CLI_PHASE_COUNT] = {"engine", "open", "grant", "instantiate", "run"};

uint64_t
gbx_cli_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void
gbx_cli_clock_begin(cli_clock *clock)
{
    *clock = (cli_clock){.is_on = true, .begun_ns = gbx_cli_now_ns()};
    clock->last_ns = clock->begun_ns;
}

void
gbx_cli_clock_lap(cli_clock *clock, cli_phase phase)
{
    if (!clock || !clock->is_on) return;
    uint64_t const now = gbx_cli_now_ns();
    clock->spent_ns[phase] += now - clock->last_ns;
    clock->last_ns = now;
}

uint64_t
gbx_cli_proc_bytes(const char *path, const char *key)
{
    char line[512];
    uint64_t kib = 0;
    FILE *const f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key))) kib = strtoull(line + strlen(key), NULL, 10);
    if (f) fclose(f);
    return kib * 1024;
}

/* What the system gives of its own accord counts a process from before it became this command too. */
uint64_t
gbx_cli_peak_bytes(void)
{
    struct rusage usage;
    uint64_t const peak = gbx_cli_proc_bytes("/proc/self/status", "VmHWM:");
    if (peak || getrusage(RUSAGE_SELF, &usage)) return peak;
    return (uint64_t)usage.ru_maxrss * 1024;
}

static double
clock_ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

/* What a guest did, beside the time that it took. */
static void
clock_add_work(cli_text *t, const gbx_store *store)
{
    static gbx_metrics m = GBX_METRICS_INIT;
    uint64_t calls = 0, left, used;
    if (!store || gbx_store_metrics(store, &m, NULL) != GBX_OK) return;
    for (size_t i = 0; i < CLI_LEN(m.wasi_calls); i++) calls += m.wasi_calls[i];
    gbx_cli_text_printf(t, "; %" PRIu64 " host calls", calls + m.host_calls);
    if (gbx_store_fuel(store, &left, &used)) gbx_cli_text_printf(t, "; fuel %" PRIu64, used);
}

void
gbx_cli_clock_explain(const cli_clock *clock, const gbx_module *module, const gbx_store *store)
{
    gbx_times t;
    gbx_compiled n;
    gbx_cache_use use;
    const uint64_t *const spent = clock->spent_ns;
    gbx_times_get(module, &t);
    gbx_compiled_get(module, &n);
    gbx_module_cache_use(module, &use);
    cli_text text = {0};
    gbx_cli_text_printf(&text,
                        "times: %.2f ms: engine %.2f, open %.2f (read %.2f, cache %.2f, decode %.2f), ",
                        clock_ms(gbx_cli_now_ns() - clock->begun_ns), clock_ms(spent[CLI_PHASE_ENGINE]),
                        clock_ms(spent[CLI_PHASE_OPEN]), clock_ms(t.read_ns), clock_ms(t.lookup_ns),
                        clock_ms(t.decode_ns));
    gbx_cli_text_printf(&text, "grant %.2f, instantiate %.2f (image %.2f), run %.2f",
                        clock_ms(spent[CLI_PHASE_GRANT]), clock_ms(spent[CLI_PHASE_INSTANTIATE]),
                        clock_ms(t.image_ns), clock_ms(spent[CLI_PHASE_RUN]));
    gbx_cli_text_printf(&text, "; compiling %" PRIu32 " functions %.2f, taking over %" PRIu32 " %.2f",
                        use.compiled, clock_ms(t.compile_ns), use.taken, clock_ms(t.take_ns));
    gbx_cli_text_printf(&text, "; code of %.1f KiB, peak memory %.1f MiB", (double)n.code_bytes / 1024,
                        (double)gbx_cli_peak_bytes() / 1048576);
    clock_add_work(&text, store);
    gbx_cli_diag(&(cli_diag){.kind = "note", .slug = "times", .message = gbx_cli_text_get(&text)});
}

void
gbx_cli_clock_print(FILE *to, const cli_clock *clock, const gbx_module *module)
{
    gbx_times t;
    gbx_times_get(module, &t);
    const struct {
        const char *name;
        uint64_t ns;
    } parts[] = {{"read", t.read_ns},   {"cache", t.lookup_ns}, {"decode", t.decode_ns},
                 {"image", t.image_ns}, {"compile", t.compile_ns}, {"take", t.take_ns},
                 {"ready", t.ready_ns}};
    fprintf(to, ",\n  \"times_ns\": {\n    \"total\": %" PRIu64, gbx_cli_now_ns() - clock->begun_ns);
    for (int i = 0; i < CLI_PHASE_COUNT; i++)
        fprintf(to, ",\n    \"%s\": %" PRIu64, clock_names[i], clock->spent_ns[i]);
    for (size_t i = 0; i < CLI_LEN(parts); i++)
        fprintf(to, ",\n    \"%s\": %" PRIu64, parts[i].name, parts[i].ns);
    fprintf(to, "\n  },\n  \"peak_memory_bytes\": %" PRIu64, gbx_cli_peak_bytes());
}

/* A gallery of hostile plugins, each in a store of its own with tight bounds, and what became of it. The host goes
 * on in every case, and can tell each by name. See README.md. */
#include <fcntl.h>
#include <gbx/gbx.h>
#include <stdio.h>
#include <unistd.h>

static gbx_engine *engine;
static gbx_module *module;

/* Run the plugin with one argument. Its output goes to `out`, what it reads comes from a pipe that says nothing. */
static gbx_code
run(const char *attack, int silent, int out, gbx_trap *trap, gbx_err *err)
{
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *plugin = NULL;
    gbx_store_opts bounds = GBX_STORE_OPTS_INIT;
    bounds.timeout_ns = 1000000000u;
    bounds.memory_bytes = (uint64_t)32 << 20;
    bounds.output_bytes = (uint64_t)1 << 20;
    bounds.disk_bytes = (uint64_t)1 << 20;
    gbx_code code = gbx_store_new(engine, &bounds, &store, err);
    if (!code) code = gbx_linker_new(store, &linker, err);
    if (!code) code = gbx_wasi_new(&wasi, err);
    if (!code) code = gbx_wasi_arg(wasi, "plugin", err);
    if (!code) code = gbx_wasi_arg(wasi, attack, err);
    if (!code) code = gbx_wasi_stdio(wasi, 0, silent, err);
    if (!code) code = gbx_wasi_stdio(wasi, 1, out, err);
    if (!code) code = gbx_wasi_scratch(wasi, "/tmp", 65536, err);
    if (!code) code = gbx_wasi_link(wasi, linker, err);
    if (!code) code = gbx_instance_new(store, module, linker, &plugin, trap, err);
    if (!code) gbx_func_call(gbx_instance_func(plugin, "_start"), NULL, 0, NULL, 0, trap);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    return code;
}

int
main(void)
{
    static const char *const attacks[] = {"loop",    "sleep", "read", "allocate", "output",
                                          "recurse", "panic", "exit", "raise",    "pointers"};
    gbx_err err;
    gbx_trap trap;
    int silent[2], null = open("/dev/null", O_WRONLY);
    if (null < 0 || pipe(silent)) return 1;
    if (gbx_engine_new(NULL, &engine, &err) || gbx_module_compile_file(engine, "plugin.wasm", NULL, &module, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        int const is_spam = attacks[i][0] == 'o';
        trap.code = GBX_TRAP_NONE;
        if (run(attacks[i], silent[0], is_spam ? null : 1, &trap, &err)) {
            fprintf(stderr, "%s: %s\n", attacks[i], err.text);
            return 1;
        }
        printf("%s: %s", attacks[i], gbx_trap_slug(trap.code));
        if (trap.code == GBX_TRAP_EXIT) printf(", status %d", (int)trap.exit_status);
        printf("%s%s\n", trap.code && trap.message[0] ? ": " : "", trap.code ? trap.message : "");
        fflush(stdout);
    }
    printf("the host is well\n");
    gbx_module_release(module);
    gbx_engine_release(engine);
    close(silent[0]);
    close(silent[1]);
    close(null);
    return 0;
}

// The headers are C++ too, and what is declared there links.
#include <gbx/gbx.h>

#include <cstdio>
#include <memory>

int main()
{
    gbx_engine *raw = nullptr;
    gbx_err err;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    if (gbx_engine_new(&opts, &raw, &err)) return 1;
    std::unique_ptr<gbx_engine, decltype(&gbx_engine_release)> engine(raw, gbx_engine_release);
    gbx_module *module = nullptr;
    const uint8_t bytes[] = {0, 'a', 's', 'm'};
    if (gbx_module_compile(engine.get(), gbx_bytes{bytes, sizeof bytes}, nullptr, &module, &err) != GBX_TRUNCATED)
        return 1;
    std::printf("well\n");
    return 0;
}

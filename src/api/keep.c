/* keep.h. */
#include "gbx/keep.h"

#include <string.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/text.h"

void
gbx_trim(void)
{
    gbx_runtime_keep_trim(false);
}

void
gbx_shutdown(void)
{
    gbx_runtime_keep_trim(true);
    gbx_runtime_seat_forget();
}

void
gbx_kept_get(gbx_kept *out)
{
    gbx_kept now;
    if (!out || out->size < sizeof out->size) return;
    gbx_runtime_keep_count(&now);
    now.size = out->size;
    memcpy(out, &now, min_u64(out->size, sizeof now));
}

gbx_code
gbx_kept_hint(char **out, gbx_err *err)
{
    enum { KEPT_HINT_BYTES = 1024 };
    keep_again again;
    API_NEED(out, err);
    *out = NULL;
    if (!gbx_runtime_keep_again(&again)) return GBX_OK;
    char *const words = gbx_base_alloc(KEPT_HINT_BYTES, 1);
    if (!words) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a hint");
    text_buf t = gbx_base_text_init(words, KEPT_HINT_BYTES);
    gbx_base_text_printf(
            &t,
            "note[compiled-again]: this process asked %llu times for the same module of %llu bytes, and it "
            "was compiled %llu times\n"
            "  why: an engine, or a module, is made for each request: that reads all bytes each time, and "
            "compiles again what was not wanted for a while (gbx_engine_opts.keep_ms)\n"
            "  fix: call gbx_engine_new and gbx_module_compile once and keep both; for each request "
            "gbx_store_new and gbx_instance_new, which take microseconds\n"
            "  see: glovebox help compiled-again\n",
            (unsigned long long)again.asked, (unsigned long long)again.len, (unsigned long long)again.made);
    *out = words;
    return GBX_OK;
}

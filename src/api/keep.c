/* keep.h. */
#include "gbx/keep.h"

#include <string.h>

#include "api/api_int.h"

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

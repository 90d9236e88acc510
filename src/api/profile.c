/* profile.h. */
#include "gbx/profile.h"

#include "api/api_int.h"
#include "base/alloc.h"
#include "explain/profile.h"

#define API_PROFILE_HZ      100u
#define API_PROFILE_HZ_MOST 1000u

struct gbx_profile {
    runtime_profile *p;
};

gbx_code
gbx_profile_begin(gbx_store *store, const gbx_profile_opts *opts, gbx_profile **out, gbx_err *err)
{
    gbx_profile_opts o = {0};
    API_NEED(out, err);
    *out = NULL;
    API_NEED(store, err);
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    if (o.hz > API_PROFILE_HZ_MOST)
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%u samples a second: at most %u", o.hz,
                                API_PROFILE_HZ_MOST);
    gbx_profile *const profile = gbx_base_alloc_zero(1, sizeof *profile);
    if (!profile) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a profile");
    gbx_code const code = gbx_runtime_profile_begin(store, o.hz ? o.hz : API_PROFILE_HZ, &profile->p, err);
    if (code == GBX_OK) *out = profile;
    else gbx_base_free(profile);
    return code;
}

void
gbx_profile_end(gbx_profile *profile)
{
    if (profile) gbx_runtime_profile_end(profile->p);
}

gbx_code
gbx_profile_write(const gbx_profile *profile, gbx_profile_format format, gbx_write_fn write, void *data,
                  gbx_err *err)
{
    API_NEED(profile, err);
    if (!write) return gbx_api_need(NULL, "write", err);
    if (format != GBX_PROFILE_PPROF && format != GBX_PROFILE_SVG)
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "no such format: %d", (int)format);
    if (!gbx_runtime_profile_has_ended(profile->p))
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET, "the profile has not ended: gbx_profile_end");
    profile_book book;
    profile_out out = {0};
    gbx_explain_book_open(&book, profile->p);
    if (format == GBX_PROFILE_PPROF) gbx_explain_pprof(&book, &out);
    else gbx_explain_svg(&book, &out);
    gbx_explain_book_close(&book);
    gbx_code code = GBX_OK;
    if (out.failed)
        code = gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory to write a profile");
    else if (!write(data, out.bytes, out.len))
        code = gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "the profile cannot be written");
    gbx_base_free(out.bytes);
    return code;
}

void
gbx_profile_samples(const gbx_profile *profile, uint64_t *taken, uint64_t *lost)
{
    u64 count = 0;
    for (u32 i = 0; profile && i < gbx_runtime_profile_count(profile->p); i++)
        count += gbx_runtime_profile_row(profile->p, i).count;
    if (taken) *taken = count;
    if (lost) *lost = profile ? gbx_runtime_profile_lost(profile->p) : 0;
}

void
gbx_profile_release(gbx_profile *profile)
{
    if (!profile) return;
    gbx_runtime_profile_free(profile->p);
    gbx_base_free(profile);
}

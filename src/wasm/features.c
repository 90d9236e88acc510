/* The rows of gbx/features.def: names for people, and refusals for the decoder and the validator. */
#include <string.h>

#include "wasm/wasm_int.h"

#define FEATURE_STATE_ON true
#define FEATURE_STATE_NEVER false
#define FEATURE_WHY_ON(subject, name) subject " switched off (feature " name ")"
#define FEATURE_WHY_NEVER(subject, name) subject " not supported (feature " name ")"

typedef struct feature_row {
    const char *name, *why, *meaning;
    bool is_supported;
} feature_row;

/* ORDER: gbx_feature */
static const feature_row feature_rows[GBX_FEATURE_COUNT] = {
#define GBX_FEATURE(id, name, state, subject, meaning) \
    {name, FEATURE_WHY_##state(subject, name), meaning, FEATURE_STATE_##state},
#include "gbx/features.def"
#undef GBX_FEATURE
};

static const feature_row *
feature_row_of(gbx_feature feature)
{
    static const feature_row none = {"", "", "", false};
    return (u32)feature < GBX_FEATURE_COUNT ? &feature_rows[feature] : &none;
}

const char *
gbx_feature_name(gbx_feature feature)
{
    return feature_row_of(feature)->name;
}

const char *
gbx_feature_meaning(gbx_feature feature)
{
    return feature_row_of(feature)->meaning;
}

gbx_feature
gbx_feature_find(const char *name)
{
    u32 i = 0;
    while (name && i < GBX_FEATURE_COUNT && strcmp(feature_rows[i].name, name) != 0) i++;
    return name ? (gbx_feature)i : GBX_FEATURE_COUNT;
}

bool
gbx_feature_supported(gbx_feature feature)
{
    return feature_row_of(feature)->is_supported;
}

const char *
gbx_wasm_refusal(gbx_feature feature)
{
    return feature_row_of(feature)->why;
}

bool
gbx_wasm_use(wasm_module *m, gbx_feature feature)
{
    m->uses |= GBX_FEATURE_BIT(feature);
    return feature_rows[feature].is_supported && !(m->features_off & GBX_FEATURE_BIT(feature));
}

void
gbx_wasm_need(wasm_module *m, reader *r, u64 offset, gbx_feature feature)
{
    if (rd_ok(r) && !gbx_wasm_use(m, feature))
        gbx_base_rd_fail(r, GBX_UNSUPPORTED, offset, gbx_wasm_refusal(feature));
}

/* Features of WebAssembly that can be switched off, and those that are known and refused. */
#ifndef GBX_FEATURE_H
#define GBX_FEATURE_H

#include "gbx/base.h"

GBX_DECLS_BEGIN

typedef enum gbx_feature {
#define GBX_FEATURE(id, name, state, subject, meaning) GBX_FEATURE_##id,
#include "gbx/features.def"
#undef GBX_FEATURE
    GBX_FEATURE_COUNT
} gbx_feature;

/* A feature as a member of a set, such as gbx_engine_opts.features_off. */
#define GBX_FEATURE_BIT(feature) ((uint64_t)1 << (feature))

/* The stable name of a feature ("relaxed-simd") and what it means in one line. Never NULL; static
 * storage; thread-safe. An unknown feature gives "". */
GBX_API const char *gbx_feature_name(gbx_feature feature);
GBX_API const char *gbx_feature_meaning(gbx_feature feature);

/* The feature called `name` (NUL-terminated); GBX_FEATURE_COUNT where there is none. Thread-safe. */
GBX_API gbx_feature gbx_feature_find(const char *name);

/* False for features that are recognised only to be refused. Thread-safe. */
GBX_API bool gbx_feature_supported(gbx_feature feature);

GBX_DECLS_END

#endif

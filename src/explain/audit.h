/* A module looked at before it runs: what stands behind gbx/unstable/audit.h. */
#ifndef GBX_EXPLAIN_AUDIT_H
#define GBX_EXPLAIN_AUDIT_H

#include "base/arena.h"
#include "gbx/unstable/audit.h"
#include "wasm/gobuild.h"

struct gbx_audit {
    gbx_module *module; /* retained */
    gbx_audit_info info;
    gbx_audit_setting *settings;
    gbx_audit_package *packages;
    u32 setting_count, package_count;
    rd_name *names; /* of functions, sorted by their bytes; not escaped */
    u32 name_count;
    arena arena;
};

GBX_MUST_USE gbx_code gbx_explain_audit_new(gbx_module *m, gbx_audit **out, gbx_err *err);
void gbx_explain_audit_free(gbx_audit *a); /* NULL is fine */
bool gbx_explain_audit_has(const gbx_audit *a, const char *name);

#endif

/* Signatures of host functions as text: "(i32, i64) -> f32", "() -> ()", "(i32)".
 *
 * The same form stands in messages about imports of another type. */
#include <string.h>

#include "api/api_int.h"
#include "base/text.h"

static const struct {
    const char *name;
    gbx_valtype type;
} signature_types[] = {{"i32", GBX_I32},         {"i64", GBX_I64},   {"f32", GBX_F32},
                       {"f64", GBX_F64},         {"v128", GBX_V128}, {"funcref", GBX_FUNCREF},
                       {"externref", GBX_EXTERNREF}};

static const char *
signature_skip(const char *p)
{
    return p + strspn(p, " ");
}

/* One type; false where none stands here. */
static bool
signature_type(const char **p, gbx_valtype *out)
{
    size_t const len = strspn(*p, "abcdefghijklmnopqrstuvwxyz0123456789");
    for (size_t i = 0; len && i < GBX_LEN(signature_types); i++) {
        const char *const name = signature_types[i].name;
        if (strlen(name) != len || memcmp(*p, name, len) != 0) continue;
        *out = signature_types[i].type;
        *p = signature_skip(*p + len);
        return true;
    }
    return false;
}

/* "(T, T)"; false where it is not one, or has more than `most`. */
static bool
signature_list(const char **p, u64 most, gbx_valtype *out, size_t *count)
{
    *count = 0;
    if (**p != '(') return false;
    *p = signature_skip(*p + 1);
    if (**p != ')') {
        for (;;) {
            if (*count == most || !signature_type(p, &out[*count])) return false;
            ++*count;
            if (**p != ',') break;
            *p = signature_skip(*p + 1);
        }
    }
    if (**p != ')') return false;
    *p = signature_skip(*p + 1);
    return true;
}

static bool
signature_parse(const char *p, gbx_valtype *types, size_t *params, size_t *results)
{
    *results = 0;
    p = signature_skip(p);
    if (!signature_list(&p, WASM_MAX_PARAMS, types, params)) return false;
    if (!*p) return true;
    if (p[0] != '-' || p[1] != '>') return false;
    p = signature_skip(p + 2);
    gbx_valtype *const to = types + *params;
    if (*p == '(') return signature_list(&p, WASM_MAX_RESULTS, to, results) && !*p;
    *results = 1;
    return signature_type(&p, to) && !*p;
}

gbx_code
gbx_api_signature(const char *text, gbx_valtype *types, size_t *params, size_t *results, gbx_err *err)
{
    if (signature_parse(text, types, params, results)) return GBX_OK;
    char shown[256];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, text, strlen(text), 200);
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                            "\"%s\" is no signature: write it as \"(i32, i64) -> f32\", with the types i32, "
                            "i64, f32, f64, v128, funcref and externref",
                            shown);
}

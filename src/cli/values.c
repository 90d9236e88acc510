/* Durations, sizes and WebAssembly values, read from and printed as text.
 *
 * SAFETY: every sum and product is checked; what does not fit is refused and never wraps. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"

__extension__ typedef unsigned __int128 values_u128;

typedef struct values_unit {
    const char *name;
    uint64_t scale;
} values_unit;

/* GO: time/format.go unitMap (1.26). Longer names first: the first that fits is taken. */
static const values_unit values_durations[] = {
        {"ns", 1},           {"us", 1000},      {"\302\265s", 1000}, /* U+00B5, micro sign */
        {"\316\274s", 1000},                                         /* U+03BC, Greek mu */
        {"ms", 1000000},     {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000},
};

static const values_unit values_sizes[] = {
        {"kib", 1024},     {"mib", 1048576},   {"gib", 1073741824}, {"kb", 1000},
        {"mb", 1000000},   {"gb", 1000000000}, {"k", 1024},         {"m", 1048576},
        {"g", 1073741824}, {"b", 1},
};

/* A decimal number with an optional fraction, times `scale`, into *out. The fraction is kept to 18
 * digits, as Go does. */
typedef struct values_decimal {
    uint64_t whole, fraction, fraction_scale;
} values_decimal;

static bool
values_read_decimal(const char **text, values_decimal *d)
{
    const char *p = *text;
    bool digits = false;
    *d = (values_decimal){.fraction_scale = 1};
    for (; *p >= '0' && *p <= '9'; p++, digits = true) {
        if (__builtin_mul_overflow(d->whole, 10, &d->whole) ||
            __builtin_add_overflow(d->whole, (uint64_t)(*p - '0'), &d->whole))
            return false;
    }
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++, digits = true) {
            if (d->fraction_scale >= 1000000000000000000) continue;
            d->fraction = d->fraction * 10 + (uint64_t)(*p - '0');
            d->fraction_scale *= 10;
        }
    }
    *text = p;
    return digits;
}

static bool
values_scale(const values_decimal *d, uint64_t scale, uint64_t *sum)
{
    uint64_t whole;
    uint64_t const fraction = (uint64_t)((values_u128)d->fraction * scale / d->fraction_scale);
    return !__builtin_mul_overflow(d->whole, scale, &whole) &&
           !__builtin_add_overflow(*sum, whole, sum) &&
           !__builtin_add_overflow(*sum, fraction, sum);
}

bool
gbx_cli_parse_duration(const char *text, uint64_t *ns, const char **why)
{
    *ns = 0;
    *why = "it reads as numbers with units: 500ms, 2s, 1m30s, 1h";
    if (!strcmp(text, "0")) return true;
    if (!*text) return false;
    for (const char *p = text; *p;) {
        values_decimal d;
        if (!values_read_decimal(&p, &d)) return false;
        size_t const len = strcspn(p, ".0123456789");
        const values_unit *unit = NULL;
        for (size_t i = 0; i < CLI_LEN(values_durations); i++)
            if (strlen(values_durations[i].name) == len &&
                !memcmp(values_durations[i].name, p, len))
                unit = &values_durations[i];
        if (!unit) {
            *why = len ? "the units are ns, us, ms, s, m and h"
                       : "a unit is missing: ns, us, ms, s, m or h";
            return false;
        }
        /* Go's durations end at 2^63 - 1 nanoseconds, some 292 years. */
        if (!values_scale(&d, unit->scale, ns) || *ns > INT64_MAX) {
            *why = "it is longer than 292 years";
            return false;
        }
        p += len;
    }
    return true;
}

bool
gbx_cli_parse_size(const char *text, uint64_t *bytes, const char **why)
{
    const char *p = text;
    values_decimal d;
    *bytes = 0;
    *why = "it reads as a number with an optional unit: 64MiB, 1GiB, 1048576";
    if (!values_read_decimal(&p, &d)) return false;
    uint64_t scale = *p ? 0 : 1;
    for (size_t i = 0; !scale && i < CLI_LEN(values_sizes); i++)
        if (!strcasecmp(p, values_sizes[i].name)) scale = values_sizes[i].scale;
    if (!scale) {
        *why = "the units are KiB, MiB, GiB (K, M, G are the same), KB, MB, GB and B";
        return false;
    }
    if (scale == 1 && d.fraction_scale != 1) {
        *why = "a number of bytes has no fraction";
        return false;
    }
    if (!values_scale(&d, scale, bytes)) {
        *why = "it is larger than 16 EiB";
        return false;
    }
    return true;
}

/* An integer of `bits` bits, written signed or unsigned, decimal or 0x. */
static bool
values_read_int(const char *text, unsigned bits, uint64_t *out)
{
    bool const minus = text[0] == '-';
    const char *p = text + (minus || text[0] == '+');
    int const base = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') ? 16 : 10;
    if (base == 16) p += 2;
    if (!strchr("0123456789abcdefABCDEF", *p) || !*p) return false;
    char *end;
    errno = 0;
    uint64_t const v = strtoull(p, &end, base);
    uint64_t const top = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    if (errno || *end || v > top || (minus && v > (top >> 1) + 1)) return false;
    *out = (minus ? 0 - v : v) & top;
    return true;
}

static bool
values_read_float(const char *text, double *d, float *f)
{
    char *end;
    if (!*text || strchr(" \t\n\v\f\r", *text)) return false;
    *d = strtod(text, &end);
    if (*end) return false;
    *f = strtof(text, &end);
    return true;
}

/* One number of 128 bits: 0x and up to 32 hexadecimal digits, the last ones lane 0. */
static bool
values_read_v128(const char *text, uint8_t out[16])
{
    size_t const len = strlen(text);
    if (len < 3 || len > 2 + 32 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X')) return false;
    if (text[2 + strspn(text + 2, "0123456789abcdefABCDEF")]) return false;
    for (size_t i = 0; i < len - 2; i++) {
        char const digit[2] = {text[len - 1 - i], 0};
        out[i / 2] |= (uint8_t)(strtoul(digit, NULL, 16) << i % 2 * 4);
    }
    return true;
}

bool
gbx_cli_parse_value(const char *text, gbx_valtype type, gbx_val *out)
{
    uint64_t bits = 0;
    double d = 0;
    float f = 0;
    *out = (gbx_val){.type = type};
    switch (type) {
    case GBX_I32:
        if (!values_read_int(text, 32, &bits)) return false;
        out->of.i32 = (int32_t)(uint32_t)bits;
        return true;
    case GBX_I64:
        if (!values_read_int(text, 64, &bits)) return false;
        out->of.i64 = (int64_t)bits;
        return true;
    case GBX_F32:
        if (!values_read_float(text, &d, &f)) return false;
        out->of.f32 = f;
        return true;
    case GBX_F64:
        if (!values_read_float(text, &d, &f)) return false;
        out->of.f64 = d;
        return true;
    case GBX_V128: return values_read_v128(text, out->of.v128);
    case GBX_FUNCREF:
    case GBX_EXNREF:
    case GBX_EXTERNREF: return !strcmp(text, "null");
    }
    return false;
}

const char *
gbx_cli_type_name(gbx_valtype type)
{
    /* ORDER: gbx_valtype */
    static const char *const names[] = {"i32", "i64", "f32", "f64", "funcref", "externref",
                                        "v128", "exnref"};
    return (size_t)type < CLI_LEN(names) ? names[type] : "?";
}

/* The fewest digits that read back as the same number. */
static const char *
values_format_float(double d, bool is_f32)
{
    if (isnan(d)) return "nan";
    for (int digits = 1;; digits++) {
        const char *const text = gbx_cli_format("%.*g", digits, d);
        bool const same = is_f32 ? strtof(text, NULL) == (float)d : strtod(text, NULL) == d;
        if (same || digits == 17) return text;
    }
}

static const char *
values_format_v128(const uint8_t bytes[16])
{
    cli_text t = {0};
    gbx_cli_text_printf(&t, "0x");
    for (size_t i = 16; i-- > 0;) gbx_cli_text_printf(&t, "%02x", (unsigned)bytes[i]);
    return gbx_cli_text_get(&t);
}

const char *
gbx_cli_format_value(const gbx_val *value)
{
    switch (value->type) {
    case GBX_I32: return gbx_cli_format("%" PRId32, value->of.i32);
    case GBX_I64: return gbx_cli_format("%" PRId64, value->of.i64);
    case GBX_F32: return values_format_float((double)value->of.f32, true);
    case GBX_F64: return values_format_float(value->of.f64, false);
    case GBX_V128: return values_format_v128(value->of.v128);
    case GBX_FUNCREF:
    case GBX_EXNREF:
    case GBX_EXTERNREF: break;
    }
    const char *const type = gbx_cli_type_name(value->type);
    return value->of.ref ? type : gbx_cli_format("null %s", type);
}

const char *
gbx_cli_format_duration(uint64_t ns)
{
    static const values_unit units[] = {{"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000},
                                        {"ms", 1000000},      {"us", 1000},       {"ns", 1}};
    size_t i = 0;
    while (i + 1 < CLI_LEN(units) && (!ns || ns % units[i].scale)) i++;
    return gbx_cli_format("%" PRIu64 "%s", ns / units[i].scale, units[i].name);
}

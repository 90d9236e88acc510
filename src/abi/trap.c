/* The traps' texts, from traps.def. */
#include "abi/layout.h"

typedef struct trap_row {
    const char *slug, *text, *remedy;
    int exit_code;
} trap_row;

/* ORDER: gbx_trap_code */
static const trap_row trap_rows[GBX_TRAP_CODE_COUNT] = {
#define GBX_TRAP(code, slug, text, remedy, exit_code) {slug, text, remedy, exit_code},
#include "gbx/traps.def"
#undef GBX_TRAP
};

static const trap_row *
trap_find(gbx_trap_code code)
{
    return (unsigned)code < GBX_TRAP_CODE_COUNT ? &trap_rows[code] : &trap_rows[GBX_TRAP_HOST];
}

const char *
gbx_trap_slug(gbx_trap_code code)
{
    return trap_find(code)->slug;
}

const char *
gbx_trap_text(gbx_trap_code code)
{
    return trap_find(code)->text;
}

const char *
gbx_trap_remedy(gbx_trap_code code)
{
    return trap_find(code)->remedy;
}

int
gbx_trap_exit_code(gbx_trap_code code)
{
    return trap_find(code)->exit_code;
}

bool
gbx_trap_is_success(const gbx_trap *trap)
{
    return trap && (trap->code == GBX_TRAP_NONE || (trap->code == GBX_TRAP_EXIT && trap->exit_status == 0));
}

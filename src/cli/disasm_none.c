/* The command is built without a disassembler, or with one beside it; see disasm.h. */
#include "cli/disasm.h"

const char *const gbx_cli_disasm_missing = "apt-get install libzydis-dev && make";

size_t
gbx_cli_disasm(const uint8_t *code, size_t len, size_t at, char *text, size_t cap)
{
    (void)code, (void)len, (void)at, (void)text, (void)cap;
    return 0;
}

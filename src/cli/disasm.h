/* Machine code as text. disasm_zydis.c has it from Zydis, disasm_none.c stands in for it where the command is
 * built without; the Makefile takes one of them. The library needs neither. A command that is linked
 * statically cannot have Zydis in itself: there glovebox-explore is the same command with it. */
#ifndef GBX_CLI_DISASM_H
#define GBX_CLI_DISASM_H

#include <stddef.h>
#include <stdint.h>

/* NULL: there is a disassembler. Else how to get one. */
extern const char *const gbx_cli_disasm_missing;

/* The instruction at code[at]: its text, and its length; 0: it is none. Branches are shown by offset. */
size_t gbx_cli_disasm(const uint8_t *code, size_t len, size_t at, char *text, size_t cap);

#endif

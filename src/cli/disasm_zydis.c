/* x86-64 as text, by Zydis; see disasm.h. */
#include "cli/disasm.h"

#include <Zydis/Zydis.h>
#include <stdbool.h>

const char *const gbx_cli_disasm_missing = NULL;

static ZydisDecoder disasm_decoder;
static ZydisFormatter disasm_formatter;

static bool
disasm_init(void)
{
    static bool is_done, works;
    if (is_done) return works;
    is_done = true;
    works = ZYAN_SUCCESS(ZydisDecoderInit(&disasm_decoder, ZYDIS_MACHINE_MODE_LONG_64,
                                          ZYDIS_STACK_WIDTH_64)) &&
            ZYAN_SUCCESS(ZydisFormatterInit(&disasm_formatter, ZYDIS_FORMATTER_STYLE_INTEL)) &&
            ZYAN_SUCCESS(ZydisFormatterSetProperty(
                    &disasm_formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED)) &&
            ZYAN_SUCCESS(ZydisFormatterSetProperty(&disasm_formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE,
                                                   ZYAN_FALSE));
    return works;
}

size_t
gbx_cli_disasm(const uint8_t *code, size_t len, size_t at, char *text, size_t cap)
{
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!disasm_init() ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&disasm_decoder, code + at, len - at, &insn, operands)) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&disasm_formatter, &insn, operands,
                                                      insn.operand_count_visible, text, cap, at, NULL)))
        return 0;
    return insn.length;
}

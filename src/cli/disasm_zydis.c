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
    static const struct {
        ZydisFormatterProperty property;
        ZyanUPointer value;
    } properties[] = {
            {ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, (ZyanUPointer)ZYDIS_PADDING_DISABLED},
            {ZYDIS_FORMATTER_PROP_DISP_PADDING, (ZyanUPointer)ZYDIS_PADDING_DISABLED},
            {ZYDIS_FORMATTER_PROP_IMM_PADDING, (ZyanUPointer)ZYDIS_PADDING_DISABLED},
            {ZYDIS_FORMATTER_PROP_IMM_SIGNEDNESS, ZYDIS_SIGNEDNESS_SIGNED},
            {ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE},
    };
    static bool is_done, works;
    if (is_done) return works;
    is_done = true;
    works = ZYAN_SUCCESS(ZydisDecoderInit(&disasm_decoder, ZYDIS_MACHINE_MODE_LONG_64,
                                          ZYDIS_STACK_WIDTH_64)) &&
            ZYAN_SUCCESS(ZydisFormatterInit(&disasm_formatter, ZYDIS_FORMATTER_STYLE_INTEL));
    for (size_t i = 0; works && i < sizeof properties / sizeof *properties; i++)
        works = ZYAN_SUCCESS(ZydisFormatterSetProperty(&disasm_formatter, properties[i].property,
                                                       properties[i].value));
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

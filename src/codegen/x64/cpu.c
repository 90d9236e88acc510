/* What this processor has of what code may use. On a processor of another kind code is made all the same, to
 * be looked at, and asks for no more than X64_CPU_RUNS. */
#include "codegen/x64/emit.h"

#if defined(__x86_64__)

#include <cpuid.h>

u32
gbx_codegen_cpu(void)
{
    u32 a, b, c, d, cpu = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    if (!(c & bit_SSE4_1) || !(c & bit_POPCNT)) return 0;
    cpu |= X64_CPU_RUNS;
    bool const has_abm = __get_cpuid(0x80000001, &a, &b, &c, &d) && c & bit_ABM;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return cpu;
    if (has_abm && b & bit_BMI) cpu |= X64_CPU_LZCNT;
    if (b & bit_BMI2) cpu |= X64_CPU_BMI2;
    return cpu;
}

#else

u32
gbx_codegen_cpu(void)
{
    return 0;
}

#endif

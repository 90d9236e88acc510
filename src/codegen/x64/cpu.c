/* What this processor has of what code may use. On a processor of another kind code is made all the same, to
 * be looked at, and asks for no more than X64_CPU_RUNS. */
#include "codegen/x64/emit.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdatomic.h>

#define CPU_ASKED (1u << 30) /* the answer is known */

static u32
cpu_ask(void)
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

/* PERF: asked once: under a hypervisor each question leaves the virtual machine. */
u32
gbx_codegen_cpu(void)
{
    static _Atomic u32 known;
    u32 cpu = atomic_load_explicit(&known, memory_order_relaxed);
    if (!cpu) {
        cpu = cpu_ask() | CPU_ASKED;
        atomic_store_explicit(&known, cpu, memory_order_relaxed);
    }
    return cpu & ~CPU_ASKED;
}

#else

u32
gbx_codegen_cpu(void)
{
    return 0;
}

#endif

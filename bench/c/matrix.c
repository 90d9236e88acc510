/* Floating point in nested loops: the product of two matrices. */
#include "guest.h"

enum { N = 160 };
static double a[N][N], b[N][N], c[N][N];

void
_start(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)((i * 3 + j) % 7);
            b[i][j] = (double)((i + j * 5) % 11);
        }
    for (u32 round = opaque(6); round--;)
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++) {
                double const x = a[i][k];
                for (int j = 0; j < N; j++) c[i][j] += x * b[k][j];
            }
    double sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) sum += c[i][j] * (double)(i - j);
    print_u64((u64)(sum < 0 ? -sum : sum));
}

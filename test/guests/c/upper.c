/* Standard input to standard output, ASCII letters in upper case. */
#include <stdio.h>

int
main(void)
{
    static char buffer[10000];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0) {
        for (size_t i = 0; i < n; i++)
            if (buffer[i] >= 'a' && buffer[i] <= 'z')
                buffer[i] = (char)(buffer[i] - 'a' + 'A');
        if (fwrite(buffer, 1, n, stdout) != n)
            return 1;
    }
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}

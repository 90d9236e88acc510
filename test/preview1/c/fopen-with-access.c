/* A file of a granted directory, by its relative name and by its absolute one. */
#include "check.h"

int
main(void)
{
    static const char *const names[] = {"file", "/file", "./listed/../file"};
    for (int i = 0; i < 3; i++) {
        char text[16] = "";
        FILE *const f = fopen(names[i], "r");
        CHECK(f && fread(text, 1, sizeof text, f) == 4 && text[0] == 'f');
        CHECK(fclose(f) == 0);
    }
}

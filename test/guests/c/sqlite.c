/* SQLite: runs the statements of standard input on the database file named, prints rows with | between. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static int
print_row(void *unused, int count, char **values, char **names)
{
    (void)unused;
    (void)names;
    for (int i = 0; i < count; i++)
        printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    printf("\n");
    return 0;
}

int
main(int argc, char **argv)
{
    static char statements[1 << 16];
    size_t n = fread(statements, 1, sizeof statements - 1, stdin);
    statements[n] = '\0';
    sqlite3 *db = NULL;
    char *message = NULL;
    if (argc < 2 || sqlite3_open(argv[1], &db) != SQLITE_OK) {
        fprintf(stderr, "cannot open: %s\n", sqlite3_errmsg(db));
        return 1;
    }
    if (sqlite3_exec(db, statements, print_row, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}

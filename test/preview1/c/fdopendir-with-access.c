/* A listing by a descriptor: exactly what is there, with the inode that stat gives. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

int
main(void)
{
    int const fd = open("listed", O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    DIR *const d = fdopendir(fd);
    CHECK(d);
    ino_t seen[2] = {0, 0};
    for (const struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.') continue;
        CHECK(!strcmp(e->d_name, "file-0") || !strcmp(e->d_name, "file-1"));
        ino_t *const ino = &seen[e->d_name[5] - '0'];
        CHECK(!*ino);
        *ino = e->d_ino;
        CHECK(fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == e->d_ino);
    }
    CHECK(seen[0] && seen[1] && seen[0] != seen[1]);
    CHECK(closedir(d) == 0);
}

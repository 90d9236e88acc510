//! Times of a link and of what it leads to are two things.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        assert_ne!(fd_fdstat_get(dir).unwrap().base & right::PATH_FILESTAT_GET, 0);
        let fd = open(dir, "file", CREAT, right::FD_READ | right::FD_WRITE | right::PATH_FILESTAT_GET).unwrap();
        let file = stat(dir, 0, "file").unwrap();
        symlink("file", dir, "link").unwrap();
        let link = stat(dir, 0, "link").unwrap();
        assert_eq!((file.filetype, link.filetype), (IS_REGULAR, IS_LINK));
        assert_ne!(file.ino, link.ino);

        set_times(dir, 0, "link", 0, link.mtim - 200, MTIM).unwrap();
        assert_eq!(stat(dir, 0, "link").unwrap().mtim, link.mtim - 200);
        assert_eq!(stat(dir, 0, "file").unwrap().mtim, file.mtim);
        assert_eq!(stat(dir, FOLLOW, "link").unwrap().mtim, file.mtim);

        set_times(dir, FOLLOW, "link", 0, link.mtim - 300, MTIM).unwrap();
        assert_eq!(stat(dir, 0, "file").unwrap().mtim, link.mtim - 300);
        assert_eq!(stat(dir, 0, "link").unwrap().mtim, link.mtim - 200);
        fd_close(fd).unwrap();
        unlink(dir, "link").unwrap();
        unlink(dir, "file").unwrap();
    });
}

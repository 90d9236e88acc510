//! A file opened for one of reading and writing refuses the other.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let no = [BADF, NOTCAPABLE, ACCES];
        let has = |fd| fd_fdstat_get(fd).unwrap().base & (right::FD_READ | right::FD_WRITE);
        let mut buf = [0; 100];
        make_file(dir, "file");

        let reads = open(dir, "file", 0, right::FD_READ).unwrap();
        assert_eq!(has(reads), right::FD_READ);
        assert_eq!(fd_read(reads, &mut buf), Ok(0));
        refused(fd_write(reads, &buf), &no);
        fd_close(reads).unwrap();

        let writes = open(dir, "file", 0, right::FD_WRITE).unwrap();
        assert_eq!(has(writes), right::FD_WRITE);
        refused(fd_read(writes, &mut buf), &no);
        assert_eq!(fd_write(writes, &[1; 50]), Ok(50));
        fd_close(writes).unwrap();

        let both = open(dir, "file", 0, right::FD_READ | right::FD_WRITE | right::FD_FILESTAT_GET).unwrap();
        assert_eq!(has(both), right::FD_READ | right::FD_WRITE);
        assert_eq!(fd_read(both, &mut buf), Ok(50));
        assert_eq!(fd_write(both, &[2; 25]), Ok(25));
        assert_eq!(fd_filestat_get(both).unwrap().size, 75);
        fd_close(both).unwrap();
        unlink(dir, "file").unwrap();
    });
}

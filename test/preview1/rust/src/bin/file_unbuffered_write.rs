//! What is written by one descriptor is read by another at once.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let reads = open(dir, "file", CREAT, right::FD_READ).unwrap();
        let writes = open(dir, "file", 0, right::FD_WRITE).unwrap();
        let mut byte = [0];
        assert_eq!(fd_write(writes, &[1]), Ok(1));
        assert_eq!(fd_read(reads, &mut byte), Ok(1));
        assert_eq!(byte, [1]);
        fd_close(writes).unwrap();
        fd_close(reads).unwrap();
        unlink(dir, "file").unwrap();
    });
}

//! Reading and writing at offsets, through one buffer and several.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let rights = right::FD_READ | right::FD_SEEK | right::FD_WRITE;
        let fd = open(dir, "file", CREAT, rights).unwrap();
        let mut back = [0; 4];
        assert_eq!(fd_pwrite(fd, &[&[0, 1, 2, 3]], 0), Ok(4));
        assert_eq!(fd_pread(fd, &mut [&mut back], 0), Ok(4));
        assert_eq!(back, [0, 1, 2, 3]);

        assert_eq!(fd_pwrite(fd, &[&[4, 5], &[], &[6, 7]], 0), Ok(4));
        let (mut one, mut two) = ([0; 2], [0; 2]);
        assert_eq!(fd_pread(fd, &mut [&mut one, &mut two], 0), Ok(4));
        assert_eq!((one, two), ([4, 5], [6, 7]));
        assert_eq!(fd_pread(fd, &mut [&mut one, &mut two], 4), Ok(0));

        let mut back = [0; 4];
        assert_eq!(fd_pread(fd, &mut [&mut back], 2), Ok(2));
        assert_eq!(back, [6, 7, 0, 0]);
        assert_eq!(fd_pwrite(fd, &[&[1, 0]], 2), Ok(2));
        assert_eq!(fd_pread(fd, &mut [&mut back], 0), Ok(4));
        assert_eq!(back, [4, 5, 1, 0]);
        assert_eq!(fd_seek(fd, 0, CUR), Ok(0)); // none of it moved the position
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}

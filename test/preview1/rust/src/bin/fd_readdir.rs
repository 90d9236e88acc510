//! Listings: an empty directory has "." and "..", cookies lead behind their entry, and a thousand files come
//! through a buffer for a few.
use preview1::*;

const BUF: usize = 256;

fn list(dir: Fd, cookie: u64) -> (Vec<(u64, u64, u8, String)>, bool) {
    let mut buf = [0; BUF];
    let used = fd_readdir(dir, &mut buf, cookie).unwrap();
    assert!(used <= BUF);
    (entries(&buf[..used]), used < BUF)
}

fn sorted(mut found: Vec<(u64, u64, u8, String)>) -> Vec<(u64, u64, u8, String)> {
    found.sort_by(|a, b| a.3.cmp(&b.3));
    found
}

fn few(dir: Fd) {
    let (found, ended) = list(dir, 0);
    let found = sorted(found);
    assert!(ended && found.len() == 2);
    let here = &found[0];
    assert_eq!((here.1, here.2, here.3.as_str()), (fd_filestat_get(dir).unwrap().ino, IS_DIRECTORY, "."));
    assert_eq!((found[1].2, found[1].3.as_str()), (IS_DIRECTORY, ".."));

    let rights = right::FD_READ | right::FD_WRITE | right::FD_READDIR | right::FD_FILESTAT_GET;
    let fd = open(dir, "file", CREAT, rights).unwrap();
    let ino = fd_filestat_get(fd).unwrap().ino;
    fd_close(fd).unwrap();
    let (found, ended) = list(dir, 0);
    assert!(ended && found.len() == 3);
    let (rest, ended) = list(dir, found[1].0);
    assert!(ended && rest.len() == 1);
    assert_eq!(rest[0].3, found[2].3);
    let file = &sorted(found)[2];
    assert_eq!((file.1, file.2, file.3.as_str()), (ino, IS_REGULAR, "file"));
    unlink(dir, "file").unwrap();
}

fn lots(dir: Fd) {
    for i in 0..1000 {
        make_file(dir, &format!("file.{i}"));
    }
    let (mut total, mut cookie) = (0, 0);
    loop {
        let (found, ended) = list(dir, cookie);
        total += found.len();
        if ended {
            break;
        }
        cookie = found.last().unwrap().0;
    }
    assert_eq!(total, 1002);
    for i in 0..1000 {
        unlink(dir, &format!("file.{i}")).unwrap();
    }
}

fn main() {
    in_own_directory(few);
    in_own_directory(lots);
}

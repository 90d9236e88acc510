//! Second names for files: the same file by either, in this directory and another; never for directories, never
//! over what is there, never by following a link.
use preview1::*;

const RIGHTS: u64 = right::FD_READ | right::PATH_LINK_SOURCE | right::PATH_LINK_TARGET | right::FD_FILESTAT_GET
    | right::PATH_OPEN | right::PATH_UNLINK_FILE;

fn own_open(dir: Fd, name: &str, oflags: u16) -> Fd {
    path_open(dir, 0, name, oflags, RIGHTS, RIGHTS, 0).unwrap()
}

fn same(one: Fd, other: Fd) {
    assert_eq!(fd_filestat_get(one).unwrap(), fd_filestat_get(other).unwrap());
    assert_eq!(fd_fdstat_get(one).unwrap(), fd_fdstat_get(other).unwrap());
}

fn names(dir: Fd) {
    let file = own_open(dir, "file", CREAT);
    link(dir, 0, "file", dir, "link").unwrap();
    let other = own_open(dir, "link", 0);
    same(file, other);
    assert_eq!(fd_filestat_get(file).unwrap().nlink, 2);
    fd_close(other).unwrap();
    unlink(dir, "link").unwrap();

    mkdir(dir, "sub").unwrap();
    let sub = own_open(dir, "sub", DIRECTORY);
    link(dir, 0, "file", sub, "link").unwrap();
    let other = own_open(sub, "link", 0);
    same(file, other);
    fd_close(other).unwrap();
    fd_close(file).unwrap();
    unlink(sub, "link").unwrap();
    fd_close(sub).unwrap();
    refused(link(dir, 0, "sub", dir, "link"), &[PERM, ACCES]);
    rmdir(dir, "sub").unwrap();
}

fn taken(dir: Fd) {
    make_file(dir, "link");
    refused(link(dir, 0, "file", dir, "link"), &[EXIST]);
    unlink(dir, "link").unwrap();
    refused(link(dir, 0, "file", dir, "file"), &[EXIST]);
    mkdir(dir, "link").unwrap();
    refused(link(dir, 0, "file", dir, "link"), &[EXIST]);
    rmdir(dir, "link").unwrap();
    refused(link(dir, 0, "file", dir, "link/"), &[NOENT]);
    symlink("nowhere", dir, "symlink").unwrap();
    refused(link(dir, 0, "file", dir, "symlink"), &[EXIST]);
    refused(link(dir, FOLLOW, "symlink", dir, "link"), &[INVAL, NOENT]);
    unlink(dir, "symlink").unwrap();
}

/// A link that leads nowhere or to itself is linked to as what it is.
fn links(dir: Fd) {
    for text in ["nowhere", "symlink"] {
        symlink(text, dir, "symlink").unwrap();
        link(dir, 0, "symlink", dir, "link").unwrap();
        assert_eq!(stat(dir, 0, "link").unwrap().filetype, IS_LINK);
        unlink(dir, "symlink").unwrap();
        unlink(dir, "link").unwrap();
    }
}

fn main() {
    in_own_directory(|dir| {
        names(dir);
        taken(dir);
        links(dir);
        unlink(dir, "file").unwrap();
    });
}

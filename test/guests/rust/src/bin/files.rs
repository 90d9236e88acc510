//! Files of a granted directory: written, appended to, overwritten, read back, renamed, listed,
//! removed. The first argument is the directory; each other one is a path that must not be reached.
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

fn write_and_read(root: &Path) -> io::Result<()> {
    let notes = root.join("notes.txt");
    fs::write(&notes, "one\ntwo\nthree\n")?;
    OpenOptions::new().append(true).open(&notes)?.write_all(b"four\n")?;
    let mut f = OpenOptions::new().write(true).open(&notes)?;
    f.seek(SeekFrom::Start(4))?;
    f.write_all(b"TWO")?;
    drop(f);
    println!("size {}", fs::metadata(&notes)?.len());
    print!("{}", fs::read_to_string(&notes)?);
    let mut f = File::open(&notes)?;
    assert_eq!(f.seek(SeekFrom::End(-5))?, 14);
    let mut text = String::new();
    f.read_to_string(&mut text)?;
    print!("end: {text}");
    OpenOptions::new().write(true).open(&notes)?.set_len(8)?;
    println!("truncated to {}", fs::metadata(&notes)?.len());
    Ok(())
}

fn list(root: &Path, name: &str) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(name))? {
        names.push(entry?.file_name().into_string().unwrap());
    }
    names.sort();
    println!("{name}: {}", names.join(" "));
    Ok(())
}

fn remove_sub(root: &Path) {
    match fs::remove_dir(root.join("sub")) {
        Ok(()) => println!("sub removed"),
        Err(_) => println!("sub is not empty"),
    }
}

fn move_and_remove(root: &Path) -> io::Result<()> {
    fs::create_dir(root.join("sub"))?;
    fs::rename(root.join("notes.txt"), root.join("sub/moved.txt"))?;
    let there = root.join("notes.txt").exists();
    println!("notes.txt is {}", if there { "still there" } else { "gone" });
    fs::write(root.join("sub/b.txt"), "b")?;
    fs::write(root.join("sub/a.txt"), "a")?;
    list(root, "sub")?;
    remove_sub(root);
    fs::remove_file(root.join("sub/a.txt"))?;
    fs::remove_file(root.join("sub/b.txt"))?;
    fs::rename(root.join("sub/moved.txt"), root.join("kept.txt"))?;
    remove_sub(root);
    Ok(())
}

fn main() {
    let mut args = std::env::args().skip(1);
    let root = args.next().unwrap();
    let root = Path::new(&root);
    if write_and_read(root).is_err() {
        println!("cannot write");
        std::process::exit(1);
    }
    move_and_remove(root).unwrap();
    for path in args {
        let read = if File::open(&path).is_ok() { "read" } else { "not read" };
        let made = if File::create(format!("{path}.made")).is_ok() { "made" } else { "not made" };
        println!("{path}: {read}, {made}");
    }
}

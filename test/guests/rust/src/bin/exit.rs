//! Ends with the exit code it is given. "abort" ends it by a panic, which is a trap.

fn main() {
    println!("ending");
    match std::env::args().nth(1) {
        None => {}
        Some(how) if how == "abort" => panic!("as told"),
        Some(code) => std::process::exit(code.parse().unwrap()),
    }
}

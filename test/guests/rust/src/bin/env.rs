//! The environment variables that the arguments name, and how many there are in all.

fn main() {
    println!("{} variables", std::env::vars_os().count());
    for name in std::env::args().skip(1) {
        match std::env::var(&name) {
            Ok(value) => println!("{name}=[{value}]"),
            Err(_) => println!("{name} is not set"),
        }
    }
}

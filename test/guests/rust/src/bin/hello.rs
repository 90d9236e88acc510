//! Both standard streams.

fn main() {
    println!("hello, world");
    eprintln!("hello, standard error");
}

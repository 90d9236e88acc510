//! The arguments, one a line, behind their number.

fn main() {
    println!("{} arguments", std::env::args().count() - 1);
    for arg in std::env::args().skip(1) {
        println!("[{arg}]");
    }
}

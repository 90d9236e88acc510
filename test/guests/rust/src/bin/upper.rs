//! Standard input to standard output, ASCII letters in upper case.
use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = [0; 10000];
    loop {
        let n = input.read(&mut buffer)?;
        if n == 0 {
            return output.flush();
        }
        buffer[..n].make_ascii_uppercase();
        output.write_all(&buffer[..n])?;
    }
}

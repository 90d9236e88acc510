//! flate2: "deflate" compresses standard input to standard output, "inflate" does the reverse.
use flate2::{read::ZlibDecoder, write::ZlibEncoder, Compression};
use std::io::{self, Write};

fn run() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    if std::env::args().nth(1).as_deref() == Some("inflate") {
        io::copy(&mut ZlibDecoder::new(input), &mut output)?;
    } else {
        let mut encoder = ZlibEncoder::new(output, Compression::default());
        io::copy(&mut input, &mut encoder)?;
        encoder.finish()?.flush()?;
    }
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("flate2 says {error}");
        std::process::exit(1);
    }
}

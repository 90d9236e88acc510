// Random valid modules: smith FROM TO writes one for each seed that gives one, as "SEED LENGTH\n" and its
// bytes, to standard output. The same seed gives the same module.
use std::io::Write;

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// Bytes that the module is made of: how many, and which, by the seed alone.
fn entropy(seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let len = 200 + (seed % 37) as usize * 100;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend_from_slice(&x.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes
}

/// Every third module never traps; every second one has what came after version 2.
fn config(seed: u64) -> Config {
    let later = seed % 2 == 1;
    let mut c = Config::default();
    c.gc_enabled = false;
    c.threads_enabled = false;
    c.shared_everything_threads_enabled = false;
    c.custom_page_sizes_enabled = false;
    c.wide_arithmetic_enabled = false;
    c.simd_enabled = later;
    c.relaxed_simd_enabled = later;
    c.memory64_enabled = later;
    c.exceptions_enabled = later;
    c.max_memories = if later { 3 } else { 1 };
    c.min_memories = 1;
    c.multi_value_enabled = true;
    c.tail_call_enabled = true;
    c.bulk_memory_enabled = true;
    c.reference_types_enabled = true;
    c.extended_const_enabled = true;
    c.sign_extension_ops_enabled = true;
    c.saturating_float_to_int_enabled = true;
    c.max_memory32_bytes = 1 << 22;
    c.max_memory64_bytes = 1 << 22;
    c.max_table_elements = 1000;
    c.max_imports = 0;
    c.min_types = 1;
    c.min_funcs = 2;
    c.max_funcs = 12;
    c.max_instructions = 200;
    c.export_everything = true;
    c.canonicalize_nans = true;
    c.disallow_traps = seed % 3 == 0;
    c.generate_custom_sections = false;
    c
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let from: u64 = args[1].parse().expect("FROM is a number");
    let to: u64 = args[2].parse().expect("TO is a number");
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for seed in from..to {
        let bytes = entropy(seed);
        let Ok(mut module) = Module::new(config(seed), &mut Unstructured::new(&bytes)) else { continue };
        if module.ensure_termination(10_000).is_err() {
            continue;
        }
        let module = module.to_bytes();
        writeln!(out, "{} {}", seed, module.len()).and_then(|()| out.write_all(&module)).expect("written");
    }
}

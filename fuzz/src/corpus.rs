//! Writes seeds and dictionaries where the fuzzer looks for them.

use std::{env, fmt::Write as _, fs, path::PathBuf};

/// Writes the seeds and the dictionary of a target into the directory that `QD_FUZZ_CORPUS` names, as
/// `TARGET/seed-N` and `TARGET.dict`. Does nothing without the variable.
///
/// # Panics
/// When the files cannot be written.
pub fn write(target: &str, seeds: &[Vec<u8>], words: &[Vec<u8>]) {
    let Some(corpus) = env::var_os("QD_FUZZ_CORPUS").map(PathBuf::from) else { return };
    let directory = corpus.join(target);
    fs::create_dir_all(&directory).expect("makes the corpus directory");
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(directory.join(format!("seed-{number}")), seed).expect("writes a seed");
    }
    fs::write(corpus.join(format!("{target}.dict")), dictionary(words)).expect("writes words");
}

fn dictionary(words: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for word in words {
        text.push('"');
        for byte in word {
            // a String can always be written to
            let _ = write!(text, "\\x{byte:02x}");
        }
        text.push_str("\"\n");
    }
    text
}

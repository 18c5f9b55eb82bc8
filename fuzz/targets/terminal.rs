#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::terminal`."]

use quarterdeck_fuzz::{corpus, terminal};

libfuzzer_sys::fuzz_target!(init: corpus::write("terminal", &terminal::seeds(), &terminal::words()), |data: &[u8]| {
    terminal::check(data);
});

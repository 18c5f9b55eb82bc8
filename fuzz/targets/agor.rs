#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::agor`."]

use quarterdeck_fuzz::{agor, corpus};

libfuzzer_sys::fuzz_target!(init: corpus::write("agor", &agor::seeds(), &agor::words()), |data: &[u8]| {
    agor::check(data);
});

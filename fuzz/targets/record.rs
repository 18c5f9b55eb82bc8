#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::record`."]

use quarterdeck_fuzz::{corpus, record};

libfuzzer_sys::fuzz_target!(init: corpus::write("record", &record::seeds(), &record::words()), |data: &[u8]| {
    record::check(data);
});

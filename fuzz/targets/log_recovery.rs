#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::log_recovery`."]

use quarterdeck_fuzz::{corpus, log_recovery};

libfuzzer_sys::fuzz_target!(init: corpus::write("log_recovery", &log_recovery::seeds(), &log_recovery::words()), |data: &[u8]| {
    log_recovery::check(data);
});

#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::frame`."]

use quarterdeck_fuzz::{corpus, frame};

libfuzzer_sys::fuzz_target!(init: corpus::write("frame", &frame::seeds(), &frame::words()), |data: &[u8]| {
    frame::check(data);
});

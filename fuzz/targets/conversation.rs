#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::conversation`."]

use quarterdeck_fuzz::{conversation, corpus};

libfuzzer_sys::fuzz_target!(init: corpus::write("conversation", &conversation::seeds(), &conversation::words()), |data: &[u8]| {
    conversation::check(data);
});

#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::replay_filter`."]

use quarterdeck_fuzz::{corpus, replay_filter};

libfuzzer_sys::fuzz_target!(init: corpus::write("replay_filter", &replay_filter::seeds(), &replay_filter::words()), |data: &[u8]| {
    replay_filter::check(data);
});

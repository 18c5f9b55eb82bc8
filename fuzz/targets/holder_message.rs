#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::holder_message`."]

use quarterdeck_fuzz::{corpus, holder_message};

libfuzzer_sys::fuzz_target!(init: corpus::write("holder_message", &holder_message::seeds(), &holder_message::words()), |data: &[u8]| {
    holder_message::check(data);
});

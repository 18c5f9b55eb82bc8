#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::rpc`."]

use quarterdeck_fuzz::{corpus, rpc};

libfuzzer_sys::fuzz_target!(init: corpus::write("rpc", &rpc::seeds(), &rpc::words()), |data: &[u8]| {
    rpc::check(data);
});

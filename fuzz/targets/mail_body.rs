#![no_main]
#![doc = "Fuzz target; what it checks stands in `quarterdeck_fuzz::mail_body`."]

use quarterdeck_fuzz::{corpus, mail_body};

libfuzzer_sys::fuzz_target!(init: corpus::write("mail_body", &mail_body::seeds(), &mail_body::words()), |data: &[u8]| {
    mail_body::check(data);
});

//! The real coding agents against the adapters of `quarterdeck-agents`: each agent's program is started as
//! the product starts it, its model is the fake one, and a test sees what a client would see.

mod basics;

//! The hub: many relays behind one wire.
//!
//! It is a switch and a memory, not an authority: who may write to a session, what was answered and what
//! happened is decided and recorded by the relay where the session runs. A hub can be killed at any
//! moment; what it loses is time. In the order in which a request goes:
//!
//! - [`daemon`]: a hub's life; [`options`]: what it is given;
//! - [`web`]: listeners, HTTP, who is let in; [`join`]: relays that dial the hub; [`assets`]: pages;
//! - [`devices`]: browsers, and how they come in; [`place`]: whether a caller is at this machine;
//! - [`instances`]: what runs beside this hub;
//! - [`client`]: one client: requests and frames in, turns out; [`api`]: the methods it answers itself;
//! - [`request`]: which machine is meant, and what the request looks like there;
//! - [`switch`]: channels and calls of one link, and whose each is;
//! - [`machine`]: the task of one machine: its link, its view; [`way`]: how it is dialled;
//! - [`fleet`]: all machines with their last known sessions, and the number of that view;
//! - [`mail`]: sealed letters on their way, and keys of those who get them;
//! - [`store`]: the only place that knows SQL;
//! - [`metrics`], [`limits`]: what keeps house.
//!
//! Deliberately not here: anything a relay does. The two meet only through `quarterdeck-protocol`.

mod api;
pub mod assets;
mod client;
mod context;
mod daemon;
mod devices;
pub mod error;
mod fleet;
mod hooks;
mod http;
pub mod instances;
mod join;
mod json;
mod limits;
mod machine;
mod mail;
mod metrics;
pub mod options;
mod place;
mod request;
mod store;
mod switch;
mod way;
mod web;

pub use daemon::run;
pub use error::HubError;
pub use options::HubOptions;

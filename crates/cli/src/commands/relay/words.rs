//! What a relay says when it serves: where, and what to type elsewhere to reach it.

use quarterdeck_protocol::{dialect::Dialect, method::RelayStatusResult};

use crate::output::{
    escape::plain,
    style::{Styles, paint},
};

/// The addresses, the pin, and the line that reaches this relay from another machine.
pub(super) fn serving(status: &RelayStatusResult, styles: Styles) -> String {
    let mut text = format!(
        "{} instance {} on {}\n",
        paint(styles.good, "serving"),
        plain(&status.instance),
        plain(&status.machine)
    );
    for address in &status.listening {
        text += &format!("  {}\n", plain(address));
    }
    for (dialect, word) in Dialect::ALL.map(|dialect| (dialect, format!("{dialect}+ws"))) {
        if status.listening.iter().any(|address| address.starts_with(&word)) {
            text += &format!(
                "the token of a controller that speaks {dialect}:\n  \
                 qd token create NAME --dialect {dialect} --scope {}\n",
                scopes(dialect),
            );
        }
    }
    let network = status.listening.iter().find(|address| address.starts_with("ws"));
    let Some(address) = network else { return text };
    if let Some(pin) = &status.pin {
        text += &format!("  pin {}\n", plain(pin));
    }
    text += "from another machine, with a token (qd token create NAME --scope …):\n  ";
    let address = reachable(address, &status.machine);
    text += &match &status.pin {
        Some(pin) => format!("qd --url {address} --pin {} --token-file FILE ls\n", plain(pin)),
        None => format!("qd --url {address} --insecure --token-file FILE ls\n"),
    };
    text
}

/// What a dialect's clients can use.
const fn scopes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Agor => "read,create,drive",
        Dialect::Myagent => "read,answer,create,drive",
    }
}

/// An address that listens everywhere is reached by the machine's name.
fn reachable(address: &str, machine: &str) -> String {
    let everywhere = ["://0.0.0.0:", "://[::]:"].into_iter().find(|host| address.contains(host));
    match everywhere {
        Some(host) => plain(&address.replace(host, &format!("://{machine}:"))),
        None => plain(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::status::tests::sample;

    #[test]
    fn the_line_that_reaches_the_relay_can_be_copied() {
        insta::assert_snapshot!(serving(&sample(), Styles::PLAIN), @r"
        serving instance default on desk
          unix:/run/relay.sock
          wss://127.0.0.1:7717
          pin sha256:AAAA
        from another machine, with a token (qd token create NAME --scope …):
          qd --url wss://127.0.0.1:7717 --pin sha256:AAAA --token-file FILE ls
        ");
    }

    #[test]
    fn a_relay_without_a_network_address_only_says_where_it_is() {
        let mut status = sample();
        (status.listening, status.pin) = (vec!["unix:/run/relay.sock".into()], None);
        insta::assert_snapshot!(serving(&status, Styles::PLAIN), @r"
        serving instance default on desk
          unix:/run/relay.sock
        ");
    }

    #[test]
    fn a_dialect_says_where_its_token_comes_from() {
        let mut status = sample();
        (status.listening, status.pin) = (vec!["agor+ws://127.0.0.1:9750".into()], None);
        insta::assert_snapshot!(serving(&status, Styles::PLAIN), @r"
        serving instance default on desk
          agor+ws://127.0.0.1:9750
        the token of a controller that speaks agor:
          qd token create NAME --dialect agor --scope read,create,drive
        ");
    }

    #[test]
    fn an_address_that_listens_everywhere_is_named_by_the_machine() {
        assert_eq!(reachable("wss://0.0.0.0:7717", "desk"), "wss://desk:7717");
        assert_eq!(reachable("wss://[::]:7717", "desk"), "wss://desk:7717");
        assert_eq!(reachable("wss://10.0.0.5:7717", "desk"), "wss://10.0.0.5:7717");
    }
}

//! The checks of what is told to programs outside.

use quarterdeck_protocol::method::{Empty, HookInfo, HookList, HookListResult};

use super::Check;
use crate::{
    config::{Settings, relay_config},
    connection::{Connection, Missing},
    output::escape::plain,
};

const NAME: &str = "hooks";

/// One line for each daemon that has hooks; one if there are none.
pub(super) async fn checks(settings: &Settings) -> Vec<Check> {
    let configured = relay_config(&settings.directory).map_or(0, |config| config.hooks.to.len());
    let relay = ask(settings).await;
    let hub = match settings.directory.hub_socket().exists() && settings.is_local() {
        true => ask(&settings.at_hub()).await,
        false => None,
    };
    let daemons = [("relay", relay), ("hub", hub)];
    let asked: Vec<_> = daemons.into_iter().filter_map(|(who, list)| Some((who, list?))).collect();
    if asked.is_empty() && configured > 0 {
        return vec![Check::ok(NAME, format!("{configured} configured; nothing runs that tells"))];
    }
    if asked.iter().all(|(_, list)| list.hooks.is_empty()) {
        return vec![none_known(configured)];
    }
    asked.iter().flat_map(|(who, list)| judge(who, list)).collect()
}

fn none_known(configured: usize) -> Check {
    if configured == 0 {
        return Check::ok(NAME, "none: nobody outside is told what agents ask");
    }
    let finding = format!("{configured} configured, and what runs does not know them");
    Check::warn(NAME, finding, "start it anew, sessions live on: qd down, then qd up")
}

/// A daemon of an older version does not say.
async fn ask(settings: &Settings) -> Option<HookListResult> {
    let connection = Connection::open(settings, Missing::Fail).await.ok()?;
    connection.call::<HookList>(&Empty {}, None).await.ok()
}

fn judge(who: &str, list: &HookListResult) -> Vec<Check> {
    let rests = if list.rests { ", rests while its hub tells" } else { "" };
    let judge = |hook: &HookInfo| {
        let name = plain(&hook.name);
        let finding = format!("{who}{rests}: \"{name}\" to {}", plain(&hook.to));
        match &hook.error {
            Some(error) => Check::warn(
                NAME,
                format!("{finding}: {}", plain(error)),
                format!("when that is mended: qd {}hooks test {name}", flag(who)),
            ),
            None => Check::ok(NAME, format!("{finding}, {} told", hook.sent)),
        }
    };
    list.hooks.iter().map(judge).collect()
}

fn flag(who: &str) -> &'static str {
    if who == "hub" { "--hub " } else { "" }
}

//! What humans are asked, on all machines together.

use std::sync::Arc;

use futures_util::future::join_all;
use quarterdeck_protocol::{
    method::{MethodName, PromptInfo, PromptListResult},
    rpc::RequestId,
};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    client::Asker,
    limits::FORWARD_LIMIT,
    switch::{Call, Linked, Then},
};

/// Asks every machine that has open prompts. One that does not answer in time is left out: its sessions
/// show their number all the same.
pub(super) async fn list(asker: &Arc<Asker>) -> PromptListResult {
    let fleet = &asker.context.fleet;
    let links = fleet.links().into_iter();
    let asking =
        links.filter(|(machine, _)| fleet.machine(*machine).is_some_and(|it| it.prompts > 0));
    let answers = join_all(asking.map(|(_, link)| of_machine(asker, link))).await;
    let mut all = PromptListResult::default();
    for answer in answers {
        match answer {
            Some(answer) => {
                let seen = |prompt: &PromptInfo| asker.sees(prompt.session);
                all.prompts.extend(answer.prompts.into_iter().filter(seen));
                all.more |= answer.more;
            }
            None => all.more = true,
        }
    }
    all
}

async fn of_machine(asker: &Arc<Asker>, link: Arc<Linked>) -> Option<PromptListResult> {
    let (tell, told) = oneshot::channel();
    let call = Call { asker: Arc::clone(asker), id: RequestId::Number(0), then: Then::Tell(tell) };
    let empty = serde_json::value::RawValue::from_string("{}".to_owned()).ok()?;
    link.forward(MethodName::PromptList, &empty, call).await.ok()?;
    let answer = timeout(FORWARD_LIMIT, told).await.ok()?.ok()?.ok()?;
    let mut list: PromptListResult = serde_json::from_str(answer.get()).ok()?;
    let on = asker.context.fleet.on(link.machine);
    for prompt in &mut list.prompts {
        prompt.on.clone_from(&on);
    }
    Some(list)
}

//! `instance.*`: what runs beside this hub on its machine, and the way there.
//!
//! All instances of a user run as that user, so this hub may do what the user can: start another one, and
//! make a link to its page. Both need `admin` here. A link is a secret that lets somebody in, so it is
//! made only for who sits at this machine, with no right and no time that the caller does not have here.

use std::{path::Path, sync::Arc};

use quarterdeck_access::{
    instance::{InstanceDir, InstanceName},
    journal::Event,
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{
        DeviceInviteParams, DeviceInviteResult, InstanceCreateParams, InstanceInfo,
        InstanceListResult, InstanceOpenParams, InstanceResult,
    },
};

use crate::{
    client::Asker, context::Context, instances::Instances, limits::MAX_INSTANCES, place::Place,
};

pub(super) async fn list(asker: &Asker) -> Result<InstanceListResult, RpcError> {
    let instances = blocking(&asker.context, |instances| instances.list()).await?;
    Ok(InstanceListResult { instances, own: Some(shown(asker.context.directory().path())) })
}

pub(super) async fn create(
    asker: &Asker,
    p: &InstanceCreateParams,
) -> Result<InstanceResult, RpcError> {
    let context = &asker.context;
    let name = parse_name(&p.name)?;
    let directory = InstanceDir::new(context.directory().base(), name);
    // one at a time: who asks twice in a hurry is told that it is there, and gets no second one
    let _turn = context.starting.lock().await;
    let known = blocking(context, |instances| instances.list()).await?;
    check_new(&directory, &known)?;
    start(asker, &directory, "create").await?;
    let look = directory.clone();
    let instance = blocking(context, move |instances| instances.look(&look)).await?;
    Ok(InstanceResult { instance })
}

pub(super) async fn open(
    asker: &Asker,
    p: InstanceOpenParams,
) -> Result<DeviceInviteResult, RpcError> {
    let context = &asker.context;
    let InstanceOpenParams { name, base_dir } = p;
    let name = parse_name(&name)?;
    require_here(asker, &name)?;
    let wanted = match &base_dir {
        Some(base) => InstanceDir::new(Path::new(base), name),
        None => InstanceDir::new(context.directory().base(), name),
    };
    let _turn = context.starting.lock().await;
    // only what is known is opened: a caller names an instance, and no place on the disk
    let known = blocking(context, |instances| instances.list()).await?;
    let path = shown(wanted.path());
    let Some(found) = known.into_iter().find(|it| it.directory == path) else {
        let text = format!("instance \"{}\" not found", wanted.name());
        return Err(
            RpcError::new(ErrorCode::NotFound, text).hint("see what there is: qd instances")
        );
    };
    if found.hub.is_none() {
        start(asker, &wanted, "start").await?;
    }
    let params = DeviceInviteParams {
        name: None,
        principal: Some(asker.principal().name().to_owned()),
        scopes: Some(asker.grant.scopes),
        device_expires_in_s: life_s(asker)?,
    };
    let link = all(context)?.invite(wanted.clone(), params).await?;
    record(asker, &wanted, "open");
    Ok(link)
}

/// Starts what does not run of an instance. What was asked for is in the journal before it happens.
async fn start(asker: &Asker, directory: &InstanceDir, what: &str) -> Result<(), RpcError> {
    record(asker, directory, what);
    Ok(all(&asker.context)?.start(directory.clone()).await?)
}

fn record(asker: &Asker, directory: &InstanceDir, what: &str) {
    asker.context.record(&Event::Instance {
        name: directory.name().as_str().into(),
        directory: shown(directory.path()).into(),
        what: what.into(),
        by: asker.principal().clone(),
    });
}

fn parse_name(given: &str) -> Result<InstanceName, RpcError> {
    given.parse().map_err(|error: quarterdeck_access::instance::BadInstanceName| {
        let refused = RpcError::new(ErrorCode::InvalidParams, error.to_string());
        match error.canonical {
            Some(name) => refused.hint(format!("did you mean: {name}")),
            None => refused,
        }
    })
}

/// A new instance takes no place that is taken, and there is an end of them.
fn check_new(directory: &InstanceDir, known: &[InstanceInfo]) -> Result<(), RpcError> {
    let (name, path) = (directory.name(), shown(directory.path()));
    if known.iter().any(|it| it.directory == path) {
        let text = format!("there is an instance \"{name}\" already");
        return Err(
            RpcError::new(ErrorCode::InstanceExists, text).hint("open it, or choose another name")
        );
    }
    let base = shown(directory.base());
    if known.iter().filter(|it| it.base_dir == base).count() >= MAX_INSTANCES {
        let text = format!("there are {MAX_INSTANCES} instances, which is all that a page makes");
        return Err(RpcError::new(ErrorCode::Overloaded, text)
            .hint("delete the directories of those that you need no more"));
    }
    Ok(())
}

/// A link leads to an address of this machine, and lets in whoever has it: it is for who is here.
fn require_here(asker: &Asker, name: &InstanceName) -> Result<(), RpcError> {
    match asker.place {
        Place::Here => Ok(()),
        Place::Elsewhere => {
            let text = "another instance is opened from its own machine only";
            Err(RpcError::new(ErrorCode::Forbidden, text)
                .hint(format!("make a link there: qd --instance {name} open")))
        }
    }
}

/// For how long the caller may be here, and so there; none = for good.
fn life_s(asker: &Asker) -> Result<Option<u64>, RpcError> {
    match asker.context.remaining_s(&asker.grant) {
        Some(u64::MAX) => Ok(None),
        Some(left) => Ok(Some(left.min(quarterdeck_access::tokens::MAX_LIFE_S))),
        None => Err(RpcError::new(ErrorCode::Forbidden, "the credential has ended")),
    }
}

fn all(context: &Context) -> Result<&Arc<dyn Instances>, RpcError> {
    context.options.instances.as_ref().ok_or_else(|| {
        RpcError::new(ErrorCode::NotFound, "this hub knows of no instances but its own")
    })
}

async fn blocking<T: Send + 'static>(
    context: &Context,
    read: impl FnOnce(&dyn Instances) -> T + Send + 'static,
) -> Result<T, RpcError> {
    let instances = Arc::clone(all(context)?);
    let read = tokio::task::spawn_blocking(move || read(instances.as_ref())).await;
    read.map_err(|_| RpcError::new(ErrorCode::Internal, "looking for the instances failed"))
}

/// A path as the wire tells it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{error::ErrorDetail, method::InstanceState};

    fn instance(base: &str, name: &str) -> InstanceInfo {
        InstanceInfo {
            id: None,
            name: name.to_owned(),
            directory: format!("{base}/instances/{name}"),
            base_dir: base.to_owned(),
            state: InstanceState::Stopped,
            pid: None,
            host: None,
            port: None,
            listening: Vec::new(),
            hub: None,
            cwd: None,
            started_at: None,
            schema_version: None,
            product_version: None,
            sessions: 0,
        }
    }

    fn check(name: &str, known: &[InstanceInfo]) -> Result<(), ErrorCode> {
        let directory = InstanceDir::new(Path::new("/data"), parse_name(name).expect("a name"));
        check_new(&directory, known).map_err(|error| error.code())
    }

    #[test]
    fn a_name_that_is_not_canonical_is_refused_with_the_nearest_one() {
        let refused = parse_name("My App").expect_err("is refused");
        assert_eq!(refused.code(), ErrorCode::InvalidParams);
        let hint = ErrorDetail::Hint { hint: "did you mean: my-app".to_owned() };
        assert_eq!(refused.detail(), Some(&hint));
        let refused = parse_name("../..").expect_err("is refused");
        assert_eq!((refused.code(), refused.detail()), (ErrorCode::InvalidParams, None));
    }

    #[test]
    fn a_name_is_taken_only_below_the_same_base_directory() {
        let known = [instance("/data", "work"), instance("/other", "home")];
        assert_eq!(check("work", &known), Err(ErrorCode::InstanceExists));
        assert_eq!(check("home", &known), Ok(()));
    }

    #[test]
    fn there_is_an_end_of_instances() {
        let mut known: Vec<_> =
            (0..MAX_INSTANCES).map(|number| instance("/data", &format!("i{number}"))).collect();
        assert_eq!(check("one-more", &known), Err(ErrorCode::Overloaded));
        known[0] = instance("/other", "i0");
        assert_eq!(check("one-more", &known), Ok(()));
    }
}

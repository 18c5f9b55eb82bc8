//! `qd lease`: who owns a session.

use quarterdeck_protocol::{
    ids::ClientId,
    method::{
        LeaseOffer, LeaseRelease, LeaseRequest, LeaseResult, LeaseTake, OfferParams, Role,
        SessionParams, TakeParams,
    },
    record::LeaseState,
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::escape::plain,
};

/// What to do about a lease.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LeaseCommand {
    /// Ask the owner for it
    Request {
        /// Which session
        session: String,
    },
    /// Hand it to a client that asked
    Offer {
        /// Which session
        session: String,
        /// To whom [default: who asked first]
        #[arg(long, value_name = "CLIENT")]
        to: Option<ClientId>,
    },
    /// Let go of it
    Release {
        /// Which session
        session: String,
    },
    /// Take it: a free one, your own, or with a reason and the scope admin any
    Take {
        /// Which session
        session: String,
        /// Why; needed to take it from somebody else
        #[arg(long)]
        reason: Option<String>,
    },
}

impl LeaseCommand {
    /// What names a session.
    pub(crate) fn names(&mut self) -> Vec<&mut String> {
        match self {
            Self::Request { session }
            | Self::Offer { session, .. }
            | Self::Release { session }
            | Self::Take { session, .. } => vec![session],
        }
    }
}

/// Asks for, hands over, releases or takes a lease.
pub(crate) async fn run(settings: &Settings, command: LeaseCommand) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let result = match command {
        LeaseCommand::Request { session } => {
            let params = SessionParams { session };
            connection.call::<LeaseRequest>(&params, Some(&params.session)).await?
        }
        LeaseCommand::Offer { session, to } => {
            let params = OfferParams { session, to };
            connection.call::<LeaseOffer>(&params, Some(&params.session)).await?
        }
        LeaseCommand::Release { session } => {
            let params = SessionParams { session };
            connection.call::<LeaseRelease>(&params, Some(&params.session)).await?
        }
        LeaseCommand::Take { session, reason } => {
            let params = TakeParams { session, reason };
            connection.call::<LeaseTake>(&params, Some(&params.session)).await?
        }
    };
    settings.output.result(&result, |_| lease_text(&result))?;
    Ok(Exit::OK)
}

fn lease_text(result: &LeaseResult) -> String {
    let lease = &result.lease;
    let owner = match (&lease.state, result.role) {
        (_, Role::Owner) => "you own it".to_owned(),
        (LeaseState::Held { owner }, Role::Follower) => {
            format!("{} ({}) owns it", plain(owner.principal.name()), plain(&owner.name))
        }
        (LeaseState::Grace { owner }, Role::Follower) => {
            format!("{} ({}) may come back", plain(owner.principal.name()), plain(&owner.name))
        }
        (LeaseState::Free, Role::Follower) => "nobody owns it".to_owned(),
        (LeaseState::Unknown, Role::Follower) => "its owner is not known".to_owned(),
    };
    let asked = match lease.requested_by.len() {
        0 => String::new(),
        count => format!("; {count} asked for it"),
    };
    format!("{owner} (epoch {}){asked}\n", lease.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{
        ids::{Epoch, Principal},
        record::Owner,
        session::LeaseView,
    };

    #[test]
    fn the_answer_says_who_owns_it_now() {
        let bob = Owner {
            client: ClientId::from_bytes([3; 16]),
            principal: Principal::new("r_00", "bob").expect("valid"),
            name: "phone".into(),
        };
        let lease = LeaseView {
            epoch: Epoch(5),
            state: LeaseState::Held { owner: bob.clone() },
            requested_by: vec![bob],
        };
        let result = LeaseResult { lease, role: Role::Follower };
        assert_eq!(lease_text(&result), "bob (phone) owns it (epoch 5); 1 asked for it\n");
        let result = LeaseResult { role: Role::Owner, ..result };
        assert_eq!(lease_text(&result), "you own it (epoch 5); 1 asked for it\n");
    }
}

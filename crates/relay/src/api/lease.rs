//! `lease.*`.

use quarterdeck_protocol::{
    error::RpcError,
    method::{LeaseResult, OfferParams, SessionParams, TakeParams},
};

use super::{find, lease_caller};
use crate::{
    connection::Connection,
    session::{Command, LeaseChange},
};

pub(super) async fn request(c: &Connection, p: &SessionParams) -> Result<LeaseResult, RpcError> {
    change(c, &p.session, LeaseChange::Request).await
}

pub(super) async fn offer(c: &Connection, p: &OfferParams) -> Result<LeaseResult, RpcError> {
    change(c, &p.session, LeaseChange::Offer { to: p.to }).await
}

pub(super) async fn release(c: &Connection, p: &SessionParams) -> Result<LeaseResult, RpcError> {
    change(c, &p.session, LeaseChange::Release).await
}

pub(super) async fn take(c: &Connection, p: TakeParams) -> Result<LeaseResult, RpcError> {
    change(c, &p.session, LeaseChange::Take { reason: p.reason }).await
}

async fn change(c: &Connection, word: &str, change: LeaseChange) -> Result<LeaseResult, RpcError> {
    let caller = lease_caller(c)?;
    find(c, word)?.ask(|reply| Command::Lease { caller, change, reply }).await
}

//! Names and TCP: the addresses of a name are tried in turn, the next one beside the last after a moment,
//! so that a broken IPv6 costs a quarter of a second and not a timeout (RFC 8305).

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};

use super::DialError;
use crate::{
    endpoint::Host,
    limits::{MAX_ADDRESSES, NEXT_ADDRESS_AFTER},
    sys,
};

pub(super) async fn connect(host: &Host, port: u16) -> Result<TcpStream, DialError> {
    let addresses = match host {
        Host::Address(address) => vec![SocketAddr::new(*address, port)],
        Host::Name(name) => resolve(name, port, host.is_loopback()).await?,
    };
    let stream = race(addresses).await.map_err(DialError::of_connect)?;
    sys::tune_tcp(&stream);
    Ok(stream)
}

async fn resolve(
    name: &str,
    port: u16,
    must_be_loopback: bool,
) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |source| DialError::Dns { host: name.to_owned(), source };
    let found = lookup_host((name, port)).await.map_err(failed)?;
    // "localhost" is trusted with plain bytes, so no resolver may lead it elsewhere
    let mut addresses: Vec<_> =
        found.filter(|found| !must_be_loopback || found.ip().is_loopback()).collect();
    if addresses.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    interleave(&mut addresses);
    addresses.truncate(MAX_ADDRESSES);
    Ok(addresses)
}

/// Families in turn, beginning with the one that the system prefers.
fn interleave(addresses: &mut Vec<SocketAddr>) {
    let family = |address: &SocketAddr| matches!(address.ip(), IpAddr::V6(_));
    let first = addresses.first().map(family);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.drain(..).partition(|address| Some(family(address)) == first);
    let mut other = other.into_iter();
    for address in preferred {
        addresses.push(address);
        addresses.extend(other.next());
    }
    addresses.extend(other);
}

/// The first connection that stands; else the error of the last attempt that failed.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    attempts.extend(waiting.next().map(TcpStream::connect));
    loop {
        tokio::select! {
            ended = attempts.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => {
                    last_error = error;
                    attempts.extend(waiting.next().map(TcpStream::connect));
                }
                None => return Err(last_error),
            },
            () = sleep(NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {
                attempts.extend(waiting.next().map(TcpStream::connect));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::net::{TcpListener, TcpSocket};

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn families_take_turns_beginning_with_the_preferred_one() {
        let mut addresses: Vec<_> =
            ["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"].map(address).into();
        interleave(&mut addresses);
        let expected = ["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"].map(address);
        assert_eq!(addresses, expected);
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_the_one_that_answers() {
        // bound and not listened on
        let closed = TcpSocket::new_v4().expect("a socket");
        closed.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("binds");
        let refuses = closed.local_addr().expect("bound");
        let open = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let answers = open.local_addr().expect("bound");
        let stream = race(vec![refuses, answers]).await.expect("connects");
        assert_eq!(stream.peer_addr().expect("connected"), answers);
        let error = race(vec![refuses]).await.expect_err("refuses");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn localhost_is_found_and_an_invalid_name_is_not() {
        let found = resolve("localhost", 7, true).await.expect("localhost resolves");
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        // a resolver that leads "localhost" elsewhere
        let error = resolve("192.0.2.1", 7, true).await.expect_err("is not loopback");
        assert!(matches!(error, DialError::Dns { .. }));
        let error = resolve("no-such-host.invalid", 7, false).await.expect_err("does not exist");
        assert!(matches!(error, DialError::Dns { host, .. } if host == "no-such-host.invalid"));
    }
}

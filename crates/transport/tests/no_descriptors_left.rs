//! A listener outlives the exhaustion of file descriptors. A process of its own, because the limit is the
//! process's.

use std::{fs::File, net::SocketAddr, time::Duration};

use quarterdeck_transport::server::{ListenSecurity, Listener};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;

#[tokio::test]
async fn an_accept_that_fails_for_want_of_descriptors_does_not_end_the_loop() {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let security = ListenSecurity::PlainLoopback;
    let mut listener = Listener::bind_tcp(loopback, &security).await.expect("binds");
    let address = listener.local_address().expect("TCP");
    // the kernel completes the connection before anybody accepts it
    let client = TcpStream::connect(address).await.expect("connects");

    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).expect("lowers the limit");
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    let starved = tokio::time::timeout(Duration::from_millis(250), listener.accept()).await;
    assert!(starved.is_err(), "accepted without a descriptor");
    drop(hoard);

    let accepted = listener.accept().await;
    let expected = client.local_addr().expect("bound");
    assert!(format!("{:?}", accepted.peer).contains(&expected.to_string()));
}

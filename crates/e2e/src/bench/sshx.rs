//! sshx: a server, its client beside the program, and a viewer as its page is one: a WebSocket with
//! messages in CBOR and terminal bytes under AES-128 in counter mode, whose key comes from the link by
//! Argon2id. The formats are those of sshx 0.4.1 (`sshx-server/src/web/protocol.rs`, `sshx/src/encrypt.rs`).

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use aes::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use argon2::{Algorithm, Argon2, Params, Version};
use ciborium::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket, client::IntoClientRequest as _};

use super::{
    line::{self, Line, SILENCE},
    others::{free_port, until_listening},
    systems::{Server, System},
};
use crate::harness::tools::find_program;

type Cipher = ctr::Ctr64BE<aes::Aes128>;

/// What the key is made with, as the page does it.
const SALT: &[u8] =
    b"This is a non-random salt for sshx.io, since we want to stretch the security of 83-bit keys!";
/// KiB of memory and passes of it.
const ARGON2: (u32, u32) = (19 * 1024, 2);
/// Stream of everything that viewers type.
const TYPED: u64 = 0x2_0000_0000;
/// Stream of a shell's output, to which its number is added.
const PRINTED: u64 = 0x1_0000_0000;

/// sshx, if it is installed.
#[derive(Debug)]
pub struct Sshx {
    client: PathBuf,
    server: PathBuf,
    scratch: TempDir,
    running: Option<(Server, Server)>,
}

impl Sshx {
    /// The one that is installed; none = it is not.
    ///
    /// # Errors
    /// When there is no temporary directory.
    pub fn find() -> io::Result<Option<Self>> {
        let (Some(client), Some(server)) = (find_program("sshx"), find_program("sshx-server"))
        else {
            return Ok(None);
        };
        Ok(Some(Self { client, server, scratch: tempfile::tempdir()?, running: None }))
    }

    /// Starts both over a program; the link that the client prints.
    fn serve(&mut self, program: &[String]) -> io::Result<(SocketAddr, String)> {
        self.running = None;
        let port = free_port()?;
        let mut server = Command::new(&self.server);
        server.args(["--listen", "127.0.0.1", "--port", &port.to_string()]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server::of(server.spawn()?);
        until_listening(port)?;
        // it takes one word for a shell
        let shell = self.scratch.path().join("shell");
        let quoted: Vec<_> = program.iter().map(|word| format!("'{word}'")).collect();
        fs::write(&shell, format!("#!/bin/sh\nexec {}\n", quoted.join(" ")))?;
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o700))?;
        let mut client = Command::new(&self.client);
        client.args(["--quiet", "--server", &format!("http://127.0.0.1:{port}"), "--shell"]);
        client.arg(&shell).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut client = client.spawn()?;
        let stdout = client.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let client = Server::of(client);
        let mut link = String::new();
        BufReader::new(stdout).read_line(&mut link)?;
        self.running = Some((client, server));
        Ok(((Ipv4Addr::LOCALHOST, port).into(), link.trim().to_owned()))
    }
}

impl System for Sshx {
    fn name(&self) -> &'static str {
        "sshx"
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        let (address, link) = self.serve(program)?;
        Ok(Box::new(Viewer::open(address, &link)?))
    }
    fn is_optional(&self) -> bool {
        true
    }
}

struct Viewer {
    socket: WebSocket<TcpStream>,
    key: [u8; 16],
    shell: u64,
    typed: u64,
    /// When something came of what is waited for: its server goes on with pings when it is stuck.
    heard: Instant,
}

impl Viewer {
    /// Comes in by a link, makes a shell and subscribes to it.
    fn open(address: SocketAddr, link: &str) -> io::Result<Self> {
        let unreadable = || io::Error::other(format!("sshx printed no link: {link:?}"));
        let (url, secret) = link.split_once('#').ok_or_else(unreadable)?;
        let (_, name) = url.rsplit_once("/s/").ok_or_else(unreadable)?;
        let request = format!("ws://{address}/api/s/{name}").into_client_request();
        let request = request.map_err(io::Error::other)?;
        let (socket, _) = tungstenite::client(request, line::connect(address)?)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let mut viewer =
            Self { socket, key: key_of(secret)?, shell: 0, typed: 0, heard: Instant::now() };
        viewer.next("hello")?;
        let mut proof = vec![0; 16];
        Cipher::new(&viewer.key.into(), &[0; 16].into()).apply_keystream(&mut proof);
        viewer.say("authenticate", vec![Value::Bytes(proof), Value::Null])?;
        viewer.say("create", vec![Value::from(0), Value::from(0)])?;
        while viewer.shell == 0 {
            let shells = viewer.next("shells")?;
            viewer.shell = number(&item(&item(&shells, 0), 0)).unwrap_or_default();
        }
        let shell = viewer.shell;
        viewer.say("subscribe", vec![Value::from(shell), Value::from(0)])?;
        Ok(viewer)
    }

    fn say(&mut self, kind: &str, words: Vec<Value>) -> io::Result<()> {
        let message = Value::Map(vec![(Value::from(kind), Value::Array(words))]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&message, &mut bytes).map_err(io::Error::other)?;
        self.socket.send(Message::binary(bytes)).map_err(io::Error::other)
    }

    /// The next message, with its kind.
    fn hear(&mut self) -> io::Result<Option<(String, Value)>> {
        if self.heard.elapsed() > SILENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let bytes = match self.socket.read().map_err(io::Error::other)? {
            Message::Binary(bytes) => bytes,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                return Ok(None);
            }
            Message::Close(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let message: Value = ciborium::from_reader(&*bytes).map_err(io::Error::other)?;
        let Value::Map(mut entries) = message else { return Ok(None) };
        let Some((Value::Text(kind), body)) = entries.pop() else { return Ok(None) };
        Ok(Some((kind, body)))
    }

    fn next(&mut self, wanted: &str) -> io::Result<Value> {
        loop {
            match self.hear()? {
                Some((kind, body)) if kind == wanted => {
                    self.heard = Instant::now();
                    return Ok(body);
                }
                Some((kind, body)) if kind == "error" || kind == "invalidAuth" => {
                    return Err(io::Error::other(format!("sshx says {kind}: {body:?}")));
                }
                Some(_) | None => {}
            }
        }
    }

    /// A part of a stream, encrypted or back: it is the same.
    fn crypt(&self, stream: u64, offset: u64, bytes: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..8].copy_from_slice(&stream.to_be_bytes());
        let mut cipher = Cipher::new(&self.key.into(), &iv.into());
        cipher.seek(offset);
        cipher.apply_keystream(bytes);
    }
}

impl Line for Viewer {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.heard = Instant::now();
        let (mut sealed, at) = (bytes.to_vec(), self.typed);
        self.crypt(TYPED, at, &mut sealed);
        self.typed += bytes.len() as u64;
        let shell = Value::from(self.shell);
        self.say("data", vec![shell, Value::Bytes(sealed), Value::from(at)])
    }
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let Some((kind, body)) = self.hear()? else { return Ok(()) };
        if kind != "chunks" {
            return Ok(());
        }
        self.heard = Instant::now();
        let mut at = number(&item(&body, 1)).unwrap_or_default();
        let Value::Array(chunks) = item(&body, 2) else { return Ok(()) };
        for chunk in chunks {
            let Value::Bytes(mut bytes) = chunk else { continue };
            self.crypt(PRINTED | self.shell, at, &mut bytes);
            at += bytes.len() as u64;
            into.append(&mut bytes);
        }
        Ok(())
    }
}

fn item(value: &Value, index: usize) -> Value {
    value.as_array().and_then(|items| items.get(index)).cloned().unwrap_or(Value::Null)
}

fn number(value: &Value) -> Option<u64> {
    value.as_integer().and_then(|number| u64::try_from(number).ok())
}

fn said(error: argon2::Error) -> io::Error {
    io::Error::other(error.to_string())
}

fn key_of(secret: &str) -> io::Result<[u8; 16]> {
    let mut key = [0; 16];
    let params = Params::new(ARGON2.0, ARGON2.1, 1, Some(key.len())).map_err(said)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(secret.as_bytes(), SALT, &mut key)
        .map_err(said)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_link_proves_itself_by_the_block_that_sshx_expects() {
        let key = key_of("test").expect("a key");
        let mut proof = [0; 16];
        Cipher::new(&key.into(), &[0; 16].into()).apply_keystream(&mut proof);
        let expected = [198, 3, 249, 238, 65, 10, 224, 98, 253, 73, 148, 1, 138, 3, 108, 143];
        assert_eq!(proof, expected);
    }
}

//! The install script, from a directory and over HTTP; the program itself is the one under test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use quarterdeck_e2e::harness::instance::qd_binary;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/install.sh");

/// A release in a directory.
struct Release {
    home: TempDir,
    archive: String,
}

impl Release {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let cpu = std::env::consts::ARCH;
        let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-musl" };
        let release = Self { home, archive: format!("qd-{cpu}-{system}.tar.gz") };
        fs::create_dir(release.place()).expect("makes a directory");
        let binary = qd_binary();
        let directory = binary.parent().expect("a file is in a directory");
        run(Command::new("tar")
            .arg("-czf")
            .arg(release.archive())
            .arg("-C")
            .arg(directory)
            .arg("qd"));
        let sums = format!("cd {} && sha256sum qd-* > SHA256SUMS", release.place().display());
        run(Command::new("sh").args(["-c", &sums]));
        release
    }
    fn place(&self) -> PathBuf {
        self.home.path().join("release")
    }
    fn archive(&self) -> PathBuf {
        self.place().join(&self.archive)
    }
    fn bin(&self) -> PathBuf {
        self.home.path().join("bin")
    }
    fn install(&self, from: &str) -> (bool, String) {
        let mut command = Command::new("sh");
        command.arg(SCRIPT).args(["--from", from, "--to"]).arg(self.bin());
        let output = command.env("HOME", self.home.path()).output().expect("runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    }
}

fn run(command: &mut Command) {
    assert!(command.status().expect("runs").success(), "{command:?}");
}

fn says_its_version(program: &Path) {
    let output = Command::new(program).arg("--version").output().expect("runs");
    assert!(output.status.success() && output.stdout.starts_with(b"qd "), "{output:?}");
}

#[test]
fn the_install_script_installs_what_its_checksum_vouches_for() {
    let release = Release::new();
    for round in ["new", "over the old one"] {
        let (done, said) = release.install(release.place().to_str().expect("is text"));
        assert!(done && said.contains("installed qd "), "{round}: {said}");
        assert!(said.contains("export PATH="), "{said}");
        says_its_version(&release.bin().join("qd"));
    }
}

#[test]
fn the_install_script_leaves_nothing_of_what_fails_its_check() {
    let release = Release::new();
    let place = release.place().to_str().expect("is text").to_owned();
    let sums = release.place().join("SHA256SUMS");
    let right = fs::read_to_string(&sums).expect("is there");
    fs::write(&sums, right.replacen(right.get(..1).expect("a digit"), "z", 1)).expect("writes");
    let (done, said) = release.install(&place);
    assert!(!done && said.contains("checksum") && !release.bin().exists(), "{said}");
    fs::write(&sums, "").expect("writes");
    let (done, said) = release.install(&place);
    assert!(!done && said.contains("does not name") && !release.bin().exists(), "{said}");
    let (done, said) = release.install("/nowhere");
    assert!(!done && said.contains("cannot be had"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_install_script_installs_over_http() {
    let release = Release::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let place = release.place();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut link, _)) = listener.accept().await {
            let mut asked = vec![0; 4096];
            let read = link.read(&mut asked).await.unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
            let name = asked.split_whitespace().nth(1).unwrap_or("/").trim_start_matches('/');
            let body = fs::read(place.join(name)).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = link.write_all(head.as_bytes()).await;
            let _ = link.write_all(&body).await;
        }
    });
    let from = format!("http://{address}");
    let installed = tokio::task::spawn_blocking(move || {
        let (done, said) = release.install(&from);
        assert!(done, "{said}");
        says_its_version(&release.bin().join("qd"));
    });
    installed.await.expect("is installed");
}

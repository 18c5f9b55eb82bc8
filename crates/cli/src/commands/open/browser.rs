//! Opens a link in the browser of whoever sits here, by way of a file: a link is a secret until it is
//! used, and every user of the machine can read a command line.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use quarterdeck_access::files;

use crate::config::{Environment, Settings};

/// Why no browser was opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The file that leads to the page could not be written.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// No program that opens files could be started.
    #[error("no program to open it: {0}")]
    Program(#[from] io::Error),
}

/// Whether a browser would be seen: there is a display, and it is not at the other end of ssh.
pub(crate) fn has_display(environment: &Environment) -> bool {
    let set = |name| environment.var(name).is_some();
    (set("DISPLAY") || set("WAYLAND_DISPLAY"))
        && !set("SSH_CONNECTION")
        && environment.inside().is_none()
}

/// Opens a page that leads to `url`.
pub(crate) fn open(settings: &Settings, url: &str) -> Result<(), OpenError> {
    let directory = settings.directory.path();
    files::private_directory(directory)?;
    let path = directory.join("open.html");
    files::write_private(&path, page(url).as_bytes())?;
    Ok(start(&path, &settings.environment)?)
}

/// A page that leads on at once, or by a click where pages may not.
fn page(url: &str) -> String {
    let url = url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={url}\"><title>Quarterdeck</title>\
         <a href=\"{url}\">Open Quarterdeck</a>\n"
    )
}

/// Starts the first of the system's programs that can be started, apart from this terminal.
fn start(path: &Path, environment: &Environment) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for mut command in open::commands(path) {
        match detach(&mut command, environment).spawn() {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn detach<'a>(command: &'a mut Command, environment: &Environment) -> &'a mut Command {
    for name in environment.own_names() {
        command.env_remove(name);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_opened_where_somebody_sees_it() {
        let check = |variables: &[(&str, &str)]| has_display(&Environment::of(variables));
        assert!(check(&[("DISPLAY", ":0")]) && check(&[("WAYLAND_DISPLAY", "wayland-0")]));
        assert!(!check(&[]));
        assert!(!check(&[("DISPLAY", "localhost:10"), ("SSH_CONNECTION", "192.0.2.1 1 2 3")]));
        assert!(!check(&[("DISPLAY", ":0"), ("QD_SESSION", "s_00")]));
    }

    #[test]
    fn the_link_is_in_a_file_and_in_no_command_line() {
        let url = "http://127.0.0.1:7718/#login=SECRET";
        assert!(page(url).contains(url));
        let path = Path::new("/somewhere/open.html");
        for mut command in open::commands(path) {
            let environment = Environment::of(&[("QD_TOKEN", "secret")]);
            let command = detach(&mut command, &environment);
            let words: Vec<_> = command.get_args().collect();
            assert!(words.iter().all(|word| !word.to_string_lossy().contains("SECRET")));
            let removed =
                command.get_envs().any(|(name, value)| name == "QD_TOKEN" && value.is_none());
            assert!(removed, "children get no secret");
        }
    }

    #[test]
    fn a_strange_address_does_not_leave_its_place_in_the_page() {
        let page = page("http://[::1]:7718/#login=\"><script>");
        assert!(!page.contains("<script>"), "{page}");
    }
}

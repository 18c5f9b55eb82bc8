//! `qd diff`: what changed where a session works.

use quarterdeck_protocol::method::{GitChange, GitFile, GitParams, GitResult, SessionGit};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::{
        escape::plain,
        style::{Styles, paint},
    },
};

/// Flags of `qd diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Which session
    pub(crate) session: String,
    /// Only name the files
    #[arg(short, long)]
    files: bool,
}

/// Shows what git shows.
pub(crate) async fn run(settings: &Settings, args: DiffArgs) -> Result<Exit, CliError> {
    let DiffArgs { session, files } = args;
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let params = GitParams { session: session.clone(), diff: !files };
    let found = connection.call::<SessionGit>(&params, Some(&session)).await?;
    settings.output.result(&found, |styles| text(&found, styles))?;
    if found.files.is_empty() {
        settings.output.note("nothing has changed since the last commit");
    }
    if found.more || found.diff.as_ref().is_some_and(|diff| diff.more) {
        settings.output.note("there is more than is shown");
    }
    Ok(Exit::OK)
}

fn text(found: &GitResult, styles: Styles) -> String {
    let branch = found.branch.as_deref().map_or_else(|| "no branch".to_owned(), plain);
    let head = format!("{} ({branch})", plain(&found.root));
    let mut text = format!("{}\n", paint(styles.head, &head));
    found.files.iter().for_each(|file| text += &file_text(file, styles));
    if let Some(diff) = &found.diff {
        diff.text.lines().for_each(|line| text += &line_text(line, styles));
    }
    text
}

fn file_text(file: &GitFile, styles: Styles) -> String {
    let (style, letter) = match file.change {
        GitChange::Modified => (styles.warn, 'M'),
        GitChange::Added => (styles.good, 'A'),
        GitChange::Deleted => (styles.error, 'D'),
        GitChange::Renamed => (styles.warn, 'R'),
        GitChange::Untracked => (styles.good, '?'),
        GitChange::Conflicted => (styles.error, 'U'),
        GitChange::Unknown => (styles.dim, '!'),
    };
    let from =
        file.from.as_deref().map_or_else(String::new, |from| format!(" (was {})", plain(from)));
    format!("{} {}{from}\n", paint(style, &letter.to_string()), plain(&file.path))
}

/// A line of the diff: whatever the file has in it, it does nothing to the terminal.
fn line_text(line: &str, styles: Styles) -> String {
    let tabs: Vec<String> = line.split('\t').map(plain).collect();
    let shown = tabs.join("\t");
    let style = match line.as_bytes().first() {
        Some(b'+') => styles.good,
        Some(b'-') => styles.error,
        Some(b'@') => styles.hint,
        Some(b' ') => return format!("{shown}\n"),
        Some(_) | None => styles.dim,
    };
    format!("{}\n", paint(style, &shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::method::GitDiff;

    #[test]
    fn files_come_first_and_what_they_hold_does_nothing_to_the_terminal() {
        let file = |path: &str, change| GitFile { path: path.into(), change, from: None };
        let found = GitResult {
            root: "/src".into(),
            head: None,
            branch: Some("main".into()),
            files: vec![
                file("a\u{1b}[31m", GitChange::Modified),
                GitFile { from: Some("b".into()), ..file("c", GitChange::Renamed) },
            ],
            more: false,
            diff: Some(GitDiff {
                text: "@@ -1 +1 @@\n-\told\n+\u{1b}]0;x\u{7}new\n".into(),
                more: false,
            }),
        };
        insta::assert_snapshot!(text(&found, Styles::PLAIN), @r"
        /src (main)
        M a\u{1b}[31m
        R c (was b)
        @@ -1 +1 @@
        -	old
        +\u{1b}]0;x\u{7}new
        ");
    }
}

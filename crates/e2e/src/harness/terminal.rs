//! A program, mostly `qd`, on a pseudo-terminal: its screen as a person sees it, and keys.

use std::{io, process::ExitStatus, time::Duration};

use pty_process::blocking;
use quarterdeck_screen::{Cursor, Screen, ScrolledCapture, Size};

use super::{
    instance::{Instance, qd_binary},
    within,
};
use crate::pty::{PtyProcess, USUAL_SIZE};

/// Lines of one read that may leave the screen; a read is at most 4 KiB.
const MAX_HISTORY_LINES: usize = 4096;

/// How much of what came is shown when something else was expected.
const LAST_BYTES: usize = 1500;

/// A terminal emulator with a program on it: it answers queries, as emulators do.
pub struct Terminal {
    process: PtyProcess,
    screen: Screen,
    /// Lines that left the top of the screen, oldest first, as plain text.
    pub history: Vec<String>,
    /// Everything the program wrote.
    pub raw: Vec<u8>,
    /// Each size the terminal had, with how much of `raw` had come before it.
    pub sizes: Vec<(usize, Size)>,
}

impl Terminal {
    /// Starts `qd` with these words in the instance's environment.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn qd(instance: &Instance, words: &[&str]) -> Self {
        Self::qd_sized(instance, words, USUAL_SIZE)
    }
    /// The same on a terminal of another size.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn qd_sized(instance: &Instance, words: &[&str], size: (u16, u16)) -> Self {
        let command = blocking::Command::new(qd_binary()).args(words);
        Self::start(instance, command, size)
    }
    /// Starts any program in the instance's environment.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(instance: &Instance, command: blocking::Command, size: (u16, u16)) -> Self {
        let environment = instance.environment();
        let command = command.env_clear().envs(environment).current_dir(instance.home());
        let process = PtyProcess::spawn(command, size).expect("the program starts");
        let size = Size { cols: size.0, rows: size.1 };
        let mut screen = Screen::new(size);
        screen.set_scrolled_capture(ScrolledCapture::Last(MAX_HISTORY_LINES));
        let sizes = vec![(0, size)];
        Self { process, screen, history: Vec::new(), raw: Vec::new(), sizes }
    }
    /// The program's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
    /// What stands on the screen.
    #[must_use]
    pub fn text(&self) -> String {
        self.screen.text()
    }
    /// The rows of the screen as they are drawn, with their colours.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.screen.lines()
    }
    /// The cursor.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.screen.cursor()
    }
    /// Types.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub async fn type_keys(&mut self, keys: &[u8]) {
        self.process.write_all(keys).await.expect("the terminal takes keys");
    }
    /// Waits until something holds of the screen.
    ///
    /// # Panics
    /// When it does not come to hold, or the program ends before.
    pub async fn until(&mut self, what: &str, holds: impl FnMut(&Self) -> bool) {
        self.until_within(super::PATIENCE, what, holds).await;
    }
    /// The same for what may take longer.
    ///
    /// # Panics
    /// When it does not come to hold, or the program ends before.
    pub async fn until_within(
        &mut self,
        limit: Duration,
        what: &str,
        mut holds: impl FnMut(&Self) -> bool,
    ) {
        let coming = async {
            while !holds(self) {
                let more = self.step().await.expect("the terminal can be read");
                assert!(more, "the program ended before {what}; its screen:\n{}", self.text());
            }
        };
        if tokio::time::timeout(limit, coming).await.is_err() {
            let last = self.raw[self.raw.len().saturating_sub(LAST_BYTES)..].escape_ascii();
            panic!("nothing: {what}; the screen:\n{}\nits last bytes: {last}", self.text());
        }
    }
    /// Everything the program wrote, without its colours: for one that writes line by line.
    #[must_use]
    pub fn written(&self) -> String {
        let written = String::from_utf8_lossy(&self.raw);
        written.lines().map(|line| plain(line.as_bytes()) + "\n").collect()
    }
    /// Waits until a text stands on the screen.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn until_text(&mut self, text: &str) {
        self.until(text, |it| it.text().contains(text)).await;
    }
    /// Waits for the program's end, and gives how it ended.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn until_ended(&mut self) -> ExitStatus {
        let ending = async {
            while self.step().await.expect("the terminal can be read") {}
            self.process.wait().await.expect("is a child")
        };
        within("the program on the terminal ends", ending).await
    }
    /// Changes the size.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn resize(&mut self, size: (u16, u16)) {
        self.process.resize(size).expect("resizes");
        let size = Size { cols: size.0, rows: size.1 };
        self.sizes.push((self.raw.len(), size));
        self.screen.resize(size);
    }
    /// Takes what the program writes next; false at its end.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub async fn step(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let count = self.process.read(&mut buffer).await?;
        self.raw.extend_from_slice(&buffer[..count]);
        self.screen.feed(&buffer[..count]);
        let scrolled = self.screen.take_scrolled();
        self.history.extend(scrolled.lines.into_iter().map(|line| plain(&line.bytes)));
        let replies = self.screen.take_replies();
        if !replies.is_empty() {
            self.process.write_all(&replies).await?;
        }
        Ok(count > 0)
    }
}

/// A line without its colours and links.
fn plain(styled: &[u8]) -> String {
    let mut text = String::new();
    let styled = String::from_utf8_lossy(styled);
    let mut rest = styled.as_ref();
    while let Some((before, sequence)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        // SGR ends in `m`, a link in ST
        let end = if sequence.starts_with('[') { "m" } else { "\u{1b}\\" };
        rest = sequence.split_once(end).map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_without_its_colours_and_links() {
        let styled = "a\u{1b}[1;31mb\u{1b}[0mc\u{1b}]8;;http://x\u{1b}\\d\u{1b}]8;;\u{1b}\\ ";
        assert_eq!(plain(styled.as_bytes()), "abcd");
    }
}

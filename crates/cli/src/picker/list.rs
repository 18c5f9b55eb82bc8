//! The list of sessions to choose from: keys in, a choice or a drawing out.

use quarterdeck_protocol::{ids::SessionId, record::TerminalSize, session::SessionInfo};
use unicode_width::UnicodeWidthStr;

use crate::{
    attach::{Piece, PieceKind},
    commands::ls::{command, state_words},
    output::{
        escape::{plain, shortened},
        style::Styles,
        time::ago,
    },
};

/// Rows that are not sessions: the head and the foot, each with an empty row.
const FRAME_ROWS: usize = 4;

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Attach to it.
    Attach(SessionId),
    /// Only watch it.
    Follow(SessionId),
    /// A new one.
    New,
    /// Nothing.
    Quit,
}

/// The sessions, live ones first, the newest activity first.
#[derive(Debug, Default)]
pub(super) struct List {
    sessions: Vec<SessionInfo>,
    /// Stays with its session while the list changes.
    selected: Option<SessionId>,
}

impl List {
    /// The sessions as they are now.
    pub(super) fn set_sessions<'a>(&mut self, sessions: impl Iterator<Item = &'a SessionInfo>) {
        self.sessions = sessions.cloned().collect();
        self.sessions.sort_by_key(|info| {
            (!info.state.is_live(), std::cmp::Reverse(info.created_at), info.session)
        });
        let there = |id: &SessionId| self.sessions.iter().any(|info| info.session == *id);
        if !self.selected.as_ref().is_some_and(there) {
            self.selected = self.sessions.first().map(|info| info.session);
        }
    }

    /// A key; some are a choice.
    pub(super) fn handle_key(&mut self, piece: &Piece) -> Option<Choice> {
        match (piece.kind, piece.bytes.as_slice()) {
            (PieceKind::Sequence, b"\x1b[A" | b"\x1bOA") => self.move_by(-1),
            (PieceKind::Sequence, b"\x1b[B" | b"\x1bOB") => self.move_by(1),
            (PieceKind::Sequence, b"\x1b[5~") => self.move_by(-10),
            (PieceKind::Sequence, b"\x1b[6~") => self.move_by(10),
            (PieceKind::Text, b"k") => self.move_by(-1),
            (PieceKind::Text, b"j") => self.move_by(1),
            (PieceKind::Text, b"f") => return self.selected.map(Choice::Follow),
            (PieceKind::Text, b"n") => return Some(Choice::New),
            (PieceKind::Text, b"q") | (PieceKind::Control(0x03 | 0x04 | 0x1b), _) => {
                return Some(Choice::Quit);
            }
            (PieceKind::Control(b'\r' | b'\n'), _) => return self.selected.map(Choice::Attach),
            _ => {}
        }
        None
    }

    fn move_by(&mut self, steps: isize) {
        let last = self.sessions.len().saturating_sub(1);
        let to = self.position().saturating_add_signed(steps).min(last);
        self.selected = self.sessions.get(to).map(|info| info.session);
    }

    fn position(&self) -> usize {
        let selected = |info: &SessionInfo| Some(info.session) == self.selected;
        self.sessions.iter().position(selected).unwrap_or(0)
    }

    /// The bytes that draw the list on the whole screen.
    pub(super) fn draw(&self, size: TerminalSize, now: u64, styles: Styles) -> Vec<u8> {
        let (cols, rows) = (usize::from(size.cols), usize::from(size.rows));
        let room = rows.saturating_sub(FRAME_ROWS).max(1);
        let selected = self.position();
        // the selected row stays in sight
        let first = selected.saturating_sub(room / 2).min(self.sessions.len().saturating_sub(room));
        let mut lines = vec![heading(self.sessions.len()), String::new()];
        let widest = self.sessions.iter().map(|info| info.label.as_str().len()).max().unwrap_or(0);
        for (index, info) in self.sessions.iter().enumerate().skip(first).take(room) {
            let line = shortened(&row(info, widest, now), cols.saturating_sub(1));
            lines.push(if index == selected {
                let padding = cols.saturating_sub(line.width() + 1);
                format!("\x1b[7m{line}{}\x1b[0m", " ".repeat(padding))
            } else if info.state.is_live() {
                line
            } else {
                format!("{}{line}{:#}", styles.dim, styles.dim)
            });
        }
        lines.push(String::new());
        lines.push(shortened(FOOT, cols.saturating_sub(1)));
        let body: String = lines.iter().map(|line| format!("{line}\x1b[K\r\n")).collect();
        // no line feed after the last row: it would scroll
        let body = body.strip_suffix("\r\n").unwrap_or(&body);
        format!("\x1b[?1049h\x1b[?25l\x1b[H{body}\x1b[J").into_bytes()
    }
}

const FOOT: &str = "Enter attach \u{b7} f follow \u{b7} n new \u{b7} q quit";

fn heading(count: usize) -> String {
    match count {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    }
}

fn row(info: &SessionInfo, label_width: usize, now: u64) -> String {
    let title = info.title.as_deref().map_or_else(|| command(&info.argv), plain);
    format!(
        " {:label_width$}  {:<10} {:>4}  {title}",
        info.label.as_str(),
        state_words(&info.state),
        ago(info.last_activity_at, now),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ls::tests::session;
    use quarterdeck_protocol::{record::ExitStatus, session::SessionState};

    const SIZE: TerminalSize = TerminalSize { cols: 44, rows: 7, xpixel: 0, ypixel: 0 };

    fn list() -> List {
        let status = ExitStatus::Code { code: 1 };
        let ended = SessionState::Exited { status, left: Vec::new(), at: 0 };
        let mut sessions = [
            session(1, "old", ended, &["make"]),
            session(2, "build", SessionState::Running, &["make", "all"]),
            session(3, "sh:1", SessionState::Idle, &[]),
            session(4, "vim", SessionState::Running, &["vim"]),
        ];
        sessions[3].title = None;
        sessions[3].created_at += 1;
        let mut list = List::default();
        list.set_sessions(sessions.iter());
        list
    }
    fn key(kind: PieceKind, bytes: &[u8]) -> Piece {
        Piece { kind, bytes: bytes.to_vec() }
    }
    fn text(letter: &str) -> Piece {
        key(PieceKind::Text, letter.as_bytes())
    }
    fn shown(list: &List) -> String {
        let bytes = list.draw(SIZE, 1_700_000_000_000_000, Styles::PLAIN);
        let text = String::from_utf8(bytes).expect("text");
        text.replace("\x1b[7m", ">")
            .replace("\x1b[0m", "<")
            .replace("\x1b[K\r\n", "\n")
            .replace('\x1b', "^")
    }

    #[test]
    fn live_sessions_come_first_and_nothing_in_a_title_can_do_harm() {
        insta::assert_snapshot!(shown(&list()), @r"
        ^[?1049h^[?25l^[H4 sessions

        > vim    running     45s  vim               <
         build  running     45s  a\u{1b}]0;title
         sh:1   idle        45s  a\u{1b}]0;title

        Enter attach · f follow · n new · q quit^[K^[J
        ");
    }

    #[test]
    fn keys_move_and_choose() {
        let mut list = list();
        assert_eq!(list.handle_key(&text("k")), None);
        assert_eq!(list.handle_key(&key(PieceKind::Sequence, b"\x1b[B")), None);
        let enter = key(PieceKind::Control(b'\r'), b"\r");
        let build = SessionId::from_bytes([2; 10]);
        assert_eq!(list.handle_key(&enter), Some(Choice::Attach(build)));
        assert_eq!(list.handle_key(&text("f")), Some(Choice::Follow(build)));
        assert_eq!(list.handle_key(&text("n")), Some(Choice::New));
        assert_eq!(list.handle_key(&key(PieceKind::Control(3), b"\x03")), Some(Choice::Quit));
    }

    #[test]
    fn the_selection_stays_with_its_session_and_in_sight() {
        let mut list = list();
        list.handle_key(&key(PieceKind::Sequence, b"\x1b[6~"));
        assert!(shown(&list).contains("> old"), "{}", shown(&list));
        let mut fewer = list.sessions.clone();
        fewer.retain(|info| info.label.as_str() != "build");
        list.set_sessions(fewer.iter());
        assert!(shown(&list).contains("> old"));
        fewer.retain(|info| info.label.as_str() != "old");
        list.set_sessions(fewer.iter());
        assert!(shown(&list).contains("> vim"));
    }
}

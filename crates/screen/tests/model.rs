//! What the model says about itself: text, title, answers, history lines, and honesty of snapshots.

use quarterdeck_screen::{Line, Screen, ScrolledCapture, Size, Snapshot};

const SIZE: Size = Size { cols: 20, rows: 4 };

fn screen(output: &str) -> Screen {
    let mut screen = Screen::new(SIZE);
    screen.feed(output.as_bytes());
    screen
}

#[test]
fn text_is_what_is_visible_without_trailing_blanks() {
    assert_eq!(screen("").text(), "\n\n\n");
    assert_eq!(screen("a  \r\n 漢e\u{301}\r\n\x1b[44m   ").text(), "a\n 漢e\u{301}\n\n");
    assert_eq!(screen("main\x1b[?1049h\x1b[Halt").text(), "alt\n\n\n");
}

#[test]
fn the_title_is_the_last_one_that_is_not_empty() {
    assert_eq!(screen("").title(), None);
    assert_eq!(screen("\x1b]0;one\x07\x1b]2;two\x1b\\\x1b]1;icon\x07").title(), Some("two"));
    assert_eq!(screen("\x1b]2;one\x07\x1b[22t\x1b]2;two\x07\x1b[23t").title(), Some("one"));
    assert_eq!(screen("\x1b]2;one\x07\x1b]2;\x07").title(), None);
}

#[test]
fn queries_are_answered() {
    for (query, answer) in [
        ("\x1b[c", "\x1b[?1;2c"),
        ("\x1bZ", "\x1b[?1;2c"),
        ("\x1b[>c", "\x1b[>0;276;0c"),
        ("\x1b[=c", "\x1bP!|00000000\x1b\\"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[2;3H\x1b[6n", "\x1b[2;3R"),
        ("\x1b[2;3H\x1b[?6n", "\x1b[?2;3R"),
        ("\x1b[?996n", "\x1b[?997;1n"),
        ("\x1b]11;#fff\x07\x1b[?996n", "\x1b[?997;2n"),
        ("\x1b[?2004$p", "\x1b[?2004;2$y"),
        ("\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y"),
        ("\x1b[?2026$p", "\x1b[?2026;2$y"),
        ("\x1b[?1000h\x1b[?1000$p", "\x1b[?1000;1$y"),
        ("\x1b[?4711$p", "\x1b[?4711;0$y"),
        ("\x1b[4$p", "\x1b[4;2$y"),
        ("\x1b[?u", "\x1b[?0u"),
        ("\x1b[>5u\x1b[?u", "\x1b[?5u"),
        ("\x1b[>5u\x1b[?1049h\x1b[?u\x1b[?1049l\x1b[?u", "\x1b[?0u\x1b[?5u"),
        ("\x1b]4;1;?\x07", "\x1b]4;1;rgb:cccc/0000/0000\x1b\\"),
        ("\x1b]4;1;#010203;1;?\x07", "\x1b]4;1;rgb:0101/0202/0303\x1b\\"),
        ("\x1b]10;?;?\x07", "\x1b]10;rgb:ffff/ffff/ffff\x1b\\\x1b]11;rgb:0000/0000/0000\x1b\\"),
        ("\x1b]12;?\x07", "\x1b]12;rgb:ffff/ffff/ffff\x1b\\"),
        ("\x1b[18t", "\x1b[8;4;20t"),
        ("\x1b[19t", "\x1b[9;4;20t"),
        ("\x1b[1;31m\x1bP$qm\x1b\\", "\x1bP1$r0;1;31m\x1b\\"),
        ("\x1b[2;3r\x1bP$qr\x1b\\", "\x1bP1$r2;3r\x1b\\"),
        ("\x1bP$qx\x1b\\", "\x1bP0$r\x1b\\"),
        ("\x1bP+q544e\x1b\\", "\x1bP0+r544e\x1b\\"),
        ("\x1b]52;c;?\x07\x1b[21t\x05\x07", ""),
    ] {
        let answers = screen(query).take_replies();
        assert_eq!(String::from_utf8_lossy(&answers), answer, "{query:?}");
    }
}

#[test]
fn the_version_is_told() {
    let answer = screen("\x1b[>q").take_replies();
    assert!(answer.starts_with(b"\x1bP>|Quarterdeck(") && answer.ends_with(b")\x1b\\"));
}

#[test]
fn answers_are_given_once_and_a_restored_model_owes_none() {
    let mut asked = screen("\x1b[c");
    assert!(!asked.take_replies().is_empty());
    assert!(asked.take_replies().is_empty());
    asked.feed(b"\x1b[c");
    let mut restored = Screen::restore(&asked.snapshot());
    assert!(restored.take_replies().is_empty());
}

fn line(bytes: &str, wrapped: bool) -> Line {
    Line { bytes: bytes.as_bytes().to_vec(), wrapped }
}

fn scrolled(output: &str) -> Vec<Line> {
    let mut screen = Screen::new(SIZE);
    screen.set_scrolled_capture(ScrolledCapture::Last(100));
    screen.feed(output.as_bytes());
    let scrolled = screen.take_scrolled();
    assert_eq!(scrolled.dropped, 0);
    scrolled.lines
}

#[test]
fn rows_that_leave_at_the_top_become_lines() {
    assert_eq!(scrolled("a\r\nb\r\nc\r\nd"), []);
    assert_eq!(scrolled("a\r\nb\r\nc\r\nd\r\ne\r\nf"), [line("a", false), line("b", false)]);
}

#[test]
fn lines_carry_their_look_and_end_plain() {
    assert_eq!(
        scrolled("\x1b[1;31mred\x1b[m \x1b]8;id=l;u:a\x07漢e\u{301}\x1b]8;;\x07\r\n\n\n\n"),
        [line("\x1b[1;31mred\x1b[m \x1b]8;id=l;u:a\x1b\\漢e\u{301}\x1b]8;;\x1b\\", false)]
    );
}

#[test]
fn a_line_says_whether_it_continues_the_one_before() {
    assert_eq!(
        scrolled("123456789012345678901234567890\r\nx\r\n\n\n"),
        [line("12345678901234567890", false), line("1234567890", true)]
    );
    assert_eq!(
        scrolled("1234567890123456789漢\r\nx\r\n\n\n"),
        [line("1234567890123456789", false), line("漢", true)]
    );
}

#[test]
fn only_the_primary_screen_has_history() {
    assert_eq!(scrolled("\x1b[?1049ha\r\nb\r\nc\r\nd\r\ne\r\nf"), []);
    assert_eq!(scrolled("\x1b[2;4ra\x1b[4;1H\n\n\n"), []);
    assert_eq!(scrolled("a\x1b[1;2r\x1b[2;1H\n"), [line("a", false)]);
    assert_eq!(scrolled("a\x1b[S\x1b[2J"), []);
}

#[test]
fn lines_that_nobody_takes_are_counted() {
    let mut screen = Screen::new(SIZE);
    screen.feed(&b"lost\r\n".repeat(10));
    screen.set_scrolled_capture(ScrolledCapture::Last(3));
    screen.feed(&b"line\r\n".repeat(10));
    let scrolled = screen.take_scrolled();
    assert_eq!((scrolled.lines.len(), scrolled.dropped), (3, 7));
    assert_eq!(screen.take_scrolled(), quarterdeck_screen::Scrolled::default());
    screen.set_scrolled_capture(ScrolledCapture::Off);
    screen.feed(&b"line\r\n".repeat(10));
    assert!(screen.take_scrolled().lines.is_empty());
}

#[test]
fn synchronised_output_is_seen_through() {
    let mut screen = screen("\x1b[?2026hhalf a frame");
    assert!(screen.text().starts_with("half a frame"));
    assert!(screen.snapshot().bytes.windows(8).any(|bytes| bytes == b"\x1b[?2026h"));
}

fn snapshot(output: &str) -> Snapshot {
    screen(output).snapshot()
}

#[test]
fn a_fresh_screen_has_next_to_nothing_to_say() {
    assert_eq!(snapshot(""), Snapshot { size: SIZE, bytes: b"\x1b[H".to_vec(), exact: true });
}

#[test]
fn a_snapshot_asks_nothing_and_makes_no_noise() {
    let snapshot = snapshot("\x07\x1b[c\x1b]52;c;aGk=\x07\x1b]9;done\x07\x1b]4;1;?\x07text\x1b[6n");
    let mut filtered = Vec::new();
    quarterdeck_screen::ReplayFilter::new().filter(&snapshot.bytes, &mut filtered);
    assert_eq!(filtered, snapshot.bytes);
}

#[test]
fn what_exceeds_a_limit_is_not_called_exact() {
    let long = "x".repeat(100_000);
    assert!(!snapshot(&format!("\x1b]2;{long}\x07")).exact);
    assert!(!snapshot(&format!("\x1b]8;;{long}\x07link")).exact);
    assert!(!snapshot(&format!("e{}", "\u{301}".repeat(100))).exact);
    assert!(!snapshot(&format!("\x1bPq{long}")).exact);
    // What was too long is over, or was forgotten.
    assert!(snapshot(&format!("\x1bPq{long}\x1b\\")).exact);
    assert!(snapshot(&format!("\x1b]2;{long}\x07\x1bc\x1b]2;short\x07")).exact);
}

#[test]
fn what_cannot_be_expressed_is_not_called_exact() {
    // The set in use came back with the cursor of the screen that is hidden.
    assert!(!snapshot("\x1b(0\x1b[?1049h\x1b8\x1b[?1047l").exact);
    // The cursor is where origin mode lets no address lead.
    assert!(!snapshot("\x1b[2;3r\x1b[?1047h\x1b[?6h\x1b[?1047l").exact);
}

#[test]
fn an_inexact_snapshot_stays_inexact_when_it_is_restored() {
    let inexact = snapshot(&format!("e{}", "\u{301}".repeat(100)));
    assert_eq!(Screen::restore(&inexact).snapshot(), inexact);
}

#[test]
fn a_screen_can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Screen>();
    is_send::<quarterdeck_screen::ReplayFilter>();
}

//! What holds for every output: no panic, no growth without bound, and snapshots that restore to the
//! same state, at every size and through every resize.

use proptest::prelude::*;
use quarterdeck_screen::{MAX_SIDE, Screen, ScrolledCapture, Size};

/// Whole sequences, also such as no sane program sends.
#[rustfmt::skip]
const SEQUENCES: &[&str] = &[
    "a", "word ", "漢", "字", "e\u{301}", "\u{302}", "👩\u{200d}💻", "\u{fe0f}", "\u{ad}", "\u{3000}", "\u{17d8}",
    "\r", "\n", "\r\n", "\x08", "\t", "\x0e", "\x0f", "\x07", "\x18", "\u{84}", "\u{85}", "\u{88}", "\u{9b}3C",
    "\x1b[m", "\x1b[1m", "\x1b[2;3;5;7;8;9;53m", "\x1b[4m", "\x1b[4:3m", "\x1b[24m", "\x1b[31m", "\x1b[104m",
    "\x1b[38;5;99m", "\x1b[48;2;9;8;7m", "\x1b[58;5;3m", "\x1b[59m", "\x1b[1\"q", "\x1b[0\"q",
    "\x1b]8;;u:a\x07", "\x1b]8;id=i;u:b\x07", "\x1b]8;id=other;u:c\x07", "\x1b]8;;\x07",
    "\x1b[H", "\x1b[3;4H", "\x1b[999;999H", "\x1b[2;999H", "\x1b[5G", "\x1b[3d", "\x1b[2A", "\x1b[B", "\x1b[3C",
    "\x1b[2D", "\x1b[E", "\x1b[F", "\x1b[I", "\x1b[Z", "\x1b[5b", "\x1b[2147483647b", "\x1b[2147483647C",
    "\x1b[J", "\x1b[1J", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[?J", "\x1b[?2K", "\x1b[3X", "\x1b[2P",
    "\x1b[2@", "\x1b[2147483647@", "\x1b[L", "\x1b[2M", "\x1b[2147483647L", "\x1b[S", "\x1b[T", "\x1b[9S", "\x1b[9T",
    "\x1b[2 @", "\x1b[ A", "\x1b['}", "\x1b[2'~", "\x1bD", "\x1bE", "\x1bM", "\x1bH", "\x1b[g", "\x1b[3g",
    "\x1b[2;3r", "\x1b[1;2r", "\x1b[r", "\x1b(0", "\x1b(B", "\x1b)4", "\x1b*A", "\x1b+K", "\x1bn", "\x1bo", "\x1b%G",
    "\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1b[?6h", "\x1b[?6l", "\x1b[?7h", "\x1b[?7l", "\x1b[4h", "\x1b[4l",
    "\x1b[20h", "\x1b[20l", "\x1b[?45h", "\x1b[?1h", "\x1b=", "\x1b>", "\x1b[?25l", "\x1b[?5h", "\x1b[?9h",
    "\x1b[?1002;1006;2004;1004h", "\x1b[?1007h", "\x1b[?2031l", "\x1b[?2026h", "\x1b[?2026l", "\x1b[3 q",
    "\x1b[?47h", "\x1b[?47l", "\x1b[?1047h", "\x1b[?1047l", "\x1b[?1048h", "\x1b[?1048l", "\x1b[?1049h", "\x1b[?1049l",
    "\x1b]0;t\x07", "\x1b]1;icon\x07", "\x1b]2;\x07", "\x1b[22t", "\x1b[23t", "\x1b]4;7;#abc;8;?\x07",
    "\x1b]11;#123\x07", "\x1b]104\x07", "\x1b[>1u", "\x1b[=3;2u", "\x1b[<u", "\x1b[?u", "\x1b[>4;2m", "\x1b[>4n",
    "\x1b[c", "\x1b[6n", "\x1b[?7$p", "\x1bP$qm\x1b\\", "\x1b#8", "\x1b[!p", "\x1bc",
];

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let sequence = prop::sample::select(SEQUENCES).prop_map(|text| text.as_bytes().to_vec());
    let half = (prop::sample::select(SEQUENCES), any::<prop::sample::Index>())
        .prop_map(|(text, end)| text.as_bytes()[..end.index(text.len() + 1)].to_vec());
    prop_oneof![12 => sequence, 1 => half, 1 => prop::collection::vec(any::<u8>(), 0..8)]
}

fn output() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat())
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        Just(Size { cols: 1, rows: 1 }),
        (1_u16..4, 1_u16..4).prop_map(|(cols, rows)| Size { cols, rows }),
        (1_u16..30, 1_u16..10).prop_map(|(cols, rows)| Size { cols, rows }),
    ]
}

/// Asks for everything that is not in a snapshot's bytes.
const QUESTIONS: &[u8] = b"\x1b\\\x1b[6n\x1b[?u\x1b[?1$p\x1b[?5$p\x1b[?7$p\x1b[?12$p\x1b[?25$p\x1b[?1049$p\
    \x1b[4$p\x1b[20$p\x1bP$qm\x1b\\\x1bP$qr\x1b\\\x1bP$q q\x1b\\\x1bP$q\"q\x1b\\\x1b]4;7;?\x07\x1b]11;?\x07";

/// The same from two models: what they show, what they answer, how they look to a third.
fn assert_equal(one: &mut Screen, two: &mut Screen) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.text(), two.text());
    prop_assert_eq!(one.title(), two.title());
    let (one, two) = (one.snapshot(), two.snapshot());
    prop_assert_eq!(String::from_utf8_lossy(&one.bytes), String::from_utf8_lossy(&two.bytes));
    prop_assert_eq!(one, two);
    Ok(())
}

fn replies(screen: &mut Screen) -> String {
    String::from_utf8_lossy(&screen.take_replies()).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_model_is_the_same_now_and_later(
        size in size(),
        before in output(),
        new_size in prop::option::of(size()),
        between in output(),
        after in output(),
    ) {
        let mut screen = Screen::new(size);
        screen.feed(&before);
        if let Some(size) = new_size {
            screen.resize(size);
        }
        screen.feed(&between);
        let snapshot = screen.snapshot();
        let mut restored = Screen::restore(&snapshot);
        prop_assert_eq!(restored.take_replies(), Vec::<u8>::new());
        if !snapshot.exact {
            return Ok(());
        }
        assert_equal(&mut screen, &mut restored)?;
        screen.take_replies();
        for output in [after.as_slice(), QUESTIONS] {
            screen.feed(output);
            restored.feed(output);
            prop_assert_eq!(replies(&mut screen), replies(&mut restored));
            assert_equal(&mut screen, &mut restored)?;
        }
    }

    #[test]
    fn cutting_the_output_makes_no_difference(
        size in size(),
        output in output(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut whole = Screen::new(size);
        whole.feed(&output);
        let mut cut_up = Screen::new(size);
        let (head, tail) = output.split_at(cut.index(output.len() + 1));
        cut_up.feed(head);
        cut_up.feed(tail);
        assert_equal(&mut whole, &mut cut_up)?;
    }

    #[test]
    fn nothing_panics_through_resizes(
        size in size(),
        steps in prop::collection::vec((output(), size_or_giant()), 0..8),
    ) {
        let mut screen = Screen::new(size);
        screen.set_scrolled_capture(ScrolledCapture::Last(20));
        for (output, size) in steps {
            screen.feed(&output);
            screen.resize(size);
            let snapshot = screen.snapshot();
            prop_assert_eq!(snapshot.size, screen.size());
            prop_assert!(screen.take_scrolled().lines.len() <= 20);
        }
    }

    #[test]
    fn bytes_without_any_sense_do_no_harm(
        size in size(),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut screen = Screen::new(size);
        screen.feed(&bytes);
        let snapshot = screen.snapshot();
        let mut restored = Screen::restore(&snapshot);
        if snapshot.exact {
            assert_equal(&mut screen, &mut restored)?;
        }
    }
}

fn size_or_giant() -> impl Strategy<Value = Size> {
    prop_oneof![20 => size(), 1 => Just(Size { cols: 300, rows: 100 }), 1 => Just(Size { cols: 0, rows: 0 })]
}

/// Feeds `unit` for a long time and returns the sizes of everything that could pile up.
fn pile_up(unit: &str) -> (usize, usize, usize) {
    let mut screen = Screen::new(Size { cols: 20, rows: 5 });
    screen.set_scrolled_capture(ScrolledCapture::Last(50));
    for _ in 0..20_000 {
        screen.feed(unit.as_bytes());
    }
    let snapshot = screen.snapshot().bytes.len();
    (snapshot, screen.take_replies().len(), screen.take_scrolled().lines.len())
}

#[test]
fn nothing_piles_up() {
    for unit in [
        "\x1b[c",
        "\x1b]4;1;?\x07",
        "\x1b]4;1;#fff\x07",
        "\x1b[22t",
        "\x1b]0;title\x07\x1b[22t",
        "\x1b[>1u",
        "e\u{301}",
        "\u{301}",
        "\x1b]8;;http://a\x07x",
        "\x1b]8;id=",
        "\x1b]0;xxxxxxxxxx",
        "\x1bPqxxxxxxxxx",
        "\x1b[1;",
        "\x1b_Gxxxxxxxx",
        "line\n",
        "\x1b[?1049h",
        "\x1b7\x1b[?1049l",
        "\x1bH\t",
        "\x1b[38;5;1mx",
    ] {
        let (snapshot, replies, lines) = pile_up(unit);
        assert!(snapshot < 80 * 1024, "{unit:?}: a snapshot of {snapshot} bytes");
        assert!(replies <= 4096, "{unit:?}: {replies} bytes of answers");
        assert!(lines <= 50, "{unit:?}: {lines} lines");
    }
}

#[test]
fn absurd_sizes_are_clamped() {
    let mut screen = Screen::new(Size { cols: 0, rows: 0 });
    assert_eq!(screen.size(), Size { cols: 1, rows: 1 });
    screen.resize(Size { cols: u16::MAX, rows: 1 });
    assert_eq!(screen.size(), Size { cols: MAX_SIDE, rows: 1 });
}

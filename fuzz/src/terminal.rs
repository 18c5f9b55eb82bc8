//! The terminal model: how output is cut makes no difference, and a snapshot that says it is exact can be
//! gone on from as if nothing had been.

use quarterdeck_screen::{Screen, Size};

/// `columns, rows, where to cut, where to take the snapshot`, then output.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    let [cols, rows, cut, mark, output @ ..] = data else { return };
    let size = Size { cols: u16::from(cols % 100) + 1, rows: u16::from(rows % 40) + 1 };
    let mut whole = Screen::new(size);
    whole.feed(output);
    let mut cut_up = Screen::new(size);
    for piece in output.chunks(usize::from(*cut) + 1) {
        cut_up.feed(piece);
    }
    assert_eq!(whole.snapshot(), cut_up.snapshot(), "how output is cut makes no difference");
    assert_eq!(whole.take_replies(), cut_up.take_replies());

    let mark = output.len() * usize::from(*mark) / 256;
    let mut before = Screen::new(size);
    before.feed(&output[..mark]);
    let snapshot = before.snapshot();
    let mut after = Screen::restore(&snapshot);
    assert_eq!(after.take_replies(), b"", "a restored terminal owes no answers");
    let again = after.snapshot();
    if snapshot.exact {
        assert_eq!(again, snapshot, "a snapshot of what was restored is the same");
        after.feed(&output[mark..]);
        let (after, whole) = (after.snapshot(), whole.snapshot());
        // what comes after the mark may be more than the model keeps
        if whole.exact {
            assert_eq!(after, whole, "it goes on as if nothing had been");
        }
    }
    before.resize(Size { cols: size.rows, rows: size.cols });
    before.feed(&output[mark..]);
    let _ = (before.snapshot(), before.text(), before.title().map(str::len));
}

/// Pieces of what programs write.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let outputs: [&[u8]; 8] = [
        b"$ ls -l\r\nfile\tother\r\n$ ",
        b"\x1b[31;1mred\x1b[0m \x1b[4:3m~\x1b[58;2;1;2;3m\x1b[m\x1b[38;5;200mx\x1b[48:2::9:8:7my",
        b"\x1b[?1049h\x1b[2J\x1b[H\x1b[5;10r\x1b[?6h\x1b[3;3Hfull\x1b[?2004h\x1b[?1000;1006h\x1b[?25l",
        "wide \u{4e2d}\u{6587} e\u{301} \u{1f469}\u{200d}\u{1f4bb}\u{fe0f}".as_bytes(),
        b"\x1b]0;title\x07\x1b]8;id=1;http://x\x1b\\link\x1b]8;;\x1b\\\x1b]4;1;rgb:1/2/3\x1b\\",
        b"\x1b7\x1b[5;5Hx\x1b8\x1b(0lqk\x1b(B\x1b[3g\x1bH\x1b[20h\x1b[4h\x1b[?7l",
        b"\x1b[c\x1b[6n\x1b[?u\x1b[>0q\x1b]10;?\x1b\\\x1bP$qm\x1b\\\x1b[?996n",
        b"\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80 \x1b[999999999;1H\x1b[38;2;300;300;300m",
    ];
    outputs.iter().map(|output| [&[79, 23, 6, 128], *output].concat()).collect()
}

/// Sequences with an effect.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let sequences: [&[u8]; 28] = [
        b"\x1b[",
        b"\x1b]",
        b"\x1bP",
        b"\x1b_",
        b"\x1b\\",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\x1b[?7l",
        b"\x1b[?6h",
        b"\x1b[2J",
        b"\x1b[3J",
        b"\x1b[K",
        b"\x1b[1@",
        b"\x1b[1P",
        b"\x1b[1L",
        b"\x1b[1M",
        b"\x1b[1S",
        b"\x1b[1T",
        b"\x1b[2;5r",
        b"\x1bM",
        b"\x1bc",
        b"\x1b[!p",
        b"\x1b[4h",
        b"\x1b[38;2;",
        b"\x1b[38:5:",
        b"\x1b]8;;",
        b"\x1b]52;c;",
        "\u{4e2d}".as_bytes(),
    ];
    sequences.iter().map(|sequence| sequence.to_vec()).collect()
}

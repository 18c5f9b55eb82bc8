//! The table of cases: one thing each that a snapshot must keep.

use quarterdeck_screen::Size;

use crate::referee::{Case, Step};

/// What comes after every case's own output: it touches all hidden state in turn.
pub(crate) const PROBE: [&str; 14] = [
    "x",
    "y\u{301}",
    "\x1b[3b",
    "\t*\t*",
    "\x0eq\x0fq\x1bnq\x1boq\x0f",
    "\x1b[K\x1b[31mR\x1b[22mw",
    "\x1b8S\x1b[0m",
    "\x1b[6n\x1b[?6n\x1b[?7$p\x1b[?2026$p\x1b[?1049$p\x1bP$qr\x1b\\\x1bP$q\"q\x1b\\",
    "\x1b[99;1Ha\r\nb\r\nc",
    "\x1b[H\x1bMr",
    "\x1b[2;3Hu\x1b[J",
    "\x1b[?1047l\x1b[2;2HP\x1b8Q\tT\r\n",
    "\x1b[?1047h\x1b8A\tB",
    "\x1b[?1049l\x1b[!p\x1b[Hend",
];

const SIZE: Size = Size { cols: 20, rows: 6 };

fn case(name: &str, output: &str, later: &[&str]) -> Case {
    bytes_case(name, output.as_bytes(), later)
}

fn bytes_case(name: &str, output: &[u8], later: &[&str]) -> Case {
    let later = later.iter().chain(&PROBE).map(|output| output.as_bytes().to_vec()).collect();
    let steps = vec![Step::Output(output.to_vec())];
    Case { name: name.into(), size: SIZE, scrollback: 1000, steps, later }
}

/// A case in which the size changes after the output. History would flow back into a growing screen,
/// which a model without history cannot know, so the viewer has none either.
fn resize_case(name: &str, output: &str, size: Size, later: &[&str]) -> Case {
    let mut case = case(name, output, later);
    case.scrollback = 0;
    case.steps.push(Step::Resize(size));
    case
}

/// Cases in which nothing but text is at stake.
fn text() -> Vec<Case> {
    vec![
        case("plain text", "hello\r\nworld", &[]),
        case("an empty screen", "", &[]),
        case("text in the last cell", "\x1b[6;20Hx", &[]),
        case("pending wrap", "12345678901234567890", &["a"]),
        case("pending wrap after a change of pen", "1234567890123456789\x1b[31m0\x1b[32m", &["a"]),
        case("pending wrap in the last row", "\x1b[6;1H12345678901234567890", &["a"]),
        case("pending wrap over an erased row", "12345678901234567890\x1b[44m\x1b[2K", &["a"]),
        case("pending wrap that a mark must not join", "12345678901234567890\x1b[m", &["\u{301}x"]),
        case("soft wrap", "1234567890123456789012345\r\nnext", &["\x1b[?45h\x1b[2;1H\x08\x08w"]),
        case("wide characters", "漢字\r\na漢b字", &["\x1b[1;2Hx"]),
        case("wide character at the right edge", "123456789012345678漢", &["a"]),
        case("wide character that wraps early", "1234567890123456789漢字", &["a"]),
        case("half overwritten wide characters", "漢字漢\x1b[1;2Hx\x1b[1;5Hy", &[]),
        case(
            "wide character pending at the edge with a pen change",
            "\x1b[1;19H漢\x1b[7m",
            &["字"],
        ),
        case("combining marks", "e\u{301}a\u{308}\u{304} 漢\u{301}", &["\u{302}"]),
        case("a combining mark still to come", "e", &["\u{301}x"]),
        case("a combining mark at a pending wrap", "1234567890123456789e\u{301}", &["\u{302}x"]),
        case("a lone combining mark", "ab\x1b[1;2H\u{301}c", &[]),
        case("a lone mark after a soft wrap", "123456789012345678901\x1b[2;1H\u{301}c", &[]),
        case("emoji with joiner and selector", "👩\u{200d}💻 ❤\u{fe0f} 🦀", &["\u{200d}x"]),
        case("repetition", "ab", &["\x1b[3b"]),
        case("repetition after another sequence", "ab\x1b[m", &["\x1b[3b"]),
        case("scrolled text", &"line\r\n".repeat(20), &["more\r\n"]),
    ]
}

/// Cases of colours, attributes and links.
fn style() -> Vec<Case> {
    vec![
        case("bold and dim together", "\x1b[1;2mboth\x1b[22mnone", &[]),
        case(
            "italic, inverse, hidden, strikeout",
            "\x1b[3mi\x1b[7mv\x1b[8mh\x1b[9ms",
            &["x\x1b[28my"],
        ),
        case("blink and overline", "\x1b[5mb\x1b[25m\x1b[53mo", &["x"]),
        case(
            "underline styles",
            "\x1b[4ma\x1b[4:2mb\x1b[4:3mc\x1b[4:4md\x1b[4:5me\x1b[21mf\x1b[24mg",
            &["\x1b[4mx"],
        ),
        case("underline colours", "\x1b[4:3;58:2::1:2:3ma\x1b[58;5;9mb\x1b[58:5:7mc", &["x"]),
        case("an underline colour before the underline", "\x1b[58;5;9ma", &["\x1b[4mx"]),
        case("sixteen colours", "\x1b[31;42ma\x1b[91;102mb\x1b[39mc\x1b[49md", &["x"]),
        case("256 colours", "\x1b[38;5;1ma\x1b[48;5;200mb\x1b[38:5:8mc", &["x"]),
        case("true colour", "\x1b[38;2;1;2;3ma\x1b[48:2::4:5:6mb", &["x"]),
        case("the pen alone", "\x1b[1;3;4:3;31;48;5;20m", &["x"]),
        case(
            "erasing in a colour",
            "\x1b[44mab\x1b[K\r\n\x1b[2;3H\x1b[1J\x1b[3;1H\x1b[5X",
            &["\x1b[2K"],
        ),
        case("a screen erased in a colour", "\x1b[41m\x1b[2J\x1b[m\x1b[3;3Hx", &[]),
        case("scrolling in a colour", "\x1b[42m\x1b[6;1Ha\r\nb\x1b[m", &[]),
        case("blanks with attributes", "\x1b[7m   \x1b[0;4m   \x1b[0;31m   x", &[]),
        case(
            "a link",
            "\x1b]8;;http://a.example/?x;y\x1b\\one\x1b]8;;\x1b\\ \x1b]8;id=b;http://b\x07two\x1b]8;;\x07",
            &[],
        ),
        case(
            "a link over two rows",
            "\x1b]8;;http://a\x1b\\123456789012345678901234\x1b]8;;\x1b\\x",
            &[],
        ),
        case(
            "equal links that are two",
            "\x1b]8;;u:a\x07a\x1b]8;;\x07\x1b]8;;u:a\x07b\x1b]8;;\x07",
            &[],
        ),
        case("a link that is open", "\x1b]8;;http://a\x1b\\one", &["two\x1b]8;;\x1b\\three"]),
        case(
            "a link with a styled underline",
            "\x1b]8;;u:a\x07\x1b[4:3ma\x1b[mb\x1b]8;;\x07c",
            &["x"],
        ),
        case("protected text", "a\x1b[1\"qb\x1b[0\"qc", &["\x1b[?2K", "\x1b[1\"qd"]),
    ]
}

/// Cases of modes and settings.
fn modes() -> Vec<Case> {
    let mut cases = vec![
        case("insert mode", "abc\x1b[1;2H\x1b[4h", &["x"]),
        case("insert mode after a character", "abc漢def\x1b[1;2H\x1b[4hx", &["\u{301}y\x1b[4lz"]),
        case("insert mode at a pending wrap", "\x1b[4h12345678901234567890", &["x"]),
        case("line feed mode", "\x1b[20hab", &["\ncd\x1b[20l\nef"]),
        case("autowrap off", "\x1b[?7l1234567890123456789012", &["x\x1b[?7hyz"]),
        case("origin mode", "\x1b[2;4r\x1b[?6h\x1b[2;2Hx", &["\x1b[9;1Hy", "\x1b[?6l\x1b[Hz"]),
        case("origin mode and a pending wrap", "\x1b[2;4r\x1b[?6h12345678901234567890", &["x"]),
        case("reverse wraparound", "\x1b[?45h1234567890123456789012\x08\x08", &["\x08\x08x"]),
        case("application keys", "\x1b[?1h\x1b=", &["x"]),
        case("hidden cursor", "\x1b[?25l", &["\x1b[?25h"]),
        case("cursor styles", "\x1b[5 q\x1b[?12h", &["\x1b[0 q"]),
        case("mouse and its encoding", "\x1b[?1003h\x1b[?1006h", &["\x1b[?1003l"]),
        case("mouse clicks in pixels", "\x1b[?1000h\x1b[?1016h", &["\x1b[?1016l"]),
        case("paste and focus", "\x1b[?2004h\x1b[?1004h", &["\x1b[?2004l"]),
        case("synchronised output, seen through", "\x1b[?2026hframe", &["\x1b[?2026l"]),
        case("margins", "\x1b[2;4r\x1b[4;1Ha", &["\r\nb\r\nc", "\x1b[6;1H\nd"]),
        case("a cursor below the margins", "\x1b[2;3r\x1b[5;2H", &["a\nb\n\nc"]),
        case("tab stops", "\x1b[3g\x1b[1;4H\x1bH\x1b[1;9H\x1bH\r", &["\ta\tb\tc", "\x1b[Z\x1b[Zd"]),
        case("no tab stops", "\x1b[3g\r", &["\ta"]),
        case("line drawing", "\x1b(0lqk\x1b(Bx", &["\x1b(0m"]),
        case("line drawing in use", "\x1b(0lqk", &["mqj\x1b(Bx"]),
        case("shifted sets", "\x1b)0\x0e", &["q\x0fq"]),
        case("four sets", "\x1b(A\x1b)0\x1b*K\x1b+R\x1bn", &["#[\x1bo#[\x0fq#\x0eq"]),
        case("a mapped character that is repeated", "\x1b(0q", &["\x1b[3b\u{301}"]),
        case("title", "\x1b]2;title\x07\x1b]1;icon\x07", &[]),
        case("title stack", "\x1b]0;one\x07\x1b[22t\x1b]2;two\x07", &["\x1b[23t"]),
        case(
            "palette",
            "\x1b]4;1;#123456;200;rgb:f/0/8\x07\x1b]10;#fff\x07\x1b]11;rgb:11/22/33\x07\x1b]12;#00f\x07",
            &["\x1b]104;1\x07", "\x1b]110\x07"],
        ),
    ];
    cases.extend([
        case("a soft reset", "\x1b[31;1m\x1b[4h\x1b[2;4r\x1b[?6h\x1b7\x1b[!pab", &["c"]),
        case("a full reset", "\x1b[31mab\x1b[2;4r\x1b[4h\x1b)0\x0e\x1b[?1049hx\x1bcab", &["c"]),
    ]);
    cases
}

/// Cases of saved cursors and of the two screens.
fn screens() -> Vec<Case> {
    vec![
        case("saved cursor", "\x1b[3;5H\x1b7\x1b[Hx", &["\x1b8y"]),
        case("saved pen", "\x1b[3;5H\x1b[1;31;44m\x1b7\x1b[m\x1b[Hx", &["\x1b8y\x1b[K"]),
        case("saved character set", "\x1b(0\x1b7\x1b(Bx", &["\x1b8qq\x0eq\x0fq"]),
        case("a character set that came back", "\x1b7\x1b(0q\x1b8", &["q\x0eq\x0fq"]),
        case("saved cursor in origin mode", "\x1b[2;5r\x1b[?6h\x1b[2;2H\x1b7\x1b[Hx", &["\x1b8y"]),
        case("saved cursor at the edge", "12345678901234567890\x1b7\r\n", &["\x1b8y"]),
        case("saved by CSI s", "\x1b[2;2H\x1b[s\x1b[Hx", &["\x1b[uy"]),
        case("alternate screen", "main\x1b[?1049h\x1b[Halt", &["\x1b[?1049lback"]),
        case(
            "alternate screen with a saved pen",
            "\x1b[31;44mm\x1b[?1049h\x1b[Ha",
            &["\x1b[?1049lb"],
        ),
        case(
            "alternate screen over wide and styled text",
            "漢\x1b[7m字\r\n\x1b[4;35mx\x1b[?1049ha",
            &["\x1b[?1049lb"],
        ),
        case("alternate screen by 47", "main\x1b[?47h\x1b[2;2Halt", &["\x1b[?47lback"]),
        case("alternate screen by 1047", "main\x1b[?1047h\x1b[2;2Halt", &["\x1b[?1047lback"]),
        case("mode 1048", "\x1b[2;2H\x1b[?1048h\x1b[Hx", &["\x1b[?1048ly"]),
        case(
            "margins and tab stops of both screens",
            "\x1b[2;4r\x1b[1;3H\x1bH\x1b[?1049h\x1b[3;5r\x1b[3g",
            &["\ta\x1b[5;1H\nb", "\x1b[?1049l\r\tc\x1b[4;1H\n\nd"],
        ),
        case(
            "saved cursors of both screens",
            "\x1b[2;2H\x1b7\x1b[?1047h\x1b[3;3H\x1b[32m\x1b7\x1b[H",
            &["\x1b8a", "\x1b[?1047l\x1b8b"],
        ),
        case(
            "a saved cursor on the screen that is hidden",
            "\x1b[?1049h\x1b[3;3H\x1b[32m\x1b7\x1b[?1049lx",
            &["\x1b[?1047h\x1b8a"],
        ),
        case(
            "pending wrap on the alternate screen",
            "m\x1b[?1049h\x1b[H12345678901234567890",
            &["a"],
        ),
        case(
            "a history behind the alternate screen",
            &format!("{}\x1b[?1049halt", "x\r\n".repeat(30)),
            &["\x1b[?1049lb"],
        ),
    ]
}

/// Cases that are cut where nobody should cut.
fn cuts() -> Vec<Case> {
    vec![
        case("cut after an escape", "a\x1b", &["[31mb"]),
        case("cut in a CSI sequence", "a\x1b[3", &["1mb"]),
        case("cut in a CSI sequence after a control", "a\x1b[3\n", &["1mb"]),
        case("cut in a private sequence", "a\x1b[?104", &["9hb"]),
        case("cut in a title", "a\x1b]0;ti", &["tle\x07b"]),
        case("cut between escape and backslash", "a\x1b]0;title\x1b", &["\\b"]),
        case("cut in a link", "a\x1b]8;;http://", &["a\x1b\\b\x1b]8;;\x07"]),
        case("cut in a DCS string", "a\x1bP$q", &["r\x1b\\b"]),
        case("cut in an APC string", "a\x1b_Gf=1;AAA", &["A\x1b\\b"]),
        case("cut in a designation", "a\x1b(", &["0qq\x1b(B"]),
        case("cut in a C1 sequence", "a\u{9b}3", &["1mb"]),
        bytes_case("cut in a character", b"a\xe6\xbc", &[]),
        bytes_case("cut in a combining mark", b"e\xcc", &[]),
    ]
}

/// Cases of edits.
fn edits() -> Vec<Case> {
    vec![
        case("inserted and deleted characters", "abcdef\x1b[1;3H\x1b[2@x\x1b[1;1H\x1b[P", &[]),
        case("edits through wide characters", "漢字漢字\x1b[1;3H\x1b[P\x1b[1;2H\x1b[X", &[]),
        case("inserted and deleted lines", "a\r\nb\r\nc\r\nd\x1b[2;1H\x1b[L\x1b[4;1H\x1b[Mx", &[]),
        case("scrolled by sequence", "a\r\nb\r\nc\x1b[2S\x1b[44m\x1b[T\x1b[S\x1b[m", &[]),
        case("shifted columns", "abc\r\ndef\x1b[1;2H\x1b[2'}x\x1b[1 @", &[]),
        case("reverse index", "a\r\nb\x1b[H\x1bM\x1bMc", &[]),
        case("selective erasure", "\x1b[1\"qab\x1b[0\"qcd\x1b[1;1H\x1b[?J", &["\x1b[?2K"]),
        case("alignment pattern", "\x1b[31m\x1b#8x", &[]),
        case("erased before the cursor", "abc\r\ndef\r\nghi\x1b[2;2H\x1b[1J", &["\x1b[1K"]),
        case("C1 controls", "a\u{84}b\u{85}c\u{88}d\r", &["\tx"]),
        bytes_case("bytes that are no text", b"a\xffb\xc3(c\xf0\x9f\x92d", &[]),
        resize_case(
            "margins after a resize",
            "a\x1b[2;4r\x1b[H",
            Size { cols: 30, rows: 8 },
            &["\x1b[8;1H\nx"],
        ),
        resize_case(
            "tab stops after a resize",
            "\x1b[3g\r",
            Size { cols: 40, rows: 6 },
            &["\ta\tb\tc"],
        ),
        resize_case(
            "alternate screen after a resize",
            "main\x1b[?1049h\x1b[Habcdefghijklmnopqrst\x1b[2;1Hx",
            Size { cols: 10, rows: 4 },
            &["\x1b[?1049lb"],
        ),
    ]
}

/// Cases that stay open because the viewer and the model mean different things.
fn differences() -> Vec<Case> {
    vec![
        case("a full reset that ends line feed mode", "\x1b[20h\x1bc", &["a\nb"]),
        case("a full reset that shows the cursor", "\x1b[?25l\x1bc", &[]),
        case("an underline colour that is reset", "\x1b[4;58;5;9ma\x1b[59mb", &[]),
        case("a saved curly underline", "\x1b[4:3m\x1b7\x1b[m\x1b8a", &[]),
        case("relative moves in origin mode", "\x1b[2;5r\x1b[?6h\x1b[2;1Ha\x1b[Cb", &[]),
        case("a saved cursor and then scrolling", "\x1b[3;3H\x1b7\x1b[6;1H\n\n\x1b8a", &[]),
        case("true colour without a colour space", "\x1b[38:2:1:2:3ma", &[]),
        case("half a wide character after an insertion", "漢字漢\x1b[1;2H\x1b[@", &[]),
        case("a wide character overwritten without autowrap", "\x1b[?7l\x1b[1;19H漢x", &[]),
        case("a mark after a wide character without room", "\x1b[?7l\x1b[1;20H漢\u{301}", &[]),
    ]
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    [text(), style(), modes(), screens(), cuts(), edits(), differences()].concat()
}

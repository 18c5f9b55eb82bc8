//! Random but repeatable output, made of whole sequences and cut anywhere.

use quarterdeck_screen::Size;

use crate::cases::PROBE;
use crate::referee::{Case, Step};

/// Pieces of output. What the open cases are about is not among them.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "a", "bc", "hello ", "漢", "字x", "e\u{301}", "\u{302}", "👩\u{200d}", "12345678", " ", "q",
    "\r", "\n", "\r\n", "\x08", "\t", "\x0e", "\x0f", "\x07", "\u{84}", "\u{85}", "\x1b[m",
    "\x1b[1m", "\x1b[2;3m", "\x1b[4m", "\x1b[24m", "\x1b[31m", "\x1b[44m", "\x1b[97;105m",
    "\x1b[38;5;99m", "\x1b[48;2;9;8;7m", "\x1b[5;53m", "\x1b[7m", "\x1b[22;27m", "\x1b[1\"q",
    "\x1b[0\"q", "\x1b[H", "\x1b[3;4H", "\x1b[6;19H", "\x1b[2;20H", "\x1b[99;99H", "\x1b[5G",
    "\x1b[3d", "\x1b[2A", "\x1b[B", "\x1b[3C", "\x1b[2D", "\x1b[E", "\x1b[F", "\x1b[I", "\x1b[Z",
    "\x1b[2b", "\x1b[J", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[?K", "\x1b[3X",
    "\x1b[2P", "\x1b[L", "\x1b[2M", "\x1b[S", "\x1b[T", "\x1bD", "\x1bE", "\x1bM", "\x1bH",
    "\x1b[g", "\x1b[2;5r", "\x1b[3;4r", "\x1b[r", "\x1b(0", "\x1b(B", "\x1b)0", "\x1b*A", "\x1bn",
    "\x1b7", "\x1b8", "\x1b[?7l0123456789012345678901\x1b[?7h", "\x1b[?1h", "\x1b=", "\x1b[?25l",
    "\x1b[?25h", "\x1b[?1002h", "\x1b[?1006h", "\x1b[?2004h", "\x1b[?1049h", "\x1b[?1049l",
    "\x1b[?1047h", "\x1b[?1047l", "\x1b[?47h", "\x1b[?1048h", "\x1b[3 q", "\x1b]0;t\x07",
    "\x1b]2;u\x1b\\", "\x1b[22;2t", "\x1b[23;2t", "\x1b]4;7;#abc\x07", "\x1b]11;#123\x07",
    "\x1b]104\x07", "\x1b[!p", "\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l",
    "\x1b[?6h\x1b[2;2Ho\x1b[?6l", "\x1b[?45h", "\x1b#8",
];

/// A small generator of numbers (xorshift): the same seed gives the same soup everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// One pot of soup.
pub(crate) fn case(seed: u64) -> Case {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut output = Vec::new();
    for _ in 0..5 + dice.roll(60) {
        output.extend_from_slice(PIECES[dice.roll(PIECES.len())].as_bytes());
    }
    if dice.roll(3) == 0 {
        output.truncate(output.len() - dice.roll(output.len().min(8)));
    }
    let later = PROBE.iter().map(|output| output.as_bytes().to_vec()).collect();
    Case {
        name: format!("soup {seed}: {:?}", String::from_utf8_lossy(&output)),
        size: Size { cols: 20, rows: 6 },
        // Without history xterm.js keeps a saved cursor where it is when rows scroll.
        scrollback: 0,
        steps: vec![Step::Output(output)],
        later,
    }
}

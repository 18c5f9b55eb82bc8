use proptest::prelude::*;

use super::ReplayFilter;

fn filter(chunks: &[&[u8]]) -> Vec<u8> {
    let mut filter = ReplayFilter::new();
    let mut out = Vec::new();
    for chunk in chunks {
        filter.filter(chunk, &mut out);
    }
    out
}

/// What `input` becomes, whole and cut at every byte.
fn check(input: &str, expected: &str) {
    let input = format!("<{input}>");
    let expected = format!("<{expected}>");
    let bytes = input.as_bytes();
    for cut in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        let out = filter(&[head, tail]);
        let shown = String::from_utf8_lossy(&out);
        assert_eq!(shown, expected, "{input:?} cut at {cut}");
    }
}

/// Everything that makes a terminal answer, beep, notify, print or touch the clipboard.
const EFFECTS: &[&str] = &[
    "\x07",
    "\x05",
    "\x1bZ",
    "\u{9a}",
    "\x1b[c",
    "\x1b[0c",
    "\x1b[>c",
    "\x1b[>0c",
    "\x1b[=c",
    "\u{9b}c",
    "\x1b[5n",
    "\x1b[6n",
    "\u{9b}6n",
    "\x1b[?6n",
    "\x1b[?15n",
    "\x1b[?26n",
    "\x1b[?53n",
    "\x1b[?996n",
    "\x1b[4$p",
    "\x1b[?2026$p",
    "\x1b[x",
    "\x1b[1x",
    "\x1b[4;1y",
    "\x1b[>q",
    "\x1b[>0q",
    "\x1b[?u",
    "\x1b[?4m",
    "\x1b[?1;1;0S",
    "\x1b[11t",
    "\x1b[13t",
    "\x1b[14t",
    "\x1b[14;2t",
    "\x1b[16t",
    "\x1b[18t",
    "\x1b[19t",
    "\x1b[20t",
    "\x1b[21t",
    "\x1b[0021t",
    "\x1b[1;1;1;1;1;1*y",
    "\x1b[1$w",
    "\x1b[1$u",
    "\x1b[&u",
    "\x1b[1'|",
    "\x1b[\"v",
    "\x1b[#R",
    "\x1b[1;1;1;1#|",
    "\x1b[i",
    "\x1b[5i",
    "\x1b[?5i",
    "\x1b[1;2;3,~",
    "\x1bP$qm\x1b\\",
    "\x1bP$q q\u{9c}",
    "\u{90}$qr\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1bPtmux;x\x1b\\",
    "\x1bP@kitty-cmd{}\x1b\\",
    "\x1b]4;1;?\x07",
    "\x1b]4;1;?;2;?\x1b\\",
    "\u{9d}4;1;?\x1b\\",
    "\x1b]5;0;?\x07",
    "\x1b]10;?\x07",
    "\x1b]10;?;?;?\x1b\\",
    "\x1b]11;?\x1b\\",
    "\x1b]12;?\u{9c}",
    "\x1b]17;?\x07",
    "\x1b]3;?WM_NAME\x07",
    "\x1b]21;foreground=?\x1b\\",
    "\x1b]21;background=#fff;cursor=?\x1b\\",
    "\x1b]22;?__current__\x1b\\",
    "\x1b]50;?\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1b]52;c;?\x1b\\",
    "\x1b]9;done\x07",
    "\x1b]9;\x07",
    "\x1b]9\x07",
    "\x1b]99;i=1;done\x1b\\",
    "\x1b]777;notify;a;b\x1b\\",
    "\x1b]51;[\"drop\",\"x\"]\x07",
    "\x1b]5113;ac=send\x1b\\",
    "\x1b]5522;type=read\x1b\\",
    "\x1b]1337;Copy=:aGk=\x07",
    "\x1b]1337;RequestAttention=yes\x07",
    "\x1b]1337;ReportCellSize\x07",
    "\x1b]1337;StealFocus\x1b\\",
    "\x1b]1337;File=name=eA==;inline=0:aGk=\x07",
    "\x1b]1337;File=name=eA==\x07",
    "\x1b_Ga=q,i=1;AAAA\x1b\\",
    "\x1b_Gi=1,a=q\x1b\\",
];

#[test]
fn nothing_with_an_effect_survives_wherever_it_is_cut() {
    for effect in EFFECTS {
        check(effect, "");
    }
}

#[test]
fn ordinary_output_passes_unchanged() {
    for output in [
        "plain text\r\n\ttabs and 漢字 and e\u{301}\u{8}",
        "\x1b[1;31mred\x1b[0m\x1b[38:2::1:2:3m\x1b[4:3m",
        "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[3X\x1b[2;5r\x1b[3S",
        "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?1004h\x1b[?2026h\x1b[4h\x1b[20l",
        "\x1b7\x1b8\x1bD\x1bM\x1bc\x1b(0\x0eqqq\x0f\x1b(B\x1b#8\x1b=\x1b>",
        "\x1b(Z\x1b[ q\x1b[2 q\x1b[!p\x1b[1\"q\x1b[>1u\x1b[<u\x1b[=1;2u\x1b[>4;2m\x1b[>4n",
        "\x1b]0;a title?\x07\x1b]2;x\x1b\\\x1b]8;id=1;http://a?b=?;c\x1b\\link\x1b]8;;\x1b\\",
        "\x1b]7;file://host/dir\x07\x1b]133;A\x07\x1b]633;P;Cwd=?\x07",
        "\x1b]4;1;#fff;2;rgb:1/2/3\x07\x1b]10;#fff\x1b\\\x1b]104\x07\x1b]104;1\x07\x1b]110\x07",
        "\x1b]9;4;1;50\x07\x1b]9;9;/dir\x1b\\",
        "\x1b]1337;CurrentDir=/dir\x07\x1b]1337;SetMark\x07\x1b]1337;File=inline=1:aGk=\x07",
        "\x1b[22;2t\x1b[23;2t\x1b[8;24;80t\x1b[?5W\x1b[5W\x1b[?1c",
        "\x1bPq#0;2;0;0;0~~\x1b\\\x1bP=1s\x1b\\\x1bP1$tx\x1b\\",
        "\x1b_Ga=T,q=2,f=100;AAAA\x1b\\\x1b_other\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\",
        "\u{84}\u{85}\u{9b}1m\u{9d}0;t\u{9c}\u{90}q~\u{9c}\u{9f}x\u{9c}",
        "\x00\x01\x7f",
    ] {
        check(output, output);
    }
}

#[test]
fn bytes_that_are_no_text_pass_too() {
    let bytes = b"a\xff\xc3(\xf0\x9f\xa6b\x80\xe6\xbcc";
    for cut in 0..bytes.len() {
        assert_eq!(filter(&[&bytes[..cut], &bytes[cut..]]), bytes);
    }
}

#[test]
fn a_query_hidden_behind_invalid_bytes_is_found() {
    assert_eq!(filter(&[b"\x1b[\xff6\xc3n\x1b\xef\xbb\xbf[c"]), b"");
}

#[test]
fn a_query_hidden_by_a_control_in_its_introducer_is_found() {
    check("\x1b\0[c", "\0");
    check("\x1b\t\x1b\n[6n", "\t\n");
    check("\x1b\r]11;?\x1b\\", "\r");
    check("\x1b\x07Z", "");
    check("\x1b\n[1m", "\n\x1b[1m");
    for hidden in ["\x1b\x7f[c", "\x1b[\x7fc", "\x1b[6\x7fn", "\x1b\x7fZ", "\x1bP\x7f$qm\x1b\\"] {
        check(hidden, "");
    }
}

#[test]
fn dropping_something_never_makes_a_query_of_what_is_around_it() {
    assert_eq!(filter(&[b"\xc2\x07\x9b6n"]), b"\xc2\0\x9b6n");
    assert_eq!(filter(&[b"\xc2\x1b[c\x9b6n"]), b"\xc2\0\x9b6n");
    assert_eq!(filter(&[b"\x1b[\x1b]52;;\x076n"]), b"6n");
}

#[test]
fn noise_inside_a_sequence_is_removed_and_other_controls_stay() {
    check("\x1b[1\x07m", "\x1b[1m");
    check("\x1b[1\nm", "\x1b[1\nm");
    check("\x1b[6\n\x07n", "\n");
    check("\x1b[6\x18n", "\x18n");
    check("\x1b[6\u{85}", "\u{85}");
}

#[test]
fn a_query_is_cut_out_of_a_string_that_also_sets() {
    check("\x1b]4;1;?;2;#fff\x07", "\x1b]4;2;#fff\x07");
    check("\x1b]10;?;#000;?\x1b\\", "\x1b]11;#000\x1b\\");
    check("\x1b]10;#111;?;#222\x07", "\x1b]10;#111\x1b\\\x1b]12;#222\x07");
}

#[test]
fn cutting_a_query_out_never_makes_another_command_of_the_rest() {
    let many = ";x".repeat(40);
    let set: String = (12..=19).map(|number| format!("\x1b]{number};x\x1b\\")).collect();
    check(&format!("\x1b]11;?{many};c;aGk=\x1b\\"), &set);
}

#[test]
fn an_image_is_told_not_to_report_back() {
    check("\x1b_Ga=T,f=100;AAAA\x1b\\", "\x1b_Ga=T,f=100,q=2;AAAA\x1b\\");
    check("\x1b_Gq=1,i=7\x1b\\", "\x1b_Gi=7,q=2\x1b\\");
    check("\u{9f}Gm=0;AA\u{9c}", "\u{9f}Gm=0,q=2;AA\u{9c}");
}

#[test]
fn a_string_ended_by_another_sequence_is_ended_for_good() {
    check("\x1b]0;t\x1b[6ntext", "\x1b]0;t\x1b\\text");
    check("\x1b]0;t\u{9b}1mtext", "\x1b]0;t\x18\u{9b}1mtext");
    check("\x1b]52;c;AA\x1b[1mtext", "\x1b[1mtext");
    check("\x1bPtmux;\x1b\x1b[c\x1b\\text", "\x1b\\text");
}

#[test]
fn malformed_and_endless_sequences_vanish() {
    check("\x1b[1é2", "2");
    check("\x1b[0?6n", "");
    let endless = format!("\x1b]4;{}\x07", "1;#fff;".repeat(10_000));
    assert_eq!(filter(&[endless.as_bytes(), b"ok"]), b"ok");
    let endless = format!("\x1b[{}m", ";".repeat(100_000));
    assert_eq!(filter(&[endless.as_bytes(), b"ok"]), b"ok");
}

#[test]
fn memory_stays_small_whatever_comes() {
    for head in
        ["\x1b]4;", "\x1b[", "\x1b_G", "\x1bP", "\x1b]0;", "\x1b]52;", "\x1b(", "\x1b]1337;"]
    {
        let mut filter = ReplayFilter::new();
        filter.filter(head.as_bytes(), &mut Vec::new());
        for _ in 0..100 {
            filter.filter(&[b'0'; 1000], &mut Vec::new());
        }
        assert!(filter.held.capacity() <= 4 * super::MAX_HELD_BYTES, "after {head:?}");
    }
}

/// What a terminal sees if the filter ends at `cut` and the rest comes unfiltered.
fn finish_at(input: &str, cut: usize) -> String {
    let mut filter = ReplayFilter::new();
    let mut out = Vec::new();
    filter.filter(&input.as_bytes()[..cut], &mut out);
    filter.finish(&mut out);
    out.extend_from_slice(&input.as_bytes()[cut..]);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn finishing_hands_over_what_was_held() {
    assert_eq!(finish_at("\x1b[31mred", 3), "\x1b[31mred");
    assert_eq!(finish_at("é", 1), "é");
    assert_eq!(finish_at("\x1b]0;title\x07", 7), "\x1b]0;title\x07");
    assert_eq!(finish_at("\x1b]52;c;AAAA\x07text", 9), "\x1b]9999;AA\x07text");
    assert_eq!(finish_at("\x1bP$qm\x1b\\text", 4), "\x1bP9999~m\x1b\\text");
}

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let effect = prop::sample::select(EFFECTS).prop_map(|text| text.as_bytes().to_vec());
    let harmless = prop::sample::select(
        [
            "a", "漢", "\x1b", "[", "]", "\x1b[1m", "\x1b]0;t", "\x1b\\", "\x07", "\u{9c}",
            "\u{9b}", "\x1bP", "q", "\x1b_G", ";", "?", "4;1;", "\x18", "\n", "é", "\x1b]8;;",
            "52;", "n",
        ]
        .as_slice(),
    );
    prop_oneof![
        2 => effect,
        4 => harmless.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_the_stream_makes_no_difference(
        fragments in prop::collection::vec(fragment(), 0..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let input = fragments.concat();
        let whole = filter(&[&input]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([input.len()]) {
            chunks.push(&input[start..cut]);
            start = cut;
        }
        prop_assert_eq!(filter(&chunks), whole);
    }

    #[test]
    fn the_filter_finds_nothing_more_in_its_own_output(
        fragments in prop::collection::vec(fragment(), 0..30),
    ) {
        let once = filter(&[&fragments.concat()]);
        let mut again = ReplayFilter::new();
        let mut twice = Vec::new();
        again.filter(&once, &mut twice);
        again.finish(&mut twice);
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn the_model_answers_nothing_to_filtered_output(
        fragments in prop::collection::vec(fragment(), 0..30),
    ) {
        let once = filter(&[&fragments.concat()]);
        let mut screen = crate::Screen::new(crate::Size { cols: 20, rows: 5 });
        screen.feed(&once);
        prop_assert_eq!(screen.take_replies(), Vec::<u8>::new());
    }

    #[test]
    fn the_model_shows_the_same_with_and_without_the_filter(
        fragments in prop::collection::vec(fragment(), 0..30),
    ) {
        let input = fragments.concat();
        let size = crate::Size { cols: 20, rows: 5 };
        let mut filtered = crate::Screen::new(size);
        filtered.feed(&filter(&[&input]));
        let mut plain = crate::Screen::new(size);
        plain.feed(&input);
        prop_assert_eq!(filtered.text(), plain.text());
    }
}

#[test]
fn del_inside_a_question_hides_it_from_nobody() {
    for question in [b"\x1b[6\x7fn".as_slice(), b"\x1b[\x7f5n", b"\x1b[?1\x7f$p", b"\x1b[\x7fc"] {
        let mut passed = Vec::new();
        ReplayFilter::new().filter(question, &mut passed);
        assert_eq!(passed, b"", "{}", question.escape_ascii());
    }
}

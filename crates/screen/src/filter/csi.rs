//! Which CSI sequences ask for an answer, make a noise or print on paper.

/// Whether this is one of the sequences that make up most output, by its last byte and prefix.
fn is_common(sequence: &[u8]) -> bool {
    match sequence {
        [.., b'@'..=b'Q' | b'X' | b'd' | b'h' | b'l'] => true,
        [0x1b, b'[', first, .., b'm'] => matches!(first, b'0'..=b';'),
        _ => false,
    }
}

/// Whether a complete CSI sequence, introducer included, must not be replayed.
pub(super) fn is_query(sequence: &[u8]) -> bool {
    if is_common(sequence) {
        return false;
    }
    let body = super::body(sequence);
    let Some((rest, last)) = body.split_at_checked(body.len().saturating_sub(1)) else {
        return false;
    };
    let prefix_length = rest.find(|char| !matches!(char, '<'..='?')).unwrap_or(rest.len());
    let (prefix, rest) = rest.split_at(prefix_length);
    let params_length = rest.find(|char| !matches!(char, '0'..=';')).unwrap_or(rest.len());
    let (params, intermediates) = rest.split_at(params_length);
    let first = params.split([';', ':']).next().unwrap_or("");
    let first = first.trim_start_matches('0').parse::<u32>().unwrap_or(0);
    match (prefix, intermediates, last) {
        // Device attributes, version.
        ("" | ">" | "=", "", "c") | (">", "", "q") => true,
        // Status, cursor position, colour scheme.
        ("" | "?", "", "n") => true,
        // Modes, settings, keyboard flags and modifiers, graphics.
        ("" | "?", "$", "p") | ("?", "", "u" | "m" | "S") => true,
        // Terminal parameters; self tests.
        ("", "", "x" | "y") => true,
        // Presentation state, preferred character set, locator, window, checksum, colours, SGR.
        ("", "$", "u" | "w") | ("", "&", "u") | ("", "'", "|") | ("", "\"", "v") => true,
        ("", "*", "y") | ("", "#", "R" | "|") => true,
        // Window state, position, sizes, titles.
        ("", "", "t") => matches!(first, 11 | 13..=16 | 18..=21),
        // Printer and speaker.
        ("" | "?", "", "i") | ("", ",", "~") => true,
        _ => false,
    }
}

//! How many columns a character takes. The model and every viewer must agree on this, so a viewer
//! takes the table from here (see [`width_ranges`]) instead of trusting its own Unicode version.

use std::ops::RangeInclusive;

use unicode_width::UnicodeWidthChar;

/// Columns of a character: 0 joins the character before it, 2 is wide.
pub(crate) fn char_width(char: char) -> u8 {
    match char {
        '\0'..='\u{7e}' | '\u{a0}'..='\u{2ff}' => 1,
        // The last arm caps a ligature that the standard draws three columns wide.
        _ => char.width().unwrap_or(0).min(2) as u8,
    }
}

/// All printable characters that do not take exactly one column, as ranges with their columns (0 or
/// 2), in order. A viewer registers them as its width table.
pub fn width_ranges() -> Vec<(RangeInclusive<char>, u8)> {
    let mut ranges: Vec<(RangeInclusive<char>, u8)> = Vec::new();
    for char in '\u{a0}'..=char::MAX {
        let width = char_width(char);
        if width == 1 {
            continue;
        }
        let before = (u32::from(char) - 1).try_into().ok();
        match ranges.last_mut() {
            Some((range, last)) if *last == width && before == Some(*range.end()) => {
                *range = *range.start()..=char;
            }
            _ => ranges.push((char..=char, width)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_characters_have_their_width() {
        for (char, width) in [
            ('a', 1),
            ('é', 1),
            ('\u{ad}', 1),
            ('漢', 2),
            ('🦀', 2),
            ('\u{301}', 0),
            ('\u{fe0f}', 0),
        ] {
            assert_eq!(char_width(char), width, "{char:?}");
        }
    }

    #[test]
    fn the_ranges_say_the_same_as_the_function() {
        let ranges = width_ranges();
        assert!(ranges.len() < 1000, "{} ranges", ranges.len());
        for char in '\u{a0}'..=char::MAX {
            let found = ranges.binary_search_by(|(range, _)| {
                if char < *range.start() {
                    std::cmp::Ordering::Greater
                } else if char > *range.end() {
                    std::cmp::Ordering::Less
                } else {
                    std::cmp::Ordering::Equal
                }
            });
            let width = found.map_or(1, |index| ranges[index].1);
            assert_eq!(width, char_width(char), "{char:?}");
        }
    }
}

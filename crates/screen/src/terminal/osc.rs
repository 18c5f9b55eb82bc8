//! OSC strings: titles, colours, links.

use alacritty_terminal::term::cell::Hyperlink;

use crate::limits::MAX_LINK_BYTES;
use crate::palette::{Slot, parse_rgb};
use crate::parser::Extent;
use crate::sgr::GIVEN_LINK_NAME;
use crate::terminal::Terminal;

impl Terminal {
    /// Carries out an OSC string.
    pub(super) fn run_osc(&mut self, text: &str, extent: Extent) {
        let (number, payload) = text.split_once(';').unwrap_or((text, ""));
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return;
        }
        let Ok(number) = number.parse::<u16>() else { return };
        if extent == Extent::Cut {
            self.run_cut_osc(number, payload);
            return;
        }
        match number {
            0..=2 => self.set_titles(number, payload),
            4 => self.change_palette(payload),
            8 => self.change_link(payload),
            10..=12 => self.change_special_colors(usize::from(number - 10), payload),
            104 => self.restore_palette(payload),
            110..=112 => {
                if let Some(slot) = Slot::special(usize::from(number - 110)) {
                    self.palette.restore(slot);
                }
            }
            _ => {}
        }
    }

    /// A string that was too long: a viewer may accept all of it.
    fn run_cut_osc(&mut self, number: u16, payload: &str) {
        match number {
            0..=2 => self.set_titles(number, payload),
            8 => {
                self.set_link(None);
                self.is_lossy = true;
            }
            _ => {}
        }
    }

    fn set_titles(&mut self, number: u16, title: &str) {
        if number != 1 {
            self.is_lossy |= !self.window_title.set(title);
        }
        if number != 2 {
            self.is_lossy |= !self.icon_name.set(title);
        }
    }

    fn change_palette(&mut self, payload: &str) {
        let mut parts = payload.split(';');
        while let (Some(index), Some(color)) = (parts.next(), parts.next()) {
            if let Some(slot) = parse_index(index) {
                self.change_color(slot, color);
            }
        }
    }

    fn change_special_colors(&mut self, first: usize, payload: &str) {
        for (offset, color) in payload.split(';').enumerate() {
            let Some(slot) = Slot::special(first + offset) else { break };
            self.change_color(slot, color);
        }
    }

    fn change_color(&mut self, slot: Slot, color: &str) {
        if color == "?" {
            self.report_color(slot);
        } else if let Some(rgb) = parse_rgb(color) {
            self.palette.set(slot, rgb);
        }
    }

    fn restore_palette(&mut self, payload: &str) {
        if payload.is_empty() {
            self.palette.restore_indexed();
        }
        for slot in payload.split(';').filter_map(parse_index) {
            self.palette.restore(slot);
        }
    }

    fn change_link(&mut self, payload: &str) {
        let Some((settings, target)) = payload.split_once(';') else { return };
        let settings = settings.trim();
        if target.is_empty() {
            if settings.is_empty() {
                self.set_link(None);
            }
            return;
        }
        let name = settings.split(':').find_map(|setting| setting.strip_prefix("id="));
        let name = name.filter(|name| !name.is_empty());
        if target.len() > MAX_LINK_BYTES || name.is_some_and(|name| name.len() > MAX_LINK_BYTES) {
            self.set_link(None);
            self.is_lossy = true;
            return;
        }
        let name = match name {
            Some(name) => {
                self.note_given_name(name);
                name.to_owned()
            }
            None => {
                self.links_opened += 1;
                format!("{GIVEN_LINK_NAME}{}", self.links_opened)
            }
        };
        self.set_link(Some(Hyperlink::new(Some(name), target.into())));
    }

    /// A given name came back with a snapshot: it must not be given a second time.
    fn note_given_name(&mut self, name: &str) {
        let number = name.strip_prefix(GIVEN_LINK_NAME).and_then(|number| number.parse().ok());
        // A program may use such a name too; absurd numbers are its own affair.
        if let Some(number) = number.filter(|&number: &u64| number < u64::MAX / 2) {
            self.links_opened = self.links_opened.max(number);
        }
    }
}

/// The palette entry that a decimal number names.
fn parse_index(text: &str) -> Option<Slot> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).map(Slot::Indexed)
}

//! Which sequence means what.

use crate::cells::Protection;
use crate::charset::Charset;
use crate::modes::{Family, Switch};
use crate::params::Params;
use crate::parser::{Extent, Name, Sink};
use crate::terminal::Terminal;
use crate::terminal::cursor::Vertical;

impl Sink for Terminal {
    fn print_ascii(&mut self, run: &[u8]) {
        self.print_run(run);
    }

    fn print(&mut self, char: char) {
        self.put(char);
    }

    fn execute(&mut self, code: u32) {
        match code {
            0x08 => self.backspace(),
            0x09 => self.tab(1),
            0x0a..=0x0c => self.line_feed(),
            0x0d => self.set_x(0),
            0x0e => self.charsets.shift(1),
            0x0f => self.charsets.shift(0),
            0x84 => self.index(),
            0x85 => self.next_line(),
            0x88 => self.set_tab(),
            _ => {}
        }
        self.last = None;
    }

    fn csi(&mut self, name: Name<'_>, params: &Params) {
        match name.lead {
            [] => self.plain_csi(name.last, params),
            b"?" => self.private_csi(name.last, params),
            lead => self.other_csi(lead, name.last, params),
        }
        self.last = None;
    }

    fn esc(&mut self, name: Name<'_>) {
        match (name.lead, name.last) {
            (b"", b'7') => self.save_cursor(),
            (b"", b'8') => self.restore_cursor(),
            (b"", b'D') => self.index(),
            (b"", b'E') => self.next_line(),
            (b"", b'H') => self.set_tab(),
            (b"", b'M') => self.reverse_index(),
            (b"", b'Z') => self.report_device(),
            (b"", b'c') => self.reset(),
            (b"", b'=') => self.set_keypad(Switch::On),
            (b"", b'>') => self.set_keypad(Switch::Off),
            (b"", b'~') => self.charsets.shift(1),
            (b"", b'n' | b'}') => self.charsets.shift(2),
            (b"", b'o' | b'|') => self.charsets.shift(3),
            (b"#", b'8') => self.show_alignment_pattern(),
            (b"%", b'@' | b'G') => {
                self.charsets.shift(0);
                self.charsets.designate(0, Charset::Ascii);
            }
            (b"(", set) => self.designate(0, set),
            (b")" | b"-", set) => self.designate(1, set),
            (b"*" | b".", set) => self.designate(2, set),
            (b"+", set) => self.designate(3, set),
            _ => {}
        }
        self.last = None;
    }

    fn osc(&mut self, text: &str, extent: Extent) {
        self.run_osc(text, extent);
        self.last = None;
    }

    fn dcs(&mut self, name: Name<'_>, text: &str, extent: Extent) {
        if extent == Extent::Whole {
            self.answer_dcs(name, text);
        }
        self.last = None;
    }
}

impl Terminal {
    fn designate(&mut self, level: usize, designator: u8) {
        if let Some(charset) = Charset::from_designator(designator) {
            self.charsets.designate(level, charset);
        }
    }

    fn plain_csi(&mut self, last: u8, params: &Params) {
        let count = params.count(0);
        match last {
            b'@' => self.insert_chars(count),
            b'A' => self.move_rows(Vertical::Up, count),
            b'B' => self.move_rows(Vertical::Down, count),
            b'C' | b'a' => self.move_right(count),
            b'D' => self.move_left(count),
            b'E' => self.move_to_line_start(Vertical::Down, count),
            b'F' => self.move_to_line_start(Vertical::Up, count),
            b'G' | b'`' => self.move_to_column(count - 1),
            b'H' | b'f' => self.move_to(params.count(1) - 1, count - 1),
            b'I' => self.tab(count),
            b'J' => self.erase_display(params.value(0), Protection::Ignored),
            b'K' => self.erase_line(params.value(0), Protection::Ignored),
            b'L' => self.insert_lines(count),
            b'M' => self.delete_lines(count),
            b'P' => self.delete_chars(count),
            b'S' => self.scroll_up(count),
            b'T' => self.scroll_down(count),
            b'X' => self.erase_chars(count),
            b'Z' => self.tab_back(count),
            b'b' => self.repeat(count),
            b'c' => self.report_device_primary(params),
            b'd' => self.move_to_row(count - 1),
            b'e' => self.move_down_freely(count),
            b'g' => self.clear_tabs(params.value(0)),
            b'h' => self.switch_modes(Family::Ansi, Switch::On, params),
            b'l' => self.switch_modes(Family::Ansi, Switch::Off, params),
            b'm' => self.select_graphic_rendition(params),
            b'n' => self.report_status(params),
            b'r' => self.set_margins(count, params.value(1).max(0) as usize),
            b's' => self.save_cursor(),
            b't' => self.window_operation(params),
            b'u' => self.restore_cursor(),
            _ => {}
        }
    }

    fn private_csi(&mut self, last: u8, params: &Params) {
        match last {
            b'J' => self.erase_display(params.value(0), Protection::Respected),
            b'K' => self.erase_line(params.value(0), Protection::Respected),
            b'h' => self.switch_modes(Family::Private, Switch::On, params),
            b'l' => self.switch_modes(Family::Private, Switch::Off, params),
            b'n' => self.report_private_status(params),
            b'u' => self.report_keyboard(),
            _ => {}
        }
    }

    fn other_csi(&mut self, lead: &[u8], last: u8, params: &Params) {
        let count = params.count(0);
        let x = self.x();
        match (lead, last) {
            (b" ", b'@') => self.delete_columns(0, count),
            (b" ", b'A') => self.insert_columns(0, count),
            (b"'", b'}') => self.insert_columns(x, count),
            (b"'", b'~') => self.delete_columns(x, count),
            (b" ", b'q') => self.set_cursor_style(params),
            (b"\"", b'q') => self.select_protection(params),
            (b"!", b'p') => self.soft_reset(),
            (b"$", b'p') => self.report_mode(Family::Ansi, params),
            (b"?$", b'p') => self.report_mode(Family::Private, params),
            (b">", b'c') => self.report_device_secondary(params),
            (b"=", b'c') => self.report_device_tertiary(params),
            (b">", b'q') => self.report_version(params),
            (b">", b'm') => self.set_key_modifier(params),
            (b">", b'n') => self.disable_key_modifier(params),
            (b"=", b'u') => {
                self.side_mut().keyboard.change(params.value(0), params.value(1));
            }
            (b">", b'u') => self.side_mut().keyboard.push(params.value(0)),
            (b"<", b'u') => self.side_mut().keyboard.pop(count),
            _ => {}
        }
    }
}

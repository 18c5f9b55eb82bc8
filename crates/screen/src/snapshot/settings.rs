//! Titles, colours, keyboard and modes.

use crate::charset::Charset;
use crate::keyboard::{KeyModifier, KeyboardFlags};
use crate::modes::{Family, MODES, Mode, Modes, MouseEvents, MouseFormat, PASSIVE_MODES, Switch};
use crate::snapshot::Writer;
use crate::terminal::Terminal;
use crate::titles::Titles;

impl Writer {
    pub(super) fn write_titles(&mut self, terminal: &Terminal) {
        let window = &terminal.window_title;
        let icon = &terminal.icon_name;
        self.write_title_stack(window, 2);
        self.write_title_stack(icon, 1);
        let is_shared = window.current == icon.current && !window.current.is_empty();
        if is_shared {
            self.put(&format!("\x1b]0;{}\x1b\\", window.current));
            return;
        }
        for (titles, number) in [(window, 2), (icon, 1)] {
            // Filling the stack left its last title behind.
            if !titles.current.is_empty() || !titles.stack.is_empty() {
                self.put(&format!("\x1b]{number};{}\x1b\\", titles.current));
            }
        }
    }

    fn write_title_stack(&mut self, titles: &Titles, number: u8) {
        for title in &titles.stack {
            self.put(&format!("\x1b]{number};{title}\x1b\\\x1b[22;{number}t"));
        }
    }

    pub(super) fn write_palette(&mut self, terminal: &Terminal) {
        for (slot, [red, green, blue]) in terminal.palette.changes() {
            let head = slot.osc_head();
            self.put(&format!("\x1b]{head};rgb:{red:02x}/{green:02x}/{blue:02x}\x1b\\"));
        }
    }

    /// The keyboard flags of the screen that the reader shows.
    pub(super) fn write_keyboard(&mut self, keyboard: &KeyboardFlags) {
        let mut flags = keyboard.stack.iter().chain([&keyboard.current]);
        if let Some(first) = flags.next().filter(|&&first| first != 0 || !keyboard.stack.is_empty())
        {
            self.put(&format!("\x1b[={first}u"));
        }
        for pushed in flags {
            self.put(&format!("\x1b[>{pushed}u"));
        }
    }

    pub(super) fn designate(&mut self, level: usize, charset: Charset) {
        if charset != Charset::Ascii {
            self.out.extend_from_slice(&[0x1b, b"()*+"[level], charset.designator()]);
        }
    }

    /// All modes but origin mode, which moves the cursor.
    pub(super) fn write_modes(&mut self, terminal: &Terminal) {
        for (resource, modifier) in terminal.key_modifiers.0.iter().enumerate() {
            match modifier {
                None => {}
                Some(KeyModifier::Value(value)) => self.put(&format!("\x1b[>{resource};{value}m")),
                Some(KeyModifier::Disabled) => self.put(&format!("\x1b[>{resource}n")),
            }
        }
        if terminal.cursor_style != 0 {
            self.put(&format!("\x1b[{} q", terminal.cursor_style));
        }
        let modes = terminal.modes;
        for (number, asked) in PASSIVE_MODES.into_iter().zip(modes.passive) {
            if let Some(switch) = asked {
                self.put(&format!("\x1b[?{number}{}", switch.final_byte()));
            }
        }
        match modes.mouse_events {
            MouseEvents::Off => {}
            MouseEvents::Press => self.put("\x1b[?9h"),
            MouseEvents::Click => self.put("\x1b[?1000h"),
            MouseEvents::Drag => self.put("\x1b[?1002h"),
            MouseEvents::Motion => self.put("\x1b[?1003h"),
        }
        match modes.mouse_format {
            MouseFormat::Bytes => {}
            MouseFormat::Sgr => self.put("\x1b[?1006h"),
            MouseFormat::SgrPixels => self.put("\x1b[?1016h"),
        }
        for mode in MODES {
            self.write_mode(mode, &modes);
        }
    }

    fn write_mode(&mut self, mode: Mode, modes: &Modes) {
        let is_on = modes.has(mode);
        if is_on == Modes::default().has(mode) {
            return;
        }
        let switch = if is_on { Switch::On } else { Switch::Off };
        let (family, number) = mode.number();
        let prefix = match family {
            Family::Ansi => "",
            Family::Private => "?",
        };
        self.put(&format!("\x1b[{prefix}{number}{}", switch.final_byte()));
    }
}

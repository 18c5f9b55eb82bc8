//! Switching modes, screens, cursor style, key modifiers and titles.

use alacritty_terminal::grid::Dimensions;

use crate::charset::Charset;
use crate::keyboard::{KeyModifier, KeyModifiers};
use crate::modes::{Family, Mode, MouseEvents, MouseFormat, PASSIVE_MODES, Switch};
use crate::params::Params;
use crate::tabs::Tabs;
use crate::terminal::{Shown, Terminal};

impl Terminal {
    /// SM, RM and their private forms.
    pub(super) fn switch_modes(&mut self, family: Family, switch: Switch, params: &Params) {
        for &number in params.values() {
            if let Some(mode) = Mode::from_number(family, number) {
                self.modes.switch(mode, switch);
                if mode == Mode::Origin {
                    self.move_to(0, 0);
                }
            } else if family == Family::Private {
                self.switch_private(number, switch);
            }
        }
    }

    fn switch_private(&mut self, number: i32, switch: Switch) {
        match number {
            2 if switch == Switch::On => {
                for level in 0..4 {
                    self.charsets.designate(level, Charset::Ascii);
                }
            }
            9 => self.switch_mouse_events(MouseEvents::Press, switch),
            1000 => self.switch_mouse_events(MouseEvents::Click, switch),
            1002 => self.switch_mouse_events(MouseEvents::Drag, switch),
            1003 => self.switch_mouse_events(MouseEvents::Motion, switch),
            1006 => self.switch_mouse_format(MouseFormat::Sgr, switch),
            1016 => self.switch_mouse_format(MouseFormat::SgrPixels, switch),
            47 | 1047..=1049 => self.switch_screen(number, switch),
            _ => {
                let known = PASSIVE_MODES.iter().position(|&mode| i32::from(mode) == number);
                if let Some(index) = known {
                    self.modes.passive[index] = Some(switch);
                }
            }
        }
    }

    fn switch_mouse_events(&mut self, events: MouseEvents, switch: Switch) {
        self.modes.mouse_events = match switch {
            Switch::On => events,
            Switch::Off => MouseEvents::Off,
        };
    }

    fn switch_mouse_format(&mut self, format: MouseFormat, switch: Switch) {
        self.modes.mouse_format = match switch {
            Switch::On => format,
            Switch::Off => MouseFormat::Bytes,
        };
    }

    /// 47 and 1047 show a screen, 1048 saves or restores the cursor, 1049 does both.
    fn switch_screen(&mut self, number: i32, switch: Switch) {
        let shows = number != 1048;
        let saves = matches!(number, 1048 | 1049);
        match switch {
            Switch::On => {
                if saves {
                    self.save_cursor();
                }
                if shows {
                    self.show_alternate();
                }
            }
            Switch::Off => {
                if shows {
                    self.show_primary();
                }
                if saves {
                    self.restore_cursor();
                }
            }
        }
    }

    fn show_alternate(&mut self) {
        if self.shown == Shown::Primary {
            // The library copies the cursor. It also blanks the cells, but not all if they grew.
            self.term.swap_alt();
            self.shown = Shown::Alternate;
            let blank = self.blank();
            for y in 0..self.term.screen_lines() {
                self.cells_mut(y).fill(blank.clone());
            }
            self.hand_on_margins();
        }
    }

    fn show_primary(&mut self) {
        if self.shown == Shown::Alternate {
            let (x, y) = (self.x(), self.y());
            self.term.swap_alt();
            self.shown = Shown::Primary;
            self.set_x(x);
            self.set_y(y);
            self.set_pen(self.pen.clone());
            self.hand_on_margins();
            let left = &mut self.alternate;
            left.top = 0;
            left.bottom = self.term.screen_lines() - 1;
            left.tabs = Tabs::new(self.term.columns());
        }
    }

    /// DECKPAM and DECKPNM.
    pub(super) fn set_keypad(&mut self, switch: Switch) {
        self.modes.switch(Mode::Keypad, switch);
    }

    /// DECSCUSR.
    pub(super) fn set_cursor_style(&mut self, params: &Params) {
        if let Ok(style @ 0..=6) = u8::try_from(params.value(0)) {
            self.cursor_style = style;
        }
    }

    /// `CSI > resource ; value m`
    pub(super) fn set_key_modifier(&mut self, params: &Params) {
        match *params.values() {
            [0] => self.key_modifiers = KeyModifiers::default(),
            [resource] => self.key_modifiers.set(resource, None),
            [resource, value, ..] => {
                let value = value.clamp(0, i32::from(u8::MAX)) as u8;
                self.key_modifiers.set(resource, Some(KeyModifier::Value(value)));
            }
            [] => {}
        }
    }

    /// `CSI > resource n`
    pub(super) fn disable_key_modifier(&mut self, params: &Params) {
        self.key_modifiers.set(params.value(0), Some(KeyModifier::Disabled));
    }

    /// XTWINOPS: size reports and title stacks. What would move a window is the viewer's affair.
    pub(super) fn window_operation(&mut self, params: &Params) {
        let (window, icon) = match params.value(1) {
            0 => (true, true),
            1 => (false, true),
            2 => (true, false),
            _ => (false, false),
        };
        match params.value(0) {
            18 => self.report_size(8),
            19 => self.report_size(9),
            22 => {
                if window {
                    self.window_title.push();
                }
                if icon {
                    self.icon_name.push();
                }
            }
            23 => {
                if window {
                    self.window_title.pop();
                }
                if icon {
                    self.icon_name.pop();
                }
            }
            _ => {}
        }
    }
}

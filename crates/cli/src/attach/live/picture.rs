//! How the session's screen gets onto this one: byte by byte where both have the same size, else
//! through a [`Letterbox`].

use quarterdeck_protocol::{ids::Out, limits::MAX_VIEWER_LAG_BYTES, method::Role};
use quarterdeck_screen::{Screen as Model, Size};

use super::Live;
use crate::attach::{
    letterbox::{Hands, Letterbox},
    terminal::Screen,
    view::same_cells,
};

/// Bytes since the last snapshot that are kept to know where the session's text ends; a session that
/// wrote more has filled its screen.
const MAX_TAIL_BYTES: usize = 2 * MAX_VIEWER_LAG_BYTES as usize;

/// How the screen is drawn.
pub(super) enum Picture {
    /// The session's bytes are the terminal's.
    Direct {
        /// What was drawn since the terminal was reset; none when it is too much.
        tail: Option<Vec<u8>>,
    },
    /// The sizes differ.
    Boxed(Box<Boxed>),
}

/// A letterbox and how far its picture is.
pub(super) struct Boxed {
    letterbox: Letterbox,
    frame: Frame,
    /// The model has everything before.
    out: Out,
    /// The last frame has everything before.
    framed: Out,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// The last one shows all.
    Current,
    /// There is something new to draw.
    Due,
}

impl Live<'_> {
    /// Draws what came. There is room: an event is only taken when there is.
    pub(super) fn show(&mut self, screens: Vec<Screen>) {
        for screen in screens {
            match screen {
                Screen::Reset => self.reset_picture(),
                Screen::Draw { bytes, rendered } => self.show_bytes(bytes, rendered),
            }
        }
        self.draw_frame();
    }

    /// The beginning of a snapshot: the sizes decide how to draw from here on.
    fn reset_picture(&mut self) {
        let (session, local) = (self.view.size(), self.view.local());
        let out = self.stream.next();
        self.picture = if same_cells(session, local) {
            Picture::Direct { tail: Some(Vec::new()) }
        } else {
            let letterbox = Letterbox::new(session, local);
            Picture::Boxed(Box::new(Boxed { letterbox, frame: Frame::Due, out, framed: Out(0) }))
        };
        let _ = self.terminal.screen.try_send(Screen::Reset);
    }

    fn show_bytes(&mut self, bytes: bytes::Bytes, rendered: Option<Out>) {
        match &mut self.picture {
            Picture::Direct { tail } => {
                let fits = |tail: &Vec<u8>| tail.len() + bytes.len() <= MAX_TAIL_BYTES;
                *tail = tail.take().filter(fits);
                if let Some(tail) = tail {
                    tail.extend_from_slice(&bytes);
                }
                let _ = self.terminal.screen.try_send(Screen::Draw { bytes, rendered });
            }
            Picture::Boxed(boxed) => {
                let replies = boxed.letterbox.feed(&bytes);
                boxed.out = rendered.unwrap_or(boxed.out);
                boxed.frame = Frame::Due;
                if !replies.is_empty() && self.view.role() == Role::Owner {
                    self.typing.push(&replies);
                }
            }
        }
    }

    /// Draws the next frame, once the one before is on the screen: a slow terminal gets fewer.
    pub(super) fn draw_frame(&mut self) {
        let rendered = *self.terminal.rendered.borrow();
        let hands = match self.view.role() {
            Role::Owner => Hands::On,
            Role::Follower => Hands::Off,
        };
        let caption = self.view.caption();
        let Picture::Boxed(boxed) = &mut self.picture else { return };
        let waiting = boxed.frame == Frame::Current || rendered < boxed.framed;
        if waiting || self.terminal.screen.capacity() < 2 {
            return;
        }
        boxed.frame = Frame::Current;
        boxed.framed = boxed.out;
        let bytes = boxed.letterbox.draw(&caption, hands).into();
        let rendered = Some(boxed.out);
        let _ = self.terminal.screen.try_send(Screen::Draw { bytes, rendered });
        self.draw_notice();
    }

    /// Whether what came is drawn, or on its way to the screen.
    pub(super) const fn is_picture_current(&self) -> bool {
        match &self.picture {
            Picture::Direct { .. } => true,
            Picture::Boxed(boxed) => matches!(boxed.frame, Frame::Current),
        }
    }

    /// Draws everything again without the relay, where that is possible.
    pub(super) fn repaint(&mut self) {
        match &mut self.picture {
            Picture::Direct { .. } => self.redraw(),
            Picture::Boxed(boxed) => {
                boxed.letterbox.invalidate();
                boxed.frame = Frame::Due;
                self.draw_frame();
            }
        }
    }

    /// The last row of this screen that the session has written on, counted from 1.
    pub(super) fn last_row(&self) -> Option<u16> {
        let size = self.view.size();
        match &self.picture {
            Picture::Direct { tail } => {
                let mut model = Model::new(Size { cols: size.cols, rows: size.rows });
                model.feed(tail.as_ref()?);
                let text = model.text();
                let used = text.lines().enumerate().filter(|(_, row)| !row.is_empty()).last();
                let cursor = model.cursor();
                // an empty row with the cursor at its beginning is where the shell can go on
                let typing_on = (cursor.col > 0).then_some(usize::from(cursor.row));
                let last = used.map(|(row, _)| row).max(typing_on)?;
                u16::try_from(last + 1).ok()
            }
            Picture::Boxed(boxed) => Some(boxed.letterbox.rows()),
        }
    }
}

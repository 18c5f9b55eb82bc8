//! A link as a QR code in the terminal.

use qrcode::{QrCode, render::unicode::Dense1x2, types::QrError};

use crate::output::style::Styles;

/// Black on white, whatever the terminal's colours are.
const BLACK_ON_WHITE: &str = "\x1b[30;107m";
const RESET: &str = "\x1b[0m";

/// Two rows of the code in one line of text. Without colours the light parts are drawn, as most terminals
/// are dark; cameras read the other way round too.
pub(crate) fn text(url: &str, styles: Styles) -> Result<String, QrError> {
    let code = QrCode::new(url)?;
    let mut renderer = code.render::<Dense1x2>();
    if styles == Styles::PLAIN {
        renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
        return Ok(renderer.build() + "\n");
    }
    let drawn = renderer.build();
    Ok(drawn.lines().map(|line| format!("{BLACK_ON_WHITE}{line}{RESET}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://192.168.1.20:7718/#login=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

    #[test]
    fn a_code_fits_into_eighty_columns_and_has_its_quiet_zone() {
        let text = text(URL, Styles::PLAIN).expect("fits");
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0] && *width <= 80), "{widths:?}");
        assert!(widths.len() * 2 >= widths[0] && widths.len() <= 24 + 4, "{}", widths.len());
        let first = text.lines().next().expect("a line");
        assert!(first.chars().all(|cell| cell == '█'), "four light modules around it: {first}");
    }

    #[test]
    fn with_colours_it_is_black_on_white_line_by_line() {
        let text = text(URL, Styles::COLORED).expect("fits");
        assert!(text.lines().all(|line| line.starts_with(BLACK_ON_WHITE) && line.ends_with(RESET)));
    }

    #[test]
    fn a_link_that_fits_into_no_code_is_an_error() {
        assert!(text(&"x".repeat(10_000), Styles::PLAIN).is_err());
    }
}

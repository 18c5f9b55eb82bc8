//! The numbers of a CSI or DCS sequence, with their colon-separated parts.

/// Parameters of one sequence; more are ignored, as in xterm.js.
const MAX_PARAMS: usize = 32;
/// Colon-separated parts of one sequence, over all its parameters.
const MAX_PARTS: usize = 32;
/// Largest value of a parameter.
const MAX_VALUE: i32 = i32::MAX;
/// A part that was left empty (`4::3`).
pub(crate) const ABSENT: i32 = -1;

/// Parameters as they arrive. There is always at least one, and an empty parameter reads 0.
#[derive(Debug, Clone)]
pub(crate) struct Params {
    values: [i32; MAX_PARAMS],
    length: usize,
    parts: [i32; MAX_PARTS],
    parts_length: usize,
    /// First part of each parameter; the parts of one end where those of the next begin.
    first_part: [u8; MAX_PARAMS],
    target: Target,
}

/// Where the next digit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Value,
    Part,
    /// There were too many parameters or parts: digits are lost up to the next separator.
    Nowhere,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            values: [0; MAX_PARAMS],
            length: 1,
            parts: [0; MAX_PARTS],
            parts_length: 0,
            first_part: [0; MAX_PARAMS],
            target: Target::Value,
        }
    }
}

impl Params {
    /// Back to one parameter with the value 0.
    pub(crate) fn clear(&mut self) {
        self.values[0] = 0;
        self.length = 1;
        self.parts_length = 0;
        self.first_part[0] = 0;
        self.target = Target::Value;
    }

    /// Takes a digit, `;` or `:`.
    pub(crate) fn push(&mut self, byte: u8) {
        match byte {
            b';' => self.push_value(),
            b':' => self.push_part(),
            _ => self.push_digit(i32::from(byte) - i32::from(b'0')),
        }
    }

    fn push_value(&mut self) {
        if self.length == MAX_PARAMS {
            self.target = Target::Nowhere;
            return;
        }
        self.values[self.length] = 0;
        self.first_part[self.length] = self.parts_length as u8;
        self.length += 1;
        self.target = Target::Value;
    }

    fn push_part(&mut self) {
        let full = self.parts_length == MAX_PARTS || self.length == MAX_PARAMS;
        if full || self.target == Target::Nowhere {
            self.target = Target::Nowhere;
            return;
        }
        self.parts[self.parts_length] = ABSENT;
        self.parts_length += 1;
        self.target = Target::Part;
    }

    fn push_digit(&mut self, digit: i32) {
        let slot = match self.target {
            Target::Value => &mut self.values[self.length - 1],
            Target::Part => &mut self.parts[self.parts_length - 1],
            Target::Nowhere => return,
        };
        let value = if *slot == ABSENT { 0 } else { *slot };
        *slot = value.checked_mul(10).and_then(|tens| tens.checked_add(digit)).unwrap_or(MAX_VALUE);
    }

    /// All parameters without their parts.
    pub(crate) fn values(&self) -> &[i32] {
        &self.values[..self.length]
    }

    /// The parameter at `index`, 0 where there is none.
    pub(crate) fn value(&self, index: usize) -> i32 {
        self.values().get(index).copied().unwrap_or(0)
    }

    /// The parameter at `index` as a count: 0 and none mean 1.
    pub(crate) fn count(&self, index: usize) -> usize {
        self.value(index).max(1) as usize
    }

    /// The parts after the parameter at `index`.
    pub(crate) fn parts(&self, index: usize) -> &[i32] {
        if index >= self.length {
            return &[];
        }
        let first = usize::from(self.first_part[index]);
        let end = if index + 1 < self.length {
            usize::from(self.first_part[index + 1])
        } else {
            self.parts_length
        };
        &self.parts[first..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Params {
        let mut params = Params::default();
        for byte in text.bytes() {
            params.push(byte);
        }
        params
    }

    #[test]
    fn empty_parameters_read_zero_and_count_one() {
        let params = parse(";5;");
        assert_eq!(params.values(), [0, 5, 0]);
        assert_eq!((params.count(0), params.count(1), params.count(9)), (1, 5, 1));
    }

    #[test]
    fn parts_belong_to_their_parameter() {
        let params = parse("4:3;38:2::1:22:3;1");
        assert_eq!(params.values(), [4, 38, 1]);
        assert_eq!(params.parts(0), [3]);
        assert_eq!(params.parts(1), [2, ABSENT, 1, 22, 3]);
        assert!(params.parts(2).is_empty());
    }

    #[test]
    fn too_many_and_too_large_numbers_are_bounded() {
        let params = parse(&format!("99999999999{}", ";7".repeat(100)));
        assert_eq!(params.value(0), MAX_VALUE);
        assert_eq!(params.values().len(), MAX_PARAMS);
        assert_eq!(params.value(MAX_PARAMS - 1), 7);
        assert_eq!(parse(&":1".repeat(100)).parts(0).len(), MAX_PARTS);
    }
}

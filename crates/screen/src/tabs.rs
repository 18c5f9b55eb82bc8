//! Tab stops of one screen.

/// Columns between stops at the start.
const INTERVAL: usize = 8;

/// One flag per column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tabs(Vec<bool>);

impl Tabs {
    pub(crate) fn new(columns: usize) -> Self {
        Self((0..columns).map(|x| x % INTERVAL == 0).collect())
    }

    pub(crate) fn set(&mut self, x: usize) {
        if let Some(stop) = self.0.get_mut(x) {
            *stop = true;
        }
    }

    pub(crate) fn clear(&mut self, x: usize) {
        if let Some(stop) = self.0.get_mut(x) {
            *stop = false;
        }
    }

    pub(crate) fn clear_all(&mut self) {
        self.0.fill(false);
    }

    /// The columns that have a stop.
    pub(crate) fn stops(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter_map(|(x, &stop)| stop.then_some(x))
    }

    /// The stop right of `x`, or the last column.
    pub(crate) fn after(&self, x: usize) -> usize {
        let next = (x + 1..self.0.len()).find(|&x| self.0[x]);
        next.unwrap_or(self.0.len() - 1)
    }

    /// The stop left of `x`, or the first column.
    pub(crate) fn before(&self, x: usize) -> usize {
        (0..x.min(self.0.len())).rev().find(|&x| self.0[x]).unwrap_or(0)
    }

    /// New columns get stops at the interval, counted from the last stop that is left.
    pub(crate) fn resize(&mut self, columns: usize) {
        self.0.resize(columns, false);
        let last = self.before(columns);
        for x in (last..columns).step_by(INTERVAL) {
            self.0[x] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_found_in_both_directions() {
        let mut tabs = Tabs::new(20);
        assert_eq!((tabs.after(0), tabs.after(8), tabs.after(16)), (8, 16, 19));
        assert_eq!((tabs.before(20), tabs.before(8), tabs.before(0)), (16, 0, 0));
        tabs.clear(8);
        tabs.set(3);
        tabs.set(99);
        assert_eq!(tabs.stops().collect::<Vec<_>>(), [0, 3, 16]);
        tabs.clear_all();
        assert_eq!((tabs.after(0), tabs.before(9)), (19, 0));
    }

    #[test]
    fn new_columns_continue_the_interval() {
        let mut tabs = Tabs::new(10);
        tabs.resize(30);
        assert_eq!(tabs, Tabs::new(30));
        tabs.resize(4);
        assert_eq!(tabs, Tabs::new(4));
        let mut one = Tabs::new(1);
        one.resize(9);
        assert_eq!(one, Tabs::new(9));
    }
}

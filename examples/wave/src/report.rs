//! What the program says at the end.

use std::fmt;
use std::time::Duration;

use indicatif::HumanCount;
use wave::Domain;

/// The report.
pub struct Report<'a> {
    pub domain: &'a Domain,
    pub steps: u32,
    /// How long the steps took, without pictures.
    pub took: Duration,
    /// By the actors, layer by layer.
    pub cells: &'a [f32],
    /// By the CPU.
    pub expected: &'a [f32],
}

impl Report<'_> {
    /// The first cell whose value is not the CPU's.
    pub fn difference(&self) -> Option<usize> {
        self.cells.iter().zip(self.expected).position(|(value, expected)| value.to_bits() != expected.to_bits())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let per_second = |count: usize| HumanCount((count as f64 * f64::from(self.steps) / seconds) as u64);
        writeln!(
            f,
            "{} steps, {:.1} ms: {} steps/s, {} cells/s, {} faces/s",
            self.steps,
            seconds * 1e3,
            per_second(1),
            per_second(self.domain.cells()),
            per_second(self.domain.faces())
        )?;
        match self.difference() {
            None => write!(f, "equal to the CPU's, bit for bit"),
            Some(cell) => write!(
                f,
                "not equal to the CPU's: the first is cell {:?}, {} by its actor, {} by the CPU",
                Domain::place(cell, self.domain.size()),
                self.cells[cell],
                self.expected[cell]
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wave::Walls;
    use wave_actors::Pulse;

    #[test]
    fn a_difference_is_told() {
        let domain = Domain { tiles: 1, walls: Walls::Fixed, pulse: Pulse::point([0; 3]) };
        let mut cells = vec![0.0; domain.cells()];
        let expected = cells.clone();
        // Equal as numbers.
        cells[75] = -0.0;
        let report = Report { domain: &domain, steps: 1, took: Duration::from_secs(1), cells: &cells, expected: &expected };
        assert_eq!(report.difference(), Some(75));
        let text = report.to_string();
        assert!(text.contains("the first is cell [3, 1, 1], -0 by its actor, 0 by the CPU"), "{text}");
    }
}
